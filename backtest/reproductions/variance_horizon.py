"""Variance horizon: is retraining every hour on everything needed, and what do a shorter window and rarer refits cost?

Törnquist, Costa Santos, Pogue, Wingle and Caulk (arXiv 2309.15207, 2023) compare four configurations by error and compute: hourly
refits on all rows, hourly refits on the variance horizon, refits when performance falls, and both. Here they are four
retraining policies in the walk that every run takes.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from backtest.reproductions.base import AbstractReproduction, Reproduction, Row, require_file
from backtest.reproductions.intervals import Rows, block_interval
from backtest.spec import RunSpec, build_spec
from backtest.walk import Plan, StepRecord, make_folds, make_plan, start, step
from data.history import History
from data.panel import Floats, Panel
from data.registry import spec
from data.sessions import BarClock
from forecast.comparison import diebold_mariano
from forecast.skill import ALPHA
from forecast.truth import truth_of

NAIVE = ({"kind": "naive"}, {"kind": "seasonal_naive", "season": 24})
"""Beside every model, on the same hours: the last value, and the value of a day before."""

FIELD, DAY_ROWS = "close", 24


@dataclass(frozen=True, eq=False)
class Outcome:
    """What one configuration of one model did.

    Attributes:
        errors: label -> (N,) mean absolute error of each decision's medians over the steps; the model's first.
        fits: fits made.
        rows: bars each fit read, on average.
        compute: rows times series of all fits: the same on every machine.
        seconds: CPU seconds of choosing windows, fitting, measuring references and forecasting.
    """

    errors: Mapping[str, Floats]
    fits: int
    rows: float
    compute: float
    seconds: float

    @property
    def own(self) -> Floats:
        """(N,) the model's errors."""
        return next(iter(self.errors.values()))

    @property
    def best_naive(self) -> str:
        """The label of the forecast without a model that errs least."""
        return min(list(self.errors)[1:], key=lambda label: float(self.errors[label].mean()))

    def p_value(self, overlapping: int) -> float:
        """Return the one-sided p-value of the Diebold-Mariano test against the best naive forecast."""
        return diebold_mariano(self.own, self.errors[self.best_naive], overlapping).p_value

    def has_skill(self, overlapping: int) -> bool:
        """Return whether it errs less than the best naive forecast, beyond chance."""
        return self.p_value(overlapping) <= ALPHA


@spec
class VarianceHorizonCosts(AbstractReproduction):
    """Error, compute and their product of the four configurations, as ratios to hourly refits on all rows.

    Attributes:
        file: hourly rows with a column ``date``.
        column: what is forecast.
        shift: added to it, so that it has logarithms (273.15 makes kelvin of degrees Celsius).
        model: the forecaster, as in a run.
        window: rows of the full training window.
        starts: rows at which a walk begins.
        steps: hourly decisions of a walk.
        configurations: name -> retraining, the one that the others are compared with first.
        published: name of a row -> the abstract's figure.
        seed: of the models and the resampling.
    """

    file: str
    column: str
    shift: float
    model: dict[str, Any]
    window: int
    starts: tuple[int, ...]
    steps: int
    configurations: dict[str, dict[str, Any]]
    published: dict[str, float]
    seed: int = 0

    def run(self, folder: Path) -> Reproduction:
        """Return the ratios, the naive rows and the verdict."""
        history = hourly_history(require_file(folder, self.file), self.column, self.shift)
        outcomes = {
            name: walked_from(
                history, self.model, retraining, self.window, self.starts, self.steps, self.seed
            )
            for name, retraining in self.configurations.items()
        }
        rows = ratio_rows(outcomes, np.random.default_rng(self.seed), self.published)
        measure = (
            f"ratio to {next(iter(outcomes))}; error: mean absolute error of {self.column} over the "
            f"{self.model['horizon']} next hours; compute: rows fitted, CPU seconds beside"
        )
        verdict = verdict_of(outcomes, int(self.model["horizon"]) - 1)
        return Reproduction(self.claim, self.public, measure, rows, verdict, 3)


def hourly_history(path: Path, column: str, shift: float) -> History:
    """Return one series of hourly bars whose close is a column plus ``shift``; every column is a field under its own name."""
    table = pd.read_csv(path, parse_dates=["date"])
    close = table[column].to_numpy(np.float64) + shift
    others = [table[name].to_numpy(np.float64) for name in table.columns if name != "date"]
    names = ("open", FIELD, *(name for name in table.columns if name != "date"))
    values = np.stack([close, close, *others], axis=1)[:, None, :]
    return History(Panel(table["date"].to_numpy(), (column,), names, values), BarClock(bar="1h"))


def walked_from(
    history: History,
    model: Mapping[str, Any],
    retraining: Mapping[str, Any],
    window: int,
    starts: Sequence[int],
    steps: int,
    seed: int,
) -> Outcome:
    """Return what a configuration did in one walk from each start, joined.

    Args:
        history: bars; a start needs ``window`` of them up to it, and ``steps`` plus the horizon after it.
        model: the forecaster, as in a configuration.
        retraining: the policy, as in a configuration.
        window: rows a fit may read.
        starts: row of the first decision of each walk.
        steps: decisions of a walk, one a bar.
        seed: of the run.
    """
    parts = []
    for first in starts:
        asked = _spec(history, model, retraining, window, (first, first + steps - 1), seed)
        after = first + steps - 1 + asked.horizon
        parts.append(_walked(asked, history.between(history.times[first - window + 1], history.times[after])))
    return joined(parts)


