"""Sweeps: many settings of one experiment run at once, each counted as a trial."""
