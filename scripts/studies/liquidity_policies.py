"""What each liquidity policy makes against holding on WBTC/WETH 0.3 %, window by window, beside reference rows.

The reference has 23 windows of 30 days on the block clock, 100 WETH, 0.02 WETH a rebalance, 0.35 % on half of the account for
its conversion, free opening, ranges at any tick, and fees by event-L: the fee of every swap that ends inside the range, shared by the
liquidity which that swap reports. Two of its conventions had to be found out, since only they reproduce its passive rows: a
range of "width w" spans (1 + w)**(+-1/2) of the *root* price, so (1 + w)**2 in price; and a day has 6,450 blocks.

Here fees follow the path, the exact imbalance is converted, ranges lie on the tick spacing, opening costs its gas, the price is
looked at every hour, and what is decided is done at the next swap 12 seconds later. The first table keeps the reference's windows, the
others have 6,576 blocks a day.
"""

import argparse
import time
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from backtest.amm.desk import ForecastDesk
from backtest.amm.policies.base import LIQUIDITY_POLICIES, AbstractLiquidityPolicy
from backtest.amm.ranges import liquidity_per_value
from backtest.amm.terms import PoolCosts, PoolTerms
from backtest.amm.walk import Forecast, LiquidityLane, Played, play, pool_log
from backtest.amm.windows import Span, first_priced
from data.amm.pool import Pool
from data.history import History
from data.panel import Floats
from data.sources.pool_files import PoolSwapsSource
from forecast.liquidity import LIQUIDITY_FORECASTERS

CAPITAL, COUNT, BARS = 100.0, 23, 720
REFERENCE_BARS = BARS * 6450 / 6576
TRAIN, EMBARGO = 5, 24
COSTS = PoolCosts(mint_gas=0.01, burn_gas=0.01, swap_gas=0.0, conversion_fee=0.0035, impact=False)
"""The reference's: 0.02 WETH of gas for a move, 0.35 % of what is converted."""

Config = dict[str, Any]


class Row(NamedTuple):
    """One line: a policy, and what the reference says of it in basis points a window, with its standard error."""

    config: Config
    net: float = float("nan")
    error: float = float("nan")


def in_price(width: float) -> float:
    """Return upper over lower price, less one, of a range the reference calls ``width`` percent wide."""
    return (1.0 + width / 100.0) ** 2 - 1.0


REFERENCE: Mapping[str, Row] = {
    "full range": Row({"kind": "full_range"}, 2.4, 3.5),
    **{
        f"static {width:g} %": Row({"kind": "static", "width": in_price(width)}, net, error)
        for width, net, error in ((5, -115, 67), (10, -55, 58), (25, 16, 34), (50, 13, 19))
    },
    **{
        f"recentre {width:g} %": Row({"kind": "recentre", "width": in_price(width)}, net, error)
        for width, net, error in ((2.5, -329, 92), (5, -221, 75), (10, -125, 64), (20, -76, 40))
    },
    **{
        f"vol band k={k:g}": Row({"kind": "volatility_band", "multiple": k}, net, error)
        for k, net, error in ((2.0, -164, 65), (4.0, -97, 44))
    },
}

OTHERS: Mapping[str, Row] = {
    "hold": Row({"kind": "hold"}),
    **{f"vol band k={k:g}": Row({"kind": "volatility_band", "multiple": k}) for k in (2.0, 4.0, 8.0, 16.0)},
    **{
        f"{name} {100 * width:g} %": Row({"kind": kind, "width": width})
        for name, kind in (("static", "static"), ("recentre", "recentre"), ("passive", "passive_rebalance"))
        for width in (0.1, 0.25, 0.5, 1.0)
    },
    **{f"tau {tau} of 25 %": Row({"kind": "tau_reset", "tau": tau}) for tau in (600, 1200, 2400)},
    "oracle, window (bound)": Row({"kind": "oracle_width"}),
    "oracle, daily (bound)": Row({"kind": "oracle_width", "every": 24}),
}

MODELS = ("har", "weekly_mean", "garch_normal")

PLANS: Mapping[str, Row] = {
    "full range": Row({"kind": "full_range"}),
    "static 50 %": Row({"kind": "static", "width": 0.5}),
    "recentre 50 %": Row({"kind": "recentre", "width": 0.5}),
    **{
        f"plan {kind}, aversion {aversion:g}": Row(
            {"kind": "plan", "forecaster": kind, "risk_aversion": aversion}
        )
        for kind in MODELS
        for aversion in (0.0, 0.03, 0.1, 0.3)
    },
    "vol band k=4 of har": Row({"kind": "volatility_band", "forecaster": "har"}),
}
"""Policies that read a forecast, fitted on the five windows before each, and passive ones on the same windows."""


def windows_of(history: History, bars: float, count: int) -> list[Span]:
    """Return consecutive windows from the first bar with a price; a length that is no whole number of bars is kept on average."""
    edges = first_priced(history) + np.round(np.arange(count + 1) * bars).astype(int)
    return [Span(int(first), int(last)) for first, last in pairwise(edges)]


def forecast_for(policy: AbstractLiquidityPolicy, history: History, span: Span, desks: dict[Span, ForecastDesk]) -> Forecast | None:  # fmt: skip
    """Return the forecaster a policy reads, fitted on the five windows before a window, less the embargo."""
    if policy.forecaster is None:
        return None
    if span not in desks:
        times = history.times
        train = history.between(times[span.first - TRAIN * BARS], times[span.first - EMBARGO])
        desks[span] = ForecastDesk({kind: LIQUIDITY_FORECASTERS.build(kind) for kind in MODELS}, train, 0)
    return desks[span].forecast(policy.forecaster)


