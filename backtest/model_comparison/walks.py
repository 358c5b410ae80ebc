"""Walks of a comparison: each model walked through the same folds with one seed after the other, without an account."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from backtest.paths import fits_table, predictions_table
from backtest.spec import RunSpec, model_labels, with_references
from backtest.sweep.forecasts import make_forecasts
from backtest.walk import make_folds, make_plan
from data.history import History
from forecast.base import AbstractForecaster
from forecast.distribution import QuantileForecast
from forecast.errors import FitError
from forecast.evaluation import Evaluation, evaluate
from forecast.randomness import RandomStreams
from forecast.skill import is_naive

Report = Callable[[int, int, str], None]
"""Told before each walk: walks done, walks in all, a short state."""


@dataclass(frozen=True)
class Entrant:
    """One model of a comparison: its label, and whether the user asked for it or it always runs beside."""

    label: str
    forecaster: AbstractForecaster
    is_asked: bool


@dataclass(frozen=True, eq=False)
class ModelWalk:
    """One model walked with one seed.

    Attributes:
        name: the model's label, followed by the seed where forecasts depend on it.
        label: the model.
        seed: of everything random in it.
        forecasts: one a decision, calibrated as the configuration says.
        fits: the table ``fits`` of a run, of this walk.
        predictions: the table ``predictions`` of a run, of this walk.
    """

    name: str
    label: str
    seed: int
    forecasts: tuple[QuantileForecast, ...]
    fits: pd.DataFrame
    predictions: pd.DataFrame


@dataclass(frozen=True, eq=False)
class Walks:
    """The walks of all models, grouped by model, and the models that could not be walked, each with its error."""

    of_model: Mapping[str, tuple[ModelWalk, ...]]
    left_out: Mapping[str, str]

    @property
    def every(self) -> tuple[ModelWalk, ...]:
        """All walks, in the order of the models."""
        return tuple(walk for walks in self.of_model.values() for walk in walks)

    @property
    def members(self) -> dict[str, tuple[str, ...]]:
        """Model -> names of its walks."""
        return {label: tuple(walk.name for walk in walks) for label, walks in self.of_model.items()}


def entrants(spec: RunSpec) -> tuple[Entrant, ...]:
    """Return the models the user named, then naive, drift, seasonal naive and ridge where they were not named."""
    models = with_references(spec.forecaster)
    asked = len(spec.forecaster)
    return tuple(
        Entrant(label, model, i < asked)
        for i, (label, model) in enumerate(zip(model_labels(models), models, strict=True))
    )


def walk_all(
    spec: RunSpec, history: History, named: Sequence[Entrant], seeds: Sequence[int], report: Report
) -> Walks:
    """Return the walks of every model: one a seed, or one alone where forecasts do not depend on it.

    A model whose first fit fails is left out with its error; a later failure keeps the model before it.

    Raises:
        FitError: when a naive model cannot be fitted.
        SpecError: when the folds do not fit the history.
    """
    of_model, left_out = dict[str, tuple[ModelWalk, ...]](), dict[str, str]()
    for i, each in enumerate(named):
        told = _from(report, i * len(seeds), len(named) * len(seeds))
        try:
            of_model[each.label] = _walks(spec, history, each, seeds, told)
        except FitError as error:
            if is_naive(each.label):
                raise
            left_out[each.label] = str(error)
    return Walks(of_model, left_out)


def _walks(
    spec: RunSpec, history: History, each: Entrant, seeds: Sequence[int], told: Callable[[int, str], None]
) -> tuple[ModelWalk, ...]:
    told(0, each.label)
    if not depends_on_seed(spec, history, each.forecaster, seeds):
        return (walk_model(spec, history, each, seeds[0], each.label),)
    walks = []
    for j, seed in enumerate(seeds):
        name = f"{each.label} seed {seed}"
        told(j, name)
        walks.append(walk_model(spec, history, each, seed, name))
    return tuple(walks)


def _from(report: Report, before: int, total: int) -> Callable[[int, str], None]:
    """Return a report of the walks after the first ``before`` ones."""
    return lambda done, state: report(before + done, total, state)


def walk_model(spec: RunSpec, history: History, entrant: Entrant, seed: int, name: str) -> ModelWalk:
    """Return the forecasts of one model at every decision, made as a run of the configuration makes them.

    Raises:
        FitError: when the first fit fails.
        SpecError: when the folds do not fit the history.
    """
    walked = make_forecasts(replace(spec, forecaster=(entrant.forecaster,), seed=seed), history).walked
    return ModelWalk(
        name=name,
        label=entrant.label,
        seed=seed,
        forecasts=tuple(record.lanes[0].forecast for record in walked.records),
        fits=fits_table(walked).assign(model=name),
        predictions=predictions_table(walked).assign(model=name),
    )


def depends_on_seed(spec: RunSpec, history: History, model: AbstractForecaster, seeds: Sequence[int]) -> bool:
    """Return whether the first fit of a walk forecasts other bits with the second of the seeds than with the first.

    Raises:
        FitError: when the model cannot be fitted.
    """
    known = history.until(make_folds(make_plan(spec, history), history)[0].cutoffs[0])
    train = spec.retraining.training(spec.folds.training(known), model.horizon)
    made = []
    for seed in seeds[:2]:
        rng = RandomStreams(seed, known.cutoff)
        made.append(model.fit(train, rng).predict(known, rng).values)
    return not np.array_equal(made[0], made[1])


def shared(walks: Mapping[str, Sequence[QuantileForecast]]) -> dict[str, list[QuantileForecast]]:
    """Return the forecasts of several walks at the decisions and of the series that all of them forecast.

    Errors of models that leave out different series cannot be compared. Decisions without a shared series are left out.
    """
    kept: dict[str, list[QuantileForecast]] = {name: [] for name in walks}
    at = {name: {forecast.cutoff: forecast for forecast in many} for name, many in walks.items()}
    for cutoff in sorted(set.intersection(*map(set, at.values()))):
        every = set.intersection(*(set(own[cutoff].series) for own in at.values()))
        if every:
            for name, own in at.items():
                kept[name].append(_of_series(own[cutoff], every))
    return kept


def _of_series(forecast: QuantileForecast, wanted: set[str]) -> QuantileForecast:
    rows = [i for i, name in enumerate(forecast.series) if name in wanted]
    if len(rows) == len(forecast.series):
        return forecast
    return replace(
        forecast,
        series=tuple(forecast.series[i] for i in rows),
        values=forecast.values[rows],
        last=forecast.last[rows],
        unbounded=np.asarray(forecast.unbounded)[rows],
    )


def evaluated(
    spec: RunSpec, history: History, forecasts: Mapping[str, Sequence[QuantileForecast]]
) -> Evaluation:
    """Return the scores of named forecasts as a run of the configuration would score them.

    Raises:
        ForecastError: when there is none.
    """
    folds = make_folds(make_plan(spec, history), history)
    numbers = {cutoff: fold.number for fold in folds for cutoff in fold.cutoffs}
    field, rows = spec.forecaster[0].field, spec.folds.train_rows
    return evaluate(forecasts, history, field=field, folds=numbers, train_rows=rows)
