"""Ridge: agreement with its slow twin, exact refits in time, no label beyond its part, and the published figures."""

import importlib.util
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import Ridge as SklearnRidge

from data.errors import SpecError
from data.history import History
from data.panel import Panel
from data.sessions import BarClock
from forecast.checks import synthetic_history
from forecast.errors import FitError
from forecast.models import gram
from forecast.models.gram import Gram, ridge_weights
from forecast.models.ridge import Ridge
from forecast.models.ridge_sums import ALL, first_shared_row, seen_rows
from forecast.randomness import RandomStreams
from forecast.storage import load_fitted, save_fitted
from forecast.truth import truth_of

ROOT = Path(__file__).resolve().parents[2]
RNG = RandomStreams(1, np.datetime64("2020-01-01", "ns"))
SMALL = {"context": 8, "horizon": 3}


def module(path):
    found = importlib.util.spec_from_file_location(path.stem, path)
    loaded = importlib.util.module_from_spec(found)
    found.loader.exec_module(loaded)
    return loaded


oracle = module(ROOT / "tests" / "oracles" / "ridge_oracle.py")


def history_of(values, names=None):
    values = np.asarray(values, float)
    names = names or tuple(f"S{i}" for i in range(values.shape[1]))
    clock = BarClock()
    times = clock.next(np.datetime64("2019-12-31", "ns"), len(values))
    return History(Panel(times, names, ("close",), values[:, :, None]), clock)


def cycles(count=400, seed=3):
    """Two noisy cycles of different size and period: something linear to learn."""
    rng = np.random.default_rng(seed)
    t = np.arange(count)[:, None]
    return 50 + np.array([4.0, 1.0]) * np.sin(t / np.array([5.0, 9.0])) + 0.3 * rng.normal(size=(count, 2))


def gappy(history, share=0.07, seed=1):
    values = history.panel.values.copy()
    values[np.random.default_rng(seed).random(values.shape) < share] = np.nan
    return replace(history, panel=replace(history.panel, values=values))


@pytest.mark.parametrize("changes", ["log", "difference"])
@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("scale", ["inputs", "none"])
@pytest.mark.parametrize("refit", [True, False])
def test_a_fit_equals_its_slow_twin(changes, shared, scale, refit):
    values = cycles()
    asked = Ridge(changes=changes, shared=shared, penalty_scale=scale, refit=refit, **SMALL)
    fitted = asked.fit(history_of(values), RNG)
    rows = np.log(values) if changes == "log" else values
    for group, columns in (
        {ALL: rows.T}.items() if shared else {f"S{i}": rows.T[i : i + 1] for i in (0, 1)}.items()
    ):
        weights, penalty, residuals = oracle.fit(
            list(columns), 8, 3, 0.2, asked.penalties, scaled=scale == "inputs", refit=refit
        )
        assert fitted.fits[group].penalty == penalty
        np.testing.assert_allclose(fitted.fits[group].weights, weights, rtol=1e-7, atol=1e-9)
        for i, errors in enumerate(residuals):
            name = f"S{i}" if shared else group
            expected = np.quantile(errors, asked.levels, axis=0).T - np.median(errors, axis=0)[:, None]
            np.testing.assert_allclose(fitted.offsets[name], expected, rtol=1e-6, atol=1e-9)


def test_one_eigendecomposition_gives_the_weights_of_every_penalty():
    rng = np.random.default_rng(0)
    inputs, targets = rng.normal(size=(60, 5)), rng.normal(size=(60, 2))
    sums = Gram(inputs.T @ inputs, inputs.T @ targets, float((targets**2).sum()), 60)
    for penalty in (0.1, 5.0, 300.0):
        weights, _, errors = ridge_weights(sums, sums, np.array([penalty]))
        reference = SklearnRidge(alpha=penalty, fit_intercept=False).fit(inputs, targets)
        np.testing.assert_allclose(weights, reference.coef_.T, rtol=1e-9)
        np.testing.assert_allclose(errors[0], np.mean((targets - reference.predict(inputs)) ** 2), rtol=1e-12)


def test_equal_validation_errors_go_to_the_larger_penalty():
    nothing = Gram(np.eye(2), np.zeros((2, 1)), 1.0, 4)
    assert ridge_weights(nothing, nothing, np.array([10.0, 1.0]))[1] == 0


