"""Placebos: the experiment of a configuration where nothing can be foreseen; its policies less full range, world by world.

    python scripts/studies/liquidity_placebo.py CONFIG --worlds 8 [--set data.folder=FOLDER]

Each world keeps the instants and sizes of the pool's hourly moves and draws their signs, so that the price is a martingale;
one more is the log run backwards. Net versus hold is below zero there by divergence: what must contain zero is the paired
difference from full range, on the same swaps. Windows of all random worlds are pooled: they share sizes, not signs. Learned
policies and upper bounds are left out.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from backtest.amm.contest import Contest, judge_window, make_contest
from backtest.amm.inference import window_mean
from backtest.amm.policies.base import LIQUIDITY_POLICIES
from backtest.amm.spec import PASSIVE, LiquiditySpec
from backtest.amm.tables import window_tables
from backtest.amm.walk import pool_log
from backtest.amm.windows import judged_windows
from backtest.any_spec import load_any_spec
from data.amm.placebo import placebo_history, random_signs, reversed_time
from data.errors import SpecError
from data.history import History

LEFT_OUT = ("learned", "oracle_width")
TOGETHER = np.timedelta64(1, "h")


def without_learners(spec: LiquiditySpec) -> LiquiditySpec:
    """Return the spec with rules only, and the forecasters they read."""
    policies = tuple(
        each
        for each in spec.policies
        if LIQUIDITY_POLICIES.kind_of(each) not in LEFT_OUT and each.forecaster in (None, "har")
    )
    return replace(spec, policies=policies, forecasters=spec.forecasters[:1])


def nets(contest: Contest) -> pd.DataFrame:
    """Return net versus hold in basis points: one row a test window, one column a policy."""
    told = [
        window_tables(contest, judge_window(contest, window))["statements"]
        for window in judged_windows(contest.history, contest.spec.windows)
    ]
    return pd.concat(told).pivot_table(index="fold", columns="lane", values="net_bps", sort=False)


def worlds(history: History, count: int) -> dict[str, History]:
    """Return the placebos of a history by name."""
    log = pool_log(history)
    made = {
        f"random signs {seed}": placebo_history(
            history, random_signs(log, seed, TOGETHER), f"random signs {seed}"
        )
        for seed in range(count)
    }
    return {**made, "reversed time": placebo_history(history, reversed_time(log), "reversed time")}


def paired(nets_by_window: pd.DataFrame) -> pd.DataFrame:
    """Return each policy less full range: mean, standard error, interval and whether it contains zero."""
    rng, rows = np.random.default_rng(0), {}
    for lane in nets_by_window.columns.drop(PASSIVE):
        difference = (nets_by_window[lane] - nets_by_window[PASSIVE]).to_numpy(np.float64)
        found = window_mean(difference, rng)
        rows[lane] = {
            "windows": found.windows,
            "net_bps": float(nets_by_window[lane].mean()),
            "difference_bps": found.mean,
            "standard_error": found.standard_error,
            "low": found.low,
            "high": found.high,
            "contains_zero": bool(found.low <= 0 <= found.high),
        }
    return pd.DataFrame(rows).T


def main() -> None:
    """Print one table over all random worlds and one for the mirror."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("config", type=Path)
    parser.add_argument("--worlds", type=int, default=8)
    parser.add_argument("--set", dest="overrides", action="append", default=[])
    asked = parser.parse_args()
    spec = load_any_spec(asked.config, asked.overrides)
    if not isinstance(spec, LiquiditySpec):
        raise SpecError(f"{asked.config} is no liquidity experiment")
    spec = without_learners(spec)
    free = replace(
        spec,
        costs=replace(spec.costs, mint_gas=0.0, burn_gas=0.0, swap_gas=0.0, conversion_fee=0.0, impact=False),
    )
    for name, each in (("costs as configured", spec), ("no gas, no conversion costs", free)):
        made = {
            world: nets(make_contest(each, history))
            for world, history in worlds(spec.data.load(Path()), asked.worlds).items()
        }
        mirror = made.pop("reversed time")
        print(f"\n{name}: {asked.worlds} worlds of random signs, policies less {PASSIVE}")
        print(paired(pd.concat(list(made.values()), ignore_index=True)).to_string())
        print(f"\n{name}: reversed time, policies less {PASSIVE}")
        print(paired(mirror).to_string(), flush=True)


if __name__ == "__main__":
    main()
