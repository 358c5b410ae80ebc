"""Fitting: how the model of an account is fitted again as its policy says, served when it is trained, and kept when a fit fails."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from backtest.folds import AbstractFolds
from data.history import History
from data.panel import as_time
from forecast.base import AbstractFitted, AbstractForecaster
from forecast.distribution import QuantileForecast
from forecast.errors import FitError
from forecast.randomness import RandomStreams
from forecast.retraining.base import AbstractRetraining, FitAge, KnownLoss, Moment
from forecast.retraining.losses import known_loss, loss_scales
from forecast.retraining.reference import held_out_loss, reference_loss
from forecast.truth import truth_of

HELD_OUT = 0.2
"""Share of the training rows a policy's reference loss is measured on where the model keeps no validation errors."""


@dataclass(frozen=True)
class FitRecord:
    """One fit: why, on how much, what it cost, and from when it serves.

    Attributes:
        cutoff: the decision for which it was made; it read nothing later.
        fold: number of the fold.
        reason: why it was due, in words.
        rows: bars it read.
        cpu_seconds: CPU time of window choice, fit and reference loss, this process only.
        cost_proxy: rows times series: a cost that is the same on every machine.
        serves_from: the first decision that may use it: the cutoff plus the policy's latency.
        reference: its validation loss, None where the policy needs none.
        state: the numbers the policy went by, by name.
        failure: why the fit failed; empty when it did not. The model before it stays in use.
    """

    cutoff: np.datetime64
    fold: int
    reason: str
    rows: int
    cpu_seconds: float
    cost_proxy: float
    serves_from: np.datetime64
    reference: float | None = None
    state: Mapping[str, float] = field(default_factory=dict)
    failure: str = ""


@dataclass(frozen=True, eq=False)
class Fit:
    """A fitted model, its record, and the scale of each series its losses are measured in."""

    fitted: AbstractFitted
    record: FitRecord
    scales: Mapping[str, float]


@dataclass(frozen=True, eq=False)
class ModelState:
    """The models of one account between two decisions.

    Attributes:
        serving: the fit in use, None before the first.
        training: a newer fit that does not serve yet.
        memory: state of the retraining policy.
    """

    serving: Fit | None
    training: Fit | None
    memory: Any


@dataclass(frozen=True, eq=False)
class Made:
    """A fit made ahead of the walk together with others: the model or its error, what it read, its share of the CPU time."""

    fitted: AbstractFitted | FitError
    train: History
    cpu_seconds: float


FitsAhead = Mapping[np.datetime64, Made]
"""Fits of one model by the decision they are made for."""


@dataclass(frozen=True, eq=False)
class Desk:
    """What fits the model of one account.

    Attributes:
        label: the model's name in messages.
        forecaster: the model.
        policy: when it is fitted again.
        folds: what a fit may read.
        seed: of the run.
        asked: whether the user named the model; a reference model's error says that it always runs beside.
        ahead: fits made before the walk; what is missing here is fitted at its decision.
    """

    label: str
    forecaster: AbstractForecaster
    policy: AbstractRetraining
    folds: AbstractFolds
    seed: int
    asked: bool = True
    ahead: FitsAhead = field(default_factory=dict)


def losses_of(
    desk: Desk, state: ModelState, known: Sequence[QuantileForecast], history: History
) -> tuple[KnownLoss, ...]:
    """Return the losses of forecasts whose truth is known, as far as the newest fit made them and the policy asks."""
    fit = state.serving
    if fit is None or state.training is not None or not desk.policy.uses_losses:
        return ()
    own = [each for each in known if each.cutoff >= fit.record.serves_from]
    losses = [known_loss(each, truth_of(each, history, desk.forecaster.field), fit.scales) for each in own]
    return tuple(loss for loss in losses if loss is not None)


def refitted(
    desk: Desk, state: ModelState, history: History, fold: int, losses: tuple[KnownLoss, ...]
) -> tuple[ModelState, FitRecord | None]:
    """Return the models after the policy was asked at the end of ``history``, and the fit made, if any.

    A model in training serves from its time on; until then no other fit is begun. A fit that fails leaves the model
    before it in use and is recorded; the first fit has none to fall back on, so its error is raised.
    """
    state = _served(state, history.cutoff)
    if state.training is not None:
        return state, None
    moment = Moment(fold, history, _age(state.serving, history), losses)
    memory, verdict = desk.policy.decide(state.memory, moment)
    state = replace(state, memory=memory)
    if verdict.reason is None:
        return state, None
    made = _fit(desk, state.serving, history, FitRecord(
        history.cutoff, fold, verdict.reason, 0, 0.0, 0.0, _serves_from(desk.policy, state, history),
        state=dict(verdict.facts),
    ))  # fmt: skip
    if isinstance(made, FitRecord):
        return state, made
    waits = made.record.serves_from > history.cutoff
    state = replace(state, training=made) if waits else replace(state, serving=made)
    return state, made.record


