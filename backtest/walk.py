"""The walk: one pure step for the backtest, the scheduled job and the paper account."""

import time
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from backtest.book import book
from backtest.engine.advance import Advance
from backtest.engine.bars import Bars
from backtest.folds import Fold, walk_forward
from backtest.policies.base import POLICIES, AbstractPolicy, Decision, Market
from backtest.spec import RunSpec, model_labels, with_references
from data.errors import SpecError
from data.history import History
from forecast.base import AbstractFitted, AbstractForecaster
from forecast.distribution import QuantileForecast
from forecast.errors import FitError
from forecast.randomness import RandomStreams
from forecast.retraining.base import FitAge, Moment
from forecast.truth import truth_of


@dataclass(frozen=True)
class Lane:
    """One account of a run: a model's forecasts traded by a policy.

    Attributes:
        label: the model's label, or the benchmark policy's kind.
        forecaster: the model.
        policy: what trades its forecasts.
        role: ``asked`` (named by the user, a trial), ``reference`` (always run beside) or ``benchmark``.
    """

    label: str
    forecaster: AbstractForecaster
    policy: AbstractPolicy
    role: str


@dataclass(frozen=True)
class Plan:
    """What a walk needs to know besides history.

    Attributes:
        spec: the experiment.
        lanes: the accounts, the primary one first and the benchmark last.
        series: names in the book's order.
        periods_per_year: bars in the first calendar year of the data, so that more data never changes a decision.
    """

    spec: RunSpec
    lanes: tuple[Lane, ...]
    series: tuple[str, ...]
    periods_per_year: float


@dataclass(frozen=True)
class FitRecord:
    """One fit: why, on how much, and what it cost.

    Attributes:
        cutoff: the decision for which it was made; it read nothing later.
        fold: number of the fold.
        reason: why it was due, in words.
        rows: bars it read.
        cpu_seconds: CPU time of the fit, this process only.
        cost_proxy: rows times series: a cost that is the same on every machine.
    """

    cutoff: np.datetime64
    fold: int
    reason: str
    rows: int
    cpu_seconds: float
    cost_proxy: float


@dataclass(frozen=True, eq=False)
class LaneState:
    """Everything the next step of one account needs.

    Attributes:
        fitted: the model in use, None before the first fit.
        fit: the record of that fit.
        calibration: state of the calibration.
        awaiting: raw and calibrated forecasts whose last truth is not known yet, oldest first.
        retraining: state of the retraining policy.
        engine: the engine's own state: cash, units, marks and resting orders.
    """

    fitted: AbstractFitted | None
    fit: FitRecord | None
    calibration: Any
    awaiting: tuple[tuple[QuantileForecast, QuantileForecast], ...]
    retraining: Any
    engine: Any


@dataclass(frozen=True, eq=False)
class WalkState:
    """The state of a walk between two decisions: one state a lane, and the last bar seen."""

    lanes: tuple[LaneState, ...]
    through: np.datetime64 | None = None


@dataclass(frozen=True, eq=False)
class LaneRecord:
    """What one lane did at one cutoff: a fit if one was due, the calibrated forecast and the decision."""

    fit: FitRecord | None
    forecast: QuantileForecast
    decision: Decision


@dataclass(frozen=True, eq=False)
class StepRecord:
    """One record a lane, made at one cutoff of one fold."""

    fold: int
    cutoff: np.datetime64
    lanes: tuple[LaneRecord, ...]


@dataclass(frozen=True, eq=False)
class Walked:
    """A finished walk: its history, folds, records and last state."""

    plan: Plan
    history: History
    folds: tuple[Fold, ...]
    records: tuple[StepRecord, ...]
    state: WalkState


def make_plan(spec: RunSpec, history: History) -> Plan:
    """Return the lanes of a run: what the user asked for, the reference models, and the benchmark."""
    models = with_references(spec.forecaster)
    labels = model_labels(models)
    asked = len(spec.forecaster)
    lanes = [
        Lane(label, model, spec.policy, "asked" if i < asked else "reference")
        for i, (label, model) in enumerate(zip(labels, models, strict=True))
    ]
    naive = models[labels.index("naive")]
    lanes.append(Lane(POLICIES.kind_of(spec.benchmark), naive, spec.benchmark, "benchmark"))
    first = history.times[0]
    return Plan(spec, tuple(lanes), history.panel.series, history.clock.periods_per_year(first, first))


def start(plan: Plan) -> WalkState:
    """Return the state before the first step: nothing fitted, all cash."""
    engine = plan.spec.engine.start(plan.series)
    lane = LaneState(None, None, plan.spec.calibration.start(), (), plan.spec.retraining.start(), engine)
    return WalkState(tuple(lane for _ in plan.lanes))


def step(plan: Plan, state: WalkState, history: History, fold: int) -> tuple[WalkState, StepRecord]:
    """Return the state and record after one decision at the end of ``history``.

    Pure: the last decision fills at its next bars, losses whose truth is known by now are learnt, the model is refitted
    when due, the forecast is calibrated, and the policy decides. Nothing after the last row exists here.
    """
    bars = new_bars(plan, state, history)
    market = market_at(plan, history)
    done = [
        _lane_step(plan, lane, lane_state, history, _Moment(fold, bars, market))
        for lane, lane_state in zip(plan.lanes, state.lanes, strict=True)
    ]
    record = StepRecord(fold, history.cutoff, tuple(each for _, each in done))
    return WalkState(tuple(each for each, _ in done), history.cutoff), record


