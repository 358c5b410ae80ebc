"""Retraining: when a model is fitted again, on how much, and what was known when that was decided."""
