"""Prints whether Wayfold's exact engine and the package backtrader agree bit for bit on random runs, and three known finals."""

import argparse
import importlib.util
import math
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from backtest.costs import CustomCosts
from backtest.cross_check import first_difference
from backtest.engine.backtrader_package import run_package
from backtest.engine.exact import advance_exact, exact_fractions
from backtest.engine.exact_rules import ExactRules
from backtest.engine.exact_state import start_exact
from backtest.engine.rejections import REASONS
from backtest.errors import EngineError

ROOT = Path(__file__).resolve().parents[2]
MINUTE, HOUR, DAY = (np.timedelta64(1, unit) for unit in ("m", "h", "D"))
A_FINAL, B_FINAL, C_MEAN = 1862489.6010056527, 129406223.80698258, 1292737.321948592
"""Final equity of backtrader itself on three data sets; see ``final_a`` to ``final_c`` for how they are made."""


def worlds() -> Any:
    path = ROOT / "tests" / "oracles" / "exact_worlds.py"
    specification = importlib.util.spec_from_file_location("exact_worlds", path)
    assert specification is not None and specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    sys.modules["exact_worlds"] = module
    specification.loader.exec_module(module)
    return module


def sized(make: Any, seed: int) -> Any:
    """Return a random world; every fourth is large."""
    return make.random_world(seed, *((40, 250) if seed % 4 == 0 else (24, 90)))


def random_runs(make: Any, runs: int, first: int) -> int:
    """Compare random runs, print the counts, and return how many disagree."""
    traits: Counter[str] = Counter()
    counts: Counter[str] = Counter()
    for seed in range(first, first + runs):
        world = sized(make, seed)
        bars, rules = world.bars, world.rules
        try:
            ours = advance_exact(
                start_exact(bars.series, rules.capital), bars, rules, world.costs, world.targets
            )
        except EngineError as error:
            if "no longer counted exactly" not in str(error):
                raise
            counts["runs refused for too many units"] += 1
            continue
        theirs = run_package(bars, rules, *exact_fractions(rules, world.costs), world.targets)
        difference = first_difference(bars, ours, theirs)
        if difference is not None:
            counts["mismatches"] += 1
            print(f"seed {seed}: {difference} with {rules}", flush=True)
        traits.update(world.traits)
        counts["runs"] += 1
        counts["asset-bars"] += bars.close.size
        counts["values and cash compared"] += 2 * len(bars)
        counts["fills compared"] += len(theirs.fill_rows)
        for code, reason in enumerate(REASONS[:2]):
            counts[f"rejections {reason}"] += int(np.count_nonzero(theirs.refused[:, 2] == code))
        if counts["runs"] % 250 == 0:
            print(f"... {counts['runs']} runs, {counts['mismatches']} mismatches", flush=True)
    for name in sorted(counts):
        print(f"{name:34} {counts[name]:>12,}")
    print(f"{'mismatches':34} {counts['mismatches']:>12,}")
    print("runs with: " + ", ".join(f"{name} {traits[name]}" for name in sorted(traits)))
    return counts["mismatches"]


def final(bars: Any, capital: float, commission_bps: float, targets: Any) -> float:
    rules = ExactRules(capital=capital)
    costs = CustomCosts(commission_bps=commission_bps)
    return float(advance_exact(start_exact(bars.series, capital), bars, rules, costs, targets).equity[-1])


def on_change(weights: Any, first: int) -> Any:
    """Return (T, 1) targets: the first weight at row ``first``, then only where it changes."""
    changed = np.diff(weights, prepend=np.nan) != 0
    changed[:first] = False
    changed[first] = True
    return np.where(changed, weights, np.nan)[:, None]


def exact_average(prices: Any, window: int) -> Any:
    """Return moving averages whose sums are exact, as backtrader computes them; NaN before the window is full."""
    rows = prices.tolist()
    full = [math.fsum(rows[t - window + 1 : t + 1]) / window for t in range(window - 1, len(rows))]
    return np.array([math.nan] * (window - 1) + full)


def running_average(prices: Any, window: int) -> Any:
    total = np.cumsum(np.concatenate([[0.0], prices]))
    return np.concatenate([np.full(window - 1, np.nan), (total[window:] - total[:-window]) / window])


def final_a(make: Any) -> float:
    """One million minute bars, average of 50 over 200, 0.95 or nothing, 0.1 bps."""
    bars = make.golden_bars(1, 0.0006, 1_000_000, 1, MINUTE)
    fast, slow = (running_average(bars.close[:, 0], window) for window in (50, 200))
    return final(bars, 1e6, 0.1, on_change(np.where(fast > slow, 0.95, 0.0), 0))


def final_b(make: Any) -> float:
    """500 assets over 2,520 days, all re-targeted every day, 10 bps."""
    bars = make.golden_bars(2, 0.015, 2_520, 500, DAY)
    scores = np.cumsum(np.random.default_rng(3).normal(0, 0.05, bars.close.shape), axis=0)
    shares = np.exp(scores - scores.max(axis=1, keepdims=True))
    return final(bars, 1e8, 10.0, 0.95 * shares / shares.sum(axis=1, keepdims=True))


def final_c(make: Any) -> float:
    """Mean of the first 20 of 1,000 pairs of averages over 10,000 hourly bars, 10 bps."""
    bars = make.golden_bars(4, 0.003, 10_000, 1, HOUR)
    pairs = [(fast, slow) for fast in range(2, 200) for slow in range(fast + 5, 400, 9)]
    np.random.default_rng(0).shuffle(pairs)
    finals = []
    for fast, slow in pairs[:20]:
        above = exact_average(bars.close[:, 0], int(fast)) > exact_average(bars.close[:, 0], int(slow))
        finals.append(final(bars, 1e6, 10.0, on_change(np.where(above, 0.95, 0.0), int(slow) - 1)))
    return float(np.mean(finals))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=600)
    parser.add_argument("--first", type=int, default=0, help="first seed")
    arguments = parser.parse_args()
    make, wrong = worlds(), 0
    for name, compute, known in (("a", final_a, A_FINAL), ("b", final_b, B_FINAL), ("c", final_c, C_MEAN)):
        value = compute(make)
        wrong += value != known
        print(f"final {name}: {value!r}, published {known!r}: {'equal' if value == known else 'DIFFERENT'}")
    start = time.process_time()
    wrong += random_runs(make, arguments.runs, arguments.first)
    print(f"{time.process_time() - start:.0f} CPU seconds; {'all bits equal' if not wrong else 'NOT EQUAL'}")
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
