"""Forecasts of a sweep: the one walk that all points with the same model share, read by every policy."""

import hashlib
import json
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from backtest.engine.bars import Bars
from backtest.folds import Fold
from backtest.paths import traded_bars
from backtest.policies.base import POLICIES, Terms
from backtest.policies.outlook import Outlook
from backtest.spec import RunSpec, model_labels
from backtest.walk import Lane, Plan, Walked, fits_ahead, make_folds, make_plan, market_at, start, step
from data.history import History
from forecast.randomness import RandomStreams
from forecast.registry import FORECASTERS

SHARED = ("data", "retraining", "calibration", "folds", "seed")
"""The settings, besides the first model, on which forecasts depend."""


@dataclass(frozen=True, eq=False)
class Forecasts:
    """A walk without an account: calibrated forecasts at every decision, and what may be traded there.

    Attributes:
        walked: the walk; its one lane holds cash.
        outlook: K forecasts in the book's order.
    """

    walked: Walked
    outlook: Outlook

    def bars(self, spec: RunSpec) -> Bars:
        """Return the bars that the engine of a point trades, from the first decision to the end of the last test."""
        return traded_bars(self._of(spec))

    def terms(self, spec: RunSpec) -> Terms:
        """Return the trading conditions of a point."""
        return market_at(self._of(spec).plan, self.walked.history).terms

    def decisions(self, bars: Bars) -> npt.NDArray[np.int64]:
        """Return which decision is made at the close of each bar, (T,), -1 for none."""
        made = np.full(len(bars), -1, np.int64)
        cutoffs = np.array([record.cutoff for record in self.walked.records])
        made[np.searchsorted(bars.times, cutoffs)] = np.arange(len(cutoffs))
        return made

    def _of(self, spec: RunSpec) -> Walked:
        return replace(self.walked, plan=replace(self.walked.plan, spec=spec))


def question(spec: RunSpec) -> str:
    """Return what names the forecasts of a point: points with the same share one walk."""
    resolved = spec.resolved()
    parts = {key: resolved[key] for key in SHARED}
    parts["forecaster"] = FORECASTERS.describe(spec.forecaster[0])
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def make_forecasts(spec: RunSpec, history: History) -> Forecasts:
    """Return the forecasts of the first model at every decision of the folds, as a run of the spec makes them.

    Raises:
        SpecError: when folds or model do not fit the data.
    """
    plan = _forecast_only(make_plan(spec, history))
    folds = make_folds(plan, history)
    state, records, tradable, ahead = start(plan), [], [], fits_ahead(plan, history, folds)
    for fold, cutoff in _cutoffs(folds):
        past = history.until(cutoff)
        state, record = step(plan, state, past, fold, ahead)
        records.append(record)
        tradable.append(market_at(plan, past).tradable)
    issued = tuple(record.lanes[0].forecast for record in records)
    streams = tuple(RandomStreams(spec.seed, forecast.cutoff) for forecast in issued)
    outlook = Outlook(issued, plan.series, np.array(tradable), streams)
    return Forecasts(Walked(plan, history, folds, tuple(records), state), outlook)


def _forecast_only(plan: Plan) -> Plan:
    """Return a plan of the first model alone, whose account holds cash."""
    first = plan.spec.forecaster[:1]
    lane = Lane(model_labels(first)[0], first[0], POLICIES.build("cash"), "asked")
    return replace(plan, lanes=(lane,))


def _cutoffs(folds: tuple[Fold, ...]) -> list[tuple[int, np.datetime64]]:
    return [(fold.number, cutoff) for fold in folds for cutoff in fold.cutoffs]
