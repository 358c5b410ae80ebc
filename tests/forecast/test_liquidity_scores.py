"""Scores of liquidity forecasts: by definition, on made losses, and what they say about skill."""

import importlib.util
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import wasserstein_distance

from data.amm.pool import LOG_TICK
from forecast.comparison import diebold_mariano
from forecast.distribution import ProfileForecast, QuantileForecast
from forecast.errors import ForecastError
from forecast.liquidity import LIQUIDITY_FORECASTERS, LiquidityForecast
from forecast.liquidity_checks import fit, predict, synthetic_pool_history
from forecast.liquidity_scores import (
    IS_REFERENCE,
    LOSS_COLUMNS,
    NO_REFERENCE,
    PROFILE_COLUMNS,
    SCORE_COLUMNS,
    comparisons_with_har,
    earth_mover_ticks,
    liquidity_losses,
    liquidity_profiles,
    score_liquidity,
    scores_of,
    without_known_mean,
)
from forecast.models.liquidity.truth import realised_span
from forecast.scores import crps_loss
from forecast.skill import NO_SKILL, SKILL, TOO_FEW


def _load(name):
    path = Path(__file__).resolve().parents[1] / "oracles" / f"{name}.py"
    specification = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


oracle = _load("liquidity_oracle")
quick = settings(derandomize=True, deadline=None, max_examples=40)
HISTORY = synthetic_pool_history(400)
SPEC = LIQUIDITY_FORECASTERS.build(
    {"kind": "last_value", "context": 24, "horizon": 12, "bins": 41, "bin_ticks": 20.0}
)
FITTED = fit(SPEC, HISTORY.until(HISTORY.times[100]))
CUTOFFS = HISTORY.times[100:388:12]
ISSUED = [predict(FITTED, HISTORY.until(cutoff)) for cutoff in CUTOFFS]


def perfect(made):
    """The forecast that says what happens."""
    span = realised_span(HISTORY, made.cutoff, made.profile.times[-1], made.profile.edges)
    profile = replace(made.profile, values=span.profile[None, None])
    values = np.full(made.offset.values.shape, span.change)
    return LiquidityForecast(profile, replace(made.offset, values=values), span.variance)


def made_losses(**models):
    """Losses of models whose log errors are given; spans of a day, one after the other."""
    parts = []
    for label, given_errors in models.items():
        errors = np.asarray(given_errors)
        days = np.datetime64("2022-01-01", "ns") + np.arange(len(errors) + 1) * np.timedelta64(1, "D")
        truth = np.exp(np.sin(np.arange(len(errors))))
        part = pd.DataFrame({"cutoff": days[:-1], "end": days[1:], "fee_growth": truth, "path": truth})
        part["forecast_fee_growth"] = part["forecast_path"] = truth / np.exp(errors)
        part["model"] = label
        for column in ("crps", "pinball", "inside_80", "inside_95", "earth_mover"):
            part[column] = 0.5
        parts.append(part[list(LOSS_COLUMNS)])
    return pd.concat(parts, ignore_index=True)


def test_a_perfect_forecast_scores_perfectly():
    (row,) = score_liquidity({"har": [perfect(made) for made in ISSUED]}, HISTORY).to_dict("records")
    assert tuple(row) == SCORE_COLUMNS
    assert row["n"] == len(CUTOFFS)
    assert row["crps"] == pytest.approx(0.0, abs=1e-9)
    assert row["earth_mover"] == pytest.approx(0.0, abs=1e-9)
    assert row["log_intensity_mae"] == pytest.approx(0.0, abs=1e-12)
    assert row["coverage_80"] == row["coverage_95"] == 1.0
    # The path of a profile is counted at one price, fee growth at those on the way.
    assert row["r2_log_fee_growth"] > 0.99


def test_scores_of_the_change_are_those_of_the_price_in_ticks():
    losses = liquidity_losses({"last_value": ISSUED}, HISTORY)
    close = HISTORY.panel.field("close")[:, 0]
    for place in (0, 7, 20):
        made, row = ISSUED[place], 100 + 12 * place
        ticks = np.array(np.log(close[row + 12] / close[row]) / LOG_TICK)
        quantiles = made.offset.values[0, 0] / LOG_TICK
        expected = crps_loss(ticks, quantiles, made.offset.levels)
        assert losses["crps"][place] == pytest.approx(float(expected))
        low, high = np.interp([0.1, 0.9], made.offset.levels, quantiles)
        assert losses["inside_80"][place] == float(low <= ticks <= high)


def test_levels_that_were_not_forecast_have_no_coverage():
    few = [
        LiquidityForecast(
            made.profile,
            QuantileForecast(
                made.cutoff,
                made.offset.times,
                made.offset.series,
                np.array([0.25, 0.5, 0.75]),
                made.offset.values[:, :, [5, 10, 15]],
                "log_return",
                made.offset.last,
            ),
            made.variance,
        )
        for made in ISSUED
    ]
    row = score_liquidity({"last_value": few}, HISTORY).iloc[0]
    assert np.isnan(row["coverage_80"])
    assert np.isnan(row["coverage_95"])
    assert row["crps"] > 0


def test_spans_that_are_not_over_are_left_out():
    early = HISTORY.until(HISTORY.times[150])
    losses = liquidity_losses({"last_value": ISSUED}, early)
    assert len(losses) == 4
    assert (losses["end"] <= early.cutoff).all()


