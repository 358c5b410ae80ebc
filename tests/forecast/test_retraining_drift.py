"""Drift policies: what is compared, when an alarm is possible, and that the state is all there is."""

import importlib.util
import math
from pathlib import Path

import numpy as np
import pytest

from data.errors import SpecError
from forecast.checks import synthetic_history
from forecast.errors import ForecastError
from forecast.retraining.base import RETRAINING, FitAge, KnownLoss, Moment

_PATH = Path(__file__).resolve().parents[2] / "scripts" / "studies" / "detectors.py"
_SPEC = importlib.util.spec_from_file_location("detectors", _PATH)
study = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(study)

HISTORY = synthetic_history(2)
START = np.datetime64("2020-01-01", "ns")
KINDS = ["page_hinkley", "adaptive_window", "sequential_ratio", "two_sample"]


def policy_of(kind="page_hinkley", **settings):
    return RETRAINING.build({"kind": kind, "reference": 60, "target_run_length": 500, **settings})


def losses_of(values, naive=None):
    naive = np.ones(len(values)) if naive is None else naive
    return [
        KnownLoss(START + t, float(loss), float(usual))
        for t, (loss, usual) in enumerate(zip(values, naive, strict=True))
    ]


def asked(policy, losses, *, through=lambda state: state, bars=1000):
    """Return the verdict and state after each loss of one fit."""
    state, found = policy.start(), []
    for loss in losses:
        state, verdict = policy.decide(through(state), Moment(0, HISTORY, FitAge(0, START, bars), (loss,)))
        found.append((verdict, state))
    return found


def first_alarm(found):
    return next((t for t, (verdict, _) in enumerate(found) if verdict.reason is not None), None)


def grown(seed=1, count=300, change=150, factor=4.0):
    sizes = np.random.default_rng(seed).lognormal(0, 0.5, count)
    return np.where(np.arange(count) < change, sizes, factor * sizes)


@pytest.mark.parametrize("kind", KINDS)
def test_grown_losses_are_found_after_they_grow_and_never_while_the_reference_is_collected(kind):
    late = first_alarm(asked(policy_of(kind), losses_of(grown())))
    assert 150 <= late < 200
    early = first_alarm(asked(policy_of(kind), losses_of(grown(change=20))))
    assert early is None or early >= 60 + 10 - 1


@pytest.mark.parametrize("kind", KINDS)
def test_the_reason_names_the_score_and_the_threshold(kind):
    found = asked(policy_of(kind), losses_of(grown()))
    verdict, state = found[first_alarm(found)]
    assert verdict.reason == f"drift: score {state.score:.4g} is above {state.threshold:.4g}"
    assert verdict.facts == {"score": state.score, "threshold": state.threshold, "losses": float(state.seen)}


@pytest.mark.parametrize("kind", KINDS)
def test_losses_at_once_end_in_the_state_of_one_by_one(kind):
    policy, losses = policy_of(kind), losses_of(grown())
    moment = Moment(0, HISTORY, FitAge(0, START, 1000), tuple(losses))
    together, verdict = policy.decide(policy.start(), moment)
    singly, last = asked(policy, losses)[-1][::-1]
    assert verdict == last
    assert {name: array.tobytes() for name, array in together.to_arrays().items()} == {
        name: array.tobytes() for name, array in singly.to_arrays().items()
    }


@pytest.mark.parametrize("kind", KINDS)
def test_a_state_read_from_arrays_goes_on_as_if_nothing_had_happened(kind):
    policy, losses = policy_of(kind), losses_of(grown())
    plain = asked(policy, losses)
    stored = asked(policy, losses, through=lambda state: policy.from_arrays(state.to_arrays()))
    assert [verdict for verdict, _ in plain] == [verdict for verdict, _ in stored]


@pytest.mark.parametrize("kind", KINDS)
def test_later_losses_change_no_earlier_verdict(kind):
    first, other = grown(), grown()
    other[200:] = 1e-3
    verdicts = [
        [verdict for verdict, _ in asked(policy_of(kind), losses_of(values))] for values in (first, other)
    ]
    assert verdicts[0][:200] == verdicts[1][:200]


def test_the_market_growing_is_no_drift_of_a_model_judged_beside_the_naive_forecast():
    rng = np.random.default_rng(2)
    market = grown(seed=3)
    losses = losses_of(market * rng.lognormal(0, 0.2, len(market)), market)
    assert first_alarm(asked(policy_of(), losses)) is None
    assert first_alarm(asked(policy_of(relative_to="none"), losses)) >= 150


def test_volatility_divides_by_the_average_of_earlier_naive_losses():
    losses = losses_of([2.0, 3.0, 4.0], [1.0, 2.0, 5.0])
    _, state = asked(policy_of(relative_to="volatility"), losses)[-1]
    # The first loss has no naive loss before it.
    assert state.reference == pytest.approx(
        [math.log(3 / 1.0), math.log(4 / (0.94 * 1 + 0.06 * 2))], abs=2e-6
    )


