"""Other tools' definitions: figures the tools themselves gave, quantstats and backtrader run beside, and what is unknown."""

import math
import warnings

import numpy as np
import pandas as pd
import pytest

from backtest.errors import MetricError
from backtest.metrics.convert import CONVERTED, TOOLS, convert, tool_table, tools_table
from backtest.metrics.dated import DatedEquity
from backtest.metrics.table import METRICS
from backtest.metrics.tools import DEFINITIONS
from backtest.metrics.trades import Trades

DAYS = pd.bdate_range("2019-03-05", periods=700).to_numpy().astype("datetime64[D]")
RETURNS = np.random.default_rng(11).standard_t(5, 700) * 0.008 + 0.0006
PROFITS = np.diff(1000 * np.append(1, np.cumprod(1 + RETURNS)))


def trades_of(profits, entered=1000.0):
    ones = np.ones(len(profits))
    return Trades(profits, entered * ones, 0 * ones, ones, 252.0)


def account(returns=RETURNS, trades=None, capital=1000.0):
    """The first date is that of the start capital and of the first return, so that spans begin with the data."""
    days = DAYS[: len(returns)]
    return DatedEquity(
        capital * np.append(1, np.cumprod(1 + returns)), np.append(days[0], days), 252.0, trades
    )


WHOLE = account(trades=trades_of(PROFITS))

# Figures of the tools themselves on the returns above: vectorbt 1.2.0, nautilus_trader 1.221, freqtrade 2026.9
# (each day's profit of a start balance of 1000 given as a trade), pyqlib 0.9.7 (the first return set to -5 %).
RECORDED = [
    ("vectorbt", "sharpe", None, 1.7438706519570637),
    ("vectorbt", "sortino", None, 2.6989479349762395),
    ("vectorbt", "cagr", None, 0.38778707521666056),
    ("vectorbt", "volatility", None, 0.19935776198301272),
    ("vectorbt", "max_drawdown", None, -0.1798204543883346),
    ("vectorbt", "calmar", None, 2.156523719927922),
    ("vectorbt", "value_at_risk", None, -0.014633529949594567),
    ("vectorbt", "expected_shortfall", None, -0.022040794877622342),
    ("nautilus", "sharpe", None, 1.4489990710556058),
    ("nautilus", "sortino", None, 2.242582066633864),
    ("nautilus", "volatility", None, 0.16564830172290917),
    ("nautilus", "profit_factor", None, 1.2795155878879012),
    ("freqtrade", "sharpe", "trades", 1.049958901069561),
    ("freqtrade", "sortino", None, 1.5637023228268416),
    ("freqtrade", "calmar", None, 9.493324937629536),
    ("freqtrade", "max_drawdown", None, -0.17982045438833452),
    ("freqtrade", "cagr", None, 0.2640463826682029),
]


@pytest.mark.parametrize(("tool", "metric", "variant", "figure"), RECORDED)
def test_the_figure_of_the_tool_itself_is_reproduced(tool, metric, variant, figure):
    found = convert(metric, WHOLE, to=tool, variant=variant)
    assert found.value == pytest.approx(figure, rel=1e-9)
    assert (found.name, found.n, found.flag) == (metric, 700, "")


@pytest.mark.parametrize(
    ("metric", "variant", "figure"),
    [
        ("sharpe", "sum", 1.279284972414244),
        ("sharpe", "product", 1.1989405627989425),
        ("cagr", "sum", 0.20941876668490766),
        ("cagr", "product", 0.21649620850384443),
        ("max_drawdown", "sum", -0.18986947925223285),
        ("max_drawdown", "product", -0.1798204543883346),
    ],
)
def test_both_modes_of_qlib_are_reproduced(metric, variant, figure):
    fallen = account(np.append(-0.05, RETURNS[1:]))
    assert convert(metric, fallen, to="qlib", variant=variant).value == pytest.approx(figure, rel=1e-9)