def test_profiles_stand_beside_what_happened():
    table = liquidity_profiles({"last_value": ISSUED[:2], "har": ISSUED[:1]}, HISTORY)
    assert tuple(table.columns) == PROFILE_COLUMNS
    assert len(table) == 3 * SPEC.bins
    first = table[(table["model"] == "last_value") & (table["cutoff"] == CUTOFFS[0])]
    np.testing.assert_array_equal(first["forecast_up"], ISSUED[0].profile.values[0, 0, :, 0])
    np.testing.assert_array_equal(first["low_ticks"], SPEC.edges[:-1])
    truth = realised_span(HISTORY, CUTOFFS[0], CUTOFFS[1], SPEC.edges)
    np.testing.assert_array_equal(first["realised_down"], truth.profile[:, 1])


def test_nothing_forecast_gives_empty_tables():
    assert tuple(liquidity_profiles({}, HISTORY).columns) == PROFILE_COLUMNS
    assert len(score_liquidity({}, HISTORY)) == 0


def test_scoring_needs_a_pool():
    with pytest.raises(ForecastError, match="no pool"):
        score_liquidity({"har": ISSUED}, replace(HISTORY, pool=None))


@quick
@given(st.lists(st.floats(-3, 3), min_size=1, max_size=60), st.integers(1, 4))
def test_only_errors_known_at_a_cutoff_are_taken_off(errors, lag):
    errors = np.array(errors)
    cutoffs = np.datetime64("2022-01-01", "ns") + np.arange(len(errors)) * np.timedelta64(1, "D")
    ends = cutoffs + lag * np.timedelta64(1, "D")
    made = without_known_mean(errors, cutoffs, ends)
    np.testing.assert_allclose(made, oracle.expected_errors(errors, ends, cutoffs, 20), atol=1e-12)


@quick
@given(
    st.lists(st.floats(0.01, 5), min_size=6, max_size=6), st.lists(st.floats(0.01, 5), min_size=6, max_size=6)
)
def test_the_earth_movers_distance_is_that_of_its_twins(first, second):
    edges = np.linspace(-360, 360, 7)
    middles = 0.5 * (edges[1:] + edges[:-1])
    made = earth_mover_ticks(np.array(first), np.array(second), edges)
    assert made == pytest.approx(oracle.earth_mover(first, second, middles), abs=1e-9)
    assert made == pytest.approx(wasserstein_distance(middles, middles, first, second), abs=1e-9)


def test_moving_a_shape_by_one_bin_costs_a_bin():
    assert earth_mover_ticks(np.eye(9)[3], np.eye(9)[4], np.arange(10) * 120.0) == pytest.approx(120.0)
    assert np.isnan(earth_mover_ticks(np.zeros(3), np.ones(3), np.arange(4.0)))


def test_r2_is_one_less_squared_errors_over_the_spread_about_their_own_mean():
    errors = np.random.default_rng(5).standard_normal(15)
    row = scores_of(made_losses(har=errors)).iloc[0]
    truth = np.sin(np.arange(15))
    expected = 1 - (errors**2).sum() / ((truth - truth.mean()) ** 2).sum()
    assert row["r2_log_fee_growth"] == pytest.approx(expected)
    assert row["log_intensity_mae"] == pytest.approx(np.abs(errors).mean())


def test_a_model_that_is_always_too_high_by_a_factor_loses_no_r2_once_that_is_known():
    errors = 0.3 * np.random.default_rng(6).standard_normal(400)
    high, fair = scores_of(made_losses(har=errors - 1.0, lstm=errors)).to_dict("records")
    assert high["r2_log_fee_growth"] > fair["r2_log_fee_growth"] - 0.15
    assert high["log_intensity_mae"] > 3 * fair["log_intensity_mae"]


def test_the_verdict_says_who_beats_har():
    rng = np.random.default_rng(8)
    noise = rng.standard_normal(200)
    losses = made_losses(
        har=noise, lstm=0.7 * noise, lightgbm=noise + 0.1 * rng.standard_normal(200), last_value=2 * noise
    )
    verdicts = dict(zip(*(scores_of(losses)[name] for name in ("model", "verdict")), strict=True))
    assert verdicts == {"har": IS_REFERENCE, "lstm": SKILL, "lightgbm": NO_SKILL, "last_value": NO_SKILL}
    tests = comparisons_with_har(losses)
    own, beside = (
        without_known_mean(part, *(losses["cutoff"][:200].to_numpy(), losses["end"][:200].to_numpy())) ** 2
        for part in (0.7 * noise, noise)
    )
    assert tests["lstm"].p_value == pytest.approx(diebold_mariano(own, beside, 0).p_value)


def test_a_few_spans_are_too_few_and_no_har_is_said():
    errors = np.random.default_rng(8).standard_normal(15)
    assert list(scores_of(made_losses(har=errors, lstm=errors / 2))["verdict"]) == [IS_REFERENCE, TOO_FEW]
    assert list(scores_of(made_losses(lstm=errors))["verdict"]) == [NO_REFERENCE]


def test_the_first_of_several_har_is_the_reference():
    errors = np.random.default_rng(9).standard_normal(100)
    table = scores_of(made_losses(**{"har-1": errors, "har-2": errors / 3}))
    assert list(table["verdict"]) == [IS_REFERENCE, SKILL]


def test_an_empty_forecast_counts_as_the_least_path():
    none = [
        LiquidityForecast(
            ProfileForecast(
                made.cutoff,
                made.profile.times,
                made.profile.series,
                made.profile.edges,
                0.0 * made.profile.values,
            ),
            made.offset,
            made.variance,
        )
        for made in ISSUED
    ]
    row = score_liquidity({"har": none}, HISTORY).iloc[0]
    assert np.isfinite(row["log_intensity_mae"])
    assert row["log_intensity_mae"] > 3.0
    assert np.isnan(row["earth_mover"])