def lives(row: Row, history: History, spans: Sequence[Span], desks: dict[Span, ForecastDesk]) -> list[Played]:
    policy, log, times = LIQUIDITY_POLICIES.build(row.config), pool_log(history), history.times
    terms, played = PoolTerms(pool=log.pool, costs=COSTS), []
    for span in spans:
        future = log.swaps.between(times[span.first], times[span.last]) if policy.is_upper_bound else None
        lane = LiquidityLane("", policy, forecast_for(policy, history, span, desks), terms, 0, future)
        played.append(play(lane, history, span, CAPITAL))
    return played


def in_bps(played: Sequence[Played], name: str) -> Floats:
    """Return the last value of a column of each window, in basis points of the capital."""
    return np.array([float(each.marks[name][-1]) for each in played]) / CAPITAL * 1e4


def mean_and_error(values: Floats) -> tuple[float, float]:
    return float(values.mean()), float(values.std(ddof=1) / len(values) ** 0.5)


def line(label: str, row: Row, played: Sequence[Played], seconds: float) -> str:
    net, error = mean_and_error(in_bps(played, "equity") - in_bps(played, "hold"))
    said = f"{row.net:8.1f} ({row.error:4.1f})" if np.isfinite(row.net) else " " * 15
    parts = [
        float(in_bps(played, name).mean()) for name in ("fees", "divergence", "gas", "conversion", "lvr")
    ]
    moves = float(np.mean([len(each.actions) for each in played]))
    inside = float(np.mean([each.marks["in_range"].mean() for each in played]))
    numbers = "".join(f"{part:9.1f}" for part in parts)
    return f"{label:26s}{said} {net:8.1f} ({error:5.1f}){numbers}{moves:7.1f}{inside:7.0%}{seconds:7.1f}"


def table(title: str, rows: Mapping[str, Row], history: History, spans: Sequence[Span]) -> None:
    print(
        f"\n{title}: {len(spans)} windows of about {spans[0].last - spans[0].first} hourly bars; bp of 100 WETH a window"
    )
    head = "".join(f"{name:>9}" for name in ("fees", "diverg.", "gas", "convers.", "lvr"))
    print(f"{'policy':26s}{'reference':>15}{'net (s.e.)':>17} {head}{'moves':>7}{'inside':>7}{'sec':>7}")
    desks: dict[Span, ForecastDesk] = {}
    for label, row in rows.items():
        begun = time.process_time()
        played = lives(row, history, spans, desks)
        print(line(label, row, played, time.process_time() - begun), flush=True)


def event_fees(history: History, spans: Sequence[Span]) -> None:
    """What the reference's way of counting fees says of the passive rows, beside the path."""
    log, width = (
        pool_log(history),
        {"full range": np.inf, **{f"static {w} %": in_price(w) for w in (5, 10, 25, 50)}},
    )
    print(f"\nfees of unmoved ranges in bp a window: {'path':>9}{'event-L':>9}  event-L over path")
    for label, each in width.items():
        both = np.array(
            [unmoved_fees(history, log.swaps.between(*ends_of(history, span)), each) for span in spans]
        )
        path, event = both.mean(axis=0)
        print(f"{label:38s}{path:9.1f}{event:9.1f}{event / path:10.4f}")


def ends_of(history: History, span: Span) -> tuple[Any, Any]:
    return history.times[span.first], history.times[span.last]


def unmoved_fees(history: History, swaps: Any, width: float) -> tuple[float, float]:
    """Return fees of one range around the first price in bp of its worth at the last price: by path, and by event-L."""
    pool, first, last = pool_log(history).pool, float(swaps.sqrt_before[0]), float(swaps.sqrt_after[-1])
    half = np.log1p(width) / 4 if np.isfinite(width) else 40.0
    low, high = first * np.exp(-half), first * np.exp(half)
    liquidity = CAPITAL * liquidity_per_value(pool, np.array([low]), np.array([high]), first)[0]
    start, end = np.clip(swaps.sqrt_before, low, high), np.clip(swaps.sqrt_after, low, high)
    path = [rate * np.maximum(step, 0).sum() for rate, step in zip(pool.rates, (1 / end - 1 / start, end - start), strict=True)]  # fmt: skip
    inside = (swaps.sqrt_after >= low) & (swaps.sqrt_after <= high)
    event = [
        (pool.fee * np.maximum(amount, 0) / swaps.liquidity)[inside].sum()
        for amount in (swaps.amount0, swaps.amount1)
    ]
    worth = [pool.value(liquidity * each[0], liquidity * each[1], last) for each in (path, event)]
    return worth[0] / CAPITAL * 1e4, worth[1] / CAPITAL * 1e4


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of the swap log")
    asked = parser.parse_args()
    history = history_of(asked.data)
    reference, ours = windows_of(history, REFERENCE_BARS, COUNT), windows_of(history, BARS, COUNT)
    event_fees(history, reference)
    table("reference rows on the reference's windows", REFERENCE, history, reference)
    table("the same on windows of 6,576 blocks a day", REFERENCE, history, ours)
    table("other policies, windows of 6,576 blocks a day", OTHERS, history, ours)
    table("policies that read a forecast", PLANS, history, ours[TRAIN:])


def history_of(folder: Path) -> History:
    pool = Pool(token0="WBTC", token1="WETH", decimals0=8, decimals1=18, fee_pips=3000)
    source = PoolSwapsSource(
        folder=str(folder),
        swaps="eth_wbtc_weth_030_swaps_2021-05_2023-04.parquet",
        ranges="eth_wbtc_weth_030_netliquidity.parquet",
        pool=pool,
    )
    return source.load(folder)


if __name__ == "__main__":
    main()
