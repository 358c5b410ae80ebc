"""Trial luck: what is tested after paying for the search, against what, and what is said of it."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from backtest.trial_luck import CASH, luck_sentences, luck_table, trial_facts
from backtest.trials import NO_TRIALS, TrialCount

DAYS = 750
SEARCH = TrialCount(count=20, dispersion=0.02, mean_correlation=0.5, pairs=190)
ONE = TrialCount(count=1, dispersion=0.0, mean_correlation=0.0, pairs=0)


def lanes(*labels: str, benchmark: str = "buy_and_hold") -> list[Any]:
    asked = [SimpleNamespace(label=label, forecaster=label, role="asked") for label in labels]
    return [*asked, SimpleNamespace(label=benchmark, forecaster="naive", role="benchmark")]


def equity(days: int = DAYS, **returns: np.ndarray) -> pd.DataFrame:
    times = pd.bdate_range("2010-01-04", periods=days + 1)
    parts = [
        pd.DataFrame({"time": times, "lane": lane, "equity": 1e6 * np.cumprod([1.0, *(1 + own[:days])])})
        for lane, own in returns.items()
    ]
    return pd.concat(parts, ignore_index=True)


@pytest.fixture(scope="module")
def market() -> np.ndarray:
    return np.random.default_rng(3).normal(0.0012, 0.01, DAYS)


def table(found: list[Any], curve: pd.DataFrame, trials: TrialCount = SEARCH) -> pd.DataFrame:
    return luck_table(found, curve, trials, 252.0, np.random.default_rng(0))


def test_a_long_account_in_a_rising_market_beats_cash_but_not_the_market_at_its_own_volatility(
    market: np.ndarray,
) -> None:
    noise = np.random.default_rng(4).normal(0, 0.002, DAYS)
    found = table(lanes("ridge"), equity(ridge=0.5 * market + noise, buy_and_hold=market))
    cash, held = found.set_index("against").loc[CASH], found.set_index("against").loc["buy_and_hold"]
    assert cash["alone_p"] < 0.01
    assert held["alone_p"] > 0.1
    assert luck_sentences("ridge", found)[0].startswith(
        "It is not shown to do better than buy_and_hold held at the same volatility"
    )


def test_what_earns_beside_the_market_is_found_at_the_same_volatility(market: np.ndarray) -> None:
    edge = np.random.default_rng(5).normal(0.0015, 0.005, DAYS)
    found = table(lanes("ridge"), equity(ridge=0.5 * market + edge, buy_and_hold=market))
    [sentence] = luck_sentences("ridge", found)
    assert sentence.startswith("It does better than buy_and_hold held at the same volatility")


def test_the_difference_has_no_market_left_when_an_account_is_the_market_at_half_size(
    market: np.ndarray,
) -> None:
    found = table(lanes("ridge"), equity(ridge=0.5 * market, buy_and_hold=market))
    held = found[found["against"] == "buy_and_hold"].iloc[0]
    assert held["flag"] == "differs from the benchmark by a constant"
    assert luck_sentences("ridge", found) == []


def test_the_same_model_asked_twice_naive_models_and_references_are_not_tested(market: np.ndarray) -> None:
    found = lanes("ridge", "naive")
    found.insert(1, SimpleNamespace(label="ridge-2", forecaster="ridge", role="asked"))
    found.insert(3, SimpleNamespace(label="drift", forecaster="drift", role="reference"))
    curve = equity(
        **{
            name: market * k
            for k, name in enumerate(("buy_and_hold", "ridge", "ridge-2", "naive", "drift"), 1)
        }
    )
    assert set(table(found, curve, ONE)["strategy"]) == {"ridge"}


def test_accounts_that_no_ledger_counted_are_the_whole_search(market: np.ndarray) -> None:
    curve = equity(ridge=market, ar=market[::-1], buy_and_hold=market)
    assert set(table(lanes("ridge", "ar"), curve, NO_TRIALS)["trials"]) == {2}


def test_a_benchmark_that_never_moves_is_cash_and_asked_once(market: np.ndarray) -> None:
    found = table(lanes("ridge", benchmark="cash"), equity(ridge=market, cash=np.zeros(DAYS)))
    assert found["against"].tolist() == [CASH]


@pytest.mark.parametrize("days", [5, 19])
def test_a_short_test_is_not_judged_but_has_its_columns(market: np.ndarray, days: int) -> None:
    found = table(lanes("ridge"), equity(days, ridge=market, buy_and_hold=market))
    assert found.empty
    assert {"against", "strategy", "verdict"} <= set(found.columns)


def test_a_ruined_account_is_tested_to_its_ruin_and_stays_at_nothing(market: np.ndarray) -> None:
    ruined = market.copy()
    ruined[400] = -1.2
    found = table(lanes("ridge"), equity(ridge=ruined, buy_and_hold=market))
    assert found["sharpe"].max() < 0
    assert len(found) == 2


def test_a_difference_beyond_a_total_loss_is_made_smaller_without_moving_its_ratio(
    market: np.ndarray,
) -> None:
    wild = np.tile([0.9, -0.45], DAYS // 2)
    curve = equity(ridge=wild, buy_and_hold=market)
    held = table(lanes("ridge"), curve).set_index("against").loc["buy_and_hold"]
    own = curve.pivot_table(index="time", columns="lane", values="equity").pct_change().iloc[1:]
    scale = own["ridge"].std(ddof=0) / own["buy_and_hold"].std(ddof=0)
    above = own["ridge"] - scale * own["buy_and_hold"]
    assert above.min() < -1
    assert held["sharpe"] == pytest.approx(above.mean() / above.std(ddof=1) * np.sqrt(252), rel=1e-9)


def test_facts_say_what_luck_would_show_of_so_many_trials() -> None:
    facts = trial_facts(SEARCH, 250.0)
    assert facts["count"] == 20
    assert facts["effective_count"] == pytest.approx(0.5 + 0.5 * 20)
    assert facts["expected_best_sharpe"] == pytest.approx(0.02 * 1.9007 * np.sqrt(250), rel=1e-3)
    assert facts["years_for_a_sharpe_of_1"] == pytest.approx(1.9007**2, rel=1e-3)
    assert trial_facts(ONE, 250.0)["mean_correlation"] is None
    assert trial_facts(ONE, 250.0)["expected_best_sharpe"] == 0.0