def test_naive_and_none_are_logs_of_a_ratio_and_of_the_loss():
    losses = losses_of([2.0, 0.0], [4.0, 0.0])
    assert asked(policy_of(), losses)[-1][1].reference == pytest.approx([math.log(0.5), 0.0], abs=1e-6)
    assert asked(policy_of(relative_to="none"), losses)[-1][1].reference == pytest.approx(
        [math.log(2), math.log(1e-6)], abs=1e-5
    )


def test_a_model_equal_to_the_naive_one_never_drifts():
    found = asked(policy_of(), losses_of(grown(), grown()))
    assert first_alarm(found) is None
    assert found[-1][1].threshold == math.inf


def test_everything_begins_anew_at_the_next_fit():
    policy, losses = policy_of(), losses_of(grown())
    _, state = asked(policy, losses)[-1]
    assert state.alarmed
    later = FitAge(1, START + 1, 0)
    state, verdict = policy.decide(state, Moment(0, HISTORY, later, (losses[0],)))
    assert (verdict.reason, state.alarmed, len(state.reference)) == (None, False, 1)


def test_an_alarm_is_kept_until_a_fit_is_made_and_waits_for_the_cooldown():
    policy, losses = policy_of(cooldown=500), losses_of(grown())
    found = asked(policy, losses, bars=499)
    assert first_alarm(found) is None
    _, state = found[-1]
    assert state.alarmed
    _, verdict = policy.decide(state, Moment(0, HISTORY, FitAge(0, START, 500)))
    assert verdict.reason is not None


def test_least_delays_the_first_alarm():
    values = grown(change=60, factor=30)
    assert first_alarm(asked(policy_of(least=40), losses_of(values))) == 99
    assert first_alarm(asked(policy_of(least=1), losses_of(values))) < 80


@pytest.mark.parametrize("loss", [(math.nan, 1.0), (-1.0, 1.0), (1.0, math.inf)])
def test_losses_that_are_none_are_refused(loss):
    with pytest.raises(ForecastError, match="must be finite and at least 0"):
        asked(policy_of(), [KnownLoss(START, *loss)])


@pytest.mark.parametrize(
    ("key", "value"),
    [("relative_to", "ridge"), ("target_run_length", 10), ("reference", 10), ("least", 0), ("slack", -1)],
)
def test_settings_out_of_range_are_refused_by_name(key, value):
    with pytest.raises(SpecError, match=key):
        policy_of(**{key: value})


def test_the_study_reproduces_published_false_alarms_on_clustered_and_overlapping_errors():
    """40 streams of 2,000 absolute errors: .97 and .90 of them alarm without any change (Page-Hinkley's defaults)."""
    jobs = [("Page-Hinkley default", "none", stream) for stream in ("GARCH", "overlap 6")]
    found = study.table(jobs, map, 40)
    assert [round(found[job]["false"], 3) for job in jobs] == [0.975, 0.9]
    assert [found[job]["delay"] for job in jobs] == pytest.approx([110, 87], abs=1)
    assert [found[job]["missed"] for job in jobs] == [0, 0]


@pytest.mark.slow
def test_the_study_reproduces_published_false_alarms_of_the_adaptive_window_and_the_rolling_rule():
    jobs = [
        (name, "none", stream)
        for name in ("ADWIN default", "rolling 24 > 1.5 x")
        for stream in ("GARCH", "overlap 6")
    ]
    found = study.table(jobs, map, 40)
    assert [round(found[job]["false"], 2) for job in jobs] == pytest.approx([0.9, 0.75, 1.0, 0.97], abs=0.006)
    assert [found[job]["delay"] for job in jobs] == pytest.approx([87, 87, 80, 41], abs=1)


@pytest.mark.slow
def test_a_calibrated_detector_beside_the_naive_forecast_alarms_less_and_still_finds_the_change():
    """Ten streams in clustered volatility; wanted .16, published detectors .9 and more."""
    found = study.table([("page_hinkley", "naive", "GARCH, naive beside")], map, 10)
    (figures,) = found.values()
    assert figures["false"] <= 0.5
    assert figures["missed"] <= 0.1
    assert figures["delay"] < 200
    assert figures["market"] <= 0.5


def test_the_study_says_how_long_runs_were():
    job = ("page_hinkley", "none", "iid")
    (figures,) = study.run_lengths([job], map, 2, steps=1500, target=300).values()
    assert 0 < figures["judged"] < 3000
    assert figures["run length"] == figures["judged"] / max(figures["alarms"], 1)


def test_a_changed_stream_is_the_same_until_the_middle():
    stream = study.STREAMS["GARCH, naive beside"](np.random.default_rng(1), 100)
    for market in (False, True):
        changed = stream.grown(market=market)
        np.testing.assert_array_equal(changed.model, stream.model * np.repeat([1, 1.5], 50))
        np.testing.assert_array_equal(changed.naive, stream.naive * np.repeat([1, 1.5 if market else 1], 50))
    assert np.corrcoef(np.abs(stream.model), np.abs(stream.naive))[0, 1] > 0.5
