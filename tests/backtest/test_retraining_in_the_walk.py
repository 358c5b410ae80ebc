"""Retraining in the walk: a loss enters when its truth is known, of the model in use, and the future changes no refit."""

import importlib.util
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from backtest.walk import make_folds, make_plan, start, step
from data.registry import spec
from forecast.retraining.base import AbstractRetraining, RetrainingState, Verdict
from forecast.retraining.losses import loss_scales

HORIZON = 3


def loaded(name):
    path = Path(__file__).resolve().parents[1] / "oracles" / f"{name}.py"
    found = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


small = loaded("small_walk")


@dataclass(frozen=True)
class Told(RetrainingState):
    """Every loss with the decision that was told of it and the fit it belongs to."""

    losses: tuple[Any, ...] = ()

    def to_arrays(self):
        return {}


@spec
class Listener(AbstractRetraining):
    """Refits every 9 bars and remembers what it was told."""

    @property
    def uses_losses(self):
        return True

    def start(self):
        return Told()

    def decide(self, state, moment):
        cutoff, fit = moment.history.cutoff, moment.fit
        heard = Told((*state.losses, *((cutoff, fit.cutoff, each) for each in moment.losses)))
        return heard, Verdict("due" if fit is None or fit.bars >= 9 else None)


def walk(history, retraining, until=None):
    """Return every record of the first lane up to a time, and the last state of its policy."""
    asked = small.small_spec(
        forecaster={"kind": "ridge", "context": 8, "horizon": HORIZON, "levels": small.LEVELS},
        folds={"kind": "rolling", "train": 150, "test": 14, "decide_every": 1},
        policy={"kind": "cash"},
    )
    if isinstance(retraining, AbstractRetraining):
        asked = replace(asked, retraining=retraining)
    else:
        asked = replace(asked, retraining=small.small_spec(retraining=retraining).retraining)
    plan = make_plan(asked, history)
    plan = replace(plan, lanes=plan.lanes[:1])
    state, records = start(plan), []
    for fold in make_folds(plan, history):
        for cutoff in fold.cutoffs:
            if until is None or cutoff <= until:
                state, record = step(plan, state, history.until(cutoff), fold.number)
                records.append(record)
    return records, state.lanes[0].model.memory


@pytest.mark.parametrize("delay", [0, 2])
def test_a_loss_enters_when_its_truth_is_known_and_never_before(delay):
    history = small.small_history(230)
    records, told = walk(history, Listener(truth_delay=delay))
    row = {time: i for i, time in enumerate(history.times)}
    waited = {row[cutoff] - row[loss.issued] for cutoff, _, loss in told.losses}
    assert waited == {HORIZON + delay}
    issued = [loss.issued for _, _, loss in told.losses]
    assert issued == sorted(set(issued)), "each forecast has one loss, oldest first"
    assert all(fit <= loss.issued for _, fit, loss in told.losses), "only of forecasts by the newest fit"
    assert len(issued) > 0.4 * len(records)


def test_a_loss_is_the_scaled_error_of_the_forecast_that_was_made():
    history = small.small_history(230)
    records, told = walk(history, Listener())
    made = {record.cutoff: record.lanes[0].forecast for record in records}
    fits = {record.lanes[0].fit.cutoff: record.lanes[0].fit for record in records if record.lanes[0].fit}
    close = history.panel.field("close") * history.panel.field("factor")
    for _, fit, loss in told.losses:
        forecast, row = made[loss.issued], int(np.searchsorted(history.times, loss.issued))
        train = history.until(fit).last(fits[fit].rows)
        scales = loss_scales(train, "close", "level", HORIZON)
        errors, naive = [], []
        for name, median, last in zip(forecast.series, forecast.median, forecast.last, strict=True):
            truth = close[row + 1 : row + 1 + HORIZON, history.panel.series_index(name)]
            errors.append(np.abs(median - truth) / scales[name])
            naive.append(np.abs(last - truth) / scales[name])
        assert loss.loss == pytest.approx(np.nanmean(errors))
        assert loss.naive == pytest.approx(np.nanmean(naive))


@pytest.mark.parametrize("latency", [0, 4])
@pytest.mark.parametrize("window", [None, {"tolerance": 0.01, "lags": 2}])
def test_rows_after_a_decision_change_no_refit_before_it(latency, window):
    policy = {"kind": "performance", "window": 2, "k": 0.9, "latency": latency, "variance_horizon": window}
    history = small.small_history(230)
    cutoff = history.times[195]
    values = history.panel.values.copy()
    values[196:] *= 1.7
    poisoned = replace(history, panel=replace(history.panel, values=values))
    fits = []
    for each in (history, poisoned):
        records, memory = walk(each, policy, until=cutoff)
        told = [record.lanes[0].fit for record in records if record.lanes[0].fit is not None]
        fits.append(([replace(fit, cpu_seconds=0.0) for fit in told], memory))
    assert fits[0] == fits[1]
    assert len(fits[0][0]) > 2
    assert all("reference" in fit.state for fit in fits[0][0][1:])
    if window is not None:
        assert max(fit.rows for fit in fits[0][0]) < 150
