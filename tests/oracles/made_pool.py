"""Pools of made returns: candidates whose skill is known, on a clock that never closes."""

from dataclasses import dataclass

import numpy as np

from backtest.selection.estimators.base import Replay
from backtest.selection.pool import AbstractRefits, Candidate, NoRefits, Pool

Q = 365.25


@dataclass(frozen=True)
class Constant(AbstractRefits):
    """Every extra is one path of the same utility."""

    value: float

    def replay(self, need: str, until: np.datetime64) -> Replay:
        return Replay(np.full((1, 40), self.value))


def made_pool(
    returns: np.ndarray,
    *,
    fold: int = 40,
    benchmark: np.ndarray | None = None,
    refits: AbstractRefits | None = None,
) -> Pool:
    """A pool of (T, N) returns whose first period is unknown, folds of ``fold`` bars, and a flat benchmark."""
    bars, count = returns.shape
    times = np.datetime64("2020-01-01", "ns") + np.timedelta64(1, "D") * np.arange(bars)
    known = returns.copy()
    known[0] = np.nan
    beside = np.zeros(bars) if benchmark is None else benchmark.copy()
    beside[0] = np.nan
    regime = np.random.default_rng(99).normal(size=(bars, 2))
    return Pool(
        times=times,
        periods_per_year=Q,
        candidates=tuple(
            Candidate(f"c{i:02d}", 1.0, known[:, i], refits or NoRefits()) for i in range(count)
        ),
        benchmark=beside,
        folds=np.where(np.arange(bars) == 0, -1, (np.arange(bars) - 1) // fold),
        dates=times[:-1:fold],
        regime=regime,
    )


def noise(seed: int, bars: int = 641, count: int = 8, drift: float = 0.0) -> np.ndarray:
    """Returns without any skill: student-t shocks with a common part and volatility that comes in waves."""
    rng = np.random.default_rng(seed)
    common, own = rng.standard_t(5, bars), rng.standard_t(5, (bars, count))
    wave = np.exp(0.4 * np.sin(np.arange(bars) / 40.0))
    return np.asarray(drift + 0.006 * wave[:, None] * (0.5 * common[:, None] + own))
