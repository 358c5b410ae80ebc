"""The walk: one pure step for the backtest, the scheduled job and the paper account."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

import numpy as np

from backtest.book import book
from backtest.engine.advance import Advance
from backtest.engine.bars import Bars
from backtest.fitting import Desk, FitRecord, FitsAhead, ModelState, losses_of, refitted, scheduled_fits
from backtest.folds import Fold, walk_forward
from backtest.policies.base import POLICIES, AbstractPolicy, Decision, Market
from backtest.spec import RunSpec, model_labels, with_references
from data.errors import SpecError
from data.history import History
from forecast.base import AbstractForecaster
from forecast.distribution import QuantileForecast
from forecast.randomness import RandomStreams
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


@dataclass(frozen=True, eq=False)
class LaneState:
    """Everything the next step of one account needs.

    Attributes:
        model: the fitted models and the state of the retraining policy.
        calibration: state of the calibration.
        awaiting: raw and calibrated forecasts whose last truth is not known yet, oldest first.
        engine: the engine's own state: cash, units, marks and resting orders.
    """

    model: ModelState
    calibration: Any
    awaiting: tuple[tuple[QuantileForecast, QuantileForecast], ...]
    engine: Any


@dataclass(frozen=True, eq=False)
class WalkState:
    """The state of a walk between two decisions: one state a lane, and the last bar seen."""

    lanes: tuple[LaneState, ...]
    through: np.datetime64 | None = None


@dataclass(frozen=True, eq=False)
class LaneRecord:
    """What one lane did at one cutoff: a fit if one was due, the calibrated forecast and the decision.

    Attributes:
        fit: the fit made, or the one that failed.
        forecast: the calibrated forecast.
        decision: what the policy wants.
        predict_seconds: CPU time of the forecast, this process only.
    """

    fit: FitRecord | None
    forecast: QuantileForecast
    decision: Decision
    predict_seconds: float = 0.0


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
    models = ModelState(None, None, plan.spec.retraining.start())
    lane = LaneState(models, plan.spec.calibration.start(), (), engine)
    return WalkState(tuple(lane for _ in plan.lanes))


def fits_ahead(plan: Plan, history: History, folds: Sequence[Fold]) -> tuple[FitsAhead, ...]:
    """Return, lane by lane, the fits that are known before the walk begins and are faster made together.

    Each reads what was known at its own decision. ``step`` takes them in place of fitting again; without them it makes the
    same fits itself, to the last bit or within the model's ``fold_tolerance``.
    """
    decisions = [(fold.number, cutoff) for fold in folds for cutoff in fold.cutoffs]
    return tuple(scheduled_fits(_desk(plan, lane), history, decisions) for lane in plan.lanes)


def step(
    plan: Plan, state: WalkState, history: History, fold: int, ahead: Sequence[FitsAhead] = ()
) -> tuple[WalkState, StepRecord]:
    """Return the state and record after one decision at the end of ``history``.

    Pure: the last decision fills at its next bars, losses whose truth is known by now are learnt, the model is refitted
    when due, the forecast is calibrated, and the policy decides. Nothing after the last row exists here. ``ahead`` holds
    what ``fits_ahead`` made, one entry a lane; it saves time and changes nothing else.
    """
    bars = new_bars(plan, state, history)
    now = _Moment(fold, bars, market_at(plan, history))
    done = [
        _lane_step(plan, _desk(plan, lane, *ahead[i : i + 1]), lane, state.lanes[i], history, now)
        for i, lane in enumerate(plan.lanes)
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
    plan: Plan, desk: Desk, lane: Lane, state: LaneState, history: History, now: _Moment
) -> tuple[LaneState, LaneRecord]:
    engine = _advance(plan, state.engine, now.bars).state
    state, known = _learn(plan, replace(state, engine=engine), history)
    model, fit = refitted(desk, state.model, history, now.fold, losses_of(desk, state.model, known, history))
    assert model.serving is not None
    rng, begun = RandomStreams(plan.spec.seed, history.cutoff), time.process_time()
    raw = model.serving.fitted.predict(history, rng)
    seconds = time.process_time() - begun
    forecast = plan.spec.calibration.calibrate(state.calibration, raw)
    held = book(engine)
    decision = plan.spec.limits.apply(lane.policy.decide(forecast, held, now.market, rng), held, now.market)
    placed = plan.spec.engine.place(engine, decision, now.market.tradable)
    state = replace(state, model=model, engine=placed, awaiting=(*state.awaiting, (raw, forecast)))
    return state, LaneRecord(fit, forecast, decision, seconds)


def _desk(plan: Plan, lane: Lane, ahead: FitsAhead = MappingProxyType({})) -> Desk:
    spec = plan.spec
    return Desk(
        lane.label, lane.forecaster, spec.retraining, spec.folds, spec.seed, lane.role == "asked", ahead
    )


def _advance(plan: Plan, engine: Any, bars: Bars) -> Advance:
    return plan.spec.engine.advance(engine, bars, plan.spec.costs, plan.periods_per_year)


def _learn(plan: Plan, state: LaneState, history: History) -> tuple[LaneState, list[QuantileForecast]]:
    """Feed the calibration every forecast whose truth may be used by now, oldest first; return these forecasts too."""
    calibration, waiting, known = state.calibration, list(state.awaiting), list[QuantileForecast]()
    truth_until = history.times[: len(history.times) - plan.spec.retraining.truth_delay][-1:]
    while waiting and len(truth_until) and waiting[0][0].times[-1] <= truth_until[0]:
        raw, issued = waiting.pop(0)
        truth = truth_of(raw, history, plan.spec.forecaster[0].field)
        calibration = plan.spec.calibration.learn(calibration, raw, issued, truth)
        known.append(raw)
    return replace(state, calibration=calibration, awaiting=tuple(waiting)), known
