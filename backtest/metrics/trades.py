"""Trades: how often, how much and how long the closed positions of an account won and lost."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import betaincinv

from backtest.errors import MetricError
from backtest.metrics.columns import checked_column, checked_periods
from backtest.metrics.metric import Metric, measured
from data.panel import Floats

NEEDED = ("profit", "costs", "units", "entry_price", "exit_time", "bars")
"""Columns of the table ``trades`` that the metrics read."""


@dataclass(frozen=True, eq=False)
class Trades:
    """The closed trades of one account in the order they were closed; N = 0 is an account without any.

    A trade is a position from flat to flat (``backtest.trades.round_trips``). An open position is no trade yet: its
    profit is a mark, not a result, so it is counted in ``still_open`` only.

    Attributes:
        profits: (N,) account currency, after costs, finite.
        entered: (N,) value entered, account currency, positive.
        costs: (N,) commissions, half-spread and slippage, account currency, not negative.
        bars: (N,) bars from entry to exit, not negative.
        periods_per_year: periods in a year, from the calendar of the data.
        still_open: positions not closed by the end.

    Raises:
        MetricError: when shapes differ, or a value is not finite or below what it can be.
    """

    profits: Floats
    entered: Floats
    costs: Floats
    bars: Floats
    periods_per_year: float
    still_open: int = 0

    def __post_init__(self) -> None:
        count = np.size(self.profits)
        for name, least in (("profits", -np.inf), ("entered", 0.0), ("costs", 0.0), ("bars", 0.0)):
            object.__setattr__(self, name, checked_column(name, getattr(self, name), count, least=least))
        if not (self.entered > 0).all():
            raise MetricError(f"entered holds {self.entered.min()}; positive values are needed")
        if self.still_open < 0:
            raise MetricError(f"still_open was {self.still_open}; a count of at least 0 is needed")
        checked_periods(self.periods_per_year)

    def __len__(self) -> int:
        return len(self.profits)

    @property
    def returns(self) -> Floats:
        """Net profit over the value entered, (N,)."""
        return np.asarray(self.profits / self.entered)

    @property
    def gross_returns(self) -> Floats:
        """Profit before costs over the value entered, (N,)."""
        return np.asarray((self.profits + self.costs) / self.entered)

    @property
    def cost_rates(self) -> Floats:
        """Costs of entry and exit over the value entered, (N,)."""
        return np.asarray(self.costs / self.entered)


def trades_from(table: pd.DataFrame, periods_per_year: float) -> Trades:
    """Return the trades of one lane of the run table ``trades``, ordered by exit.

    Args:
        table: rows of one lane; an open position has exit_time NaT.
        periods_per_year: periods in a year, from the calendar of the data.

    Raises:
        MetricError: when a column is missing or the rows belong to several lanes.
    """
    missing = [name for name in NEEDED if name not in table]
    if missing:
        raise MetricError(f"table of trades has no column '{missing[0]}'; it has {', '.join(table.columns)}")
    lanes = set(table["lane"]) if "lane" in table else set()
    if len(lanes) > 1:
        raise MetricError(f"trades belong to {len(lanes)} lanes; one account at a time is needed")
    closed = table[table["exit_time"].notna()].sort_values("exit_time", kind="stable")
    return Trades(
        closed["profit"].to_numpy(),
        (closed["units"] * closed["entry_price"]).to_numpy(),
        closed["costs"].to_numpy(),
        closed["bars"].to_numpy(),
        periods_per_year,
        len(table) - len(closed),
    )


def closed_trades(trades: Trades) -> Metric:
    """Return the number of closed trades."""
    still = f"positions from flat to flat; {trades.still_open} still open are left out"
    return measured("closed_trades", trades, still, "", lambda: float(len(trades)))


def trade_win_rate(trades: Trades) -> Metric:
    """Return the share of trades with a net profit, with its exact 95 % binomial interval (Clopper and Pearson 1934).

    A trade without profit or loss counts as not won. The interval takes the trades as independent: trades held at the
    same time are not, and the true interval is then wider.
    """
    won, count = int((trades.profits > 0).sum()), len(trades)
    metric = measured(
        "trade_win_rate", trades, "P(net profit > 0), zeros stay in the denominator", _if_none(trades),
        lambda: won / count,
    )  # fmt: skip
    if metric.flag:
        return metric
    low, high = binomial_interval(won, count)
    return metric.with_interval(low, high, "95% exact binomial, trades taken as independent")


def binomial_interval(successes: int, count: int, level: float = 0.95) -> tuple[float, float]:
    """Return the exact interval of a share, from beta quantiles (Clopper and Pearson 1934).

    Raises:
        MetricError: when successes are not within 0 and the count, or the level is not inside (0, 1).
    """
    if not 0 <= successes <= count or count < 1 or not 0 < level < 1:
        raise MetricError(
            f"{successes} of {count} at level {level}; 0 <= successes <= count, count >= 1 and a level inside (0, 1) are needed"
        )
    tail = (1 - level) / 2
    low = 0.0 if successes == 0 else float(betaincinv(successes, count - successes + 1, tail))
    high = 1.0 if successes == count else float(betaincinv(successes + 1, count - successes, 1 - tail))
    return low, high


def average_win(trades: Trades) -> Metric:
    """Return the mean net return on the value entered of the trades that won; NaN without one."""
    won = trades.returns[trades.profits > 0]
    return measured(
        "average_win", trades, "mean net return on the value entered, winning trades",
        _if_none(trades) or ("" if len(won) else "no winning trade"), lambda: float(won.mean()),
    )  # fmt: skip


def average_loss(trades: Trades) -> Metric:
    """Return the mean net return on the value entered of the trades that lost, negative; NaN without one."""
    lost = trades.returns[trades.profits < 0]
    return measured(
        "average_loss", trades, "mean net return on the value entered, losing trades",
        _if_none(trades) or _if_no_loss(trades), lambda: float(lost.mean()),
    )  # fmt: skip


def payoff_ratio(trades: Trades) -> Metric:
    """Return average win / |average loss|; NaN when nothing was won or nothing lost."""
    win, loss = average_win(trades), average_loss(trades)
    return measured(
        "payoff_ratio", trades, "average win / |average loss|, net returns on the value entered",
        win.flag or loss.flag, lambda: win.value / -loss.value,
    )  # fmt: skip


def trade_profit_factor(trades: Trades) -> Metric:
    """Return the money of winning trades over that of losing ones; NaN without a losing trade."""
    won, lost = float(np.maximum(trades.profits, 0).sum()), float(np.maximum(-trades.profits, 0).sum())
    return measured(
        "trade_profit_factor", trades, "net money won / |net money lost|, by trade",
        _if_none(trades) or _if_no_loss(trades), lambda: won / lost,
    )  # fmt: skip


def expectancy(trades: Trades) -> Metric:
    """Return the mean net return of a trade on the value entered."""
    return measured(
        "expectancy", trades, "mean net return on the value entered, by trade", _if_none(trades),
        lambda: float(trades.returns.mean()),
    )  # fmt: skip


def average_holding(trades: Trades) -> Metric:
    """Return the mean number of bars from entry to exit."""
    return measured(
        "average_holding", trades, "mean bars from entry to exit", _if_none(trades),
        lambda: float(trades.bars.mean()),
    )  # fmt: skip


def break_even_win_rate(trades: Trades) -> Metric:
    """Return the gross win rate at which costs take all: p = (loss + cost) / (win + loss).

    win and loss are the mean sizes of gross returns above and not above 0, cost the mean cost rate, all on the value
    entered, so p win - (1 - p) loss - cost = 0. Above 1 no win rate pays. NaN when nothing was won or lost before costs.
    """
    gross, cost = trades.gross_returns, trades.cost_rates
    won, lost = gross[gross > 0], gross[gross <= 0]
    flag = (
        _if_none(trades)
        or ("" if len(won) else "no winning trade")
        or ("" if len(lost) else "no losing trade")
    )
    had = f"; it was {len(won) / len(trades):.4g}" if len(trades) else ""
    return measured(
        "break_even_win_rate", trades, f"(loss + cost) / (win + loss), to compare with the gross win rate{had}", flag,
        lambda: float((cost.mean() - lost.mean()) / (won.mean() - lost.mean())),
    )  # fmt: skip


def longest_losing_streak(trades: Trades) -> Metric:
    """Return the most trades closed one after another at a net loss; 0 when none lost."""
    return measured(
        "longest_losing_streak", trades, "most net losses in a row, in the order of exits", _if_none(trades),
        lambda: float(longest_run(trades.profits < 0)),
    )  # fmt: skip


def longest_run(happened: np.ndarray) -> int:
    """Return the length of the longest run of True in (N,) bools."""
    edges = np.diff(np.concatenate([[0], happened.astype(np.int8), [0]]))
    return int(max(np.flatnonzero(edges < 0) - np.flatnonzero(edges > 0), default=0))


def _if_none(trades: Trades) -> str:
    return "" if len(trades) else "no closed trade"


def _if_no_loss(trades: Trades) -> str:
    return "" if (trades.profits < 0).any() else "no losing trade"
