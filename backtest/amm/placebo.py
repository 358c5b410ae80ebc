"""Placebo: the experiment where nothing can be foreseen; its rules less full range, on the same swaps.

Net versus hold is below zero there by divergence. What may not lie above zero, after costs, is the paired difference from a
passive range. Free of costs it may: a narrow range that follows the price earns fees from turns within the hour, which the random
signs of whole hours leave as they were, and more of them than its loss versus rebalancing.
"""

from dataclasses import replace

import numpy as np
import pandas as pd

from backtest.amm.contest import Contest, judge_window, make_contest
from backtest.amm.means import paired_table
from backtest.amm.spec import PASSIVE, LiquiditySpec
from backtest.amm.tables import window_tables
from backtest.amm.walk import pool_log
from backtest.amm.windows import judged_windows
from data.amm.placebo import placebo_history, random_signs, reversed_time
from data.history import History
from forecast.liquidity import LIQUIDITY_FORECASTERS

TOGETHER = np.timedelta64(1, "h")
"""Steps within an hour keep their order and turn together, so that fees against loss stay those of the pool."""

QUICK_MODELS: tuple[str, ...] = ("har", "last_value", "weekly_mean")


def placebo_table(contest: Contest, count: int) -> pd.DataFrame:
    """Return the table ``placebo``: each rule less full range over ``count`` worlds of random signs, and in reversed time.

    Windows of all random worlds are pooled: they share the sizes of the moves, not their signs. Policies that learn or see the
    future, and those that read a forecaster slow to fit, are left out. Columns: world, lane, against, windows, net_bps,
    difference_bps, standard_error, low, high, minimum_detectable_bps, contains_zero; empty for no worlds.
    """
    if not count:
        return pd.DataFrame(columns=["world", "lane"])
    spec, log = rules_only(contest.spec), pool_log(contest.history)
    signs = [
        placebo_history(contest.history, random_signs(log, seed, TOGETHER), f"random signs {seed}")
        for seed in range(count)
    ]
    mirror = placebo_history(contest.history, reversed_time(log), "reversed time")
    return pd.concat(
        [_paired(spec, f"random signs, {count} worlds", signs), _paired(spec, "reversed time", [mirror])],
        ignore_index=True,
    )


def rules_only(spec: LiquiditySpec) -> LiquiditySpec:
    """Return the experiment without policies that learn or see the future, and without slow forecasters."""
    policies = tuple(
        each
        for each in spec.policies
        if not (each.learns or each.is_upper_bound) and each.forecaster in (None, *QUICK_MODELS)
    )
    read = {each.forecaster for each in policies}
    forecasters = tuple(each for each in spec.forecasters if LIQUIDITY_FORECASTERS.kind_of(each) in read)
    return replace(spec, policies=policies, forecasters=forecasters)


def _paired(spec: LiquiditySpec, world: str, histories: list[History]) -> pd.DataFrame:
    """Return the paired rows of one kind of world, its windows pooled."""
    parts: list[pd.DataFrame] = []
    for history in histories:
        contest = make_contest(spec, history)
        for window in judged_windows(history, spec.windows):
            told = window_tables(contest, judge_window(contest, window))["statements"]
            parts.append(told.assign(fold=len(parts)))
    pooled = pd.concat(parts, ignore_index=True)
    means = pooled.groupby("lane")["net_bps"].mean()
    rows = paired_table(contest, pooled, PASSIVE)
    rows.insert(0, "world", world)
    rows.insert(4, "net_bps", rows["lane"].map(means))
    return rows
