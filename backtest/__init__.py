"""From forecasts to decisions, fills, equity, scores and reports."""

import forecast as _forecast

__all__: list[str] = []
assert _forecast
