"""From forecasts to decisions, fills, equity, scores and reports."""
