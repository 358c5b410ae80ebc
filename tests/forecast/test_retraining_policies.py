"""Calendar, performance and combinations: when they ask for a fit, and what they say of it."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.errors import SpecError
from forecast.checks import synthetic_history
from forecast.errors import ForecastError
from forecast.retraining.base import RETRAINING, FitAge, KnownLoss, Moment
from forecast.retraining.calendar import period_of

HISTORY = synthetic_history(300)
DAY = np.timedelta64(1, "D")


def at(row, fit=None, losses=(), reference=1.0, fold=0):
    """The decision at a row; ``fit`` is the row of the newest fit, ``losses`` became known since the last decision."""
    known = HISTORY.until(HISTORY.times[row])
    age = None if fit is None else FitAge(0, HISTORY.times[fit], row - fit, reference)
    made = tuple(KnownLoss(known.cutoff - DAY, loss, 1.0) for loss in losses)
    return Moment(fold, known, age, made)


def told(policy, moments):
    """Return the reason given at each moment, the state carried along."""
    state, reasons = policy.start(), []
    for moment in moments:
        state, verdict = policy.decide(state, moment)
        reasons.append(verdict.reason)
    return reasons


@given(st.integers(0, 40_000), st.integers(0, 40_000))
@settings(derandomize=True, deadline=None)
def test_periods_are_those_of_the_calendar(first, second):
    dates = [np.datetime64("1960-01-01", "D") + day for day in sorted((first, second))]
    whole = [each.item() for each in dates]
    instants = [each.astype("datetime64[ns]") + np.timedelta64(23, "h") for each in dates]
    same = {
        "week": whole[0].isocalendar()[:2] == whole[1].isocalendar()[:2],
        "month": (whole[0].year, whole[0].month) == (whole[1].year, whole[1].month),
        "quarter": (whole[0].year, (whole[0].month - 1) // 3) == (whole[1].year, (whole[1].month - 1) // 3),
        "year": whole[0].year == whole[1].year,
    }
    for period, is_same in same.items():
        one, other = (period_of(each, period) for each in instants)
        assert one == other if is_same else one < other


@pytest.mark.parametrize(("every", "count"), [("week", 44), ("month", 10), ("quarter", 4), ("year", 1)])
def test_the_calendar_refits_once_a_period(every, count):
    policy = RETRAINING.build({"kind": "calendar", "every": every})
    fits = [0]
    for row in range(300):
        reason = policy.decide(policy.start(), at(row, fits[-1]))[1].reason
        if reason is not None:
            assert reason == f"new {every}"
            fits.append(row)
    periods = {period_of(time, every) for time in HISTORY.times}
    assert len(fits) == len(periods) == count
    assert np.all(np.diff([period_of(HISTORY.times[row], every) for row in fits]) == 1)


PERFORMANCE = RETRAINING.build({"kind": "performance", "k": 1.5, "window": 3})


def test_performance_asks_when_the_mean_of_the_window_is_above_k_times_the_reference():
    losses = [1.4, 1.4, 1.4, 1.6, 1.6]
    reasons = told(PERFORMANCE, [at(0)] + [at(i + 1, 0, (loss,)) for i, loss in enumerate(losses)])
    assert reasons[0] == "first fit"
    assert reasons[1:5] == [None] * 4
    assert reasons[5] == "loss 1.533 is above 1.5 x 1"


def test_performance_says_what_it_went_by():
    state = PERFORMANCE.start()
    state, verdict = PERFORMANCE.decide(state, at(5, 0, (2.0, 3.0)))
    assert dict(verdict.facts) == {"losses": 2.0, "reference": 1.0}
    state, verdict = PERFORMANCE.decide(state, at(6, 0, (4.0,)))
    assert dict(verdict.facts) == {"losses": 3.0, "loss": 3.0, "reference": 1.0}
    assert verdict.reason == "loss 3 is above 1.5 x 1"


def test_losses_of_an_earlier_fit_are_forgotten():
    high = [at(row, 0, (9.0,)) for row in (1, 2, 3)]
    assert told(PERFORMANCE, [*high, at(4, 3, (9.0,)), at(5, 3, (9.0,))])[2:] == [
        "loss 9 is above 1.5 x 1",
        None,
        None,
    ]


def test_a_cooldown_waits_for_the_bars_and_then_asks():
    policy = replace(PERFORMANCE, cooldown=6)
    reasons = told(policy, [at(row, 0, (9.0,)) for row in range(1, 8)])
    assert [reason is not None for reason in reasons] == [False] * 5 + [True, True]


def test_performance_without_a_reference_is_an_error_not_a_guess():
    with pytest.raises(ForecastError, match="fit made at 2020-01-01T.* has no validation loss"):
        PERFORMANCE.decide(PERFORMANCE.start(), at(5, 0, (1.0,), reference=None))


ANY = {
    "kind": "any_of",
    "triggers": [
        {"kind": "every", "bars": 50},
        {"kind": "performance", "window": 3},
        {"kind": "any_of", "triggers": ["never", {"kind": "calendar", "every": "year"}]},
    ],
    "latency": 2,
    "variance_horizon": {"preset": "freqai"},
}


def test_a_combination_names_every_trigger_that_fired():
    policy = RETRAINING.build(ANY)
    assert policy.decide(policy.start(), at(0))[1].reason == "first fit"
    reasons = told(policy, [at(row, 0, (9.0,)) for row in (47, 48, 49, 50, 51)])
    assert reasons[:2] == [None, None]
    assert reasons[2] == "performance: loss 9 is above 1.5 x 1"
    assert reasons[4] == "every: 51 bars old; performance: loss 9 is above 1.5 x 1"


def test_a_combination_keeps_the_facts_of_each_trigger_apart():
    policy = RETRAINING.build(ANY)
    facts = policy.decide(policy.start(), at(5, 0, (2.0,)))[1].facts
    assert dict(facts) == {"1.losses": 1.0, "1.reference": 1.0}


def test_a_combination_needs_what_one_of_its_triggers_needs():
    policy = RETRAINING.build(ANY)
    assert policy.uses_losses
    assert policy.needs_reference
    plain = RETRAINING.build({"kind": "any_of", "triggers": ["never", "every_fold"]})
    assert not plain.uses_losses
    assert not plain.needs_reference


def test_a_combination_comes_back_from_its_description():
    policy = RETRAINING.build(ANY)
    described = RETRAINING.describe(policy)
    assert [each["kind"] for each in described["triggers"]] == ["every", "performance", "any_of"]
    assert described["triggers"][2]["triggers"][1]["every"] == "year"
    again = RETRAINING.build(described)
    assert again == policy
    assert hash(again) == hash(policy)


@pytest.mark.parametrize(
    ("triggers", "message"),
    [
        ([], "triggers are empty; at least one policy is needed"),
        ("never", "retraining.triggers was 'never'; a list of policies is needed"),
        ([{"kind": "evry", "bars": 5}], "unknown retraining kind 'evry'"),
        (["never", {"kind": "every", "bars": 0}], r"retraining.triggers\[1\].bars was 0"),
        (["never", {"kind": "every", "bars": 5, "latency": 1}], r"triggers\[1\] sets latency"),
        ([{"kind": "never", "variance_horizon": {}}], r"triggers\[0\] sets variance_horizon; set it beside"),
    ],
)
def test_triggers_that_are_no_policies_are_refused(triggers, message):
    with pytest.raises(SpecError, match=message):
        RETRAINING.build({"kind": "any_of", "triggers": triggers})


def test_triggers_can_be_given_as_policies():
    made = type(RETRAINING.build(ANY))(triggers=(PERFORMANCE, RETRAINING.build("never")))
    assert made.triggers == (PERFORMANCE, RETRAINING.build("never"))
