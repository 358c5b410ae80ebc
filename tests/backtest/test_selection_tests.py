"""The table of what is luck: what each column says, what it leaves out and when it refuses."""

import numpy as np
import pandas as pd
import pytest

from backtest.errors import MetricError
from backtest.metrics.ratios import sharpe
from backtest.metrics.returns import Returns
from backtest.metrics.selection_tests import COLUMNS, selection_tests
from backtest.metrics.significance import TrialFamily, deflated_sharpe, probabilistic_sharpe
from backtest.metrics.trial_correlation import trial_family
from forecast.comparison import holm

TIMES = pd.date_range("2019-01-01", periods=500)
ZERO = pd.Series(0.0, TIMES)


def frame(count: int = 6, seed: int = 0, edge: float = 0.0) -> pd.DataFrame:
    values = np.random.default_rng(seed).normal(0, 0.01, (500, count))
    values[:, 0] += edge * 0.01
    return pd.DataFrame(values, TIMES, [f"rule {k}" for k in range(count)])


def table_of(returns: pd.DataFrame, benchmark: pd.Series = ZERO, **settings: object) -> pd.DataFrame:
    found = selection_tests(returns, benchmark, np.random.default_rng(1), periods_per_year=252.0, **settings)
    return found.set_index("strategy")


def test_every_column_is_the_published_number() -> None:
    returns = frame()
    table, family = table_of(returns), trial_family(returns.to_numpy())
    each = [Returns(returns[name].to_numpy(), 252.0) for name in returns]
    alone = np.array([1 - probabilistic_sharpe(one).value for one in each])
    assert table["sharpe"].to_list() == pytest.approx([sharpe(one).value for one in each])
    assert table["alone_p"].to_list() == pytest.approx(alone)
    assert table["holm_p"].to_list() == pytest.approx(holm(alone))
    assert table["bonferroni_p"].to_list() == pytest.approx(np.minimum(1, 6 * alone))
    full = [deflated_sharpe(one, 6, family.sharpe_sd).value for one in each]
    assert table["deflated_sharpe"].to_list() == pytest.approx(full)
    assert (table["trials"] == 6).all()
    assert table["effective_trials"].to_list() == pytest.approx([family.effective_count] * 6)


def test_columns_are_those_explained_in_plain_words() -> None:
    table = selection_tests(frame(), ZERO, np.random.default_rng(0), periods_per_year=252.0)
    assert list(table.columns) == list(COLUMNS)
    assert all(words.endswith(".") for words in COLUMNS.values())
    assert not table.isna().any().any()
    assert set(table["flag"]) == {""}


def test_noise_is_called_luck_and_a_real_edge_is_not() -> None:
    assert set(table_of(frame(20))["verdict"]) == {"not told apart from luck"}
    table = table_of(frame(20, edge=0.35))
    assert table["verdict"].iloc[0] == "holds after the search"
    assert set(table["verdict"].iloc[1:]) == {"not told apart from luck"}
    assert table.index[table["in_confidence_set"]].to_list() == ["rule 0"]
    assert table["overfitting"].iloc[0] < table["overfitting_null_low"].iloc[0]


def test_a_lucky_one_of_many_would_hold_alone() -> None:
    returns = frame(20, seed=3)
    table = table_of(returns)
    lucky = table["alone_p"].idxmin()
    assert table.loc[lucky, "alone_p"] < 0.05
    assert table.loc[lucky, "verdict"] == "would hold alone, not after the search"
    assert table_of(returns[[lucky]]).loc[lucky, "verdict"] == "holds after the search"


def test_trials_outside_the_table_count() -> None:
    returns = frame(20, edge=0.35)
    family = trial_family(returns.to_numpy())
    few, many = table_of(returns), table_of(returns, family=TrialFamily(5000, 0.1, family.mean_correlation))
    assert few["verdict"].iloc[0] == "holds after the search"
    assert many["verdict"].iloc[0] == "holds among the strategies here, but its deflated ratio falls short"
    assert many["bonferroni_p"].iloc[0] == pytest.approx(min(1, few["alone_p"].iloc[0] * 5000))
    assert many["holm_p"].iloc[0] > few["holm_p"].iloc[0]
    assert many["stepwise_p"].to_list() == few["stepwise_p"].to_list()


def test_the_benchmark_is_what_has_to_be_beaten() -> None:
    market = pd.Series(np.random.default_rng(9).normal(0.005, 0.01, 500), TIMES)
    riding = frame(edge=0.0).add(market, axis=0)
    assert (table_of(riding)["alone_p"] < 0.05).all()
    assert table_of(riding, market)["alone_p"].to_list() == pytest.approx(
        table_of(frame())["alone_p"].to_list()
    )


def test_what_equals_the_benchmark_is_counted_and_not_tested() -> None:
    returns = frame().assign(idle=0.0)
    table = table_of(returns)
    assert table.loc["idle", "verdict"] == "not tested"
    assert table.loc["idle", "flag"] == "differs from the benchmark by a constant"
    assert np.isnan(table.loc["idle", "stepwise_p"])
    assert not table.loc["idle", "is_superior"]
    assert not table.loc["idle", "in_confidence_set"]
    assert (table["trials"] == 7).all()
    assert table["stepwise_p"].iloc[:6].to_list() == table_of(frame())["stepwise_p"].to_list()


def test_a_short_sample_has_p_values_but_no_annual_ratio() -> None:
    table = table_of(frame().iloc[:40], ZERO[:40])
    assert table["sharpe"].isna().all()
    assert set(table["flag"]) == {"n/a (40 < 63 periods)"}
    assert table["alone_p"].notna().all()


def test_nothing_but_idle_strategies_gives_a_table_without_numbers() -> None:
    table = table_of(pd.DataFrame(0.0, TIMES, ["a", "b"]))
    assert set(table["verdict"]) == {"not tested"}
    assert table["alone_p"].isna().all()


def test_one_strategy_has_no_overfitting_and_too_many_no_confidence_set() -> None:
    one = table_of(frame(1))
    assert one["flag"].iloc[0] == "overfitting needs two strategies"
    assert np.isnan(one["overfitting"].iloc[0])
    many = table_of(frame(101))
    assert many["flag"].iloc[0] == "the confidence set takes 100 strategies"
    assert many["confidence_set_p"].isna().all()
    assert many["stepwise_p"].notna().all()


def test_equal_generators_give_equal_bits() -> None:
    pd.testing.assert_frame_equal(table_of(frame()), table_of(frame()), check_exact=True)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: table_of(frame().T, ZERO), "N x T"),
        (lambda: table_of(frame().iloc[:19], ZERO[:19]), "19 periods"),
        (lambda: table_of(frame(), family=TrialFamily(5, 0.1, 0.0)), "5 trials; at least the 6 here"),
        (lambda: table_of(frame(), level=1.5), "level was 1.5"),
        (lambda: table_of(frame().mask(frame() > 0.03)), "was nan"),
    ],
)
def test_misuse_is_an_error(call: object, words: str) -> None:
    with pytest.raises(MetricError, match=words):
        call()
