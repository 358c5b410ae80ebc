"""The source paper's three goals under the plain curve and under a quote anchored to a reference price, in a simulated pool.

    python scripts/studies/amm_anchored_quote.py

The world is the usual one of the simulator over 30 days of a random walk of 60 % volatility a year; ranges are passive. What
"anchored" means is our reading of an abstract (``data.amm.anchored_quote``): no finding about markets, and no table of the paper.
"""

import math

import numpy as np

from data.amm.anchored_quote import QuoteGoals, compare_quotes
from data.amm.pool import LOG_TICK, tick_of
from data.amm.simulator import Simulation, reference_of, simulate
from data.amm.world import PoolWorld

DAYS, VOLATILITY = 30, 0.6
WIDTHS = (math.inf, 1.0, 0.25)
LATE = (0, 1, 5)
"""Looks, five minutes apart, by which the anchored quote sees the reference late."""


def made_world(days: int = DAYS, seed: int = 7) -> Simulation:
    """Return the usual world around a random walk."""
    scale = VOLATILITY / math.sqrt(24 * 365.25)
    moves = np.random.default_rng(seed).normal(-(scale**2) / 2, scale, 24 * days)
    closes = 2000 * np.exp(np.concatenate([[0.0], np.cumsum(moves)]))
    times = np.datetime64("2022-01-01", "ns") + np.timedelta64(1, "h") * np.arange(24 * days + 1)
    return simulate(PoolWorld(), reference_of(times, closes, VOLATILITY))


def ticks_around(made: Simulation, width: float) -> tuple[int, int]:
    """Return a range whose upper price is 1 + width times its lower one, around the first reference price."""
    if math.isinf(width):
        return made.log.pool.full_range
    middle, half = tick_of(float(made.look_roots[0])), 0.5 * math.log1p(width) / LOG_TICK
    return made.log.pool.range_around(middle - half, middle + half)


def line(width: float, late: int | None, goals: QuoteGoals) -> str:
    """Return a row of the table."""
    name = goals.quote if late is None else f"{goals.quote}, {5 * late} min"
    return (
        f"{'full' if math.isinf(width) else f'{width:.0%}':<8}{name:<18}{goals.divergence_loss:>+11.2%}{goals.slippage_bps:>10.1f}"
        f"{goals.capital_efficiency:>12.2f}{goals.fees:>9.2%}{goals.loss:>+9.2%}{goals.trader_cost_bps:>12.1f}{goals.unfilled:>10.1%}"
    )


def table(made: Simulation) -> str:
    """Return the goals of every width under both quotes as text."""
    head = (
        ("width", "quote, late"),
        ("divergence", "slip, bp", "efficiency", "fees", "loss", "cost, bp", "unfilled"),
    )
    lines = [f"{head[0][0]:<8}{head[0][1]:<18}" + "".join(f"{name:>{size}}" for name, size in zip(head[1], (11, 10, 12, 9, 9, 12, 10), strict=True))]  # fmt: skip
    for width in WIDTHS:
        ticks = ticks_around(made, width)
        compared = [(late, compare_quotes(made, ticks, late)) for late in LATE]
        lines.append(line(width, None, compared[0][1][0]))
        lines += [line(width, late, anchored) for late, (_, anchored) in compared]
    return "\n".join(lines)


if __name__ == "__main__":
    print(table(made_world()))
