import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backtest.amm.inference import FEWEST, WindowMean, holm_p_values, verdict, window_mean
from forecast.resampling import circular_rows


def rng() -> np.random.Generator:
    return np.random.default_rng(7)


def test_the_mean_and_its_error_are_those_of_the_textbook() -> None:
    values = np.array([10.0, -20.0, 30.0, 0.0, 5.0])
    found = window_mean(values, rng())
    assert found.mean == 5.0
    assert found.standard_error == pytest.approx(values.std(ddof=1) / 5**0.5)
    assert found.minimum_detectable == pytest.approx(2.8016 * found.standard_error, rel=1e-4)
    assert found.low < 5.0 < found.high


def test_an_edge_far_above_its_noise_is_found_and_one_below_it_is_not() -> None:
    noise = np.random.default_rng(1).normal(size=40)
    strong, none = window_mean(noise + 5, rng()), window_mean(noise - noise.mean(), rng())
    assert strong.p_value < 0.001 and verdict(strong, strong.p_value) == "beats holding"
    assert none.p_value > 0.3 and verdict(none, none.p_value) == "no edge shown"
    assert verdict(window_mean(noise - 5, rng()), 1.0) == "loses to holding"


def test_one_window_has_a_mean_and_nothing_else() -> None:
    found = window_mean(np.array([3.0]), rng())
    assert found.mean == 3.0 and np.isnan([found.standard_error, found.low, found.p_value]).all()
    assert verdict(found, float("nan")) == "too few windows"


def test_half_of_the_intervals_of_pure_noise_lie_on_each_side_of_their_p_value() -> None:
    draws = np.random.default_rng(3)
    p = [window_mean(draws.normal(size=24), draws, resamples=200).p_value for _ in range(200)]
    assert 0.4 < np.mean(np.array(p) < 0.5) < 0.6


def test_holm_counts_only_the_lanes_that_are_tested() -> None:
    def with_p(p: float) -> WindowMean:
        return WindowMean(9, 1.0, 1.0, 0.1, 2.0, p, 2.8)

    means = {"a": with_p(0.01), "hold": with_p(0.9), "b": with_p(0.04)}
    found = holm_p_values(means, frozenset({"a", "b"}))
    assert found["a"] == pytest.approx(0.02) and found["b"] == pytest.approx(0.04)
    assert np.isnan(found["hold"])


@given(st.integers(1, 30), st.integers(1, 8), st.integers(0, 99))
@settings(derandomize=True, deadline=None)
def test_circular_rows_are_runs_that_wrap(count: int, block: int, seed: int) -> None:
    rows = circular_rows(count, count, block, 5, np.random.default_rng(seed))
    assert rows.shape == (5, count) and rows.min() >= 0 and rows.max() < count
    steps = (np.diff(rows, axis=1) - 1) % count
    inside = np.arange(1, count) % block != 0
    assert not steps[:, inside].any()


def test_a_handful_of_windows_concludes_nothing_but_has_an_interval() -> None:
    found = window_mean(np.array([-10.0, -30.0, -20.0]), rng())
    assert found.low < found.mean < found.high
    assert verdict(found, float("nan")) == "too few windows"
    assert (
        verdict(window_mean(np.full(FEWEST, -1.0) + np.arange(FEWEST) * 0.01, rng()), 1.0)
        == "loses to holding"
    )