def joined(parts: Sequence[Outcome]) -> Outcome:
    """Return several walks as one."""
    fits = sum(each.fits for each in parts)
    return Outcome(
        {label: np.concatenate([each.errors[label] for each in parts]) for label in parts[0].errors},
        fits,
        sum(each.fits * each.rows for each in parts) / fits,
        sum(each.compute for each in parts),
        sum(each.seconds for each in parts),
    )


def ratio_rows(
    outcomes: Mapping[str, Outcome], rng: np.random.Generator, published: Mapping[str, float]
) -> tuple[Row, ...]:
    """Return the ratios of every configuration to the first one, and the naive forecasts' errors over its error."""
    base = next(iter(outcomes.values()))
    rows = []
    for name, each in list(outcomes.items())[1:]:
        compute = each.compute / base.compute
        error = _ratio(f"error, {name}", each.own, base.own, rng)
        value, low, high = (compute * x for x in (error.value, error.low, error.high))
        rows += [
            _exact(f"compute, {name}", compute),
            _exact(f"CPU seconds, {name}", each.seconds / base.seconds),
            error,
            Row(f"error x compute, {name}", value, low, high, None, is_naive=False),
        ]
    naive = [
        _ratio(f"error, {label}", errors, base.own, rng, is_naive=True)
        for label, errors in list(base.errors.items())[1:]
    ]
    return tuple(_with_published(row, published.get(row.name)) for row in (*rows, *naive))


def verdict_of(outcomes: Mapping[str, Outcome], overlapping: int) -> str:
    """Return which configurations show skill, and what they save; products are compared among those with skill only."""
    skilled = [name for name, each in outcomes.items() if each.has_skill(overlapping)]
    base_name, base = next(iter(outcomes.items()))
    told = (
        f"{base_name} made {base.fits} fits of {base.rows:.0f} rows; "
        + "; ".join(
            f"{name} {each.fits} of {each.rows:.0f}" for name, each in outcomes.items() if each is not base
        )
        + "."
    )
    if base_name not in skilled:
        return (
            f"{told} {base_name} does not beat {base.best_naive} (p = {base.p_value(overlapping):.2f}), so error x compute says "
            "nothing: a forecast that never trains would win it."
        )
    left = [name for name in outcomes if name not in skilled]
    products = {
        name: each.own.mean() / base.own.mean() * each.compute / base.compute
        for name, each in outcomes.items()
        if name in skilled and name != base_name
    }
    without = f" {', '.join(left)} shows no skill and is not compared." if left else ""
    best = min(products, key=lambda name: products[name]) if products else None
    saved = (
        f" Among configurations with skill, {best} has the least error x compute: {1 - products[best]:.1%} less than {base_name}."
        if best is not None
        else ""
    )
    return f"{told}{saved}{without}"


def _spec(
    history: History,
    model: Mapping[str, Any],
    retraining: Mapping[str, Any],
    window: int,
    rows: tuple[int, int],
    seed: int,
) -> RunSpec:
    shared = {key: model[key] for key in ("context", "horizon") if key in model}
    return build_spec(
        {
            # The bars are handed to the walk; a run would load them from here.
            "data": {"kind": "synthetic", "bars": len(history.times)},
            "forecaster": [dict(model), *({**each, **shared} for each in NAIVE)],
            "retraining": dict(retraining),
            "folds": {
                "kind": "rolling",
                "train": window,
                "test": rows[1] - rows[0] + 1,
                "decide_every": 1,
                "first": str(history.times[rows[0]]),
                "last": str(history.times[rows[1]]),
            },
            "policy": {"kind": "cash"},
            "costs": "crypto",
            "seed": seed,
        }
    )


def _walked(asked: RunSpec, history: History) -> Outcome:
    plan = make_plan(asked, history)
    plan = Plan(asked, plan.lanes[: len(asked.forecaster)], plan.series, plan.periods_per_year)
    state, records = start(plan), list[StepRecord]()
    for fold in make_folds(plan, history):
        for cutoff in fold.cutoffs:
            state, record = step(plan, state, history.until(cutoff), fold.number)
            records.append(record)
    own = [each.lanes[0] for each in records]
    fits = [each.fit for each in own if each.fit is not None]
    return Outcome(
        {lane.label: _errors(records, i, history) for i, lane in enumerate(plan.lanes)},
        len(fits),
        float(np.mean([fit.rows for fit in fits])),
        sum(fit.cost_proxy for fit in fits),
        sum(fit.cpu_seconds for fit in fits) + sum(each.predict_seconds for each in own),
    )


def _errors(records: Sequence[StepRecord], lane: int, history: History) -> Floats:
    made = [each.lanes[lane].forecast for each in records]
    return np.array([np.nanmean(np.abs(each.median - truth_of(each, history, FIELD))) for each in made])


def _ratio(
    name: str, errors: Floats, base: Floats, rng: np.random.Generator, *, is_naive: bool = False
) -> Row:
    def ratio(rows: Rows) -> float:
        return float(errors[rows].mean() / base[rows].mean())

    low, high = block_interval(ratio, len(base), rng, DAY_ROWS)
    return Row(name, ratio(np.arange(len(base))), low, high, None, is_naive)


def _exact(name: str, value: float) -> Row:
    return Row(name, value, math.nan, math.nan, None, False)


def _with_published(row: Row, figure: float | None) -> Row:
    return Row(row.name, row.value, row.low, row.high, figure, row.is_naive, row.p_value)
