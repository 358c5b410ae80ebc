"""Tools: how seven other programs define the metrics they print, in words and as functions of one equity curve.

Each definition was written from the description of its behaviour and agrees with the program itself: vectorbt 1.2.0,
quantstats 0.0.86, freqtrade 2026.9, pyqlib 0.9.7, backtrader 1.9.78.123, backtesting 0.6.6, nautilus_trader 1.221. All
read daily values, with the programs' own defaults: none takes its periods a year from the calendar of the data.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from backtest.metrics.dated import DatedEquity
from backtest.metrics.drawdown import drawdowns_of
from backtest.metrics.growth import compounded_annually, gains_and_losses
from backtest.metrics.ratios import sharpe_per_period, sortino_per_period
from data.panel import Floats

Compute = Callable[[DatedEquity], float]

SENTINEL = -100.0
"""What freqtrade shows instead of a ratio that divides by zero."""

NIGHT = np.timedelta64(1, "D")


@dataclass(frozen=True)
class Definition:
    """One metric as one tool defines it.

    Attributes:
        tool: the tool.
        metric: our name of the metric.
        variant: the tool's setting or function that gives it, empty where there is only one.
        formula: the definition in words: r are daily returns, n their number, E0 the start capital.
        compute: from a curve by day to the number.
        needs_trades: whether it reads the closed trades.
    """

    tool: str
    metric: str
    variant: str
    formula: str
    compute: Compute
    needs_trades: bool = False


def _daily(account: DatedEquity) -> Floats:
    return np.asarray(account.equity[1:] / account.equity[:-1] - 1)


def _sharpe(days: float) -> Compute:
    return lambda account: float(sharpe_per_period(_daily(account))) * math.sqrt(days)


def _sortino(days: float) -> Compute:
    return lambda account: float(sortino_per_period(_daily(account))) * math.sqrt(days)


def _volatility(days: float) -> Compute:
    return lambda account: float(_daily(account).std(ddof=1)) * math.sqrt(days)


def _growth(days: float) -> Compute:
    return lambda account: float(compounded_annually(_daily(account), days))


def _deepest(account: DatedEquity) -> float:
    return float(drawdowns_of(account.equity).min())


def _deepest_without_start(account: DatedEquity) -> float:
    return float(drawdowns_of(account.equity[1:]).min())


def _trades_factor(account: DatedEquity) -> float:
    assert account.trades is not None
    gains, losses = gains_and_losses(account.trades.profits)
    return gains / losses if losses else math.inf


def _returns_factor(account: DatedEquity) -> float:
    gains, losses = gains_and_losses(_daily(account))
    return gains / losses if losses else math.inf


def _lowest_mean(account: DatedEquity) -> float:
    """Return the mean of the floor((n - 1) 0.05) + 1 lowest returns."""
    ordered = np.sort(_daily(account))
    return float(ordered[: int((len(ordered) - 1) * 0.05) + 1].mean())


VECTORBT = (
    Definition("vectorbt", "sharpe", "", "mean(r)/sd(r, ddof 1) x sqrt(365)", _sharpe(365)),
    Definition("vectorbt", "sortino", "", "mean(r)/sqrt(mean(min(r, 0)^2)) x sqrt(365)", _sortino(365)),
    Definition("vectorbt", "cagr", "", "prod(1+r)^(365/n) - 1, n trading days", _growth(365)),
    Definition("vectorbt", "volatility", "", "sd(r, ddof 1) x sqrt(365)", _volatility(365)),
    Definition("vectorbt", "max_drawdown", "", "compounded from the first return on: the start capital is no peak", _deepest_without_start),
    Definition("vectorbt", "calmar", "", "(prod(1+r)^(365/n) - 1)/|max drawdown without the start capital|", lambda a: _growth(365)(a) / -_deepest_without_start(a)),
    Definition("vectorbt", "value_at_risk", "", "0.05 quantile of r, linear", lambda a: float(np.quantile(_daily(a), 0.05))),
    Definition("vectorbt", "expected_shortfall", "", "mean of the floor((n-1) 0.05) + 1 lowest r", _lowest_mean),
)  # fmt: skip


def _gaussian_quantile(account: DatedEquity) -> float:
    values = _daily(account)
    return float(values.mean() + ndtri(0.05) * values.std(ddof=1))


def _gaussian_tail(account: DatedEquity) -> float:
    values, z = _daily(account), float(ndtri(0.05))
    density = math.exp(-z * z / 2) / math.sqrt(2 * math.pi)
    return float(values.mean() - values.std(ddof=1) * density / 0.05)


QUANTSTATS = (
    Definition("quantstats", "sharpe", "", "mean(r)/sd(r, ddof 1) x sqrt(252)", _sharpe(252)),
    Definition("quantstats", "sortino", "", "mean(r)/sqrt(mean(min(r, 0)^2)) x sqrt(252)", _sortino(252)),
    Definition("quantstats", "cagr", "", "prod(1+r)^(252/n) - 1", _growth(252)),
    Definition("quantstats", "volatility", "", "sd(r, ddof 1) x sqrt(252)", _volatility(252)),
    Definition("quantstats", "max_drawdown", "", "compounded, start capital included", _deepest),
    Definition("quantstats", "calmar", "", "(prod(1+r)^(252/n) - 1)/|max drawdown|", lambda a: _growth(252)(a) / -_deepest(a)),
    Definition("quantstats", "value_at_risk", "", "0.05 quantile of a normal distribution with mean and sd (ddof 1) of r", _gaussian_quantile),
    Definition("quantstats", "expected_shortfall", "", "mean below that quantile of the same normal distribution", _gaussian_tail),
    Definition("quantstats", "profit_factor", "", "sum of gains/|sum of losses| of r", _returns_factor),
)  # fmt: skip


def _trade_profits(account: DatedEquity) -> Floats:
    assert account.trades is not None
    return np.asarray(account.trades.profits / account.equity[0])


def _cut_profits(unit: str) -> Callable[[DatedEquity], Floats]:
    """Return a function that cuts the curve at the ends of a calendar unit: profits over E0 from each end to the next."""

    def profits(account: DatedEquity) -> Floats:
        # numpy counts weeks from a Thursday: three days on, they begin on a Monday.
        days = account.dates + (np.timedelta64(3, "D") if unit == "W" else np.timedelta64(0, "D"))
        pieces = days.astype(f"datetime64[{unit}]")
        is_end = np.append(pieces[1:] != pieces[:-1], True)
        return np.asarray(np.diff(account.equity[is_end]) / account.equity[0])

    return profits


def _a_day(profits: Floats, account: DatedEquity) -> float:
    """Return the sum of profits over the calendar days from start to end."""
    return float(profits.sum()) / max(1.0, float((account.dates[-1] - account.dates[0]) / NIGHT))


def _over_deviation(mean: float, values: Floats) -> float:
    deviation = float(values.std()) if len(values) else 0.0
    return mean / deviation * math.sqrt(365) if deviation else SENTINEL


def _fall_of_largest_loss(profits: Floats) -> float:
    """Return the relative fall of the balance at its largest fall in money, in [-1, 0]."""
    balance = 1 + np.append(0.0, np.cumsum(profits))
    peak = np.maximum.accumulate(balance)
    row = int(np.argmin(balance - peak))
    return float(balance[row] / peak[row] - 1)


def _calendar_growth(days: float) -> Compute:
    def growth(account: DatedEquity) -> float:
        years = float((account.dates[-1] - account.dates[0]) / NIGHT) / days
        return float(account.equity[-1] / account.equity[0]) ** (1 / years) - 1 if years else math.inf

    return growth


def _per_trade_sharpe(cut: Callable[[DatedEquity], Floats]) -> Compute:
    return lambda account: _over_deviation(_a_day(cut(account), account), cut(account))


def _per_trade_sortino(account: DatedEquity) -> float:
    profits = _trade_profits(account)
    return _over_deviation(_a_day(profits, account), profits[profits < 0])


def _per_trade_calmar(account: DatedEquity) -> float:
    profits = _trade_profits(account)
    fall = -_fall_of_largest_loss(profits)
    return 100 * _a_day(profits, account) / fall * math.sqrt(365) if fall else SENTINEL


def _curve_as_trades(variant: str, unit: str) -> Definition:
    words = f"the same with the curve cut {variant}, p = profit/E0 from end to end, each taken for a trade"
    return Definition("freqtrade", "sharpe", variant, words, _per_trade_sharpe(_cut_profits(unit)))


_PER_TRADE = "(sum(p)/calendar days)/sd({}, ddof 0) x sqrt(365), p = trade profit/E0; -100 when the sd is 0"
FREQTRADE = (
    Definition("freqtrade", "sharpe", "trades", _PER_TRADE.format("p"), _per_trade_sharpe(_trade_profits), needs_trades=True),
    _curve_as_trades("daily", "D"),
    _curve_as_trades("weekly", "W"),
    _curve_as_trades("monthly", "M"),
    Definition("freqtrade", "sortino", "", _PER_TRADE.format("losing p alone"), _per_trade_sortino, needs_trades=True),
    Definition("freqtrade", "cagr", "", "(end/E0)^(365/calendar days) - 1", _calendar_growth(365)),
    Definition("freqtrade", "max_drawdown", "", "relative fall at the largest fall in money, by closed trade", lambda a: _fall_of_largest_loss(_trade_profits(a)), needs_trades=True),
    Definition("freqtrade", "calmar", "", "100 x (sum(p)/calendar days)/|max drawdown| x sqrt(365), p = trade profit/E0; -100 without a drawdown", _per_trade_calmar, needs_trades=True),
    Definition("freqtrade", "profit_factor", "", "money won/|money lost|, by trade", _trades_factor, needs_trades=True),
)  # fmt: skip


def _log_growth(account: DatedEquity) -> float:
    return float(np.log1p(_daily(account)).mean())


def _sum_drawdown(account: DatedEquity) -> float:
    total = np.cumsum(_daily(account))
    return float((total - np.maximum.accumulate(total)).min())


def _product_ratio(account: DatedEquity) -> float:
    logs = np.log1p(_daily(account))
    return math.expm1(float(logs.mean())) / float(logs.std(ddof=1)) * math.sqrt(238)


QLIB = (
    Definition("qlib", "sharpe", "sum", "information ratio: mean(r)/sd(r, ddof 1) x sqrt(238)", _sharpe(238)),
    Definition("qlib", "sharpe", "product", "information ratio: (prod(1+r)^(1/n) - 1)/sd(ln(1+r), ddof 1) x sqrt(238)", _product_ratio),
    Definition("qlib", "cagr", "sum", "annualized return: 238 x mean(r), not compounded", lambda a: 238 * float(_daily(a).mean())),
    Definition("qlib", "cagr", "product", "annualized return: prod(1+r)^(238/n) - 1", _growth(238)),
    Definition("qlib", "max_drawdown", "sum", "lowest (sum of r so far - its highest so far), from the first return on", _sum_drawdown),
    Definition("qlib", "max_drawdown", "product", "compounded from the first return on: the start capital is no peak", _deepest_without_start),
)  # fmt: skip


def _first_bar_and_later(account: DatedEquity) -> tuple[Floats, np.ndarray]:
    """Return r with the bar of the start capital in front, whose return is 0, and the dates beside."""
    if account.dates[0] == account.dates[1]:
        return _daily(account), account.dates[1:]
    return np.append(0.0, _daily(account)), account.dates


def _yearly_sharpe(account: DatedEquity) -> float:
    values, dates = _first_bar_and_later(account)
    years = dates.astype("datetime64[Y]")
    yearly = np.array([np.prod(1 + values[years == year]) - 1 for year in np.unique(years)])
    deviation = float(yearly.std())
    return float(yearly.mean() - 0.01) / deviation if deviation else math.inf


def _daily_sharpe_above_one_per_cent(account: DatedEquity) -> float:
    above = _first_bar_and_later(account)[0] - (1.01 ** (1 / 252) - 1)
    return float(above.mean() / above.std()) * math.sqrt(252)


def _log_growth_of_bars(account: DatedEquity) -> float:
    values = _first_bar_and_later(account)[0]
    return math.expm1(float(np.log1p(values).mean()) * 252)


BACKTRADER = (
    Definition("backtrader", "sharpe", "SharpeRatio", "yearly returns y: mean(y - 0.01)/sd(y, ddof 0), not annualised", _yearly_sharpe),
    Definition("backtrader", "sharpe", "SharpeRatio_A, days", "x = r - (1.01^(1/252) - 1), the first bar's 0 in front: mean(x)/sd(x, ddof 0) x sqrt(252)", _daily_sharpe_above_one_per_cent),
    Definition("backtrader", "cagr", "Returns", "exp(252 x ln(end/E0)/bars) - 1, the first bar counted", _log_growth_of_bars),
    Definition("backtrader", "max_drawdown", "DrawDown", "compounded, start capital included; shown in per cent without a sign", _deepest),
)  # fmt: skip


def _year_of(account: DatedEquity) -> float:
    """Return 365 when more than 0.6 of two days in seven are weekends, else 252."""
    weekdays = (account.dates.astype(np.int64) + 3) % 7
    return 365.0 if float(np.mean(weekdays >= 5)) > 0.6 * 2 / 7 else 252.0


def _compounding_growth(account: DatedEquity) -> float:
    return math.expm1(_log_growth(account) * _year_of(account))


def _compounding_volatility(account: DatedEquity) -> float:
    days, growth = _year_of(account), math.exp(_log_growth(account))
    variance = float(_daily(account).var(ddof=1))
    return math.sqrt((variance + growth**2) ** days - growth ** (2 * days))


def _compounding_sortino(account: DatedEquity) -> float:
    downside = math.sqrt(float(np.mean(np.minimum(_daily(account), 0) ** 2)) * _year_of(account))
    return _compounding_growth(account) / downside if downside else math.inf


def _trade_returns_factor(account: DatedEquity) -> float:
    assert account.trades is not None
    gains, losses = gains_and_losses(account.trades.returns)
    return gains / losses if losses else math.inf


_A = "A = exp(mean(ln(1+r)))^252 - 1 (365 when over 17 % of the dates are weekends)"
BACKTESTING = (
    Definition("backtesting.py", "sharpe", "", f"A/V; {_A}; V is its volatility", lambda a: _compounding_growth(a) / _compounding_volatility(a)),
    Definition("backtesting.py", "sortino", "", f"A/(sqrt(mean(min(r, 0)^2)) x sqrt(252)); {_A}", _compounding_sortino),
    Definition("backtesting.py", "calmar", "", f"A/|max drawdown|; {_A}", lambda a: _compounding_growth(a) / -_deepest(a)),
    Definition("backtesting.py", "cagr", "CAGR", "(end/E0)^(365.25/calendar days) - 1", _calendar_growth(365.25)),
    Definition("backtesting.py", "cagr", "Return (Ann.)", _A, _compounding_growth),
    Definition("backtesting.py", "volatility", "", "V = sqrt((var(r, ddof 1) + g^2)^252 - g^504), g = exp(mean(ln(1+r))) (365 when over 17 % of the dates are weekends)", _compounding_volatility),
    Definition("backtesting.py", "max_drawdown", "", "compounded, start capital included", _deepest),
    Definition("backtesting.py", "profit_factor", "", "sum of winning/|sum of losing| trade returns", _trade_returns_factor, needs_trades=True),
)  # fmt: skip

NAUTILUS = (
    Definition("nautilus", "sharpe", "", "mean(r)/sd(r, ddof 1) x sqrt(252)", _sharpe(252)),
    Definition("nautilus", "sortino", "", "mean(r)/sqrt(mean(min(r, 0)^2)) x sqrt(252)", _sortino(252)),
    Definition("nautilus", "volatility", "", "sd(r, ddof 1) x sqrt(252)", _volatility(252)),
    Definition("nautilus", "profit_factor", "", "sum of gains/|sum of losses| of r", _returns_factor),
)

DEFINITIONS: tuple[Definition, ...] = (
    *VECTORBT,
    *QUANTSTATS,
    *FREQTRADE,
    *QLIB,
    *BACKTRADER,
    *BACKTESTING,
    *NAUTILUS,
)
"""Every definition; the first of a tool and metric is that tool's default."""
