"""Fitting: a model serves when it is trained, a failed fit loses nothing, and fits made ahead change nothing."""

from dataclasses import replace

import numpy as np
import pytest

from backtest.fitting import Desk, Made, ModelState, losses_of, refitted, scheduled_fits
from backtest.folds import FOLDS
from data.registry import spec
from forecast.checks import synthetic_history
from forecast.errors import FitError
from forecast.models.naive import Naive
from forecast.packing import pack_forecasts
from forecast.randomness import RandomStreams
from forecast.retraining.base import RETRAINING, AbstractRetraining, Verdict

HISTORY = synthetic_history(200)
FOLDING = FOLDS.build({"kind": "rolling", "train": 100, "test": 20})


@spec
class Moody(Naive):
    """Cannot be fitted at the rows named; fits many at once, and remembers how often."""

    bad_rows: tuple[int, ...] = ()

    @property
    def fits_together(self):
        return True

    def fit(self, train, rng):
        if train.cutoff in HISTORY.times[list(self.bad_rows)]:
            raise FitError("it is in a mood")
        return super().fit(train, rng)


@spec
class Recorder(AbstractRetraining):
    """Uses losses; its state is every loss it was told of."""

    @property
    def uses_losses(self):
        return True

    def start(self):
        return ()

    def decide(self, state, moment):
        first = moment.fit is None
        return (*state, *moment.losses), Verdict(
            "first fit" if first else None, {"losses": float(len(state))}
        )


def desk_of(retraining, *bad_rows, ahead=None):
    model = Moody(context=8, horizon=3, bad_rows=bad_rows)
    policy = retraining if isinstance(retraining, AbstractRetraining) else RETRAINING.build(retraining)
    return Desk("moody", model, policy, FOLDING, 3, ahead={} if ahead is None else ahead)


def walk(desk, rows):
    """Return the state and record of every decision at the rows, and the time of the fit that served each."""
    state, made = ModelState(None, None, desk.policy.start()), []
    for row in rows:
        state, record = refitted(desk, state, HISTORY.until(HISTORY.times[row]), row // 20, ())
        served = int(np.searchsorted(HISTORY.times, state.serving.record.cutoff))
        made.append((state, record, served))
    return made


def test_without_latency_a_fit_serves_at_once():
    assert [served for _, _, served in walk(desk_of({"kind": "every", "bars": 5}), range(100, 120, 5))] == [
        100, 105, 110, 115,
    ]  # fmt: skip


def test_a_model_trained_at_t_serves_from_t_plus_latency_and_the_first_at_once():
    desk = desk_of({"kind": "every", "bars": 6, "latency": 4})
    made = walk(desk, range(100, 122, 2))
    assert [served for _, _, served in made] == [100, 100, 100, 100, 100, 106, 106, 106, 112, 112, 112]
    for state, record, _ in made:
        if record is not None and record.reason != "first fit":
            assert state.training.record == record
            assert record.serves_from == HISTORY.times[np.searchsorted(HISTORY.times, record.cutoff) + 4]


def test_no_other_fit_begins_while_one_is_in_training():
    made = walk(desk_of({"kind": "every", "bars": 1, "latency": 7}), range(100, 130))
    fitted = [100 + i for i, (_, record, _) in enumerate(made) if record is not None]
    assert fitted == [100, 101, 108, 115, 122, 129]


def test_a_failed_fit_keeps_the_model_before_it_and_is_recorded_and_tried_again():
    made = walk(desk_of({"kind": "every", "bars": 5}, 105, 106), range(100, 109))
    assert [served for _, _, served in made] == [100, 100, 100, 100, 100, 100, 100, 107, 107]
    failures = [record.failure for _, record, _ in made if record is not None]
    assert failures == ["", "it is in a mood", "it is in a mood", ""]


def test_a_first_fit_that_fails_says_which_model_and_on_what():
    with pytest.raises(FitError, match=r"model 'moody' on 100 bars until 2020-04-10.*: it is in a mood$"):
        walk(desk_of("never", 100), [100])
    desk = replace(desk_of("never", 100), asked=False)
    with pytest.raises(FitError, match="it always runs beside"):
        walk(desk, [100])


@pytest.mark.parametrize("bad_rows", [(), (140,)])
@pytest.mark.parametrize(
    "retraining",
    ["never", "every_fold", {"kind": "every", "bars": 7}, {"kind": "every", "bars": 4, "latency": 9}],
)
def test_fits_made_ahead_are_those_the_walk_asks_for_and_what_is_missing_is_fitted_then(retraining, bad_rows):
    rows = range(100, 180, 2)
    decisions = [(row // 20, HISTORY.times[row]) for row in rows]
    desk = desk_of(retraining, *bad_rows)
    ahead = scheduled_fits(desk, HISTORY, decisions)
    alone = [record for _, record, _ in walk(desk, rows) if record is not None]
    if not bad_rows and len(alone) > 1:
        assert [record.cutoff for record in alone] == list(ahead)
    together = [record for _, record, _ in walk(replace(desk, ahead=ahead), rows) if record is not None]
    strip = [replace(record, cpu_seconds=0.0) for record in alone]
    assert [replace(record, cpu_seconds=0.0) for record in together] == strip


def test_a_fit_made_ahead_is_the_fit_of_its_own_decision():
    desk = desk_of({"kind": "every", "bars": 10})
    decisions = [(0, cutoff) for cutoff in HISTORY.times[100:140]]
    ahead = scheduled_fits(desk, HISTORY, decisions)
    assert list(ahead) == list(HISTORY.times[100:140:10])
    cutoff = HISTORY.times[120]
    train = FOLDING.training(HISTORY.until(cutoff))
    own = desk.forecaster.fit(train, RandomStreams(3, cutoff)).predict(train, RandomStreams(3, cutoff))
    made = ahead[cutoff].fitted.predict(train, RandomStreams(3, cutoff))
    assert all(
        np.array_equal(a, b)
        for a, b in zip(pack_forecasts([own]).values(), pack_forecasts([made]).values(), strict=True)
    )


def test_nothing_is_fitted_ahead_where_losses_decide():
    decisions = [(0, cutoff) for cutoff in HISTORY.times[100:140]]
    assert scheduled_fits(desk_of(Recorder()), HISTORY, decisions) == {}


def test_the_error_of_a_fit_made_ahead_is_the_error_of_its_decision():
    train = FOLDING.training(HISTORY.until(HISTORY.times[100]))
    ahead = {HISTORY.times[100]: Made(FitError("it was in a mood"), train, 0.0)}
    with pytest.raises(FitError, match="it was in a mood"):
        walk(desk_of("never", ahead=ahead), [100])


def test_losses_count_only_for_forecasts_of_the_fit_that_serves():
    desk = desk_of(Recorder())
    (state, _, _), *_ = walk(desk, [100])
    fitted = state.serving.fitted
    known = [
        fitted.predict(HISTORY.until(cutoff), RandomStreams(3, cutoff))
        for cutoff in HISTORY.times[[99, 100, 101]]
    ]
    losses = losses_of(desk, state, known, HISTORY.until(HISTORY.times[104]))
    assert [loss.issued for loss in losses] == [HISTORY.times[100], HISTORY.times[101]]
    assert all(loss.loss == loss.naive for loss in losses)
    in_training = replace(state, training=state.serving)
    assert losses_of(desk, in_training, known, HISTORY) == ()
    assert losses_of(desk_of("never"), state, known, HISTORY) == ()
