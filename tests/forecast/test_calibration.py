"""Calibration: valid forecasts, guarantees that hold for any data, and states that go on from disk to the bit."""

import importlib.util
import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from data.errors import SpecError
from forecast.adaptive_conformal import AdaptiveConformal
from forecast.calibration import CALIBRATIONS, AbstractCalibration
from forecast.conformal import conformal_scores, threshold
from forecast.distribution import DEFAULT_LEVELS, QuantileForecast
from forecast.errors import ForecastError, LevelError
from forecast.split_conformal import SplitConformal

_PATH = Path(__file__).resolve().parents[1] / "oracles" / "scores_oracle.py"
_SPEC = importlib.util.spec_from_file_location("scores_oracle", _PATH)
oracle = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(oracle)

KINDS = ("none", "split_conformal", "aci")
LEVELS = np.array(DEFAULT_LEVELS)
NAMES = ("A", "B", "C")
START = np.datetime64("2020-01-01", "ns")
DAY = np.timedelta64(1, "D").astype("timedelta64[ns]")


def forecast_at(
    day: int,
    price: float = 100.0,
    names: tuple[str, ...] = NAMES,
    levels: np.ndarray = LEVELS,
    horizon: int = 2,
) -> QuantileForecast:
    """Return forecasts of relative deviation 1 %, the same for every series and step."""
    values = price * (1 + 0.01 * norm.ppf(levels)) * np.ones((len(names), horizon, 1))
    times = START + (day + 1 + np.arange(horizon)) * DAY
    return QuantileForecast(
        START + day * DAY, times, names, levels, values, "level", np.full(len(names), price)
    )


def walk(
    kind: AbstractCalibration, noise: np.ndarray, price: float = 100.0, levels: np.ndarray = LEVELS
) -> tuple[object, list[QuantileForecast]]:
    """Return the state and issued forecasts after feedback of relative truths (N, S, H)."""
    state, issued = kind.start(), []
    for day, moves in enumerate(noise):
        raw = forecast_at(day, price, NAMES[: moves.shape[0]], levels, moves.shape[1])
        issued.append(kind.calibrate(state, raw))
        state = kind.learn(state, raw, issued[-1], price * (1 + moves))
    return state, issued


def single(scores: np.ndarray, kind: AbstractCalibration) -> tuple[object, list[QuantileForecast]]:
    """Feed one series, one step and one pair of 10 % with truths at given relative moves."""
    return walk(kind, np.asarray(scores)[:, None, None], levels=np.array([0.05, 0.5, 0.95]))


def misses(moves: np.ndarray, kind: AdaptiveConformal) -> tuple[np.ndarray, np.ndarray]:
    """Return err_1..err_T and a_1..a_{T+1} of a sequence, read off the state after each feedback."""
    levels, state, alphas = np.array([0.05, 0.5, 0.95]), kind.start(), [0.1]
    for day, move in enumerate(moves):
        raw = forecast_at(day, 100.0, ("A",), levels, 1)
        state = kind.learn(state, raw, kind.calibrate(state, raw), np.array([[100.0 * (1 + move)]]))
        alphas.append(float(state.alphas[0, 0, 0]))
    trail = np.array(alphas)
    return np.round(0.1 - np.diff(trail) / kind.gamma), trail


@pytest.mark.parametrize("name", KINDS)
def test_the_median_stays_and_quantiles_never_cross(name: str) -> None:
    moves = np.random.default_rng(1).standard_t(3, (60, 3, 2)) * 0.02
    for day, issued in enumerate(walk(CALIBRATIONS.build(name), moves)[1]):
        raw = forecast_at(day)
        assert (issued.median == raw.median).all()
        assert (np.diff(issued.values, axis=2) >= 0).all()
        assert (issued.times == raw.times).all()


@pytest.mark.parametrize("name", KINDS)
def test_a_stored_state_goes_on_to_the_bit(name: str) -> None:
    kind = CALIBRATIONS.build(name)
    moves = np.random.default_rng(2).normal(0, 0.02, (50, 3, 2))
    moves[7, 1] = np.nan
    state, _ = walk(kind, moves)
    for before in (state, kind.start()):
        held, file = before, io.BytesIO()
        np.savez(file, **held.to_arrays())
        file.seek(0)
        with np.load(file, allow_pickle=False) as stored:
            again = kind.from_arrays({key: stored[key] for key in stored.files})
        for day in (60, 61):
            raw = forecast_at(day)
            one, two = kind.calibrate(held, raw), kind.calibrate(again, raw)
            assert one.values.tobytes() == two.values.tobytes()
            assert (one.unbounded == two.unbounded).all()
            held, again = (kind.learn(s, raw, one, raw.median * 1.05) for s in (held, again))


