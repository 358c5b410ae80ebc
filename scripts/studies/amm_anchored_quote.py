"""The source paper's three goals under the plain curve and under a quote anchored to a reference price, in a simulated pool.

    python scripts/studies/amm_anchored_quote.py

Means of eight worlds: the simulator's usual one over 30 days of a random walk of 60 % volatility a year; ranges are passive. What
"anchored" means is our reading of an abstract (``data.amm.anchored_quote``): no finding about markets, and no table of the paper.
"""

import math
from dataclasses import fields

import numpy as np

from data.amm.anchored_quote import QuoteGoals, compare_quotes
from data.amm.pool import LOG_TICK, tick_of
from data.amm.simulator import Simulation, reference_of, simulate
from data.amm.world import PoolWorld

DAYS, VOLATILITY, WORLDS = 30, 0.6, 8
WIDTHS = (math.inf, 1.0, 0.25)
LATE = (0, 1, 5)
"""Looks, five minutes apart, by which the anchored quote sees the reference late."""


def made_world(seed: int, days: int = DAYS) -> Simulation:
    """Return the usual world around a random walk."""
    scale = VOLATILITY / math.sqrt(24 * 365.25)
    moves = np.random.default_rng(seed).normal(-(scale**2) / 2, scale, 24 * days)
    closes = 2000 * np.exp(np.concatenate([[0.0], np.cumsum(moves)]))
    times = np.datetime64("2022-01-01", "ns") + np.timedelta64(1, "h") * np.arange(24 * days + 1)
    return simulate(PoolWorld(seed=seed), reference_of(times, closes, VOLATILITY))


def ticks_around(made: Simulation, width: float) -> tuple[int, int]:
    """Return a range whose upper price is 1 + width times its lower one, around the first reference price."""
    if math.isinf(width):
        return made.log.pool.full_range
    middle, half = tick_of(float(made.look_roots[0])), 0.5 * math.log1p(width) / LOG_TICK
    return made.log.pool.range_around(middle - half, middle + half)


def mean_of(each: list[QuoteGoals]) -> QuoteGoals:
    """Return the goals of one quote averaged over worlds."""
    names = [column.name for column in fields(QuoteGoals) if column.name != "quote"]
    means = {name: float(np.mean([getattr(goals, name) for goals in each])) for name in names}
    return QuoteGoals(each[0].quote, **means)


def rows(worlds: list[Simulation]) -> list[tuple[str, str, QuoteGoals]]:
    """Return width, quote and goals of every width under both quotes."""
    found = []
    for width in WIDTHS:
        name = "full" if math.isinf(width) else f"{width:.0%}"
        for late in LATE:
            compared = [compare_quotes(made, ticks_around(made, width), late) for made in worlds]
            curve, anchored = (mean_of(list(each)) for each in zip(*compared, strict=True))
            if late == LATE[0]:
                found.append((name, "curve", curve))
            found.append((name, f"anchored, {5 * late} min", anchored))
    return found


def table(worlds: list[Simulation]) -> str:
    """Return the goals as text."""
    lines = [
        f"{'width':<8}{'quote, late':<18}{'divergence':>11}{'slip, bp':>10}{'efficiency':>12}{'fees':>8}{'loss':>8}{'cost, bp':>10}{'unfilled':>10}"
    ]
    for width, quote, goals in rows(worlds):
        lines.append(
            f"{width:<8}{quote:<18}{goals.divergence_loss:>+11.2%}{goals.slippage_bps:>10.1f}{goals.capital_efficiency:>12.2f}"
            f"{goals.fees:>8.2%}{goals.loss:>+8.2%}{goals.trader_cost_bps:>10.1f}{goals.unfilled:>10.1%}"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    print(table([made_world(seed) for seed in range(WORLDS)]))
