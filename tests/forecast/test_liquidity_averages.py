"""Last value and weekly mean: the past, re-centred."""

import numpy as np
import pytest
from scipy.stats import norm

from data.amm.pool import LOG_TICK
from data.errors import SpecError
from forecast.liquidity import LIQUIDITY_FORECASTERS
from forecast.liquidity_checks import fit, predict, synthetic_pool_history
from forecast.models.liquidity.averages import LastValue, WeeklyMean
from forecast.models.liquidity.truth import realised_profile

HISTORY = synthetic_pool_history(400)


def made_by(spec, cutoff=-1):
    known = HISTORY.until(HISTORY.times[cutoff])
    return predict(fit(spec, known), known)


def test_the_last_value_is_the_profile_of_the_last_span_counted_from_where_it_began():
    spec = LastValue(context=30, horizon=24, bins=21, bin_ticks=20.0)
    made = made_by(spec)
    start = HISTORY.times[-25]
    expected = realised_profile(HISTORY.pool, start, HISTORY.cutoff, spec.edges)
    np.testing.assert_allclose(made.profile.values[0, 0], expected, rtol=1e-12)
    assert made.variance == pytest.approx(HISTORY.panel.field("variance")[-24:, 0].sum())


@pytest.mark.parametrize(("horizon", "spans"), [(1, 168), (24, 7), (40, 7), (12, 14)])
def test_the_weekly_mean_is_the_mean_of_a_week_of_spans(horizon, spans):
    spec = WeeklyMean(context=300, horizon=horizon, bins=21, bin_ticks=20.0)
    assert spec.spans == spans
    starts = [HISTORY.times[-1 - horizon * (k + 1)] for k in range(spans)]
    span = horizon * np.timedelta64(1, "h")
    each = [realised_profile(HISTORY.pool, start, start + span, spec.edges) for start in starts]
    np.testing.assert_allclose(made_by(spec).profile.values[0, 0], np.mean(each, axis=0), rtol=1e-12)


def test_a_context_that_just_holds_the_spans_is_enough():
    spec = LastValue(context=24, horizon=24, bins=21, bin_ticks=20.0)
    wide = LastValue(context=90, horizon=24, bins=21, bin_ticks=20.0)
    np.testing.assert_allclose(made_by(spec).profile.values, made_by(wide).profile.values, rtol=1e-9)


def test_changes_are_normal_with_the_realised_variance():
    made = made_by(LastValue(context=30, horizon=24))
    expected = np.sqrt(made.variance) * norm.ppf(made.offset.levels)
    np.testing.assert_allclose(made.offset.values[0, 0], expected)


def test_a_profile_counts_beyond_the_outermost_bins_in_them():
    few = made_by(LastValue(context=30, horizon=24, bins=3, bin_ticks=1.0))
    many = made_by(LastValue(context=30, horizon=24, bins=201, bin_ticks=60.0))
    np.testing.assert_allclose(few.profile.values.sum(axis=2), many.profile.values.sum(axis=2), rtol=1e-12)
    assert np.abs(many.profile.edges * LOG_TICK).max() > 0.5


def test_a_context_too_short_for_the_spans_is_refused():
    with pytest.raises(SpecError, match="7 spans of 168 bars need 1176"):
        LIQUIDITY_FORECASTERS.build({"kind": "weekly_mean", "horizon": 168})


def test_seven_days_ahead_works_with_a_longer_context():
    spec = WeeklyMean(context=168, horizon=24)
    assert made_by(spec).profile.times[-1] == HISTORY.cutoff + 24 * np.timedelta64(1, "h")
