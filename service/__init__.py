"""Everything that touches clock, network, environment, database or a person."""
