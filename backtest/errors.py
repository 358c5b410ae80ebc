"""Errors of the backtest package.

WayfoldError
└── BacktestError
    ├── FoldError      folds overlap, leak or do not fit the data
    ├── EngineError    bars, targets or rules the engine cannot take
    │   └── RefusedError   an account of a pool cannot do what was decided
    ├── MetricError    a metric was given returns, equity or settings it cannot take
    ├── RunError       a run record is missing, damaged or unfinished
    └── LintError      a table of features or a model is built in a way that cannot be honest
        ├── FeatureLeakError     a feature is not known when its target is forecast
        ├── ScalerLeakError      a scaler has seen rows outside the training window
        └── BoundedOutputError   a model of a level cannot leave the range it was trained on
"""

from data.errors import WayfoldError


class BacktestError(WayfoldError):
    """A backtest cannot go on."""


class FoldError(BacktestError):
    """Folds overlap, leak or do not fit the data."""


class EngineError(BacktestError):
    """The engine was given bars, targets or rules it cannot take."""


class RefusedError(EngineError):
    """An account of a pool cannot do what was decided; ``rebalance`` turns it into a refused action that says why."""


class MetricError(BacktestError):
    """A metric was given returns, equity or settings it cannot take."""


class RunError(BacktestError):
    """A run record is missing, damaged or unfinished."""


class LintError(BacktestError):
    """A table of features or a model is built in a way that cannot be honest."""


class FeatureLeakError(LintError):
    """A feature is not known when its target is forecast."""


class ScalerLeakError(LintError):
    """A scaler has seen rows outside the training window."""


class BoundedOutputError(LintError):
    """A model of a level cannot leave the range it was trained on."""