@given(
    rows=st.integers(12, 200), context=st.integers(1, 9), horizon=st.integers(1, 6), share=st.floats(0.1, 0.5)
)
def test_parts_are_split_by_where_targets_lie(rows, context, horizon, share):
    asked = Ridge(context=context, horizon=horizon, validation_share=share, changes="difference")
    fitted, _, validating = oracle.split(rows, context, horizon, share)
    (a, b), (c, d) = asked.plan.spans(rows)
    assert list(range(a, b)) == fitted
    assert list(range(c, d)) == validating


def test_validation_rows_never_enter_the_fitted_sums():
    values = cycles(200)
    changed = values.copy()
    changed[160:] += 7.0
    asked = Ridge(changes="difference", **SMALL)
    one, other = (asked.fit(history_of(each), RNG).sums[ALL] for each in (values, changed))
    assert one.train.inputs.tobytes() == other.train.inputs.tobytes()
    assert one.train.cross.tobytes() == other.train.cross.tobytes()
    assert one.valid.targets != other.valid.targets


def test_a_validation_input_reaches_back_into_the_fitted_rows():
    asked = Ridge(changes="difference", **SMALL)
    valid = asked.fit(history_of(cycles(200)), RNG).sums[ALL].valid
    assert valid.count == 2 * (40 - 3 + 1)


@settings(max_examples=12, deadline=None)
@given(
    start=st.integers(0, 60),
    stop=st.integers(215, 300),
    form=st.sampled_from([{"changes": "log"}, {"changes": "difference"}, {"quantity": "variance"}]),
    shared=st.booleans(),
    sparse=st.booleans(),
)
def test_update_equals_a_fit_from_scratch(start, stop, form, shared, sparse):
    whole = gappy(synthetic_history()) if sparse else synthetic_history()
    asked = Ridge(shared=shared, **form, **SMALL)
    times = whole.times
    newer = whole.between(times[start], times[stop - 1])
    moved = asked.fit(whole.until(times[209]), RNG).update(newer)
    fresh = asked.fit(newer, RNG)
    one, other = moved.predict(newer, RNG), fresh.predict(newer, RNG)
    assert one.series == other.series
    np.testing.assert_allclose(one.values, other.values, rtol=1e-9, atol=1e-18)
    for group, sums in fresh.sums.items():
        assert moved.sums[group].train.count == sums.train.count
        assert moved.sums[group].valid.count == sums.valid.count


@pytest.mark.parametrize("form", ["log", "difference", "variance"])
def test_rows_that_begin_and_end_later_continue_the_old_ones(form):
    history = synthetic_history()
    old = seen_rows(history.until(history.times[209]), "close", form)
    new = seen_rows(history.between(history.times[30], history.times[250]), "close", form)
    assert first_shared_row(old, new, int(form == "variance")) == 30


def test_a_hundred_rolling_updates_do_not_drift_from_a_fit():
    history = history_of(cycles(400))
    asked = Ridge(changes="difference", **SMALL)
    fitted = asked.fit(history.between(history.times[0], history.times[199]), RNG)
    for i in range(1, 101):
        fitted = fitted.update(history.between(history.times[i], history.times[199 + i]))
    last = history.between(history.times[100], history.times[299])
    np.testing.assert_allclose(
        fitted.predict(last, RNG).values, asked.fit(last, RNG).predict(last, RNG).values, rtol=1e-9
    )


@pytest.mark.parametrize("change", ["past", "series", "disjoint", "earlier"])
def test_a_history_that_does_not_continue_the_old_one_is_fitted_from_scratch(change):
    history = history_of(cycles(400))
    old = history.between(history.times[50], history.times[249])
    newer = history.between(history.times[50], history.times[299])
    if change == "past":
        values = newer.panel.values.copy()
        values[30] += 1.0
        newer = replace(newer, panel=replace(newer.panel, values=values))
    elif change == "series":
        newer = newer.select(("S1",))
    else:
        first = 260 if change == "disjoint" else 0
        newer = history.between(history.times[first], history.times[first + 139])
    asked = Ridge(**SMALL)
    moved, fresh = asked.fit(old, RNG).update(newer), asked.fit(newer, RNG)
    assert moved.predict(newer, RNG).values.tobytes() == fresh.predict(newer, RNG).values.tobytes()