@pytest.mark.parametrize("name", KINDS)
def test_a_doubled_price_doubles_the_calibrated_quantiles_to_the_bit(name: str) -> None:
    kind = CALIBRATIONS.build(name)
    moves = np.random.default_rng(3).normal(0, 0.02, (40, 3, 2))
    (_, cheap), (_, dear) = walk(kind, moves, 100.0), walk(kind, moves, 200.0)
    assert all((2 * a.values == b.values).all() for a, b in zip(cheap, dear, strict=True))


@pytest.mark.parametrize("name", ["split_conformal", "aci"])
def test_nothing_is_learnt_from_an_unknown_truth(name: str) -> None:
    kind = CALIBRATIONS.build(name)
    state, _ = walk(kind, np.random.default_rng(4).normal(0, 0.02, (40, 3, 2)))
    raw = forecast_at(40)
    after = kind.learn(state, raw, raw, np.full((3, 2), np.nan))
    assert (kind.calibrate(state, raw).values == kind.calibrate(after, raw).values).all()


@pytest.mark.parametrize("name", ["split_conformal", "aci"])
def test_a_learnt_state_is_not_changed_in_place(name: str) -> None:
    kind = CALIBRATIONS.build(name)
    state, _ = walk(kind, np.random.default_rng(5).normal(0, 0.02, (30, 3, 2)))
    before = {key: array.tobytes() for key, array in state.to_arrays().items()}
    kind.learn(state, forecast_at(30), forecast_at(30), np.full((3, 2), 120.0))
    assert before == {key: array.tobytes() for key, array in state.to_arrays().items()}


@settings(max_examples=60, deadline=None)
@given(
    scores=st.lists(st.one_of(st.floats(-5, 5), st.just(float("nan"))), max_size=30),
    alpha=st.sampled_from([0.05, 0.1, 0.2, 0.5, 0.9]),
)
def test_the_threshold_equals_its_slow_twin(scores: list[float], alpha: float) -> None:
    assert threshold(np.array(scores), np.array(alpha)) == oracle.conformal_rank(scores, alpha)


@pytest.mark.parametrize(("alpha", "least"), [(0.05, 19), (0.1, 9), (0.2, 4), (0.5, 1)])
def test_a_level_is_refused_until_there_are_enough_scores(alpha: float, least: int) -> None:
    assert np.isinf(threshold(np.arange(least - 1.0), np.array(alpha)))
    assert threshold(np.arange(float(least)), np.array(alpha)) == least - 1


def test_split_conformal_marks_unbounded_and_keeps_the_model_values_until_the_outer_pair_is_known() -> None:
    moves = np.random.default_rng(6).normal(0, 0.001, (25, 1, 1))
    issued = walk(SplitConformal(), moves)[1]
    assert [bool(each.unbounded.all()) for each in issued] == [True] * 19 + [False] * 6
    assert (issued[0].values == forecast_at(0, names=("A",), horizon=1).values).all()
    assert issued[18].values[0, 0, 0] == forecast_at(18).values[0, 0, 0]
    assert issued[19].values[0, 0, 0] > forecast_at(19).values[0, 0, 0]


def test_split_conformal_covers_exchangeable_truths_as_its_finite_sample_rank_says() -> None:
    rng = np.random.default_rng(7)
    kind, levels = SplitConformal(), np.array([0.1, 0.5, 0.9])
    hits = []
    for _ in range(1500):
        moves = rng.standard_t(3, (12, 1, 1)) * 0.05
        scores = np.array([abs(m) for m in moves[:, 0, 0]]) * 100
        raw = replace(
            forecast_at(0, names=("A",), levels=levels, horizon=1), values=np.full((1, 1, 3), 100.0)
        )
        state = kind.start()
        for score in scores[:11]:
            state = kind.learn(state, raw, raw, np.array([[100.0 + score]]))
        issued = kind.calibrate(state, raw)
        hits.append(100.0 + scores[11] <= issued.values[0, 0, 2])
    # ceil(12 * 0.8) = 10 of 12 ranks.
    assert np.mean(hits) == pytest.approx(10 / 12, abs=0.03)


