"""Automated market makers: pool mathematics, event logs and their replay, exact in integers and fast in floats."""
