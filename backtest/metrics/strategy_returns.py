"""Strategy returns: several strategies over the same periods beside the benchmark they have to beat."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from backtest.errors import MetricError
from backtest.metrics.returns import LEAST_INFERENCE, NOISE
from data.panel import Floats, Times, read_only


@dataclass(frozen=True, eq=False)
class StrategyReturns:
    """Net simple returns of N strategies and one benchmark over the same T periods.

    Tests of many strategies take this value and no bare array, because a matrix turned on its side would give a number.

    Attributes:
        times: (T,) ends of the periods, strictly increasing, T >= 20.
        names: N distinct names.
        values: (T, N) net simple returns, finite, at least -1.
        benchmark: (T,) returns of the benchmark, zeros for cash that earns nothing.

    Raises:
        MetricError: when shapes disagree, times are unsorted, names repeat, or a return is not finite or below -1.
    """

    times: Times
    names: tuple[str, ...]
    values: Floats
    benchmark: Floats

    def __post_init__(self) -> None:
        values = np.array(self.values, dtype=np.float64)
        benchmark = np.array(self.benchmark, dtype=np.float64)
        _check_shapes(len(self.times), self.names, values, benchmark)
        if not (np.diff(np.asarray(self.times)) > np.timedelta64(0)).all():
            raise MetricError("times were not strictly increasing; sorted periods without repeats are needed")
        for name, column in zip(
            (*self.names, "benchmark"), np.column_stack([values, benchmark]).T, strict=True
        ):
            _check_column(name, column)
        object.__setattr__(self, "values", read_only(values))
        object.__setattr__(self, "benchmark", read_only(benchmark))

    @property
    def differentials(self) -> Floats:
        """Returns above the benchmark, (T, N): the benchmark's loss less the strategy's, with loss = -return."""
        return np.asarray(self.values - self.benchmark[:, None])

    @property
    def is_constant(self) -> npt.NDArray[np.bool_]:
        """(N,) whether a strategy never differs from the benchmark by more than a constant."""
        return np.asarray(np.ptp(self.differentials, axis=0) <= NOISE)

    def only(self, kept: npt.NDArray[np.bool_]) -> "StrategyReturns":
        """Return the strategies marked in ``kept`` (N,)."""
        names = tuple(name for name, keep in zip(self.names, kept, strict=True) if keep)
        return StrategyReturns(self.times, names, self.values[:, kept], self.benchmark)


def strategy_returns(returns: pd.DataFrame, benchmark: pd.Series) -> StrategyReturns:
    """Return the strategies of a frame with one row a period and one column a strategy.

    Args:
        returns: T x N net simple returns; the index is times, the columns are the strategies' names.
        benchmark: T net simple returns on the same index.

    Raises:
        MetricError: when the frame is not one, has times as columns (it is N x T) or no times as index, or the benchmark
            is on another index; and as ``StrategyReturns``.
    """
    if not (isinstance(returns, pd.DataFrame) and isinstance(benchmark, pd.Series)):
        raise MetricError(
            f"returns were {type(returns).__name__} and {type(benchmark).__name__}; a frame whose index is times and "
            "whose columns are names is needed, and a series on the same index"
        )
    if returns.columns.dtype.kind == "M":
        raise MetricError(
            f"returns have times as columns, shape {returns.shape}; they are N x T, pass their transpose"
        )
    if returns.index.dtype.kind != "M":
        raise MetricError(
            f"the index of returns was {returns.index.dtype}; times are needed, one row a period"
        )
    if not returns.index.equals(benchmark.index):
        raise MetricError(
            f"the benchmark has {len(benchmark)} periods on another index; it needs that of the returns"
        )
    names = tuple(str(name) for name in returns.columns)
    times = returns.index.to_numpy("datetime64[ns]")
    return StrategyReturns(times, names, returns.to_numpy(np.float64), benchmark.to_numpy(np.float64))


def require_variation(strategies: StrategyReturns) -> None:
    """Refuse strategies that equal the benchmark up to a constant: they have no Sharpe ratio against it.

    Raises:
        MetricError: naming the first one.
    """
    if strategies.is_constant.any():
        name = strategies.names[int(np.flatnonzero(strategies.is_constant)[0])]
        raise MetricError(
            f"strategy '{name}' differs from the benchmark by a constant; it cannot be tested against it"
        )


def _check_shapes(periods: int, names: tuple[str, ...], values: Floats, benchmark: Floats) -> None:
    if values.shape != (periods, len(names)) or benchmark.shape != (periods,):
        raise MetricError(
            f"returns have shape {values.shape} and the benchmark {benchmark.shape}; "
            f"{(periods, len(names))} and {(periods,)} are needed: one row a period, one column a strategy"
        )
    if not names or len(set(names)) < len(names):
        raise MetricError(f"names were {list(names)[:9]}; at least one strategy and no repeats are needed")
    if periods < LEAST_INFERENCE:
        raise MetricError(f"there were {periods} periods; at least {LEAST_INFERENCE} are needed for a test")


def _check_column(name: str, column: Floats) -> None:
    wrong = ~(np.isfinite(column) & (column >= -1))
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        raise MetricError(
            f"return of '{name}' at row {row} was {column[row]}; finite values of at least -1 are needed"
        )
