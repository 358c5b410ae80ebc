"""HAR and GARCH-normal profiles: against plain regressions, closed forms and made pools."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import norm

from data.errors import SpecError
from forecast.errors import FitError
from forecast.liquidity import LIQUIDITY_FORECASTERS
from forecast.liquidity_checks import fit, predict, synthetic_pool_history
from forecast.models.liquidity.garch_normal import GarchNormal
from forecast.models.liquidity.har import HarProfile
from forecast.models.liquidity.shapes import brownian_shape

HISTORY = synthetic_pool_history(700)
HAR = HarProfile(context=72, horizon=12, lags=(12, 36, 72), bins=41, bin_ticks=20.0)
GARCH = GarchNormal(context=72, horizon=12, bins=41, bin_ticks=20.0)


def path_of(history):
    return (history.panel.field("path_up") + history.panel.field("path_down"))[:, 0]


def test_the_path_is_the_regression_of_logs_on_daily_weekly_and_monthly_means():
    path, h = path_of(HISTORY), 12
    origins = [t for t in range(71, 700 - h) if (699 - h - t) % 3 == 0]
    design = [[1.0, *(np.log(path[t - lag + 1 : t + 1].mean()) for lag in (12, 36, 72))] for t in origins]
    target = np.array([np.log(path[t + 1 : t + h + 1].sum()) for t in origins])
    weights, *_ = np.linalg.lstsq(np.array(design), target, rcond=None)
    smear = np.exp(target - np.array(design) @ weights).mean()
    last = [1.0, *(np.log(path[-lag:].mean()) for lag in (12, 36, 72))]
    made = predict(fit(HAR, HISTORY), HISTORY)
    assert made.profile.values.sum() == pytest.approx(np.exp(last @ weights) * smear, rel=1e-8)


def test_labels_of_a_fit_end_inside_the_history():
    # The last span of the longer history is the only one that sees its last bar.
    fitted = [fit(HAR, HISTORY.until(HISTORY.times[t])).learnt for t in (-2, -1)]
    assert (fitted[0]["weights"] != fitted[1]["weights"]).any()
    values = HISTORY.panel.values.copy()
    values[-1, 0, [HISTORY.panel.field_index("path_up"), HISTORY.panel.field_index("variance")]] *= 50.0
    louder = replace(HISTORY, panel=replace(HISTORY.panel, values=values))
    same = fit(HAR, louder.until(HISTORY.times[-2])).learnt
    np.testing.assert_array_equal(same["weights"], fitted[0]["weights"])
    assert (fit(HAR, louder).learnt["weights"] != fitted[1]["weights"]).any()


def test_har_profiles_and_changes_widen_with_the_expected_deviation():
    fitted = fit(HAR, HISTORY)
    calm, wild = (predict(fitted, HISTORY.until(HISTORY.times[t])) for t in quiet_and_loud())
    assert wild.variance > 1.5 * calm.variance
    for made in (calm, wild):
        unit = made.offset.values[0, 0] / np.sqrt(made.variance)
        np.testing.assert_allclose(unit, fitted.learnt["changes"])
    middles = np.abs(HAR.edges[1:] + HAR.edges[:-1])
    spread = [
        float(made.profile.values[0, 0].sum(axis=1) @ middles / made.profile.values.sum())
        for made in (calm, wild)
    ]
    assert spread[1] > spread[0]


def quiet_and_loud():
    level = np.convolve(path_of(HISTORY), np.ones(24), "valid")
    rows = np.arange(100, 660)
    return rows[np.argmin(level[rows - 23])], rows[np.argmax(level[rows - 23])]


def test_har_is_about_right_in_the_mean_and_covers_what_it_says():
    fitted = fit(HAR, HISTORY.until(HISTORY.times[450]))
    cutoffs = HISTORY.times[450:688:12]
    made = [predict(fitted, HISTORY.until(cutoff)) for cutoff in cutoffs]
    path = path_of(HISTORY)
    truth = [path[t + 1 : t + 13].sum() for t in range(450, 688, 12)]
    ratio = np.mean([each.profile.values.sum() for each in made]) / np.mean(truth)
    assert 0.7 < ratio < 1.4


@pytest.mark.parametrize("lags", [(), (24, 12), (24, 24)])
def test_har_refuses_lags_that_do_not_increase(lags):
    with pytest.raises(SpecError, match="must increase"):
        LIQUIDITY_FORECASTERS.build({"kind": "har", "lags": list(lags)})


def test_har_refuses_lags_beyond_its_context():
    with pytest.raises(SpecError, match="lag 720 needs a context as long"):
        LIQUIDITY_FORECASTERS.build({"kind": "har", "context": 100})


def test_har_says_how_many_bars_it_needs():
    with pytest.raises(FitError, match="150 bars since its first swap; 204 are needed"):
        fit(HAR, HISTORY.until(HISTORY.times[149]))


def test_the_garch_profile_is_a_brownian_one_of_its_variance():
    made = predict(fit(GARCH, HISTORY), HISTORY)
    shape = made.profile.values[0, 0] / made.profile.values.sum()
    np.testing.assert_allclose(shape, brownian_shape(np.sqrt(made.variance), GARCH.log_edges), atol=1e-12)
    expected = np.sqrt(made.variance) * norm.ppf(made.offset.levels)
    np.testing.assert_allclose(made.offset.values[0, 0], expected)


def test_the_garch_variance_of_a_span_is_the_sum_over_its_bars():
    values, returns = np.array([0.1, 0.15, 0.8]), np.random.default_rng(2).standard_normal(50)
    made = GarchNormal(context=20, horizon=30)._variances(values, returns)
    expected, bar = 0.0, None
    for k in range(30):
        bar = (
            GarchNormal(context=20, horizon=1)._variances(values, returns)[-1] if k == 0 else 0.1 + 0.95 * bar
        )
        expected += bar
    assert made[-1] == pytest.approx(expected)
    assert made.shape == (51,)


def test_longer_spans_have_more_variance_and_more_path():
    found = []
    for horizon in (1, 6, 24):
        spec = GarchNormal(context=72, horizon=horizon)
        made = predict(fit(spec, HISTORY), HISTORY)
        found.append((made.variance, float(made.profile.values.sum())))
    assert found[0] < found[1] < found[2]
    assert found[0][1] < found[1][1] < found[2][1]