def scheduled_fits(desk: Desk, history: History, decisions: Sequence[tuple[int, np.datetime64]]) -> FitsAhead:
    """Return every fit of a schedule that is known in advance, made together; none where losses decide.

    Args:
        desk: the model and its policy.
        history: of the whole walk; each fit reads what was known at its own decision.
        decisions: fold and cutoff of every decision, oldest first.
    """
    if desk.policy.uses_losses or not desk.forecaster.fits_together:
        return {}
    due = _due(desk, history, decisions)
    if len(due) < 2:
        return {}
    begun = time.process_time()
    trains = [_training(desk, history.until(cutoff)) for cutoff in due]
    made = desk.forecaster.try_fit_many(trains, [RandomStreams(desk.seed, cutoff) for cutoff in due])
    share = (time.process_time() - begun) / len(due)
    return {cutoff: Made(each, train, share) for cutoff, each, train in zip(due, made, trains, strict=True)}


def _due(desk: Desk, history: History, decisions: Sequence[tuple[int, np.datetime64]]) -> list[np.datetime64]:
    """Return the decisions at which the policy will ask for a fit, as though none failed."""
    due, memory, newest = list[np.datetime64](), desk.policy.start(), None
    serves_from = decisions[0][1]
    for fold, cutoff in decisions:
        if cutoff < serves_from:
            continue
        known = history.until(cutoff)
        age = None if newest is None else FitAge(*newest, int((known.times > newest[1]).sum()))
        memory, verdict = desk.policy.decide(memory, Moment(fold, known, age))
        if verdict.reason is not None:
            serves_from = cutoff if newest is None else _after(known, desk.policy.latency)
            due, newest = [*due, cutoff], (fold, cutoff)
    return due


def _served(state: ModelState, cutoff: np.datetime64) -> ModelState:
    ready = state.training is not None and state.training.record.serves_from <= cutoff
    return replace(state, serving=state.training, training=None) if ready else state


def _serves_from(policy: AbstractRetraining, state: ModelState, history: History) -> np.datetime64:
    return history.cutoff if state.serving is None else _after(history, policy.latency)


def _after(history: History, bars: int) -> np.datetime64:
    return np.datetime64(history.clock.next(history.cutoff, bars)[-1]) if bars else history.cutoff


def _training(desk: Desk, history: History) -> History:
    return desk.policy.training(desk.folds.training(history), desk.forecaster.horizon)


def _fit(desk: Desk, before: Fit | None, history: History, record: FitRecord) -> Fit | FitRecord:
    """Return the fit with its record, or the record of its failure when there is a model to go on with."""
    begun, rng = time.process_time(), RandomStreams(desk.seed, history.cutoff)
    made = desk.ahead.get(history.cutoff)
    train = _training(desk, history) if made is None else made.train
    rows = len(train.panel)
    record = replace(record, rows=rows, cost_proxy=float(rows * len(train.panel.series)))
    spent = made.cpu_seconds if made is not None else 0.0
    try:
        fitted = made.fitted if made is not None else _fit_now(desk, before, train, rng)
        if isinstance(fitted, FitError):
            raise fitted
        fit = _measured(desk, Fit(fitted, record, {}), train, rng)
    except FitError as error:
        if before is None:
            raise _explained(desk, train, error) from error
        return replace(record, cpu_seconds=spent + time.process_time() - begun, failure=str(error))
    seconds = spent + time.process_time() - begun
    return replace(fit, record=replace(fit.record, cpu_seconds=seconds))


def _fit_now(desk: Desk, before: Fit | None, train: History, rng: RandomStreams) -> AbstractFitted:
    if before is None:
        return desk.forecaster.fit(train, rng)
    return desk.forecaster.fit_again(before.fitted, train, rng)


def _measured(desk: Desk, fit: Fit, train: History, rng: RandomStreams) -> Fit:
    """Return the fit with the scales of its losses and, where the policy needs it, its reference loss."""
    if not desk.policy.uses_losses:
        return fit
    model = desk.forecaster
    scales = loss_scales(train, model.field, model.quantity, model.horizon)
    if not desk.policy.needs_reference:
        return replace(fit, scales=scales)
    reference = reference_loss(fit.fitted, scales)
    if reference is None:
        reference = held_out_loss(model, train, rng, scales, HELD_OUT)
    return replace(fit, scales=scales, record=replace(fit.record, reference=reference))


def _explained(desk: Desk, train: History, error: FitError) -> FitError:
    beside = "" if desk.asked else "; it always runs beside, with the first model's context and horizon"
    return FitError(f"model '{desk.label}' on {len(train.panel)} bars until {train.cutoff}: {error}{beside}")


def _age(fit: Fit | None, history: History) -> FitAge | None:
    if fit is None:
        return None
    record = fit.record
    bars = int((history.times > as_time(record.cutoff)).sum())
    return FitAge(record.fold, record.cutoff, bars, record.reference)
