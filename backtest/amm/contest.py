"""Contest: in each window every policy is chosen on the validation block and judged once on the test block."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from backtest.amm.desk import ForecastDesk, LiquidityFit
from backtest.amm.policies.base import LIQUIDITY_POLICIES, AbstractLiquidityPolicy
from backtest.amm.spec import HOLD, PASSIVE, LiquiditySpec
from backtest.amm.terms import PoolTerms
from backtest.amm.walk import LiquidityLane, Played, play, pool_log
from backtest.amm.windows import JudgedWindow, Span
from backtest.labels import numbered
from data.history import History
from forecast.liquidity import LIQUIDITY_FORECASTERS, AbstractLiquidityForecaster, LiquidityForecast
from forecast.randomness import RandomStreams

ALWAYS: tuple[str, ...] = (HOLD, PASSIVE)
"""Policies that run beside whatever the user asks for."""


@dataclass(frozen=True, eq=False)
class Contest:
    """What every window of an experiment shares.

    Attributes:
        spec: the experiment.
        history: the pool's bars, swaps and liquidity changes.
        terms: pool, costs and dilution.
        policies: by label, the asked ones first.
        forecasters: by label.
    """

    spec: LiquiditySpec
    history: History
    terms: PoolTerms
    policies: Mapping[str, AbstractLiquidityPolicy]
    forecasters: Mapping[str, AbstractLiquidityForecaster]

    @property
    def asked(self) -> tuple[str, ...]:
        """Labels of the policies the user named."""
        return tuple(self.policies)[: len(self.spec.policies)]

    @property
    def tried(self) -> tuple[str, ...]:
        """Labels of the strategies that are tested and counted as trials: asked for, no reference, and no upper bound."""
        return tuple(
            label for label in self.asked if label not in ALWAYS and not self.policies[label].is_upper_bound
        )


@dataclass(frozen=True, eq=False)
class Judged:
    """One policy on one test block.

    Attributes:
        lane: the policy's label.
        chosen: the settings that were best on the validation block, as JSON.
        tried: net versus hold of each candidate on the validation block, in basis points; empty when there was one.
        played: its life on the test block.
    """

    lane: str
    chosen: str
    tried: tuple[float, ...]
    played: Played


@dataclass(frozen=True, eq=False)
class WindowOutcome:
    """One window: every policy judged, the forecasts made at regular times, and what was fitted."""

    window: JudgedWindow
    judged: tuple[Judged, ...]
    forecasts: Mapping[str, Sequence[LiquidityForecast]]
    fits: tuple[LiquidityFit, ...]


def make_contest(spec: LiquiditySpec, history: History) -> Contest:
    """Return an experiment on a history.

    Raises:
        EngineError: when the history has no pool.
    """
    pool = pool_log(history).pool
    asked = [LIQUIDITY_POLICIES.kind_of(policy) for policy in spec.policies]
    beside = [LIQUIDITY_POLICIES.build(kind) for kind in ALWAYS if kind not in asked]
    policies = (*spec.policies, *beside)
    forecasters = numbered([LIQUIDITY_FORECASTERS.kind_of(each) for each in spec.forecasters])
    return Contest(
        spec,
        history,
        PoolTerms(pool=pool, costs=spec.costs, own_dilution=spec.own_dilution),
        dict(zip(numbered([LIQUIDITY_POLICIES.kind_of(each) for each in policies]), policies, strict=True)),
        dict(zip(forecasters, spec.forecasters, strict=True)),
    )


def judge_window(contest: Contest, window: JudgedWindow) -> WindowOutcome:
    """Return what every policy did on one test block, with settings chosen before it was read."""
    learning = _desk(contest, window.first, window.learn_until)
    final = _desk(contest, window.first, window.refit_until)
    judged = tuple(_judge(contest, label, window, learning, final) for label in contest.policies)
    forecasts = {label: _regular_forecasts(contest, label, window, final) for label in contest.forecasters}
    return WindowOutcome(window, judged, forecasts, (*learning.fits, *final.fits))


def play_span(
    contest: Contest, label: str, policy: AbstractLiquidityPolicy, span: Span, desk: ForecastDesk
) -> Played:
    """Return the life of a fitted policy's account on a span, with the experiment's capital."""
    spec, times = contest.spec, contest.history.times
    future = None
    if policy.is_upper_bound:
        future = pool_log(contest.history).swaps.between(times[span.first], times[span.last])
    lane = LiquidityLane(label, policy, desk.forecast(policy.forecaster), contest.terms, spec.seed, future)
    return play(lane, contest.history, span, spec.capital)


def _judge(
    contest: Contest, label: str, window: JudgedWindow, learning: ForecastDesk, final: ForecastDesk
) -> Judged:
    candidates = contest.policies[label].candidates()
    tried: tuple[float, ...] = ()
    if len(candidates) > 1:
        fitted = [_fit(contest, each, learning) for each in candidates]
        tried = tuple(
            net_bps(play_span(contest, label, each, window.validation, learning), contest.spec.capital)
            for each in fitted
        )
    best = candidates[int(np.argmax(tried))] if tried else candidates[0]
    chosen = json.dumps(LIQUIDITY_POLICIES.describe(best), sort_keys=True)
    played = play_span(contest, label, _fit(contest, best, final), window.test, final)
    return Judged(label, chosen, tried, played)


def net_bps(played: Played, capital: float) -> float:
    """Return net versus hold at the end of a span, in basis points of the capital."""
    return float(played.marks["equity"][-1] - played.marks["hold"][-1]) / capital * 1e4


def _fit(contest: Contest, policy: AbstractLiquidityPolicy, desk: ForecastDesk) -> AbstractLiquidityPolicy:
    rng = RandomStreams(contest.spec.seed, desk.train.cutoff)
    return policy.fit(desk.train, contest.terms, contest.spec.capital, rng)


def _desk(contest: Contest, first: int, last: int) -> ForecastDesk:
    times = contest.history.times
    return ForecastDesk(
        contest.forecasters, contest.history.between(times[first], times[last]), contest.spec.seed
    )


def _regular_forecasts(
    contest: Contest, label: str, window: JudgedWindow, desk: ForecastDesk
) -> list[LiquidityForecast]:
    """Return a forecast every horizon (at least a day) of the test block whose truth lies in it."""
    predict, history = desk.forecast(label), contest.history
    horizon = contest.forecasters[label].horizon
    last = window.test.last - horizon
    assert predict is not None
    return [
        predict(history.until(cutoff), RandomStreams(contest.spec.seed, cutoff))
        for cutoff in history.times[window.test.first : last + 1 : max(horizon, 24)]
    ]
