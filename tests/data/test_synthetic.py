"""Claims about the synthetic processes: their moments, their bars, and what a seed promises."""

from pathlib import Path

import numpy as np
import pytest

from data.errors import SourceError, SpecError
from data.sources.base import SOURCES
from data.sources.synthetic import SyntheticSource, ar_shocks, garch_shocks, regime_scales

NOWHERE = Path("unused")
PROCESSES = ("gbm", "garch_t", "ar", "regime")


def load(**settings):
    return SyntheticSource(**{"count": 2, "bars": 500, **settings}).load(NOWHERE)


def log_returns(history):
    return np.diff(np.log(history.panel.field("close")), axis=0)


@pytest.mark.parametrize("process", PROCESSES)
def test_bars_enclose_their_prices_and_open_away_from_the_previous_close(process):
    panel = load(process=process).panel
    opens, highs, lows, closes, volume = (panel.field(name) for name in panel.fields)
    assert (highs >= np.maximum(opens, closes)).all()
    assert (lows <= np.minimum(opens, closes)).all()
    assert (lows > 0).all()
    assert (volume > 0).all()
    assert (opens[1:] != closes[:-1]).all()


@pytest.mark.parametrize("process", PROCESSES)
def test_the_volatility_asked_for_is_the_one_delivered(process):
    returns = log_returns(load(process=process, bars=40_000, count=1, volatility=0.3))
    assert np.isclose(returns.std() * np.sqrt(365.25), 0.3, rtol=0.08)


def test_a_random_walk_has_no_memory_and_no_heavy_tails():
    returns = log_returns(load(bars=40_000, count=1))[:, 0]
    z = (returns - returns.mean()) / returns.std()
    assert abs(np.mean(z[1:] * z[:-1])) < 4 / np.sqrt(len(z))
    assert abs(np.mean(z**4) - 3) < 4 * np.sqrt(24 / len(z))


def test_the_expected_price_grows_by_the_drift():
    history = load(count=400, bars=366, drift=0.5, volatility=0.2, correlation=0.0)
    assert np.isclose(history.panel.field("close")[-1].mean(), 100 * np.exp(0.5), rtol=0.04)


def test_garch_without_feedback_is_student_t_with_its_textbook_kurtosis():
    shocks, scales = garch_shocks(_student(12.0, 200_000), 0.01, 0.0, 0.0)
    np.testing.assert_array_equal(scales, np.full(200_000, 0.01))
    assert np.isclose(np.mean(shocks**4) / np.mean(shocks**2) ** 2, 3 + 6 / (12 - 4), rtol=0.1)


def test_garch_kurtosis_and_volatility_clustering_follow_the_closed_form():
    # Bollerslev 1986, section 4, for shocks of kurtosis k: k (1 - (a+b)^2) / (1 - b^2 - 2ab - k a^2).
    a, b, k = 0.08, 0.85, 3.0
    shocks, _ = garch_shocks(np.random.default_rng(5).standard_normal(400_000), 0.01, a, b)
    expected = k * (1 - (a + b) ** 2) / (1 - b**2 - 2 * a * b - k * a**2)
    assert np.isclose(np.mean(shocks**4) / np.mean(shocks**2) ** 2, expected, rtol=0.05)
    squares = shocks**2 - np.mean(shocks**2)
    first = np.mean(squares[1:] * squares[:-1]) / np.mean(squares**2)
    assert np.isclose(first, a * (1 - a * b - b**2) / (1 - 2 * a * b - b**2), atol=0.02)


def test_garch_t_bars_have_heavy_tails():
    returns = log_returns(load(process="garch_t", bars=20_000, count=1))[:, 0]
    z = (returns - returns.mean()) / returns.std()
    assert np.mean(z**4) > 4


@pytest.mark.parametrize("phi", [-0.4, 0.0, 0.5])
def test_ar_returns_have_the_autocorrelation_asked_for(phi):
    shocks, _ = ar_shocks(np.random.default_rng(1).standard_normal(100_000), 0.01, phi)
    # Five standard errors of an autocorrelation, widened by Bartlett's (1 + phi^2) / (1 - phi^2).
    band = 5 * np.sqrt((1 + phi**2) / (1 - phi**2) / len(shocks))
    assert np.isclose(np.corrcoef(shocks[1:], shocks[:-1])[0, 1], phi, atol=band)
    assert np.isclose(np.corrcoef(shocks[2:], shocks[:-2])[0, 1], phi**2, atol=band)
    assert np.isclose(shocks.std(), 0.01, rtol=0.02)


