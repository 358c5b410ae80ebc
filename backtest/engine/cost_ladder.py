"""Cost ladder: what the same decisions would have earned under other costs."""

import math
from collections.abc import Sequence

import pandas as pd

from backtest.costs import AbstractCosts
from backtest.engine.bars import Bars
from backtest.engine.role import AbstractEngine
from backtest.errors import EngineError
from backtest.metrics.growth import cagr
from backtest.metrics.ratios import sharpe
from backtest.metrics.returns import returns_from_equity, until_ruin
from data.panel import Floats

TOLERANCE_BPS = 1e-3
"""How exactly the break-even is found; units are whole, so the return itself moves in steps."""


def cost_ladder(
    bars: Bars,
    spec: AbstractEngine,
    costs: AbstractCosts,
    periods_per_year: float,
    targets: Floats,
    multipliers: Sequence[float] = (0, 1, 2, 4),
) -> pd.DataFrame:
    """Return one row a multiplier: multiplier, final_equity, total_return, cagr, sharpe (NaN where not defined).

    The target weights are fixed: they are those decided under the real costs, only the account is run again from its
    capital. A policy that knew the other costs would have decided otherwise.

    Args:
        bars: the whole period.
        spec: the engine's rules.
        costs: multiplied, borrow fees too.
        periods_per_year: bars in a year.
        targets: (T, S) weights decided at each close, NaN = leave.
        multipliers: 0 or more each.

    Raises:
        EngineError: when a multiplier is negative, or there are no bars.
    """
    if min(multipliers, default=0.0) < 0:
        raise EngineError(f"cost multiplier was {min(multipliers)}; allowed: 0 or more")
    rows = []
    for multiplier in multipliers:
        curve = _equity(bars, spec, costs.scaled(multiplier), periods_per_year, targets)
        known = until_ruin(curve)
        defined = len(known) > 1 and known[0] > 0
        returns = returns_from_equity(known, periods_per_year) if defined else None
        rows.append(
            {
                "multiplier": float(multiplier),
                "final_equity": float(curve[-1]),
                "total_return": float(curve[-1]) / spec.capital - 1.0,
                "cagr": math.nan if returns is None else cagr(returns).value,
                "sharpe": math.nan if returns is None else sharpe(returns).value,
            }
        )
    return pd.DataFrame(rows)


def break_even_bps(
    bars: Bars, spec: AbstractEngine, costs: AbstractCosts, periods_per_year: float, targets: Floats
) -> float | None:
    """Return the extra one-way cost, in bps of traded value, at which the net total return is zero.

    Found by doubling and then halving at fixed target weights, from the account's capital.

    Returns:
        None ("n/a") when the return is not above zero to begin with, or when no extra cost below 100 % brings it to
        zero (an account that hardly trades).
    """

    def gain(extra: float) -> float:
        return (
            float(_equity(bars, spec, costs.with_extra(extra), periods_per_year, targets)[-1]) - spec.capital
        )

    if gain(0.0) <= 0:
        return None
    most = 10_000.0 - costs.one_way_bps - costs.impact_bps - 1.0
    low, high = 0.0, min(1.0, most)
    while gain(high) > 0:
        if high >= most:
            return None
        low, high = high, min(2.0 * high, most)
    while high - low > TOLERANCE_BPS:
        middle = 0.5 * (low + high)
        low, high = (middle, high) if gain(middle) > 0 else (low, middle)
    return 0.5 * (low + high)


def _equity(
    bars: Bars, spec: AbstractEngine, costs: AbstractCosts, periods_per_year: float, targets: Floats
) -> Floats:
    if not len(bars):
        raise EngineError("there are no bars; a cost ladder needs at least one")
    return spec.replay(bars, costs, periods_per_year, targets).equity
