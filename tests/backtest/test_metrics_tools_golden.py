"""The published curve: 500 assets re-targeted on 2,520 days by backtrader's rules, under seven tools' definitions."""

import numpy as np
import pandas as pd
import pytest

from backtest.costs import CustomCosts
from backtest.engine.bars import Bars
from backtest.engine.exact import advance_exact
from backtest.engine.exact_rules import ExactRules
from backtest.engine.exact_state import start_exact
from backtest.metrics.convert import convert
from backtest.metrics.dated import DatedEquity

T, N, VOLATILITY, CAPITAL = 2520, 500, 0.015, 1e8


@pytest.fixture(scope="module")
def account():
    rng = np.random.default_rng(2)
    close = 100 * np.exp(np.cumsum(rng.normal(0, VOLATILITY, (T, N)), axis=0))
    opens = np.vstack([np.full(N, 100.0), close[:-1]])
    opens *= np.exp(rng.normal(0, 0.3 * VOLATILITY, (T, N)))
    high = np.maximum(opens, close) * np.exp(np.abs(rng.normal(0, 0.3 * VOLATILITY, (T, N))))
    low = np.minimum(opens, close) * np.exp(-np.abs(rng.normal(0, 0.3 * VOLATILITY, (T, N))))
    scores = np.exp(np.cumsum(np.random.default_rng(3).normal(0, 0.05, (T, N)), axis=0))
    weights = 0.95 * scores / scores.sum(axis=1, keepdims=True)
    days = pd.bdate_range("2010-01-01", periods=T).to_numpy()
    names = tuple(f"asset{i:03d}" for i in range(N))
    unknown, none = np.full((T, N), np.nan), np.zeros((T, N))
    bars = Bars(days, names, opens, high, low, close, unknown, none + 1, none, np.ones(N, bool))
    rules, costs = ExactRules(capital=CAPITAL), CustomCosts(commission_bps=10)
    path = advance_exact(start_exact(names, CAPITAL), bars, rules, costs, weights)
    return DatedEquity(path.equity, days, 252.0)


def test_the_total_return_is_the_published_one_to_the_last_bit(account):
    assert account.equity[-1] / account.equity[0] - 1 == 0.2940622380698257


@pytest.mark.parametrize(
    ("tool", "variant", "sharpe"),
    [
        ("nautilus", None, 0.8225),
        ("vectorbt", None, 0.9899),
        ("qlib", "sum", 0.7993),
        ("qlib", "product", 0.7839),
        ("backtesting.py", None, 0.7960),
        ("backtrader", "SharpeRatio", 0.3629),
    ],
)
def test_the_published_sharpe_ratios_of_one_curve(account, tool, variant, sharpe):
    assert convert("sharpe", account, to=tool, variant=variant).value == pytest.approx(sharpe, abs=5e-5)


def test_the_published_backtrader_ratio_by_day_leaves_out_the_first_bar_that_the_package_counts(account):
    counted = convert("sharpe", account, to="backtrader", variant="SharpeRatio_A, days")
    days = np.append(account.dates[1], account.dates[1:])
    left_out = convert(
        "sharpe", DatedEquity(account.equity, days, 252.0), to="backtrader", variant="SharpeRatio_A, days"
    )
    assert left_out.value == pytest.approx(0.5114, abs=5e-5)
    assert counted.value == pytest.approx(0.5112, abs=5e-5)


@pytest.mark.parametrize(("variant", "sharpe"), [("monthly", 0.132), ("weekly", 0.283), ("daily", 0.678)])
def test_the_published_freqtrade_ratios_of_one_curve(account, variant, sharpe):
    assert convert("sharpe", account, to="freqtrade", variant=variant).value == pytest.approx(
        sharpe, abs=5e-4
    )


def test_the_published_drawdowns_of_one_curve(account):
    assert convert("max_drawdown", account, to="quantstats").value == pytest.approx(-0.0955, abs=5e-5)
    assert convert("max_drawdown", account, to="qlib").value == pytest.approx(-0.0984, abs=5e-5)
