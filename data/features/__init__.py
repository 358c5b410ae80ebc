"""Features: causal pure functions of a panel."""