# Figures of backtesting 0.6.6: 10 units bought at the third price with a cash of 1200.
@pytest.mark.parametrize(
    ("metric", "variant", "figure"),
    [
        ("sharpe", None, 1.2162601225927514),
        ("sortino", None, 2.2940928049829696),
        ("calmar", None, 1.3347266652039163),
        ("cagr", "CAGR", 0.22617278077789393),
        ("cagr", "Return (Ann.)", 0.2177783224906573),
        ("volatility", None, 0.1790557122159118),
        ("max_drawdown", None, -0.1631632364648875),
    ],
)
def test_the_figures_of_backtesting_py_are_reproduced(metric, variant, figure):
    price = 100 * np.cumprod(1 + RETURNS)
    equity = 1200 + 10 * np.maximum(np.arange(700) >= 2, 0) * (price - price[2])
    found = convert(metric, DatedEquity(equity, DAYS, 252.0), to="backtesting.py", variant=variant)
    assert found.value == pytest.approx(figure, rel=1e-9)


@pytest.mark.parametrize("shift", [0.0, -0.002])
@pytest.mark.parametrize("first", [0.0, -0.3], ids=["as_it_is", "a_fall_first"])
def test_quantstats_itself_gives_the_same(shift, first):
    returns = np.append(first, RETURNS + shift)[:700]
    series = pd.Series(returns, pd.DatetimeIndex(DAYS.astype("datetime64[ns]")))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import quantstats.stats as peer

        theirs = {
            "sharpe": peer.sharpe(series),
            "sortino": peer.sortino(series),
            "cagr": peer.cagr(series),
            "volatility": peer.volatility(series),
            "max_drawdown": peer.max_drawdown(series),
            "calmar": peer.calmar(series),
            "value_at_risk": peer.value_at_risk(series),
            "expected_shortfall": peer.expected_shortfall(series),
            "profit_factor": peer.profit_factor(series),
        }
    for metric, value in theirs.items():
        found = convert(metric, account(returns), to="quantstats").value
        assert found == pytest.approx(float(value), rel=1e-9), metric


def test_backtrader_itself_gives_the_same():
    bt = pytest.importorskip("backtrader", reason="needs the extra 'backtrader'")
    prices = 100 * np.cumprod(1 + RETURNS)
    columns = dict.fromkeys(("open", "high", "low", "close"), prices)
    frame = pd.DataFrame({**columns, "volume": 1.0}, pd.DatetimeIndex(DAYS.astype("datetime64[ns]")))

    class Hold(bt.Strategy):
        def __init__(self):
            self.values = []

        def next(self):
            self.values.append(self.broker.getvalue())
            if not self.position:
                self.buy(size=8)

    cerebro = bt.Cerebro()
    cerebro.adddata(bt.feeds.PandasData(dataname=frame))
    cerebro.broker.setcash(1000.0)
    cerebro.addstrategy(Hold)
    cerebro.addanalyzer(bt.analyzers.SharpeRatio, _name="yearly")
    cerebro.addanalyzer(bt.analyzers.SharpeRatio_A, _name="annual", timeframe=bt.TimeFrame.Days)
    cerebro.addanalyzer(bt.analyzers.Returns, _name="returns")
    cerebro.addanalyzer(bt.analyzers.DrawDown, _name="drawdown")
    held = cerebro.run()[0]
    kept = {each: held.analyzers.getbyname(each).get_analysis() for each in ("yearly", "annual", "returns")}
    deepest = held.analyzers.getbyname("drawdown").get_analysis().max.drawdown
    curve = DatedEquity(np.array(held.values), DAYS, 252.0)

    def ours(metric, variant):
        return convert(metric, curve, to="backtrader", variant=variant).value

    assert ours("sharpe", "SharpeRatio") == pytest.approx(kept["yearly"]["sharperatio"], rel=1e-9)
    assert ours("sharpe", "SharpeRatio_A, days") == pytest.approx(kept["annual"]["sharperatio"], rel=1e-9)
    assert ours("cagr", "Returns") == pytest.approx(kept["returns"]["rnorm"], rel=1e-9)
    assert ours("max_drawdown", "DrawDown") == pytest.approx(-deepest / 100, rel=1e-9)


