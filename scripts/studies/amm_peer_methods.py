"""How wrong the usual ways to count a range's fees are: each beside the path formula, one day of USDC/WETH 0.05 %.

    python scripts/studies/amm_peer_methods.py --data FOLDER

FOLDER holds ``amm/eth_usdc_weth_005_2024-01-05_events.csv.gz`` and the minute bars of the same day. A range is the first tick
+-w; a fee is that of one unit of liquidity, both tokens in token1 at the day's last price. The methods:

- swap share: of each swap, fee over the liquidity in its event, times the share of its path inside the range;
- minute bars: demeter's rule, a minute's fees over its liquidity, times the share of the close-to-close tick move in range;
- hour in range: an hour's fees over the liquidity at its end, counted whole when the hour closes in range;
- candle overlap: growth of fees per liquidity of an hour or the day, times the share of its low-high tick span in range;
- displacement: the path formula on closing prices alone, of minutes or hours.

Under each row stands an earlier measurement of the same day by other code, whose ranges and closes are not known to the tick;
the hour's rule turns on single closes, so there the two differ most.
"""

import argparse
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from data.amm.event_file import event_log
from data.amm.path import fee_growth
from data.amm.pool import Pool, sqrts_of, tick_of, ticks_of
from data.amm.pool_log import SwapPath
from data.panel import Floats, Times

WIDTHS = np.array([5.0, 10.0, 50.0, 100.0, 200.0, 500.0])
POOL = Pool(token0="USDC", token1="WETH", decimals0=6, fee_pips=500, quote="token0")

MEASURED = {
    "swap share": (-0.5, -0.6, -0.5, -0.2, 0.3, 0.4),
    "minute bars": (-34, -38, -16, -8, 4, 1),
    "hour in range": (-25, -11, -58, -3, 21, 5),
    "candle overlap, hours": (-17, -10, -7, 5, 3, 0),
    "candle overlap, day": (-7, 8, 28, 6, -15, 0),
    "displacement, minutes": (-44, -47, -48, -41, -33, -42),
    "displacement, hours": (-93, -94, -90, -87, -89, -90),
}
"""Errors in percent of an earlier measurement, by range width."""


@dataclass(frozen=True, eq=False)
class Day:
    """One day of a pool and the ranges judged on it.

    Attributes:
        pool: its fee.
        swaps: N swaps.
        fees: (N,) fee of each in raw token1, token0 at the last price.
        lower: (R,) lower ticks.
        upper: (R,) upper ticks.
    """

    pool: Pool
    swaps: SwapPath
    fees: Floats
    lower: Floats
    upper: Floats

    @property
    def price(self) -> float:
        """Raw token1 per raw token0 after the last swap."""
        return float(self.swaps.sqrt_after[-1]) ** 2

    @property
    def ticks(self) -> Floats:
        """(N,) whole ticks after the swaps."""
        return np.floor(ticks_of(self.swaps.sqrt_after))

    @property
    def ends(self) -> tuple[Floats, Floats]:
        """Lower and upper root prices of the ranges."""
        return sqrts_of(self.lower), sqrts_of(self.upper)

    def worth(self, amounts: Floats) -> Floats:
        """Return (..., 2) amounts of both tokens in token1."""
        return np.asarray(amounts[..., 0] * self.price + amounts[..., 1])


def day_of(pool: Pool, swaps: SwapPath, widths: Floats) -> Day:
    """Return a day with ranges about its first tick."""
    paid0, paid1 = np.maximum(swaps.amount0, 0.0), np.maximum(swaps.amount1, 0.0)
    fees = pool.fee * (paid0 * swaps.sqrt_after[-1] ** 2 + paid1)
    first = math.floor(tick_of(swaps.sqrt_before[0]))
    return Day(pool, swaps, fees, first - widths, first + widths)


def path_formula(day: Day) -> Floats:
    """Return the exact fee of each range."""
    return day.worth(fee_growth(day.swaps, *day.ends, day.pool.rates))


def swap_share(day: Day) -> Floats:
    """Return the fee by each swap's share of the liquidity in its event."""
    low, high = day.ends
    one, other = day.swaps.sqrt_before[:, None], day.swaps.sqrt_after[:, None]
    inside = overlap(np.minimum(one, other), np.maximum(one, other), low, high)
    return np.asarray((day.fees / day.swaps.liquidity) @ inside)


def minute_bars(day: Day, minutes: Mapping[str, Floats]) -> Floats:
    """Return the fee by demeter's rule, of minutes with ``closeTick``, ``openTick``, ``inAmount0/1``, ``currentLiquidity``."""
    close = minutes["closeTick"]
    last = np.append(minutes["openTick"][0], close[:-1])
    paid = minutes["inAmount0"] * day.price + minutes["inAmount1"]
    low, high = np.minimum(last, close)[:, None], np.maximum(last, close)[:, None]
    inside = overlap(low, high, day.lower, day.upper)
    return np.asarray((day.pool.fee * paid / minutes["currentLiquidity"]) @ inside)


