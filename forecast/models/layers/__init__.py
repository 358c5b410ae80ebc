"""Parts that the long-horizon networks share, one idea a file."""
