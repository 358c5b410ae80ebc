"""Pools at speed: the path kernel beside numpy, the float replay beside the exact engine, a year of one position beside demeter.

python benchmarks/amm_speed.py --data FOLDER

The path kernel pays 100 ranges along the real two years of WBTC/WETH, or along as many made swaps where FOLDER lacks them. The
float replay carries out made orders over some 400 ticks. The year has 2.2 million made swaps (6,046 a day were counted in the
busiest pool): replayed, and one position's account advanced over them hour by hour. demeter runs in an environment of its own
(``build/amm-peers-venv``, made on first use) on a day of real minute bars, five times over; its year is 525,600 of them at that
speed. CPU seconds on one thread, medians of three; ratios are of this run.
"""

import argparse
import json
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from backtest.amm.account import PoolAccount
from backtest.amm.advance import advance, start_with_position
from backtest.amm.terms import PoolCosts, PoolTerms
from benchmarks.tools.measuring import seconds
from data.amm.event_file import event_log
from data.amm.exact_pool import pool_at
from data.amm.exact_swap import SwapOrder, swap
from data.amm.float_replay import Replayed, SwapInputs, replay
from data.amm.path import fee_growth
from data.amm.pool import Pool, sqrt_of
from data.amm.pool_log import SwapPath
from data.amm.tick_map import TickMap
from data.amm.tick_table import TickTable
from data.panel import Floats

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
PEERS_VENV = ROOT / "build" / "amm-peers-venv"

POOL = Pool(token0="USDC", token1="WETH", decimals0=6, fee_pips=500, quote="token0")
TWO_YEARS = "amm/eth_wbtc_weth_030_swaps_2021-05_2023-04.parquet"
EVENTS, MINUTES = (
    "amm/eth_usdc_weth_005_2024-01-05_events.csv.gz",
    "amm/eth_usdc_weth_005_2024-01-05.minute.csv",
)

RANGES, REPLAYED, COMPARED, YEAR = 100, 3_000_000, 20_000, 2_200_000
MINUTES_A_YEAR, COPIES = 525_600, 5
HELD = (198_940, 199_140)
"""Ticks of the position that demeter holds: about one percent on either side of the day's first price."""

POSITION = (-600, 600)
"""Ticks of the position of the made year."""

Ranges = list[tuple[int, int, int]]


@dataclass(frozen=True)
class Row:
    """What was measured, beside what a named twin or peer took for the same work."""

    name: str
    seconds: float
    unit: str
    amount: float
    twin: str
    twin_seconds: float

    def line(self) -> str:
        """Return the row as text."""
        return (
            f"{self.name:<36}{self.seconds:>9.3f}{self.amount / self.seconds:>11.3g} {self.unit:<16}"
            f"{self.twin:<26}{self.twin_seconds:>10.3f}{self.twin_seconds / self.seconds:>9.0f}"
        )


@dataclass(frozen=True)
class Target:
    """What was to be reached."""

    name: str
    value: float
    limit: float
    is_ceiling: bool = False

    @property
    def is_met(self) -> bool:
        return self.value <= self.limit if self.is_ceiling else self.value >= self.limit

    def line(self) -> str:
        """Return the target beside what was measured."""
        sign = "<=" if self.is_ceiling else ">="
        return f"{'met   ' if self.is_met else 'MISSED'} {self.name:<44} {self.value:>10.4g}  {sign} {self.limit:g}"


