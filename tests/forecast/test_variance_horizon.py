"""Variance horizon: the library's answers, the measured golden numbers, and nothing from outside the window."""

import importlib.util
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from datasieve.utils import find_training_horizon
from hypothesis import given, settings
from hypothesis import strategies as st

from data.errors import SpecError
from forecast.checks import synthetic_history
from forecast.errors import ForecastError
from forecast.retraining.base import RETRAINING
from forecast.retraining.variance_horizon import PRESETS, VarianceHorizon, scaled, variance_horizon

DATASIEVE, FREQAI = PRESETS["datasieve"], PRESETS["freqai"]


def loaded(name):
    path = Path(__file__).resolve().parents[1] / "oracles" / f"{name}.py"
    found = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


oracle = loaded("variance_horizon_oracle")
MATRICES = oracle.made_matrices()


@pytest.fixture(scope="module")
def garch():
    """The 1,250, 2,500 and 2,500 + 400 returns of one generator, as features."""
    rng = np.random.default_rng(3)
    first, second, third = (oracle.garch_returns(rng, rows) for rows in (1250, 2500, 2900))
    return (
        oracle.garch_features(first, with_volatility=True),
        oracle.garch_features(second, with_volatility=True),
        oracle.garch_features(third, with_volatility=False),
    )


def slow(features, horizon, rule):
    return oracle.training_rows(
        features,
        horizon,
        step=rule.step,
        values=rule.values,
        least=rule.first + 1,
        tolerance=rule.tolerance,
        has_diagonal=rule.has_diagonal,
        test_rows=int(rule.test_share * len(features)),
    )


@pytest.mark.slow
@pytest.mark.parametrize("tolerance", [2e-3, 4e-3])
@pytest.mark.parametrize("name", MATRICES)
def test_it_returns_what_the_library_of_the_authors_returns(name, tolerance):
    features = MATRICES[name]
    wanted = find_training_horizon(
        pd.DataFrame(features), 6, threshold=tolerance, backend="threading", n_jobs=1
    )
    assert 101 < wanted < 500
    assert variance_horizon(features, 6, replace(DATASIEVE, tolerance=tolerance)) == wanted


@pytest.mark.parametrize("rule", [replace(DATASIEVE, tolerance=4e-3), replace(FREQAI, tolerance=2e-2)])
@pytest.mark.parametrize("horizon", [1, 2, 6])
@pytest.mark.parametrize("name", MATRICES)
def test_it_returns_what_its_slow_twin_returns(name, horizon, rule):
    features = MATRICES[name][:260]
    assert variance_horizon(features, horizon, rule) == slow(features, horizon, rule)


def test_windows_of_daily_garch_are_the_measured_ones(garch):
    found = {(h, s): variance_horizon(scaled(garch[0], s), h) for h in (1, 5) for s in ("minmax", "standard")}
    assert found == {(5, "minmax"): 517, (5, "standard"): 426, (1, "minmax"): 1006, (1, "standard"): 935}


def test_a_looser_tolerance_gives_the_measured_shorter_windows(garch):
    features = scaled(garch[1], "minmax")
    found = [
        variance_horizon(features, 5, replace(DATASIEVE, tolerance=tau)) for tau in (1e-4, 2.5e-4, 5e-4, 1e-3)
    ]
    assert found == [1422, 642, 431, 316]


def test_windows_jump_from_refit_to_refit_as_measured_and_their_median_jumps_less(garch):
    parts = [scaled(garch[2][start : start + 2500], "minmax") for start in range(0, 200, 5)]
    found = [variance_horizon(part, 5) for part in parts]
    assert (min(found), np.median(found), max(found)) == (435, 899.5, 1424)
    medians = [sorted(found[i : i + 9])[4] for i in range(32)]
    assert np.std(medians) < 0.6 * np.std(found)


@settings(derandomize=True, deadline=None, max_examples=30)
@given(name=st.sampled_from(sorted(MATRICES)), seed=st.integers(0, 999), horizon=st.integers(1, 8))
def test_rows_older_than_the_window_never_matter(name, seed, horizon):
    features, rule = MATRICES[name], replace(DATASIEVE, tolerance=5e-3, test_share=0.0)
    rows = variance_horizon(features, horizon, rule)
    changed = features.copy()
    older = len(features) - rows - horizon
    changed[:older] = np.random.default_rng(seed).normal(0.0, 5.0, changed[:older].shape)
    assert rows < len(features)
    assert variance_horizon(changed, horizon, rule) == rows
    assert variance_horizon(features[older - 1 :], horizon, rule) == rows


def test_the_earliest_answer_is_the_first_ratio_that_may_stop_plus_the_test_rows():
    features = MATRICES["iid"]
    assert variance_horizon(features, 6, replace(DATASIEVE, tolerance=1.0)) == 101 + 25
    assert variance_horizon(features, 6, replace(FREQAI, tolerance=1.0)) == 5 * 20