def finish(plan: Plan, state: WalkState, history: History) -> WalkState:
    """Return the state after the bars that follow the last decision; nothing new is decided."""
    bars = new_bars(plan, state, history)
    lanes = tuple(replace(lane, engine=_advance(plan, lane.engine, bars).state) for lane in state.lanes)
    return WalkState(lanes, history.cutoff)


def make_folds(plan: Plan, history: History) -> tuple[Fold, ...]:
    """Return the folds of a plan, oldest first.

    Raises:
        SpecError: when the folds do not fit the history, or the horizon reaches beyond what the first fit may read.
    """
    horizon, rows = plan.spec.horizon, plan.spec.folds.least_rows - plan.spec.folds.gap
    if horizon >= rows:
        raise SpecError(
            f"forecaster.horizon was {horizon}, but the first fit reads {rows} bars; allowed: 1 to {rows - 1}"
        )
    return tuple(walk_forward(history.times, plan.spec.folds, plan.spec.horizon))


def market_at(plan: Plan, history: History) -> Market:
    """Return the trading conditions at the end of ``history``."""
    observed = ~np.isnan(history.panel.field("close")[-1])
    listed = np.array([name not in history.untradable for name in plan.series])
    limits = plan.spec.limits
    return Market(
        tradable=observed & listed,
        round_trip_cost=np.full(len(plan.series), plan.spec.costs.round_trip()),
        periods_per_year=plan.periods_per_year,
        max_gross=limits.max_gross,
        max_weight=limits.weight_cap(int(listed.sum())),
    )


def new_bars(plan: Plan, state: WalkState, history: History) -> Bars:
    """Return the bars after the last step up to the end of ``history``; at the first step only the last bar."""
    before = history.times[:-1][-1:] if state.through is None else [state.through]
    return plan.spec.engine.bars(history, before[0] if len(before) else None)


@dataclass(frozen=True, eq=False)
class _Moment:
    """What every lane shares at one cutoff."""

    fold: int
    bars: Bars
    market: Market


def _lane_step(
    plan: Plan, lane: Lane, state: LaneState, history: History, now: _Moment
) -> tuple[LaneState, LaneRecord]:
    engine = _advance(plan, state.engine, now.bars).state
    state = _learn(plan, replace(state, engine=engine), history)
    state, fit = _refit(plan, lane, state, history, now.fold)
    assert state.fitted is not None
    rng = RandomStreams(plan.spec.seed, history.cutoff)
    raw = state.fitted.predict(history, rng)
    forecast = plan.spec.calibration.calibrate(state.calibration, raw)
    held = book(engine)
    decision = plan.spec.limits.apply(lane.policy.decide(forecast, held, now.market, rng), held, now.market)
    placed = plan.spec.engine.place(engine, decision, now.market.tradable)
    state = replace(state, engine=placed, awaiting=(*state.awaiting, (raw, forecast)))
    return state, LaneRecord(fit, forecast, decision)


def _advance(plan: Plan, engine: Any, bars: Bars) -> Advance:
    return plan.spec.engine.advance(engine, bars, plan.spec.costs, plan.periods_per_year)


def _learn(plan: Plan, state: LaneState, history: History) -> LaneState:
    """Feed the calibration every forecast whose last truth is known by now, oldest first."""
    calibration, waiting = state.calibration, list(state.awaiting)
    while waiting and waiting[0][0].times[-1] <= history.cutoff:
        raw, issued = waiting.pop(0)
        truth = truth_of(raw, history, plan.spec.forecaster[0].field)
        calibration = plan.spec.calibration.learn(calibration, raw, issued, truth)
    return replace(state, calibration=calibration, awaiting=tuple(waiting))


def _refit(
    plan: Plan, lane: Lane, state: LaneState, history: History, fold: int
) -> tuple[LaneState, FitRecord | None]:
    policy = plan.spec.retraining
    memory, verdict = policy.decide(state.retraining, Moment(fold, history, _age(state, history)))
    state, reason = replace(state, retraining=memory), verdict.reason
    if reason is None:
        return state, None
    train = policy.training(plan.spec.folds.training(history), plan.spec.horizon)
    begun = time.process_time()
    fitted = _fit(lane, train, RandomStreams(plan.spec.seed, history.cutoff))
    seconds = time.process_time() - begun
    rows = len(train.panel)
    fit = FitRecord(history.cutoff, fold, reason, rows, seconds, float(rows * len(train.panel.series)))
    return replace(state, fitted=fitted, fit=fit), fit


def _fit(lane: Lane, train: History, rng: RandomStreams) -> AbstractFitted:
    """Return the lane's model fitted, or its error with the model's name and what it was given."""
    try:
        return lane.forecaster.fit(train, rng)
    except FitError as error:
        beside = (
            "; it always runs beside, with the first model's context and horizon"
            if lane.role != "asked"
            else ""
        )
        raise FitError(
            f"model '{lane.label}' on {len(train.panel)} bars until {train.cutoff}: {error}{beside}"
        ) from error


def _age(state: LaneState, history: History) -> FitAge | None:
    if state.fit is None:
        return None
    bars = int((history.times > state.fit.cutoff).sum())
    return FitAge(state.fit.fold, state.fit.cutoff, bars)