def test_the_window_forgets() -> None:
    moves = np.concatenate([np.full(60, 0.5), np.full(30, 0.0)])
    wide = single(moves, SplitConformal(window=90))[1][-1]
    narrow = single(moves, SplitConformal(window=20))[1][-1]
    assert wide.values[0, 0, 2] > 140
    assert narrow.values[0, 0, 2] == pytest.approx(100)


def test_pooled_scores_reach_a_level_sooner() -> None:
    moves = np.random.default_rng(8).normal(0, 0.01, (8, 3, 2))
    assert walk(SplitConformal(), moves)[1][-1].unbounded.all()
    assert not walk(SplitConformal(pooled=True), moves)[1][-1].unbounded.any()


def adversary(kind: AdaptiveConformal, count: int) -> list[float]:
    """Return moves placed just outside every finite set, and just inside where the set is infinite."""
    levels, state, moves = np.array([0.05, 0.5, 0.95]), kind.start(), []
    for day in range(count):
        raw = forecast_at(day, 100.0, ("A",), levels, 1)
        issued = kind.calibrate(state, raw)
        moves.append(issued.values[0, 0, 2] / 100 - 1 + (1e-6 if not issued.unbounded.any() else -1e-6))
        state = kind.learn(state, raw, issued, np.array([[100.0 * (1 + moves[-1])]]))
    return moves


