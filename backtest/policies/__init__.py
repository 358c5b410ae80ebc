"""Policies: from forecasts to target weights."""