@pytest.mark.parametrize("rows", [0, 1, 3, 60])
def test_too_few_rows_to_settle_are_all_returned(rows):
    assert variance_horizon(MATRICES["iid"][:rows], 3) == rows


def test_rows_that_never_move_never_settle():
    assert variance_horizon(np.zeros((300, 2)), 5) == 300


def test_a_feature_that_is_not_finite_is_named():
    features = MATRICES["iid"].copy()
    features[7, 2] = np.nan
    with pytest.raises(ForecastError, match="feature 2 of row 7 is nan; it must be finite"):
        variance_horizon(features, 3)


def test_scaling_drops_constant_columns_and_needs_no_unit():
    raw = np.column_stack([np.arange(5.0), np.full(5, 3.0), 100 - np.arange(5.0)])
    assert scaled(raw, "minmax").tolist() == [[-1, 1], [-0.5, 0.5], [0, 0], [0.5, -0.5], [1, -1]]
    standard = scaled(raw, "standard")
    np.testing.assert_allclose(standard.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(standard.std(axis=0), 1)


def test_a_row_holds_the_last_values_of_every_series():
    history = synthetic_history(50)
    close = history.panel.field("close")
    rows = VarianceHorizon(lags=3).features(history)
    assert rows.shape == (48, 9)
    assert sorted(rows[-1]) == sorted(close[-3:].ravel())
    moves = VarianceHorizon(lags=2, values="log_change").features(history)
    assert moves.shape == (48, 6)
    np.testing.assert_allclose(sorted(moves[-1]), sorted(np.diff(np.log(close), axis=0)[-2:].ravel()))
    both = VarianceHorizon(lags=3, fields=("close", "volume")).features(history)
    assert both.shape == (48, 18)
    assert sorted(both[-1]) == sorted([*close[-3:].ravel(), *history.panel.field("volume")[-3:].ravel()])


def test_a_series_that_begins_late_is_left_out_of_the_comparison():
    history = synthetic_history(60)
    values = history.panel.values.copy()
    values[:5, 0] = np.nan
    values[:30, 2] = np.nan
    late = replace(history, panel=replace(history.panel, values=values))
    asked = VarianceHorizon(lags=1)
    assert asked.features(late).shape == (55, 2)
    assert asked.training(late, 3) is late


def test_a_log_change_of_a_value_below_zero_is_refused():
    history = synthetic_history(40)
    below = replace(history, panel=replace(history.panel, values=history.panel.values - 100.0))
    with pytest.raises(SpecError, match="log changes need values above 0"):
        VarianceHorizon(values="log_change").training(below, 3)


def walk_training(history, **extra):
    policy = RETRAINING.build({"kind": "every", "bars": 1, "variance_horizon": {"tolerance": 0.005, **extra}})
    return policy.training(history, 3)


def test_a_fit_reads_the_newest_bars_and_those_their_lags_reach_back_to():
    history = synthetic_history(400)
    asked = VarianceHorizon(tolerance=0.005)
    rows = variance_horizon(scaled(asked.features(history), "minmax"), 3, asked.rule)
    assert rows < 300
    cut = walk_training(history)
    assert len(cut.panel) == rows + 5
    assert cut.cutoff == history.cutoff


@pytest.mark.parametrize(("extra", "rows"), [({"least": 350}, 350), ({"most": 120}, 120)])
def test_bounds_keep_the_window_between_them(extra, rows):
    assert len(walk_training(synthetic_history(400), **extra).panel) == rows + 5


def test_the_middle_window_is_that_of_the_last_bars():
    history = synthetic_history(400)
    alone = [len(walk_training(history.until(history.times[-1 - back])).panel) for back in range(3)]
    assert len(walk_training(history, median_of=3).panel) == sorted(alone)[1]


def test_without_a_window_the_whole_training_history_is_read():
    history = synthetic_history(40)
    assert RETRAINING.build("every_fold").training(history, 3) is history


@pytest.mark.parametrize("kind", ["every_fold", "never"])
def test_the_window_is_a_setting_of_every_kind_and_survives_a_round_trip(kind):
    policy = RETRAINING.build({"kind": kind, "variance_horizon": {"preset": "freqai", "scaler": "standard"}})
    assert policy.variance_horizon.rule == FREQAI
    assert RETRAINING.build(RETRAINING.describe(policy)) == policy


def test_an_unknown_preset_is_refused_with_what_is_allowed():
    with pytest.raises(SpecError, match="variance_horizon.preset was 'sieve'.*'datasieve' or 'freqai'"):
        RETRAINING.build({"kind": "never", "variance_horizon": {"preset": "sieve"}})