def hour_in_range(day: Day) -> Floats:
    """Return the fee of the hours that close in range, over the liquidity at their end."""
    rows, last = spans(day.swaps.times, "h")
    close = day.ticks[last][:, None]
    per_unit = np.bincount(rows, day.fees) / day.swaps.liquidity[last]
    return np.asarray(per_unit @ ((close >= day.lower) & (close < day.upper)).astype(np.float64))


def candle_overlap(day: Day, unit: str) -> Floats:
    """Return the growth of fees of each span times how much of its tick span is in range."""
    last = spans(day.swaps.times, unit)[1]
    starts = np.append(0, last[:-1] + 1)
    whole = np.zeros(1), np.full(1, np.inf)
    grown = [
        day.worth(fee_growth(day.swaps.rows(first, stop + 1), *whole, day.pool.rates))[0]
        for first, stop in zip(starts, last, strict=True)
    ]
    low, high = (ends.reduceat(day.ticks, starts)[:, None] for ends in (np.minimum, np.maximum))
    return np.asarray(np.array(grown) @ overlap(low, high, day.lower, day.upper))


def displacement(day: Day, unit: str) -> Floats:
    """Return the fee along the closing prices of spans, as if nothing happened between two of them."""
    last = spans(day.swaps.times, unit)[1]
    roots = np.append(day.swaps.sqrt_before[0], day.swaps.sqrt_after[last])
    zero, count = np.zeros(len(last)), np.arange(len(last))
    closes = SwapPath(day.swaps.times[last], count, 0 * count, roots[:-1], roots[1:], zero, zero, zero)
    return day.worth(fee_growth(closes, *day.ends, day.pool.rates))


def overlap(low: Floats, high: Floats, lower: Floats, upper: Floats) -> Floats:
    """Return (N, R) how much of each span of (N, 1) ends lies in each range; a span of no length is in or out."""
    inside = np.maximum(np.minimum(high, upper) - np.maximum(low, lower), 0.0)
    is_point = high <= low
    return np.where(is_point, (low >= lower) & (low < upper), inside / np.where(is_point, 1.0, high - low))


def spans(times: Times, unit: str) -> tuple[np.ndarray, np.ndarray]:
    """Return which of the spans that hold a swap each swap is in, and the last row of each."""
    stamps = times.astype(f"datetime64[{unit}]").astype(np.int64)
    starts = np.append(True, np.diff(stamps) != 0)
    return np.cumsum(starts) - 1, np.append(np.flatnonzero(starts)[1:] - 1, len(times) - 1)


def errors(day: Day, minutes: Mapping[str, Floats]) -> dict[str, Floats]:
    """Return each method's error in percent of the path formula, (R,)."""
    exact = path_formula(day)
    found = {
        "swap share": swap_share(day),
        "minute bars": minute_bars(day, minutes),
        "hour in range": hour_in_range(day),
        "candle overlap, hours": candle_overlap(day, "h"),
        "candle overlap, day": candle_overlap(day, "D"),
        "displacement, minutes": displacement(day, "m"),
        "displacement, hours": displacement(day, "h"),
    }
    return {name: 100.0 * (fees / exact - 1.0) for name, fees in found.items()}


def table(found: Mapping[str, Floats]) -> str:
    """Return the errors as text, the earlier measurement below each."""
    lines = [f"{'error, %, in a range of +- ticks':<34}" + "".join(f"{width:>8.0f}" for width in WIDTHS)]
    for name, values in found.items():
        lines.append(f"{name:<34}" + "".join(f"{value:>+8.1f}" for value in values))
        lines.append(f"{'  measured before':<34}" + "".join(f"{value:>+8.4g}" for value in MEASURED[name]))
    return "\n".join(lines)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    folder = parser.parse_args().data / "amm"
    events = pd.read_csv(folder / "eth_usdc_weth_005_2024-01-05_events.csv.gz", dtype=str)
    minutes = pd.read_csv(folder / "eth_usdc_weth_005_2024-01-05.minute.csv", dtype={"timestamp": str})
    columns = {name: minutes[name].to_numpy(np.float64) for name in minutes.columns[1:]}
    day = day_of(POOL, event_log(events).to_pool_log(POOL).swaps, WIDTHS)
    print(f"{len(day.swaps)} swaps; path formula over one unit of liquidity: {path_formula(day)}")
    print(table(errors(day, columns)))


if __name__ == "__main__":
    main()
