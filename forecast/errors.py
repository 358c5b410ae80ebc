"""Errors of the forecast package.

WayfoldError
└── ForecastError
    ├── FitError       a model cannot be fitted to this history
    │   └── TrainingError  a network's training failed, or was asked for what it cannot do
    ├── LevelError     a quantile level was not forecast
    └── CheckFailure   a model or pipeline breaks its contract
"""

from data.errors import WayfoldError


class ForecastError(WayfoldError):
    """A forecast or model breaks its invariants."""


class FitError(ForecastError):
    """A model cannot be fitted to this history."""


class TrainingError(FitError):
    """A network's training failed, or was asked for what it cannot do."""


class LevelError(ForecastError):
    """A quantile level was not forecast."""


class CheckFailure(ForecastError):  # noqa: N818 - a verdict on a model, not a misuse
    """A model or pipeline breaks its contract."""
