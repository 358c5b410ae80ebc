"""Conclusions in plain words: what is said is what the numbers say, whatever they are."""

import importlib.util
import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from backtest.conclusions import break_evens, verdict
from backtest.experiment import Places, run_spec
from backtest.metrics.selection_tests import COLUMNS
from backtest.run import Run, load_run
from backtest.trial_luck import trial_sentence
from data.events import CorporateActions
from data.history import History
from forecast.skill import NO_SKILL, SKILL, TOO_FEW

_PATH = Path(__file__).resolve().parents[1] / "oracles" / "small_walk.py"
_SPEC = importlib.util.spec_from_file_location("small_walk", _PATH)
small_walk = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(small_walk)

NAN = float("nan")
NO_LUCK = pd.DataFrame(columns=["against", *COLUMNS])
WALKED: Any = SimpleNamespace(
    plan=SimpleNamespace(lanes=[SimpleNamespace(label="ridge"), SimpleNamespace(label="cash")])
)


def score(model: str, **changed: Any) -> dict[str, Any]:
    usual = {
        "model": model, "step": 0, "n": 500, "mase": 1.0, "direction_accuracy": 0.55, "direction_base_rate": 0.52,
        "best_naive": "naive", "skill": 0.031, "p_value": 0.01, "holm_p_value": 0.02, "verdict": SKILL,
    }  # fmt: skip
    return {**usual, **changed}


def metric(lane: str, name: str, value: float, low: float = NAN, high: float = NAN) -> dict[str, Any]:
    return {"lane": lane, "metric": name, "value": value, "low": low, "high": high}


def said(
    own: float = 0.1, other: float = 0.2, sharpe: tuple[float, float, float] = (1.2, 0.3, 2.1), deflated: float = 0.4,
    **changed: Any,
) -> dict[str, Any]:  # fmt: skip
    naive = score("naive", mase=changed.pop("naive_mase", 0.8), holm_p_value=NAN, verdict=NO_SKILL)
    scores = pd.DataFrame(
        [{**score("ridge"), "step": 1, "verdict": "of a step"}, score("ridge", **changed), naive]
    )
    metrics = pd.DataFrame(
        [metric("ridge", "total_return", own), metric("cash", "total_return", other),
         metric("ridge", "sharpe", *sharpe), metric("ridge", "deflated_sharpe", deflated)]
    )  # fmt: skip
    return verdict(WALKED, scores, metrics, NO_LUCK)


def test_shown_skill_is_said_with_its_size_and_its_adjusted_p_value() -> None:
    found = said()
    assert found["status"] == SKILL
    assert found["scope"] == ""
    forecasts, direction, account, sharpe, deflated = found["sentences"]
    assert forecasts == (
        "The forecasts of ridge beat those of the best naive forecast (naive): skill +3.1%, Holm-adjusted p = 0.020."
    )
    assert direction == (
        "Its direction was right 55.0% of the time, against the 52.0% of always calling the commoner side; "
        "its median erred 25.0% more than the naive one."
    )
    assert account == "Its account returned +10.0% net of costs, less than the benchmark's +20.0% (cash)."
    assert sharpe == "Its Sharpe ratio is 1.20; the 95 % interval 0.30 to 2.10 does not cover zero."
    assert deflated.endswith("above the best that luck would show among all trials, is 0.40.")


def test_a_sharpe_ratio_without_an_interval_says_so() -> None:
    sentences = said(sharpe=(1.39, NAN, NAN))["sentences"]
    assert "Its Sharpe ratio is 1.39, and its 95 % interval is not known." in sentences
    assert not any(
        "Sharpe ratio is nan" in sentence for sentence in said(sharpe=(NAN, NAN, NAN))["sentences"]
    )


def test_skill_that_is_only_in_the_width_is_said_to_be_so() -> None:
    found = said(direction_accuracy=0.52, mase=0.8001)
    assert found["scope"] == "in width, not in direction"
    assert found["sentences"][1] == (
        "Its direction was right 52.0% of the time, no better than the 52.0% of always calling the commoner side; its median "
        "erred as much as the naive one. The skill is in the width of the forecast, not in its direction."
    )


@pytest.mark.parametrize(
    ("p", "words"), [(0.0009, "p < 0.001"), (0.001, "p = 0.001"), (0.0324, "p = 0.032"), (1.0, "p = 1.000")]
)
def test_p_values_are_never_zero(p: float, words: str) -> None:
    assert said(holm_p_value=p)["sentences"][0].endswith(f"Holm-adjusted {words}.")


def test_skill_that_is_not_shown_is_said_so_and_never_as_minus_zero() -> None:
    found = said(verdict=NO_SKILL, holm_p_value=0.31, skill=-0.0001)
    assert found["status"] == NO_SKILL
    assert found["scope"] == ""
    assert found["sentences"][0] == (
        "The forecasts of ridge are not shown to be better than the best naive forecast (naive): "
        "skill +0.0%, Holm-adjusted p = 0.310."
    )


def test_too_few_forecasts_are_no_verdict() -> None:
    found = said(verdict=TOO_FEW, holm_p_value=NAN, skill=NAN, n=12)
    assert found["status"] == TOO_FEW
    assert found["sentences"][0] == "ridge made 12 scored forecasts: too few to tell skill from luck."


