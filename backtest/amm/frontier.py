"""Frontier: the same decisions carried out by accounts of other sizes that pay other gas."""

from dataclasses import replace

import numpy as np
import pandas as pd

from backtest.amm.account import PoolAccount
from backtest.amm.advance import advance, place, start
from backtest.amm.contest import Contest, WindowOutcome
from backtest.amm.policies.base import RangeDecision
from backtest.amm.terms import PoolCosts, PoolTerms
from backtest.amm.walk import Played, pool_log
from backtest.amm.windows import span_times
from data.amm.pool_log import SwapPath

ACTION_PARTS = ("mint_gas", "burn_gas", "swap_gas")


def frontier_table(contest: Contest, outcome: WindowOutcome) -> pd.DataFrame:
    """Return net versus hold of every policy at each capital and gas, for one window.

    Decisions are those of the experiment's own capital and gas, so only what they cost changes; columns lane, fold, capital,
    gas, net_bps. Gas is that of one move (close, convert, open) and is split over its parts as in the experiment's costs.
    """
    frontier = contest.spec.frontier
    rows = [
        (
            judged.lane,
            outcome.window.number,
            capital,
            gas,
            _net_bps(contest, outcome, judged.played, capital, gas),
        )
        for judged in outcome.judged
        for capital in frontier.capital
        for gas in frontier.gas
    ]
    return pd.DataFrame(rows, columns=["lane", "fold", "capital", "gas", "net_bps"])


def frontier_summary(windows: pd.DataFrame) -> pd.DataFrame:
    """Return the mean over windows and its standard error: columns lane, capital, gas, net_bps, standard_error."""
    groups = windows.groupby(["lane", "capital", "gas"], sort=False)["net_bps"]
    summary = groups.agg(["mean", "std", "count"]).reset_index()
    summary["standard_error"] = summary["std"] / np.sqrt(summary["count"])
    return summary.rename(columns={"mean": "net_bps"})[
        ["lane", "capital", "gas", "net_bps", "standard_error"]
    ]


def costs_at(costs: PoolCosts, gas: float) -> PoolCosts:
    """Return the costs with a whole move at ``gas``, split as before; equally where gas was free before."""
    parts = {name: getattr(costs, name) for name in ACTION_PARTS}
    whole = sum(parts.values())
    shares = {name: part / whole if whole else 1 / len(parts) for name, part in parts.items()}
    mint, burn, swap = (gas * shares[name] for name in ACTION_PARTS)
    return replace(costs, mint_gas=mint, burn_gas=burn, swap_gas=swap)


def _net_bps(contest: Contest, outcome: WindowOutcome, played: Played, capital: float, gas: float) -> float:
    terms = replace(contest.terms, costs=costs_at(contest.spec.costs, gas))
    return replayed_net(contest, outcome, terms, played.decisions, capital) / capital * 1e4


def replayed_net(
    contest: Contest,
    outcome: WindowOutcome,
    terms: PoolTerms,
    decisions: tuple[RangeDecision, ...],
    capital: float,
) -> float:
    """Return net versus hold, in quote tokens, of given decisions on a window's swaps under other terms."""
    times, swaps = span_times(contest.history, outcome.window.test), pool_log(contest.history).swaps
    price = contest.history.panel.field("sqrt_price")[outcome.window.test.first, 0]
    account = start(terms, capital, float(price), times[0])
    for decision in decisions:
        account = place(_at(account, decision.cutoff, swaps, terms), decision)
    return _at(account, times[-1], swaps, terms).net


def _at(account: PoolAccount, time: np.datetime64, swaps: SwapPath, terms: PoolTerms) -> PoolAccount:
    """Return the account at an instant."""
    return account if time == account.time else advance(account, swaps, np.array([time]), terms).account