def test_a_loaded_model_can_be_updated(tmp_path):
    history = history_of(cycles(300))
    fitted = Ridge(shared=False, **SMALL).fit(history.until(history.times[199]), RNG)
    save_fitted(fitted, tmp_path / "ridge")
    one, other = (each.update(history) for each in (fitted, load_fitted(tmp_path / "ridge")))
    assert one.predict(history, RNG).values.tobytes() == other.predict(history, RNG).values.tobytes()


def test_windows_with_gaps_follow_the_rule_of_prediction():
    history = gappy(history_of(cycles(600)), share=0.18)
    asked = Ridge(changes="difference", context=12, horizon=3)
    windows = asked.fit(history, RNG).seen.windows("S0", asked.plan.shape)
    observed = ~np.isnan(history.panel.field("close")[:, 0])
    first = int(np.argmax(observed))
    expected = [
        i >= first and observed[i : i + 12].mean() >= 0.8 and bool(observed[i + 7 : i + 12].any())
        for i in range(150)
    ]
    assert windows.usable((0, 150)).tolist() == expected
    assert 0 < sum(expected) < 150


def test_sums_do_not_depend_on_the_size_of_a_chunk(monkeypatch):
    history = history_of(cycles(300))
    whole = Ridge(**SMALL).fit(history, RNG).sums[ALL].train
    monkeypatch.setattr(gram, "CHUNK", 200)
    parts = Ridge(**SMALL).fit(history, RNG).sums[ALL].train
    np.testing.assert_allclose(parts.inputs, whole.inputs, rtol=1e-12)
    assert parts.count == whole.count


def test_it_learns_a_cycle_that_naive_cannot():
    history = history_of(cycles(500))
    fitted = Ridge(context=32, horizon=4, changes="difference").fit(history.until(history.times[399]), RNG)
    truth = history.panel.field("close")
    ridge, naive = [], []
    for row in range(400, 490):
        made = fitted.predict(history.until(history.times[row]), RNG)
        ridge.append(np.mean((made.median.T - truth[row + 1 : row + 5]) ** 2))
        naive.append(np.mean((truth[row] - truth[row + 1 : row + 5]) ** 2))
    assert np.mean(ridge) < 0.2 * np.mean(naive)


@pytest.mark.parametrize("changes", ["log", "difference"])
def test_the_unit_of_prices_does_not_matter(changes):
    one, other = history_of(cycles(300)), history_of(1000 * cycles(300))
    asked = Ridge(changes=changes, **SMALL)
    small, large = (asked.fit(each, RNG).predict(each, RNG).values for each in (one, other))
    np.testing.assert_allclose(large, 1000 * small, rtol=1e-8)


def test_the_median_is_the_point_forecast_when_centred_and_carries_the_bias_when_not():
    values = cycles(300)
    values[240:] += np.linspace(0, 20, 60)[:, None]
    history = history_of(values)
    centred, biased = (
        Ridge(changes="difference", centred=centred, **SMALL).fit(history, RNG) for centred in (True, False)
    )
    point = centred.predict(history, RNG).median
    recent = values[-8:, 0] - values[-1, 0]
    assert point[0].tobytes() == (values[-1, 0] + recent @ centred.fits[ALL].weights).tobytes()
    assert (biased.predict(history, RNG).median > point).all()


def test_a_variance_forecast_is_positive_and_follows_its_level():
    calm = synthetic_history()
    asked = Ridge(quantity="variance", **SMALL)
    made = asked.fit(calm, RNG).predict(calm, RNG)
    assert (made.values > 0).all()
    middle = dict(zip(made.series, made.median.mean(axis=1), strict=True))
    assert min(middle["ALPHA"], middle["GAMMA"]) > 2 * middle["BETA"]


def test_a_price_of_zero_is_refused_with_the_way_out():
    values = cycles(100)
    values[40, 1] = 0.0
    with pytest.raises(SpecError, match="close of S1 is 0 at row 40.*changes: difference"):
        Ridge(**SMALL).fit(history_of(values), RNG)