def test_a_fall_on_the_first_day_is_no_drawdown_to_some_tools():
    fallen = account(np.append(-0.3, np.abs(RETURNS[:50])))
    for tool in ("vectorbt", "qlib"):
        assert convert("max_drawdown", fallen, to=tool).value == 0
    for tool in ("quantstats", "backtrader", "backtesting.py"):
        assert convert("max_drawdown", fallen, to=tool).value == pytest.approx(-0.3)


def test_freqtrade_reads_the_fall_of_the_largest_loss_in_money():
    # Figures of freqtrade 2026.9: the balance falls by 40 % early, later by more money but only 20 %.
    profits = np.diff([100.0, 60.0, 100.0, 1000.0, 800.0, 1200.0])
    days = np.append(DAYS[0], DAYS[:5])
    curve = DatedEquity(100 + np.append(0, np.cumsum(profits)), days, 252.0, trades_of(profits))
    assert convert("max_drawdown", curve, to="freqtrade").value == pytest.approx(-0.2)
    assert convert("calmar", curve, to="freqtrade").value == pytest.approx(17512.89207666423)


@pytest.mark.parametrize("metric", ["sharpe", "sortino", "calmar"])
def test_the_sentinel_of_freqtrade_is_kept_and_said(metric):
    found = convert(metric, account(np.full(5, 0.01), trades_of([5.0])), to="freqtrade")
    assert found.value == -100
    assert found.flag == "freqtrade's sentinel: the formula divides by zero"


def test_one_losing_trade_has_no_deviation_to_freqtrade():
    # freqtrade 2026.9 shows -100 here.
    found = convert("sortino", account(np.full(5, 0.01), trades_of([-30.0, 10, 5, 5, 5])), to="freqtrade")
    assert found.value == -100


def test_the_same_curve_cut_into_longer_trades_has_a_lower_freqtrade_ratio():
    cut = [
        convert("sharpe", WHOLE, to="freqtrade", variant=each).value
        for each in ("daily", "weekly", "monthly")
    ]
    assert cut[0] > cut[1] > cut[2] > 0


def test_weeks_are_cut_between_sunday_and_monday():
    days = np.arange("2024-01-05", "2024-01-16", dtype="datetime64[D]")
    curve = DatedEquity([100, 101, 102, 103, 104, 105, 106, 107, 108, 109, 110], days, 365.0)
    # Ends of weeks: Sunday 7 (102), Sunday 14 (109), and the last day (110).
    profits = np.array([0.07, 0.01])
    expected = profits.sum() / 10 / profits.std() * math.sqrt(365)
    assert convert("sharpe", curve, to="freqtrade", variant="weekly").value == pytest.approx(expected)


def test_hours_are_read_as_the_last_value_of_each_day():
    hourly = np.repeat(DAYS[:50], 4)
    values = 100 * np.cumprod(1 + np.random.default_rng(2).normal(0, 0.01, 200))
    curve = DatedEquity(np.append(100, values), np.append(hourly[0], hourly), 1638.0)
    daily = DatedEquity(np.append(100, values[3::4]), np.append(DAYS[0], DAYS[:50]), 252.0)
    for tool in ("vectorbt", "backtesting.py", "backtrader", "qlib"):
        one, other = (convert("sharpe", each, to=tool) for each in (curve, daily))
        assert (one.value, one.n) == (other.value, 50)


def test_returns_that_look_like_prices_are_not_converted_to_quantstats():
    found = convert("sharpe", account(np.tile([0.0, 1.5, 0.2], 20)), to="quantstats")
    assert math.isnan(found.value)
    assert "for prices" in found.flag


