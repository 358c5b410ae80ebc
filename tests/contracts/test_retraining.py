"""Every registered retraining policy keeps the contract; a new one needs its line in the registry, and settings it cannot do without here."""

import io
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backtest.spec import build_spec
from forecast.checks import synthetic_history
from forecast.retraining.base import RETRAINING, FitAge, KnownLoss, Moment, Verdict

NEEDED = {
    "page_hinkley": {"reference": 50, "target_run_length": 100, "relative_to": "none"},
    "adaptive_window": {"reference": 50, "target_run_length": 100, "relative_to": "none"},
    "sequential_ratio": {"reference": 50, "target_run_length": 100, "relative_to": "none"},
    "two_sample": {"reference": 50, "target_run_length": 100, "window": 20, "relative_to": "none"},
    "every": {"bars": 7},
    "performance": {"window": 4, "k": 1.2},
    "any_of": {"triggers": [{"kind": "every", "bars": 20}, {"kind": "performance", "window": 3}]},
}
"""Settings a kind cannot do without, or that let it fire in a short walk."""

KINDS = RETRAINING.names()
HISTORY, HORIZON, FIRST = synthetic_history(160), 3, 40
FOLD = 25


def policy_of(kind, **settings):
    return RETRAINING.build({"kind": kind, **NEEDED.get(kind, {}), **settings})


def losses_of(history, row, fit):
    """What the newest fit's forecasts missed, as of a row: only a forecast whose last bar is there has a loss.

    Losses double in the second half, so that a policy that looks at them has something to see.
    """
    issued = row - HORIZON
    if fit is None or issued < fit:
        return ()
    close = history.panel.field("close")
    naive = float(np.abs(np.log(close[issued + 1 : row + 1] / close[issued])).mean()) * 60
    return (KnownLoss(history.times[issued], naive * (1.1 if issued < 90 else 2.2), naive),)


def walked(policy, history, *, through=lambda state: state, losses=losses_of, last=None):
    """Ask a policy at every bar, as the walk does; return the verdicts and the state after each."""
    state, fit, verdicts, states = policy.start(), None, [], []
    for row in range(FIRST, len(history.times) if last is None else last + 1):
        known = history.until(history.times[row])
        age = None if fit is None else FitAge((fit - FIRST) // FOLD, history.times[fit], row - fit, 1.0)
        moment = Moment((row - FIRST) // FOLD, known, age, losses(known, row, fit))
        state, verdict = policy.decide(through(state), moment)
        assert isinstance(verdict, Verdict)
        fit = row if verdict.reason is not None else fit
        verdicts.append(verdict)
        states.append(state)
    return verdicts, states


def stored(policy, state):
    """Return the state after it was written to a file without pickle and read again."""
    file = io.BytesIO()
    np.savez(file, **state.to_arrays())
    file.seek(0)
    with np.load(file, allow_pickle=False) as arrays:
        return policy.from_arrays({name: arrays[name] for name in arrays.files})


def bits(state):
    return {name: (array.dtype, array.shape, array.tobytes()) for name, array in state.to_arrays().items()}


@pytest.mark.parametrize("kind", KINDS)
def test_the_first_fit_is_due_and_every_reason_is_words(kind):
    verdicts, _ = walked(policy_of(kind), HISTORY)
    assert verdicts[0].reason
    assert all(verdict.reason is None or verdict.reason.strip() for verdict in verdicts)
    for verdict in verdicts:
        assert all(isinstance(value, float) for value in verdict.facts.values()), verdict.facts


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_rows_give_the_same_refits(kind):
    once, again = walked(policy_of(kind), HISTORY), walked(policy_of(kind), HISTORY)
    assert once[0] == again[0]
    assert [bits(state) for state in once[1]] == [bits(state) for state in again[1]]


@pytest.mark.parametrize("kind", KINDS)
def test_a_decision_leaves_the_state_before_it_as_it_was(kind):
    policy = policy_of(kind)
    seen = []

    def watched(state):
        seen.append((state, bits(state)))
        return state

    walked(policy, HISTORY, through=watched)
    assert all(bits(state) == before for state, before in seen)


@pytest.mark.parametrize("kind", KINDS)
def test_a_state_that_was_stored_goes_on_as_if_it_had_not_been(kind):
    policy = policy_of(kind)
    plain = walked(policy, HISTORY)
    through_files = walked(policy, HISTORY, through=lambda state: stored(policy, state))
    assert plain[0] == through_files[0]
    for state in plain[1]:
        assert bits(stored(policy, state)) == bits(state)


@pytest.mark.parametrize("kind", KINDS)
@given(row=st.integers(FIRST, 150), seed=st.integers(0, 99))
@settings(derandomize=True, deadline=None, max_examples=5)
def test_rows_after_a_decision_cannot_change_it(kind, row, seed):
    values = HISTORY.panel.values.copy()
    values[row + 1 :] *= np.exp(np.random.default_rng(seed).normal(0.0, 0.5, values[row + 1 :].shape))
    changed = replace(HISTORY, panel=replace(HISTORY.panel, values=values))
    one, other = (walked(policy_of(kind), each, last=row) for each in (HISTORY, changed))
    assert one[0] == other[0]


@pytest.mark.parametrize("kind", KINDS)
def test_a_policy_that_does_not_use_losses_does_not_look_at_them(kind):
    policy = policy_of(kind)
    if policy.uses_losses:
        assert walked(policy, HISTORY)[0] != walked(policy, HISTORY, losses=lambda *_: ())[0]
    else:
        assert walked(policy, HISTORY)[0] == walked(policy, HISTORY, losses=lambda *_: ())[0]
        assert not policy.needs_reference


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_with_the_policy_comes_back_from_its_resolved_settings(kind):
    spec = build_spec(
        {
            "data": {"kind": "synthetic", "bars": 300},
            "forecaster": {"kind": "naive"},
            "folds": {"kind": "rolling", "train": 100, "test": 50},
            "policy": {"kind": "long_flat"},
            "costs": "crypto",
            "retraining": {"kind": kind, **NEEDED.get(kind, {}), "latency": 2, "variance_horizon": {}},
        }
    )
    again = build_spec(spec.resolved())
    assert again == spec
    assert hash(again) == hash(spec)
    assert again.digest() == spec.digest()


@pytest.mark.parametrize("kind", KINDS)
def test_the_window_of_a_fit_is_the_newest_part_of_its_training_rows(kind):
    policy = policy_of(kind, variance_horizon={"tolerance": 0.01, "lags": 2})
    train = HISTORY.last(140)
    cut = policy.training(train, HORIZON)
    assert HORIZON < len(cut.panel) < 140
    assert np.array_equal(cut.times, train.times[-len(cut.panel) :])
