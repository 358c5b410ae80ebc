"""Tables of a liquidity run: what every account did and what came of it, a row each; money in quote tokens."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from backtest.amm.contest import Contest, Judged, WindowOutcome
from backtest.amm.rebalance import REFUSED
from backtest.amm.selection import action_entropy, selection_verdict
from backtest.amm.statement import in_usd, statement
from backtest.amm.walk import Played
from backtest.amm.windows import span_times
from data.amm.pool import Pool, sqrt_of

MONEY: tuple[str, ...] = ("capital", "fees", "divergence", "gas", "conversion", "net", "net_bps", "lvr")
RATIOS: tuple[str, ...] = (
    "in_range_share", "capital_efficiency", "concentration", "fee_apr", "fees_over_lvr", "rebalances",
)  # fmt: skip
"""Parts of a statement that are stored as they are; see ``backtest.amm.statement``."""


def window_tables(contest: Contest, outcome: WindowOutcome) -> dict[str, pd.DataFrame]:
    """Return the tables of one window: ``equity``, ``statements``, ``actions``, ``ranges`` and ``fits``."""
    fold, times = outcome.window.number, span_times(contest.history, outcome.window.test)
    pool = contest.terms.pool
    return {
        "equity": _stacked(_equity(each, fold) for each in outcome.judged),
        "statements": pd.DataFrame([_statement(contest, each, fold) for each in outcome.judged]),
        "actions": _actions(pool, outcome.judged, fold),
        "ranges": _ranges(pool, outcome.judged, fold, times[-1]),
        "fits": _fits(outcome),
    }


def _equity(judged: Judged, fold: int) -> pd.DataFrame:
    marks = judged.played.marks
    columns = {name: marks[name] for name in ("time", "equity", "hold", "in_range")}
    return pd.DataFrame({"lane": judged.lane, "fold": fold, **columns})


def _statement(contest: Contest, judged: Judged, fold: int) -> dict[str, Any]:
    made = statement(judged.played.account)
    dollars = in_usd(made, contest.history)
    return {
        "lane": judged.lane,
        "fold": fold,
        "start": made.start,
        "end": made.end,
        **{name: getattr(made, name) for name in (*MONEY, *RATIOS)},
        "net_usd": float("nan") if dollars is None else dollars.net,
        "entropy": action_entropy(judged.played.decisions),
        "selection": selection_verdict(judged.played.decisions),
        "chosen": judged.chosen,
    }


def _actions(pool: Pool, judged: Sequence[Judged], fold: int) -> pd.DataFrame:
    columns = ["lane", "fold", "decided", "executed", "price", "kind", "gas", "conversion", "reason"]
    rows = [
        (each.lane, fold, done.decided, done.executed, pool.price(done.sqrt_price), done.kind, done.gas,
         done.conversion, done.reason)
        for each in judged
        for done in each.played.actions
    ]  # fmt: skip
    return _stamped(pd.DataFrame(rows, columns=columns), "decided", "executed")


def _ranges(pool: Pool, judged: Sequence[Judged], fold: int, end: np.datetime64) -> pd.DataFrame:
    columns = ["lane", "fold", "start", "end", "lower_price", "upper_price", "share", "reason"]
    rows = [row for each in judged for row in _open_ranges(pool, each.lane, fold, each.played, end)]
    return _stamped(pd.DataFrame(rows, columns=columns), "start", "end")


def _open_ranges(
    pool: Pool, lane: str, fold: int, played: Played, end: np.datetime64
) -> Iterable[tuple[Any, ...]]:
    done = [each for each in played.actions if each.kind != REFUSED]
    until = [*(each.executed for each in done), end][1:]
    for action, stop in zip(done, until, strict=True):
        for wanted in action.ranges:
            low, high = sorted(pool.price(sqrt_of(tick)) for tick in (wanted.lower, wanted.upper))
            yield lane, fold, action.executed, stop, low, high, wanted.share, action.reason


def _fits(outcome: WindowOutcome) -> pd.DataFrame:
    rows = [
        (each.model, outcome.window.number, each.cutoff, "window", each.rows, each.cpu_seconds)
        for each in outcome.fits
    ]
    columns = ["model", "fold", "cutoff", "reason", "rows", "cpu_seconds"]
    return _stamped(pd.DataFrame(rows, columns=columns), "cutoff")


def _stacked(parts: Iterable[pd.DataFrame]) -> pd.DataFrame:
    return pd.concat(list(parts), ignore_index=True)


def _stamped(table: pd.DataFrame, *columns: str) -> pd.DataFrame:
    """Return the table with these columns as times even when it has no row."""
    return table.astype(dict.fromkeys(columns, "datetime64[ns]"))


def joined_windows(windows: Sequence[Mapping[str, pd.DataFrame]]) -> dict[str, pd.DataFrame]:
    """Return the tables of all windows, one below the other."""
    return {name: _stacked(window[name] for window in windows) for name in windows[0]}
