"""Sources: where bars come from."""