def test_too_little_history_names_what_is_needed():
    with pytest.raises(FitError, match="40 rows; no series has windows of context 8 \\+ horizon 3"):
        Ridge(**SMALL).fit(history_of(cycles(40)), RNG)


@pytest.mark.parametrize(
    "wrong", [{"validation_share": 0}, {"validation_share": 1}, {"penalties": ()}, {"penalties": (0.0,)}]
)
def test_settings_out_of_range_are_refused(wrong):
    with pytest.raises(ValueError, match="validation error"):
        Ridge(**wrong)


@pytest.mark.slow
@pytest.mark.shared_data
def test_the_published_error_on_etth1_is_reproduced(shared_data):
    benchmark = module(ROOT / "benchmarks" / "ridge_long_horizon.py")
    row = benchmark.score(shared_data, "ETTh1", 96, shared=True)
    assert row.windows == 2785
    np.testing.assert_allclose(row.ridge, (0.369, 0.395), atol=0.0005)


@pytest.mark.shared_data
def test_on_exchange_rates_ridge_is_the_naive_forecast(shared_data):
    benchmark = module(ROOT / "benchmarks" / "ridge_long_horizon.py")
    row = benchmark.score(shared_data, "Exchange", 96, shared=True)
    assert row.windows == 1422
    np.testing.assert_allclose(row.naive, (0.0811, 0.1964), atol=0.00005)
    np.testing.assert_allclose(row.ridge, (0.081, 0.196), atol=0.0005)


@pytest.mark.shared_data
def test_incremental_refits_equal_those_from_scratch_on_real_rows(shared_data):
    benchmark = module(ROOT / "benchmarks" / "ridge_long_horizon.py")
    found = benchmark.refits(shared_data, count=5)
    assert found.difference < 1e-9
    assert found.sums_incremental < found.sums_scratch


def recomputed_errors(asked, train):
    """Return the mean absolute error of the median, (S, H), over every forecast of the validation rows, one at a time."""
    fitted, rows = asked.fit(train, RNG), len(train.times)
    errors = []
    for row in range(rows - round(asked.validation_share * rows) - 1, rows - asked.horizon):
        made = fitted.predict(train.until(train.times[row]), RNG)
        errors.append(np.abs(made.median - truth_of(made, train, "close")))
    return np.mean(errors, axis=0)


@pytest.mark.parametrize("form", [{"changes": "log"}, {"changes": "difference"}, {"quantity": "variance"}])
@pytest.mark.parametrize("extra", [{}, {"shared": False}, {"centred": False}])
def test_validation_errors_are_those_of_forecasts_of_the_rows_held_out(form, extra):
    train, asked = synthetic_history(200), Ridge(**form, **extra, **SMALL)
    errors = asked.fit(train, RNG).validation_errors
    assert tuple(errors) == train.panel.series
    np.testing.assert_allclose(list(errors.values()), recomputed_errors(asked, train), rtol=1e-9)


def test_validation_errors_are_those_of_before_a_refit_and_survive_storage(tmp_path):
    history = synthetic_history(200)
    before, after = (Ridge(refit=refit, **SMALL).fit(history, RNG) for refit in (False, True))
    save_fitted(after, tmp_path / "ridge")
    loaded = load_fitted(tmp_path / "ridge")
    for name, errors in before.validation_errors.items():
        assert after.validation_errors[name].tobytes() == errors.tobytes()
        assert loaded.validation_errors[name].tobytes() == errors.tobytes()


def test_validation_errors_ignore_what_was_not_observed_and_what_came_after():
    history = gappy(synthetic_history())
    train = history.until(history.times[209])
    values = history.panel.values.copy()
    values[210:] *= 3.0
    poisoned = replace(history, panel=replace(history.panel, values=values)).until(train.cutoff)
    one, other = (Ridge(**SMALL).fit(each, RNG).validation_errors for each in (train, poisoned))
    assert all(one[name].tobytes() == other[name].tobytes() and np.isfinite(one[name]).all() for name in one)


def test_without_a_median_there_are_no_validation_errors():
    fitted = Ridge(levels=(0.1, 0.9), centred=False, **SMALL).fit(synthetic_history(), RNG)
    assert fitted.validation_errors is None