def test_a_naive_model_is_what_skill_is_measured_against() -> None:
    found = said(
        verdict=NO_SKILL, holm_p_value=NAN, skill=0.0, direction_accuracy=NAN, direction_base_rate=NAN
    )
    assert found["sentences"][0] == "ridge is itself a naive forecast: it is what skill is measured against."
    assert found["sentences"][1].startswith("Its account returned")


@pytest.mark.parametrize("naive_mase", [0.0, NAN, np.inf])
def test_a_naive_error_of_nothing_is_not_compared(naive_mase: float) -> None:
    assert "naive one" not in said(naive_mase=naive_mase)["sentences"][1]


@pytest.mark.parametrize(
    ("own", "other", "words"),
    [
        (0.3, 0.2, "+30.0% net of costs, more than the benchmark's +20.0%"),
        (-0.5, 0.0, "-50.0% net of costs, less than the benchmark's +0.0%"),
        (-0.0, 0.0, "+0.0% net of costs, as much as the benchmark's +0.0%"),
    ],
)
def test_the_account_is_compared_with_the_benchmark(own: float, other: float, words: str) -> None:
    assert said(own, other)["sentences"][2] == f"Its account returned {words} (cash)."


def test_what_cannot_be_stated_is_left_out() -> None:
    assert len(said(sharpe=(NAN, NAN, NAN), deflated=NAN)["sentences"]) == 3
    assert said(sharpe=(0.5, -0.1, 1.0))["sentences"][3].endswith("interval -0.10 to 1.00 covers zero.")
    lost = said(own=-1.0)["sentences"]
    assert lost[2:] == ["Its account lost all of its capital; the benchmark's returned +20.0% (cash)."]


def test_trials_are_counted_in_words() -> None:
    assert trial_sentence(0) == "No strategy was tried on these data: only reference models ran."
    assert trial_sentence(1).startswith("1 strategy has been tried on these data so far")
    assert trial_sentence(12).startswith("12 strategies have been tried")


def test_break_even_costs_are_one_a_lane_and_none_where_there_is_none() -> None:
    costs = pd.DataFrame({"lane": ["b", "b", "a"], "break_even_bps": [3.5, 3.5, NAN]})
    assert break_evens(costs) == {"b": 3.5, "a": None}


def crash() -> History:
    """Three series that fall steadily and then rise sixfold in one bar: ruin for whoever is short with leverage."""
    history = small_walk.small_history(process="gbm")
    panel, t = history.panel, np.arange(170)
    price = 100 * np.exp(-0.01 * t + 0.004 * np.sin(1.7 * t)) * np.where(t >= 150, 6.0, 1.0)
    values = np.stack([price * scale for scale in (1.0, 1.1, 1.2)], axis=1)
    for name in ("open", "high", "low", "close"):
        panel = panel.with_field(name, values)
    panel = panel.with_field("volume", np.full_like(values, 1e9)).with_field("factor", np.ones_like(values))
    return replace(history, panel=panel, actions=CorporateActions())


@pytest.fixture(scope="module")
def ruined(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("ruined")
    spec = small_walk.small_spec(
        forecaster=[
            {"kind": "ridge", "context": 8, "horizon": 3},
            {"kind": "drift", "context": 8, "horizon": 3},
        ],
        policy="long_short",
        limits={"max_gross": 4.0, "max_weight": 2.0},
    )
    made = run_spec(spec, crash(), Places(folder / "runs", folder / "trials.jsonl"), small_walk.quiet)
    return load_run(folder / "runs" / made.id)


def test_a_ruined_account_is_concluded_without_a_return_below_total_loss(ruined: Run) -> None:
    sentences = ruined.manifest["verdict"]["sentences"]
    assert any(sentence.startswith("Its account lost all of its capital") for sentence in sentences)
    assert not any("Sharpe" in sentence for sentence in sentences)
    metrics = ruined.tables["metrics"].set_index(["lane", "metric"])["value"]
    equity = ruined.tables["equity"].groupby("lane")["equity"].last()
    for lane in ("ridge", "drift"):
        assert equity[lane] < 0
        assert metrics[lane, "total_return"] == metrics[lane, "max_drawdown"] == -1.0
    folds = ruined.tables["folds"].set_index(["lane", "fold"])
    assert folds.loc[("ridge", 2), ["net_return", "gross_return", "max_drawdown"]].tolist() == [
        -1.0,
        -1.0,
        -1.0,
    ]
    assert folds.loc[("ridge", 3), ["net_return", "gross_return", "costs"]].isna().all()
    assert folds["net_return"].min() == -1.0


def test_a_ruined_account_trades_no_more_and_counts_as_a_trial(ruined: Run) -> None:
    equity = ruined.tables["equity"].query("lane == 'ridge'")
    after = equity[equity["equity"] < 0]["time"]
    fills = ruined.tables["fills"].query("lane == 'ridge'")
    assert (fills["time"] <= after.iloc[0]).all()
    assert ruined.manifest["trials"]["count"] == 1
    json.dumps(ruined.manifest, allow_nan=False)
