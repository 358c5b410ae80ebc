"""Metrics: pure functions of arrays under one convention table."""
