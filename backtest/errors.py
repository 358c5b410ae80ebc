"""Errors of the backtest package.

WayfoldError
└── BacktestError
    ├── FoldError      folds overlap, leak or do not fit the data
    ├── EngineError    bars, targets or rules the engine cannot take
    ├── MetricError    a metric was given returns, equity or settings it cannot take
    └── RunError       a run record is missing, damaged or unfinished
"""

from data.errors import WayfoldError


class BacktestError(WayfoldError):
    """A backtest cannot go on."""


class FoldError(BacktestError):
    """Folds overlap, leak or do not fit the data."""


class EngineError(BacktestError):
    """The engine was given bars, targets or rules it cannot take."""


class MetricError(BacktestError):
    """A metric was given returns, equity or settings it cannot take."""


class RunError(BacktestError):
    """A run record is missing, damaged or unfinished."""