SEQUENCES = {
    "ramp": lambda kind: np.arange(400) * 0.01,
    "falling": lambda kind: 5.0 - np.arange(400) * 0.01,
    "trend": lambda kind: np.random.default_rng(9).normal(0, 0.02, 400) * np.linspace(0.1, 5, 400),
    "bursts": lambda kind: np.where(np.arange(400) // 40 % 2, 0.5, 0.0),
    "still": lambda kind: np.zeros(400),
    "adversary": lambda kind: np.array(adversary(kind, 400)),
}


@pytest.mark.parametrize("gamma", [0.005, 0.05, 0.3])
@pytest.mark.parametrize("sequence", sorted(SEQUENCES))
def test_adaptive_coverage_keeps_its_bound_for_any_sequence(sequence: str, gamma: float) -> None:
    kind = AdaptiveConformal(gamma=gamma)
    missed, trail = misses(SEQUENCES[sequence](kind), kind)
    bound = (max(0.1, 0.9) + gamma) / (gamma * len(missed))
    assert abs(missed.mean() - 0.1) <= bound + 1e-12
    assert -gamma <= trail.min()
    assert trail.max() <= 1 + gamma
    np.testing.assert_allclose(trail, oracle.adaptive_levels(missed.astype(bool).tolist(), 0.1, gamma))


@settings(max_examples=15, deadline=None)
@given(
    moves=st.lists(st.floats(-3, 3), min_size=20, max_size=60),
    gamma=st.floats(0.01, 0.9),
    window=st.integers(1, 30),
)
def test_adaptive_coverage_keeps_its_bound_for_drawn_sequences(
    moves: list[float], gamma: float, window: int
) -> None:
    missed, trail = misses(np.array(moves), AdaptiveConformal(gamma=gamma, window=window))
    assert abs(missed.mean() - 0.1) <= (0.9 + gamma) / (gamma * len(moves)) + 1e-9
    assert -gamma - 1e-12 <= trail.min()
    assert trail.max() <= 1 + gamma + 1e-12


def test_a_miss_is_a_truth_outside_the_issued_set_when_forecasts_do_not_overlap() -> None:
    moves = np.random.default_rng(10).standard_t(3, 300) * 0.02
    kind = AdaptiveConformal(gamma=0.02)
    missed, _ = misses(moves, kind)
    issued = single(moves, kind)[1]
    outside = [
        not (f.unbounded.any() or f.values[0, 0, 0] <= 100 * (1 + m) <= f.values[0, 0, 2])
        for f, m in zip(issued, moves, strict=True)
    ]
    assert missed.astype(bool).tolist() == outside


def test_an_infinite_set_is_flagged_and_an_empty_one_closes_on_the_median() -> None:
    kind, levels = AdaptiveConformal(gamma=0.9), np.array([0.05, 0.5, 0.95])
    state, _ = single(np.zeros(30), kind)
    raw = forecast_at(30, names=("A",), levels=levels, horizon=1)
    low, high = (replace(state, alphas=np.full((1, 1, 1), a)) for a in (-0.01, 1.0))
    assert kind.calibrate(low, raw).unbounded.all()
    assert (kind.calibrate(low, raw).values == raw.values).all()
    closed = kind.calibrate(high, raw)
    assert not closed.unbounded.any()
    assert (closed.values == 100.0).all()


def test_adaptive_levels_widen_after_misses_and_narrow_after_hits() -> None:
    moves = np.random.default_rng(11).normal(0, 0.02, (120, 1, 1))
    state, _ = walk(AdaptiveConformal(gamma=0.02), moves)
    raw = forecast_at(120, names=("A",), horizon=1)
    kind = AdaptiveConformal(gamma=0.02)
    hit = kind.learn(state, raw, raw, np.array([[100.0]]))
    hurt = kind.learn(state, raw, raw, np.array([[150.0]]))
    assert (hit.alphas > state.alphas).all()
    assert (hurt.alphas < state.alphas).all()


def test_a_series_that_joins_later_starts_without_scores() -> None:
    for kind in (SplitConformal(), AdaptiveConformal()):
        state, _ = walk(kind, np.random.default_rng(12).normal(0, 0.01, (25, 2, 2)))
        raw = forecast_at(25, names=("C", "A"))
        issued = kind.calibrate(state, raw)
        assert issued.unbounded[0].all()
        assert not issued.unbounded[1].any()
        again = kind.learn(state, raw, issued, raw.median)
        assert kind.calibrate(again, forecast_at(26)).series == NAMES


def test_a_forecast_without_series_passes_through() -> None:
    for name in KINDS:
        kind = CALIBRATIONS.build(name)
        empty = forecast_at(0, names=())
        issued = kind.calibrate(kind.start(), empty)
        state = kind.learn(kind.start(), empty, issued, np.zeros((0, 2)))
        assert kind.calibrate(state, forecast_at(1)).series == NAMES


def test_scores_of_a_variance_are_relative_to_its_median_and_its_quantiles_stay_positive() -> None:
    levels = np.array([0.1, 0.5, 0.9])
    raw = replace(
        forecast_at(0, names=("A",), levels=levels, horizon=1),
        values=np.array([[[1.0, 2.0, 4.0]]]) * 1e-4,
        quantity="variance",
    )
    np.testing.assert_allclose(conformal_scores(raw, np.array([[6e-4]]), "relative"), [[[1.0]]])
    kind, state = SplitConformal(), SplitConformal().start()
    for _ in range(10):
        state = kind.learn(state, raw, raw, np.array([[9e-4]]))
    np.testing.assert_allclose(kind.calibrate(state, raw).values, [[[0.0, 2e-4, 9e-4]]])


def test_misuse_of_a_calibration_is_named() -> None:
    kind = SplitConformal()
    with pytest.raises(LevelError, match=r"level 0.1 has no partner 0.9"):
        kind.calibrate(kind.start(), forecast_at(0, levels=np.array([0.1, 0.5, 0.8])))
    with pytest.raises(ForecastError, match="set 'scale: absolute'"):
        kind.calibrate(kind.start(), replace(forecast_at(0), last=np.array([1.0, 0.0, 1.0])))
    state, _ = walk(kind, np.zeros((3, 3, 2)))
    with pytest.raises(ForecastError, match="forecast has horizon 3"):
        kind.calibrate(state, forecast_at(3, horizon=3))
    with pytest.raises(ForecastError, match="truth has shape"):
        kind.learn(state, forecast_at(3), forecast_at(3), np.zeros((3, 1)))
    with pytest.raises(SpecError, match="unknown calibration kind 'acl'; did you mean 'aci'"):
        CALIBRATIONS.build("acl")
    with pytest.raises(SpecError, match=r"calibration.gamma was 1.5"):
        CALIBRATIONS.build({"kind": "aci", "gamma": 1.5})
