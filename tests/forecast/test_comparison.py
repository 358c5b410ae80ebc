"""Comparisons of forecasts: published figures, slow twins and sizes."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecast.comparison import clark_west, diebold_mariano, giacomini_white, holm
from forecast.errors import ForecastError

_PATH = Path(__file__).resolve().parents[1] / "oracles" / "scores_oracle.py"
_SPEC = importlib.util.spec_from_file_location("scores_oracle", _PATH)
oracle = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(oracle)


def moving_average(rng: np.random.Generator, count: int, order: int) -> np.ndarray:
    return np.convolve(rng.normal(size=count + order), np.ones(order + 1), "valid")


def test_the_published_example_of_diebold_and_mariano_is_reproduced() -> None:
    y = np.array([10.0, 20, 30, 40, 50])
    f, g = np.array([11.0, 21, 29, 42, 53]), np.array([13.0, 26, 24, 40, 59])
    found = diebold_mariano((y - f) ** 2, (y - g) ** 2, lags=0)
    assert found.uncorrected == pytest.approx(-2.4853809264, abs=1e-10)
    assert found.statistic == pytest.approx(-2.2229922806, abs=1e-10)
    assert found.p_value == pytest.approx(0.0451556586, abs=1e-10)
    assert found.flag == ""


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6), lags=st.integers(0, 4))
def test_diebold_mariano_equals_its_slow_twin_and_swaps_sides(seed: int, lags: int) -> None:
    rng = np.random.default_rng(seed)
    a, b = rng.exponential(size=(2, 80))
    found, swapped = diebold_mariano(a, b, lags), diebold_mariano(b, a, lags)
    assert swapped.p_value == pytest.approx(1 - found.p_value)
    if not found.flag:
        plain, corrected = oracle.hln(a - b, lags)
        assert found.uncorrected == pytest.approx(plain)
        assert found.statistic == pytest.approx(corrected)


def test_a_variance_that_is_not_positive_falls_back_to_bartlett_and_says_so() -> None:
    d = np.tile([1.0, -1.0], 10) + np.linspace(0, 0.01, 20)
    found = diebold_mariano(d, np.zeros(20), lags=1)
    assert found.flag == "bartlett"
    assert np.isfinite(found.statistic)


def test_identical_losses_have_p_one_and_a_constant_difference_is_flagged() -> None:
    losses = np.random.default_rng(5).exponential(size=30)
    same = diebold_mariano(losses, losses, lags=0)
    assert (same.p_value, same.flag) == (1.0, "identical")
    assert giacomini_white(losses, losses, lags=0).p_value == 1.0
    ahead = diebold_mariano(np.full(30, 1.0), np.full(30, 1.5), lags=0)
    assert (ahead.p_value, ahead.flag, ahead.statistic) == (0.0, "constant", -np.inf)


def test_size_at_five_percent_with_overlapping_forecasts_is_that_of_the_literature() -> None:
    rng = np.random.default_rng(6)
    reps = 600
    p = np.array([diebold_mariano(moving_average(rng, 60, 4), np.zeros(60), 4).p_value for _ in range(reps)])
    two_sided = 2 * np.minimum(p, 1 - p)
    assert 0.03 < (two_sided < 0.05).mean() < 0.10
    ignoring = [
        diebold_mariano(moving_average(rng, 60, 4), np.zeros(60), 0).p_value for _ in range(reps // 2)
    ]
    assert (np.array(ignoring) < 0.05).mean() > 0.15


def test_one_step_giacomini_white_is_the_r_squared_of_one_on_the_moments() -> None:
    d = np.random.default_rng(7).normal(0.1, 1, 120)
    z = np.column_stack([d[1:], d[:-1] * d[1:]])
    fitted = z @ np.linalg.lstsq(z, np.ones(119), rcond=None)[0]
    r_squared = (fitted @ fitted) / 119
    assert giacomini_white(d, np.zeros(120), 0).statistic == pytest.approx(119 * r_squared)


def test_giacomini_white_sees_an_advantage_that_changes_sides() -> None:
    rng = np.random.default_rng(8)
    d = np.repeat(np.tile([1.0, -1.0], 10), 20) + rng.normal(size=400)
    assert giacomini_white(d, np.zeros(400), 0).p_value < 0.001
    assert diebold_mariano(d, np.zeros(400), 0).p_value > 0.05


@pytest.mark.parametrize("lags", [0, 3])
def test_giacomini_white_has_its_size(lags: int) -> None:
    rng = np.random.default_rng(9)
    p = [giacomini_white(moving_average(rng, 300, lags), np.zeros(300), lags).p_value for _ in range(300)]
    assert 0.01 < (np.array(p) < 0.05).mean() < 0.12


def test_clark_west_forgives_the_noise_of_a_larger_model() -> None:
    rng = np.random.default_rng(10)
    found = []
    for _ in range(100):
        x, noise, estimated = rng.normal(size=(3, 300))
        y, larger = 0.15 * x + noise, 0.15 * (x + estimated)
        clark = clark_west(y, np.zeros(300), larger, 0).p_value
        found.append((clark < 0.05, diebold_mariano((y - larger) ** 2, y**2, 0).p_value < 0.05))
    power = np.mean(found, axis=0)
    assert power[0] > 0.3
    assert power[1] < 0.1


def test_clark_west_does_not_reward_pure_noise() -> None:
    rng = np.random.default_rng(11)
    p = [
        clark_west(rng.normal(size=120), np.zeros(120), 0.3 * rng.normal(size=120), 0).p_value
        for _ in range(300)
    ]
    assert (np.array(p) < 0.05).mean() < 0.09


def test_holm_multiplies_by_what_is_left_and_never_decreases() -> None:
    np.testing.assert_allclose(
        holm([0.01, 0.04, np.nan, 0.03, 0.005]), [0.03, 0.06, np.nan, 0.06, 0.02], equal_nan=True
    )
    assert holm([0.9, 0.8]).tolist() == [1.0, 1.0]
    assert holm([]).tolist() == []


@settings(max_examples=50, deadline=None)
@given(p=st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_lies_between_the_p_value_and_bonferroni_and_keeps_the_order(p: list[float]) -> None:
    adjusted = holm(p)
    assert (adjusted >= p).all()
    assert (adjusted <= np.minimum(np.array(p) * len(p), 1.0)).all()
    assert (np.diff(adjusted[np.argsort(p)]) >= 0).all()


def test_misuse_of_comparisons_is_named() -> None:
    with pytest.raises(ForecastError, match=r"6 losses were given; with 2 lags more than 6"):
        diebold_mariano(np.arange(6.0), np.zeros(6), 2)
    with pytest.raises(ForecastError, match="two equal lengths"):
        diebold_mariano(np.zeros(6), np.zeros(5), 0)
    with pytest.raises(ForecastError, match="losses at row .* must be finite"):
        giacomini_white(np.array([1.0, np.nan, 2, 3]), np.zeros(4), 0)
    with pytest.raises(ForecastError, match="lags was -1"):
        clark_west(np.zeros(5), np.zeros(5), np.zeros(5), -1)
