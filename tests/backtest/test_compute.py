"""Compute account: costs add up, dominated models are told, and error times compute is shown only where it means something."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backtest.compute import (
    ALONE,
    UNSKILLED,
    WEAK_BASELINE,
    compute_table,
    efficient,
    error_compute,
    headline_error,
)
from forecast.skill import NO_SKILL, SKILL

FITS = pd.DataFrame(
    {
        "model": ["lstm", "lstm", "naive"],
        "cutoff": pd.to_datetime(["2020-01-01", "2020-02-01", "2020-01-01"]),
        "rows": [100, 110, 100],
        "cpu_seconds": [2.0, 3.0, 0.01],
        "cost_proxy": [200.0, 220.0, 200.0],
        "failure": ["", "exploded", ""],
    }
)
PREDICTIONS = pd.DataFrame(
    {"model": ["lstm", "lstm", "naive"], "predictions": [5, 5, 10], "cpu_seconds": [0.5, 0.25, 0.1]}
)
SCORES = pd.DataFrame(
    {
        "model": ["lstm", "lstm", "naive"],
        "step": [0, 1, 0],
        "crps": [0.9, 0.1, 1.0],
        "rmse": [9.0, 9.0, 10.0],
        "skill": [0.1, 0.9, 0.0],
        "verdict": [SKILL, SKILL, NO_SKILL],
    }
)


def configurations(**columns):
    base = {
        "path": ["one"] * 3, "fits": [60, 6, 12], "error": [1.0, 1.1, 0.9], "verdict": [SKILL] * 3,
        "cpu_seconds": [10.0, 1.0, 4.0], "cost_proxy": [600.0, 60.0, 60.0],
    }  # fmt: skip
    return pd.DataFrame({**base, **columns})


def test_fits_and_forecasts_are_added_up_by_model():
    rows = compute_table(FITS, PREDICTIONS, SCORES).set_index("model")
    lstm = rows.loc["lstm"]
    assert (lstm["fits"], lstm["failed_fits"], lstm["rows"], lstm["cost_proxy"]) == (2, 1, 210, 420)
    assert (lstm["fit_seconds"], lstm["predict_seconds"], lstm["cpu_seconds"]) == (5.0, 0.75, 5.75)
    assert (lstm["error"], lstm["verdict"]) == (0.9, SKILL)
    assert lstm["relative_error"] == pytest.approx(0.9)
    assert rows["is_efficient"].tolist() == [True, True]


def test_a_run_without_predictions_and_failures_still_has_an_account():
    rows = compute_table(FITS.drop(columns="failure"), None, SCORES).set_index("model")
    assert np.isnan(rows.loc["lstm", "predict_seconds"])
    assert rows["cpu_seconds"].tolist() == [5.0, 0.01]
    assert rows["failed_fits"].tolist() == [0, 0]


def test_the_headline_error_of_a_variance_is_its_rmse():
    assert headline_error(SCORES) == "crps"
    assert headline_error(SCORES.assign(crps=np.nan)) == "rmse"


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=12))
def test_a_model_is_efficient_when_no_other_is_as_good_in_both_and_better_in_one(pairs):
    error, compute = np.array(pairs, np.float64).T
    slow = [not any(e <= a and c <= b and (e < a or c < b) for e, c in pairs) for a, b in pairs]
    assert efficient(error, compute).tolist() == slow


def test_an_unknown_error_or_cost_is_never_efficient_and_hides_nobody():
    found = efficient(np.array([np.nan, 1.0, 2.0]), np.array([0.0, 1.0, np.nan]))
    assert found.tolist() == [False, True, False]


def test_products_are_compared_with_the_configuration_that_fits_most_often():
    rows = error_compute(configurations())
    assert rows["is_baseline"].tolist() == [True, False, False]
    assert rows["error_x_cpu"].tolist() == pytest.approx([10.0, 1.1, 3.6])
    assert rows["cpu_ratio"].tolist() == pytest.approx([1.0, 0.11, 0.36])
    assert rows["proxy_ratio"].tolist() == pytest.approx([1.0, 0.11, 0.09])
    assert rows["flag"].tolist() == ["", "", ""]


def test_a_configuration_without_skill_has_no_product_and_is_told_why():
    rows = error_compute(configurations(verdict=[SKILL, NO_SKILL, SKILL]))
    assert np.isnan(
        rows.loc[1, ["error_x_cpu", "cpu_ratio", "error_x_proxy", "proxy_ratio"]].astype(float)
    ).all()
    assert rows["flag"].tolist() == ["", UNSKILLED, ""]


def test_a_baseline_without_skill_leaves_products_but_no_ratio():
    rows = error_compute(configurations(verdict=[NO_SKILL, SKILL, SKILL]))
    assert rows["flag"].tolist() == [UNSKILLED, WEAK_BASELINE, WEAK_BASELINE]
    assert rows["cpu_ratio"].isna().all()
    assert rows["error_x_cpu"].tolist()[1:] == pytest.approx([1.1, 3.6])


def test_models_and_code_paths_are_never_mixed():
    rows = error_compute(configurations(path=["one", "one", "two"]))
    assert rows["flag"].tolist() == ["", "", ALONE]
    assert not rows.loc[2, "is_baseline"]
    assert rows.loc[1, "cpu_ratio"] == pytest.approx(0.11)


def test_equally_many_fits_make_the_larger_reading_the_baseline():
    rows = error_compute(configurations(fits=[6, 6, 6], cost_proxy=[60.0, 80.0, 70.0]))
    assert rows["is_baseline"].tolist() == [False, True, False]


def test_a_baseline_that_cost_nothing_gives_no_ratio():
    rows = error_compute(configurations(cpu_seconds=[0.0, 1.0, 4.0]))
    assert rows["cpu_ratio"].isna().all()
    assert rows["proxy_ratio"].notna().all()
