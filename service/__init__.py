"""Everything that touches clock, network, environment, database or a person."""

import forecast  # noqa: F401 (stops with a plain sentence when another package named 'data' is in front of ours)