def path_along(roots: Floats, liquidity: Floats | float = 1.0) -> SwapPath:
    """Return swaps from each root price to the next, evenly over a year."""
    count = np.arange(len(roots) - 1)
    zero = np.zeros(len(count))
    start = np.datetime64("2024-01-01", "ns").astype(np.int64)
    times = (start + 1 + count * (31_536_000_000_000_000 // (len(count) + 1))).view("datetime64[ns]")
    return SwapPath(times, count, 0 * count, roots[:-1], roots[1:], zero, zero, zero + liquidity)


def two_years(folder: Path) -> SwapPath:
    """Return the real swaps of WBTC/WETH, or a random walk as long."""
    file = folder / TWO_YEARS
    if file.exists():
        return path_along(pd.read_parquet(file, columns=["sqrt_price_est"])["sqrt_price_est"].to_numpy())
    steps = np.random.default_rng(1).normal(0.0, 5e-4, 161_983)
    return path_along(np.exp(np.append(0.0, np.cumsum(steps))))


def fees_by_numpy(swaps: SwapPath, lower: Floats, upper: Floats, rate: float) -> Floats:
    """Return what the path kernel returns, one range at a time."""
    rows = []
    for low, high in zip(lower, upper, strict=True):
        before, after = np.clip(swaps.sqrt_before, low, high), np.clip(swaps.sqrt_after, low, high)
        down = np.maximum(before - after, 0.0) / (before * after)
        rows.append((rate * down.sum(), rate * np.maximum(after - before, 0.0).sum()))
    return np.array(rows)


def path_row(folder: Path) -> Row:
    """Pay 100 ranges along the swaps in one call."""
    swaps = two_years(folder)
    widths = np.geomspace(1.001, 3.0, RANGES)
    lower, upper = np.median(swaps.sqrt_after) / widths, np.median(swaps.sqrt_after) * widths
    found, wanted = (
        fee_growth(swaps, lower, upper, (0.003, 0.003)),
        fees_by_numpy(swaps, lower, upper, 0.003),
    )
    worst = np.abs(found / wanted - 1.0).max()
    if worst > 1e-9:
        raise SystemExit(f"the path kernel and numpy differ by {worst:.1e}")
    ours = seconds(lambda: fee_growth(swaps, lower, upper, (0.003, 0.003)))
    theirs = seconds(lambda: fees_by_numpy(swaps, lower, upper, 0.003), rounds=1)
    name = f"{len(swaps):,} swaps x {RANGES} ranges"
    return Row(name, ours, "swap-ranges/s", len(swaps) * RANGES, "numpy, range by range", theirs)


def ranges() -> Ranges:
    """Return a wide range and 300 others about tick 0."""
    rng = np.random.default_rng(3)
    lower = rng.integers(-250, 240, 300)
    upper = lower + 1 + rng.integers(0, 200, 300)
    many = [(int(a) * 10, int(b) * 10, 10**17) for a, b in zip(lower, upper, strict=True)]
    return [(-600_000, 600_000, 10**19), *many]


def map_of(held: Ranges) -> TickMap:
    """Return the tick map of ranges."""
    lower, upper, liquidity = (np.array(column) for column in zip(*held, strict=True))
    return TickMap.of_ranges(lower, upper, liquidity.astype(np.float64))


def orders(count: int) -> SwapInputs:
    """Return orders of either way, one in ten for an output."""
    rng = np.random.default_rng(5)
    signs = np.where(rng.random(count) < 0.1, -1.0, 1.0)
    return SwapInputs(signs * np.ceil(rng.exponential(1e15, count)), rng.random(count) < 0.5)


def by_exact_engine(held: Ranges, asked: SwapInputs) -> tuple[Floats, float]:
    """Return root prices after the first orders by the exact engine, and the CPU seconds they took."""
    active = sum(liquidity for lower, upper, liquidity in held if lower <= 0 < upper)
    pool = pool_at(POOL, 1 << 96, active, TickTable.of_ranges(POOL.spacing, held))
    wished = [
        SwapOrder(int(amount), bool(down))
        for amount, down in zip(asked.amounts[:COMPARED], asked.is_down[:COMPARED], strict=True)
    ]
    roots = []
    begun = time.process_time()
    for order in wished:
        pool, done = swap(pool, order)
        roots.append(done.sqrt_x96)
    return np.array([root / 2**96 for root in roots]), time.process_time() - begun


def replay_row() -> Row:
    """Replay orders over many ticks; print how often one is crossed and how far the exact engine is."""
    held, asked = ranges(), orders(REPLAYED)
    ticks = map_of(held)
    found = replay(POOL, ticks, 1.0, asked)
    roots, taken = by_exact_engine(held, asked)
    worst = np.abs(found.sqrt_after[:COMPARED] / roots - 1.0).max()
    print(
        f"float replay: {len(ticks.ticks)} ticks, {np.mean(found.crossings > 0):.0%} of swaps cross one; "
        f"largest relative difference of {COMPARED:,} root prices from the exact engine {worst:.1e}"
    )
    if worst > 1e-11:
        raise SystemExit("the float replay and the exact engine differ")
    ours = seconds(lambda: replay(POOL, ticks, 1.0, asked))
    return Row(
        f"{REPLAYED:,} swaps",
        ours,
        "swaps/s",
        REPLAYED,
        "exact engine, same rate",
        taken * REPLAYED / COMPARED,
    )


def account_over(done: Replayed) -> PoolAccount:
    """Return one position's account a year later, advanced hour by hour."""
    swaps = path_along(np.append(1.0, done.sqrt_after), done.liquidity)
    opened = np.datetime64("2024-01-01", "ns")
    terms = PoolTerms(pool=POOL, costs=PoolCosts(mint_gas=0.0, burn_gas=0.0, swap_gas=0.0))
    account = start_with_position(POOL, POSITION, 1e15, 1.0, opened)
    return advance(account, swaps, opened + np.arange(1, 8761) * np.timedelta64(1, "h"), terms).account


def check_fees(account: PoolAccount, done: Replayed) -> None:
    """Stop when the account's uncollected fees are not those of the path formula."""
    (held,) = account.positions
    ends = (np.array([sqrt_of(tick)]) for tick in POSITION)
    wanted = held.liquidity * fee_growth(path_along(np.append(1.0, done.sqrt_after)), *ends, POOL.rates)[0]
    worst = np.abs(np.array([held.fees0, held.fees1]) / wanted - 1.0).max()
    if worst > 1e-9:
        raise SystemExit(f"fees of the account and of the path formula differ by {worst:.1e}")


def year_row(bars_a_second: float) -> Row:
    """Replay a year of the busiest pool and advance one position's account over it."""
    ticks, asked = map_of(ranges()), orders(YEAR)

    def year() -> PoolAccount:
        return account_over(replay(POOL, ticks, 1.0, asked))

    check_fees(year(), replay(POOL, ticks, 1.0, asked))
    name = f"a year: {YEAR:,} swaps, 8,760 hours"
    return Row(
        name, seconds(year), "swaps/s", YEAR, "demeter, 525,600 minutes", MINUTES_A_YEAR / bars_a_second
    )


def ensure_peers() -> Path:
    """Return the Python of the peers' environment, which is made when it is not there or its requirements changed."""
    wanted, mark = (HERE / "peers" / "amm_requirements.txt"), PEERS_VENV / "installed.txt"
    python = PEERS_VENV / "bin" / "python"
    if not (mark.exists() and mark.read_text() == wanted.read_text()):
        print(f"installing the peers into {PEERS_VENV.relative_to(ROOT)} ...", file=sys.stderr, flush=True)
        subprocess.run([sys.executable, "-m", "venv", str(PEERS_VENV)], check=True)
        subprocess.run(
            [str(python), "-m", "pip", "install", "--quiet", "--requirement", str(wanted)], check=True
        )
        mark.write_text(wanted.read_text())
    return python


def demeter(file: Path, copies: int) -> dict[str, float]:
    """Return what the library printed of one position over copies of a day."""
    script = HERE / "peers" / "demeter_position.py"
    command = [str(ensure_peers()), str(script), str(file), str(copies), *map(str, HELD)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def fee_errors(folder: Path, theirs: dict[str, float]) -> Floats:
    """Return the relative error of the library's fees of the day in both tokens, against the path formula."""
    swaps = event_log(pd.read_csv(folder / EVENTS, dtype=str)).to_pool_log(POOL).swaps
    ends = (np.array([sqrt_of(tick)]) for tick in HELD)
    exact = theirs["liquidity"] * fee_growth(swaps, *ends, POOL.rates)[0]
    return np.array([theirs["fees0"], theirs["fees1"]]) / exact - 1.0


def targets(rows: list[Row]) -> list[Target]:
    """Return the targets beside what was measured; the year's stand only where demeter ran."""
    path, swaps, *year = rows
    found = [
        Target("path kernel, swap-ranges a second", path.amount / path.seconds, 50e6),
        Target("float replay, swaps a second", swaps.amount / swaps.seconds, 10e6),
    ]
    return found + [Target("a year of the busiest pool, seconds", row.seconds, 1.0, True) for row in year]


def main() -> None:
    """Print the table and whether the targets are met."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--data", type=Path, default=Path("../shared/data"), help="folder of real market data"
    )
    folder = parser.parse_args().data
    rows = [path_row(folder), replay_row()]
    if (folder / MINUTES).exists():
        one, many = demeter(folder / MINUTES, 1), demeter(folder / MINUTES, COPIES)
        error0, error1 = fee_errors(folder, one)
        print(f"demeter: {many['bars'] / many['seconds']:,.0f} minute bars a second; fees of the day, ticks {HELD[0]} to "
              f"{HELD[1]}, against the path formula: {error0:+.1%} in USDC, {error1:+.1%} in WETH")  # fmt: skip
        rows.append(year_row(many["bars"] / many["seconds"]))
    else:
        print("demeter: no minute bars beside the project, so it did not run and the year has no peer")
    print(f"{'work':<36}{'CPU s':>9}{'':>11} {'':<16}{'twin or peer':<26}{'CPU s':>10}{'ratio':>9}")
    print("\n".join(row.line() for row in rows))
    print("\n".join(target.line() for target in targets(rows)))


if __name__ == "__main__":
    main()
