"""Features against closed forms and the worlds they are made for."""

import numpy as np
import pytest

from data.features.cross_section import ranks
from data.features.table import FEATURES
from data.panel import Panel


def panel_of(**fields: np.ndarray) -> Panel:
    rows = len(next(iter(fields.values())))
    cube = np.stack([np.asarray(values, float).reshape(rows, -1) for values in fields.values()], axis=2)
    times = np.datetime64("2024-01-01") + np.arange(rows)
    return Panel(times, tuple("ABCDEFGH"[: cube.shape[1]]), tuple(fields), cube)


def intraday_world(rows: int, sigma: float, jump: float = 0.0) -> Panel:
    """Bars of a driftless random walk with 400 steps a day and an optional overnight jump of standard deviation ``jump``."""
    rng = np.random.default_rng(1)
    steps = rng.normal(0, sigma / 20, (rows, 400))
    overnight = rng.normal(0, 1, rows) * jump
    start = np.concatenate([[0.0], np.cumsum(steps.sum(axis=1) + overnight)[:-1]]) + overnight
    path = start[:, None] + np.concatenate([np.zeros((rows, 1)), np.cumsum(steps, axis=1)], axis=1)
    prices = np.exp(path)
    return panel_of(open=prices[:, 0], high=prices.max(axis=1), low=prices.min(axis=1), close=prices[:, -1])


@pytest.mark.parametrize(
    "name",
    ["realised_volatility", "parkinson_volatility", "garman_klass_volatility", "yang_zhang_volatility"],
)
def test_every_estimator_finds_the_volatility_of_a_random_walk(name: str) -> None:
    found = FEATURES[name](intraday_world(800, 0.01), window=700)[-1, 0]
    assert found == pytest.approx(0.01, rel=0.08)


def test_only_yang_zhang_and_close_to_close_see_overnight_jumps() -> None:
    world, total = intraday_world(800, 0.01, jump=0.01), np.sqrt(2) * 0.01
    assert FEATURES["yang_zhang_volatility"](world, window=700)[-1, 0] == pytest.approx(total, rel=0.08)
    assert FEATURES["realised_volatility"](world, window=700)[-1, 0] == pytest.approx(total, rel=0.08)
    assert FEATURES["parkinson_volatility"](world, window=700)[-1, 0] == pytest.approx(0.01, rel=0.08)


def test_range_estimators_are_more_precise_than_closes() -> None:
    world = intraday_world(2000, 0.01)
    spread = {
        name: np.nanstd(FEATURES[name](world, window=20))
        for name in ("realised_volatility", "garman_klass_volatility")
    }
    assert spread["garman_klass_volatility"] < 0.6 * spread["realised_volatility"]


def test_rsi_is_100_when_only_rising_0_when_only_falling_50_when_still() -> None:
    rows = 200
    world = panel_of(
        close=np.stack([np.arange(1.0, rows + 1), np.arange(rows, 0.0, -1), np.ones(rows)], axis=1)
    )
    assert FEATURES["rsi"](world)[-1] == pytest.approx([100.0, 0.0, 50.0])


def test_a_flat_market_has_no_score_and_sits_mid_band() -> None:
    world = panel_of(close=np.full((60, 1), 7.0))
    assert FEATURES["z_score"](world)[-1, 0] == 0.0
    assert FEATURES["bollinger"](world)[-1, 0] == 0.5
    assert FEATURES["macd"](world, fast=2, slow=4)[-1, 0] == pytest.approx(0.0, abs=1e-12)


def test_price_scale_never_matters() -> None:
    world = intraday_world(500, 0.01)
    scaled = Panel(world.times, world.series, world.fields, world.values * 1000.0)

    for name, feature in FEATURES.items():
        if feature.fields and "volume" not in feature.fields:
            assert feature(scaled)[-1] == pytest.approx(feature(world)[-1], rel=1e-9, abs=1e-12), name


def test_ranks_share_ties_and_skip_missing_values() -> None:
    nan = np.nan
    got = ranks(np.array([[3.0, 1.0, 2.0], [1.0, 1.0, 5.0], [nan, 4.0, 9.0], [nan, nan, 2.0]]))
    want = np.array([[1.0, 0.0, 0.5], [0.25, 0.25, 1.0], [nan, 0.0, 1.0], [nan, nan, 0.5]])
    np.testing.assert_array_equal(got, want)


def test_a_bar_that_ends_at_midnight_belongs_to_the_day_before() -> None:
    times = np.array(["2024-01-01T00:00", "2024-01-01T15:00", "2024-01-02T00:00"], "datetime64[ns]")
    world = Panel(times, ("A",), ("close",), np.ones((3, 1, 1)))
    assert FEATURES["day_of_week"](world)[:, 0].tolist() == [6.0, 0.0, 0.0]
    assert FEATURES["month_of_year"](world)[:, 0].tolist() == [12.0, 1.0, 1.0]
    assert FEATURES["hour_of_day"](world)[:, 0].tolist() == [23.0, 14.0, 23.0]
