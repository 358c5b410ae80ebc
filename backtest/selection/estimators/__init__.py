"""Estimators: what a strategy will be worth, judged by what was known at its deployment."""
