"""False alarms of a selection: how often zero skill looks like skill, with and without the correction for the search over k."""

import argparse
import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from backtest.selection.permutation import orders_of, search_test
from backtest.selection.select import select
from backtest.selection.settings import SelectionSettings
from backtest.selection.sharpe_at_k import Outcome, curves

ALPHAS = (0.05, 0.10)
KS = tuple(range(2, 11))
REDRAWN = 20
"""Worlds that share one draw of random orders."""


def made_pools() -> Any:
    path = Path(__file__).resolve().parents[2] / "tests" / "oracles" / "made_pool.py"
    spec = importlib.util.spec_from_file_location("made_pool", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def band(rate: float, count: int) -> str:
    error = np.sqrt(rate * (1 - rate) / count)
    return f"{rate:6.1%} +- {1.96 * error:.1%}"


def one_deployment(worlds: int, orders: int, candidates: int) -> None:
    """Values N(0, 1), baseline 0, a ranking that knows nothing: does any k pass?"""
    rng = np.random.default_rng(0)
    alone, corrected, fixed = [], [], []
    columns = np.array(KS) - 1
    for world in range(worlds):
        if world % REDRAWN == 0:
            shuffles, is_exact = orders_of(candidates, rng, orders)
        outcome = Outcome(rng.normal(size=candidates), 0.0)
        null = curves(shuffles, outcome).sharpe_ratio[:, columns]
        observed = curves(rng.permutation(candidates), outcome).sharpe_ratio[columns]
        test = search_test(observed, null, KS, is_exact=is_exact)
        alone.append(test.p_values.min())
        corrected.append(test.corrected.min())
        fixed.append(test.p_values[KS.index(5)])
    print(f"one deployment, {candidates} candidates, {worlds} worlds, {orders} random orders, k = 2..10")
    for alpha in ALPHAS:
        rows = {"k = 5 fixed beforehand": fixed, "any k, uncorrected": alone, "any k, corrected": corrected}
        for name, values in rows.items():
            print(
                f"  alpha {alpha:.2f}  {name:24s} {band(float(np.mean(np.array(values) <= alpha)), worlds)}"
            )


def whole_selection(
    worlds: int, permutations: int, returns: Callable[[Any, int], np.ndarray], name: str, ks: tuple[int, ...]
) -> None:
    """Candidates selected as the command does it: is anything promoted?"""
    made = made_pools()
    settings = SelectionSettings(
        ks=ks, estimators=("lower_bound",), baseline="cash", permutations=permutations, resamples=100
    )
    promoted, alone, corrected = [], [], []
    for seed in range(worlds):
        found = select(made.made_pool(returns(made, seed)), settings, lambda *_: None)
        rows = found.table[found.table["baseline"] == "cash"]
        promoted.append(found.promotion.is_promoted)
        alone.append(rows["p_value"].min() <= 0.05)
        corrected.append(rows["p_value_over_k"].min() <= 0.05)
    print(f"whole selection, {name}: 8 candidates, 12 deployments, {worlds} worlds, k in {ks}, alpha 0.05")
    print(f"  any k significant, uncorrected   {band(float(np.mean(alone)), worlds)}")
    print(f"  any k significant, corrected     {band(float(np.mean(corrected)), worlds)}")
    print(f"  something promoted               {band(float(np.mean(promoted)), worlds)}", flush=True)


def no_skill(made: Any, seed: int) -> np.ndarray:
    """No candidate has an edge."""
    return np.asarray(made.noise(seed))


def two_with_an_edge(made: Any, seed: int) -> np.ndarray:
    """Two candidates earn a third of their volatility every day, the others nothing."""
    return np.asarray(made.noise(seed) + 0.003 * (np.arange(8) < 2))


def persistent(made: Any, seed: int) -> np.ndarray:
    """No edge, but every candidate keeps a cost of its own, so an honest ranking repeats itself."""
    costs = np.random.default_rng(seed + 10_000).uniform(0, 4e-4, 8)
    return np.asarray(made.noise(seed) - costs)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--worlds", type=int, default=2000)
    parser.add_argument("--selections", type=int, default=600)
    parser.add_argument("--orders", type=int, default=4000)
    arguments = parser.parse_args()
    for candidates in (10, 20, 40):
        one_deployment(arguments.worlds, arguments.orders, candidates)
    many = (1, 2, 3, 4, 5, 6)
    whole_selection(arguments.selections, arguments.orders, no_skill, "no skill", many)
    whole_selection(arguments.selections, arguments.orders, persistent, "no skill, costs that differ", many)
    few = max(50, arguments.selections // 3)
    whole_selection(few, arguments.orders, two_with_an_edge, "two of eight have an edge", many)
    whole_selection(few, arguments.orders, two_with_an_edge, "the same, k fixed beforehand", (2,))


if __name__ == "__main__":
    main()