@pytest.mark.parametrize("definition", DEFINITIONS, ids=lambda d: f"{d.tool}-{d.metric}-{d.variant}")
@pytest.mark.parametrize(
    "returns",
    [np.zeros(60), np.full(60, 0.001), np.abs(RETURNS[:60]), np.append(RETURNS[:60], -1.0), np.array([0.01]), -np.abs(RETURNS[:60])],
    ids=["zeros", "constant", "gains", "ruin", "one", "losses"],
)  # fmt: skip
def test_every_definition_is_finite_or_says_why_not(definition, returns):
    for trades in (None, trades_of([]), trades_of([5.0]), trades_of(10 * returns)):
        curve = account(returns, trades)
        found = convert(definition.metric, curve, to=definition.tool, variant=definition.variant)
        assert math.isfinite(found.value) or found.flag
        assert found.convention == definition.formula


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            {"metric": "sharpe", "to": "zipline"},
            "tool was 'zipline'; known are vectorbt, quantstats, freqtrade",
        ),
        ({"metric": "omega", "to": "qlib"}, "metric was 'omega'; of qlib the definitions of sharpe, cagr"),
        ({"metric": "sharpe", "to": "qlib", "variant": "mean"}, "sharpe of qlib has 'sum', 'product'"),
    ],
)
def test_what_is_unknown_is_named_beside_what_is_known(arguments, words):
    metric = arguments.pop("metric")
    with pytest.raises(MetricError, match=words):
        convert(metric, WHOLE, **arguments)


def test_the_table_of_a_metric_has_every_tool_beside_ours():
    table = tools_table(WHOLE)
    assert set(table["tool"]) == set(TOOLS)
    assert set(table["metric"]) == {"sharpe"}
    assert (table["wayfold"] == METRICS["sharpe"](WHOLE.returns).value).all()
    assert table["formula"].str.len().gt(0).all()
    with pytest.raises(MetricError, match="are known of sharpe, sortino"):
        tools_table(WHOLE, "omega")


def test_the_table_of_a_tool_has_its_metrics_beside_ours():
    table = tool_table(WHOLE, "quantstats")
    assert list(table["metric"]) == [each.metric for each in DEFINITIONS if each.tool == "quantstats"]
    assert table["value"].notna().all()
    with pytest.raises(MetricError, match="tool was 'zipline'"):
        tool_table(WHOLE, "zipline")


def test_open_positions_are_said_where_trades_are_counted():
    trades = Trades(PROFITS, np.full(700, 9.0), np.zeros(700), np.ones(700), 252.0, still_open=2)
    assert convert("sharpe", account(trades=trades), to="freqtrade").flag.startswith("2 open positions")
    assert convert("sharpe", account(trades=trades), to="qlib").flag == ""


@pytest.mark.parametrize("metric", CONVERTED)
def test_the_table_of_each_metric_needs_no_trades(metric):
    table = tools_table(account(), metric)
    assert (table["value"].notna() | (table["flag"] == "needs the trades of the account")).all()


@pytest.mark.parametrize(
    ("equity", "dates", "words"),
    [
        ([1.0, 1.1], DAYS[:3], "shape"),
        ([1.0, 1.1], DAYS[[1, 0]], "decrease"),
        ([1.0, 1.1], np.array(["2024-01-01", "NaT"], "datetime64[D]"), "missing"),
        ([1.0, -1.1], DAYS[:2], "equity at row 1"),
        ([1.0], DAYS[:1], "start capital"),
    ],
)
def test_curves_without_their_dates_are_refused(equity, dates, words):
    with pytest.raises(MetricError, match=words):
        DatedEquity(equity, dates, 252.0)


@pytest.mark.parametrize(
    ("tool", "metric", "figure"),
    [
        ("quantstats", "value_at_risk", -0.019575),
        ("quantstats", "expected_shortfall", -0.024602),
        ("quantstats", "sortino", 0.398614),
        ("vectorbt", "value_at_risk", -0.018643),
        ("vectorbt", "expected_shortfall", -0.028609),
        ("quantstats", "profit_factor", 1.054489),
    ],
)
def test_the_published_figures_of_the_index_are_reproduced(tool, metric, figure):
    from arch.data import sp500

    prices = sp500.load()["Adj Close"]
    index = DatedEquity(prices.to_numpy(), prices.index.to_numpy().astype("datetime64[D]"), 252.0)
    assert convert(metric, index, to=tool).value == pytest.approx(figure, abs=1e-6)