def test_regimes_have_two_volatilities_and_last_as_long_as_asked():
    scales = regime_scales(np.random.default_rng(2).random(200_000), 0.01, 4.0, 0.98)
    calm, stressed = np.unique(scales)
    assert np.isclose(stressed / calm, 4)
    assert np.isclose(np.mean(scales**2), 0.01**2, rtol=0.05)
    assert np.isclose(np.mean(scales[1:] == scales[:-1]), 0.98, atol=0.002)


def test_shocks_correlate_across_series_as_asked():
    returns = log_returns(load(bars=20_000, correlation=0.6))
    assert np.isclose(np.corrcoef(returns.T)[0, 1], 0.6, atol=0.03)
    alone = log_returns(load(bars=20_000, correlation=0.0))
    assert abs(np.corrcoef(alone.T)[0, 1]) < 0.03


def test_the_gap_holds_its_share_of_the_variance_and_ranges_match_parkinson():
    panel = load(bars=40_000, count=1, overnight=0.25, drift=0.0).panel
    opens, highs, lows, closes, _ = (np.log(panel.field(name)[:, 0]) for name in panel.fields)
    total = np.var(np.diff(closes))
    assert np.isclose(np.var(opens[1:] - closes[:-1]) / total, 0.25, rtol=0.05)
    assert np.isclose(np.var(closes - opens) / total, 0.75, rtol=0.05)
    # The mean of high - open for a Brownian motion over one bar is s sqrt(2 / pi).
    spread = np.sqrt(0.75 * total * 2 / np.pi)
    assert np.isclose(np.mean(highs - opens), spread, rtol=0.03)
    assert np.isclose(np.mean(opens - lows), spread, rtol=0.03)


@pytest.mark.parametrize("process", PROCESSES)
def test_more_series_and_more_bars_change_no_earlier_bar(process):
    small = load(process=process)
    large = load(process=process, count=5, bars=900)
    np.testing.assert_array_equal(large.panel.values[:500, :2], small.panel.values)
    np.testing.assert_array_equal(large.times[:500], small.times)


def test_the_same_seed_gives_the_same_bits_and_another_seed_other_ones():
    assert load(seed=3).fingerprint() == load(seed=3).fingerprint()
    assert load(seed=3).fingerprint() != load(seed=4).fingerprint()


def test_bars_lie_on_the_clock_and_a_choice_of_series_and_period_is_a_cut():
    history = load(calendar="XNYS", bar="1h", first="2020-01-01")
    np.testing.assert_array_equal(history.times, history.clock.ends(history.times[0], history.times[-1]))
    cut = load(calendar="XNYS", bar="1h", first="2020-01-01", series=("S2",), start="2020-02-01")
    assert cut.fingerprint() == history.select(["S2"]).between("2020-02-01", history.times[-1]).fingerprint()
    assert "synthetic" in cut.notes[0]


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"process": "levy"}, "data source.process was 'levy'"),
        ({"bars": 1}, "data source.bars was 1"),
        ({"volatility": 0}, "data source.volatility was 0"),
        ({"correlation": 1.0}, "data source.correlation was 1.0"),
        ({"arch": 0.2}, "arch . garch was 1.1; allowed: below 1"),
        ({"series": ["S9"]}, "series 'S9' is not made; allowed: S1 to S4"),
        ({"first": "yesterday?"}, "time was 'yesterday.'"),
        ({"volatilty": 0.2}, "did you mean 'volatility'"),
    ],
)
def test_wrong_settings_are_named(config, words):
    with pytest.raises(SpecError, match=words):
        SOURCES.build({"kind": "synthetic", **config})


def test_a_period_without_bars_is_an_error():
    with pytest.raises(SourceError, match="no bar ends between 1990-01-01 and 1991-01-01"):
        load(start="1990-01-01", end="1991-01-01")


def test_a_section_survives_the_round_trip():
    source = SOURCES.build({"kind": "synthetic", "process": "ar", "count": 3, "autocorrelation": 0.3})
    assert SOURCES.build(SOURCES.describe(source)) == source
    assert source.identity()["series"] == ["S1", "S2", "S3"]


def _student(degrees, count):
    rng = np.random.default_rng(7)
    return rng.standard_normal(count) * np.sqrt((degrees - 2) / rng.chisquare(degrees, count))
