"""Evaluation: every forecast beside what happened, its scores, its calibration and what they say about skill.

Conventions of the tables:

- The point forecast is the median. ``rmse``, ``mae`` are in the unit of the field, pooled over series.
- ``pinball`` (mean over levels), ``crps`` and ``winkler_90`` are shares of the last value at the cutoff, so that series at
  different prices weigh the same; where a last value is not above 0 they are in units of the series' in-sample naive error,
  and for log returns they are as they are. ``Evaluation.unit`` says which.
- ``mase`` divides by the one-step naive error before the first cutoff.
- A cell whose truth is not known is not scored; ``n`` counts scored cells.
- Quantiles of an unbounded forecast are scored as stored.
- ``variance``: the truth is the squared one-bar log return, a noisy proxy. The test loss is QLIKE. Pinball, CRPS, Winkler,
  coverage, calibration and PIT are NaN: quantiles of a variance are not quantiles of its proxy, so comparing them is not
  proper. Direction is NaN, as the last value is no variance. A variance forecast as 0 (a series that did not move in its
  whole context) has no QLIKE: such a cell is left out of the test.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from data.history import History
from data.panel import Floats, as_time
from forecast.distribution import QuantileForecast
from forecast.errors import ForecastError
from forecast.scored import Frame, ScoredRows, frame_of, in_samples, scored_rows
from forecast.scores import (
    absolute_scaled_error,
    coverage_score,
    crps_from_pinball,
    direction_score,
    naive_scale,
    pinball_loss,
    probability_integral,
    qlike_loss,
    relative_root_mean_squared_error,
    root_mean_squared_error,
    winkler_loss,
)
from forecast.skill import (
    Loss,
    LossCube,
    SkillFinding,
    SkillTest,
    avoided,
    best_naive,
    per_cutoff,
    skill_findings,
)
from forecast.truth import truth_of, truth_panel

__all__ = ["Evaluation", "evaluate", "truth_of"]

PIT_BINS = 10


@dataclass(frozen=True, eq=False)
class Evaluation:
    """The forecast tables of a run.

    Attributes:
        forecasts: model, fold, cutoff, series, step, time, last, truth, unbounded, one column a level.
        scores: one row per model and step; step 0 is all steps.
        calibration: model, level, empirical (share of truths at or below the quantile), n.
        pit: model, low, high, share of truths whose probability integral lies there.
        fold_losses: model, fold, crps (mean, unit as in ``scores``), skill against the best naive of the whole run.
        losses: model, fold, cutoff, loss: the series the verdict's test compares.
        cube: the same losses cell by cell.
        loss: which loss that is.
        best_naive: the naive model skill is measured against, None when nothing was scored.
        unit: unit of pinball, crps and winkler_90, in words.
    """

    forecasts: pd.DataFrame
    scores: pd.DataFrame
    calibration: pd.DataFrame
    pit: pd.DataFrame
    fold_losses: pd.DataFrame
    losses: pd.DataFrame
    cube: LossCube
    loss: Loss
    best_naive: str | None
    unit: str


@dataclass(frozen=True, eq=False)
class _Marks:
    """Elementwise scores of one model's rows: (R,) except ``pinball`` (R, Q); NaN where not scored.

    ``origin`` is the value from which a direction is counted.
    """

    pinball: Floats
    crps: Floats
    winkler: Floats
    covered: Floats
    scaled: Floats
    integral: Floats
    loss: Floats
    error: Floats
    origin: Floats


def evaluate(
    forecasts: Mapping[str, Sequence[QuantileForecast]],
    history: History,
    *,
    field: str,
    folds: Mapping[np.datetime64, int] | None = None,
    scales: Mapping[str, float] | None = None,
    train_rows: int | None = None,
    test: SkillTest = "diebold_mariano",
) -> Evaluation:
    """Return the tables of forecasts whose truth lies in a history.

    Nothing in a forecast is recomputed: the history is only looked up at the times that were forecast, and before each
    fold's first cutoff for the scale of MASE.

    Args:
        forecasts: model label -> its forecasts, at most one a cutoff; naive kinds must be among them.
        history: bars known by now.
        field: the panel field that was forecast.
        folds: cutoff -> number of its fold; by default all are in fold 0.
        scales: series -> in-sample naive error for MASE; by default that of the bars up to each fold's first cutoff.
        train_rows: how many of those bars count as in-sample; None for all.
        test: the test behind the verdict; see ``forecast.skill``.

    Raises:
        ForecastError: when forecasts cannot be compared, a cutoff has no fold, a scale is missing, or no naive forecast
            is among them.
    """
    frame = frame_of(forecasts, history)
    truths = truth_panel(history, field, frame.quantity)
    rows = {label: scored_rows(many, frame, history, truths) for label, many in forecasts.items()}
    numbers = _fold_numbers(frame, folds)
    samples = in_samples(truths, history, frame, numbers, train_rows)
    scale = _scales(scales, frame, samples)[np.unique(numbers, return_inverse=True)[1]]
    unit, divisors = _units(rows, frame, scale)
    marks = {label: _marks(rows[label], frame, scale, divisors[label]) for label in rows}
    cube = _cube(rows, marks, frame)
    best = best_naive(cube)
    return Evaluation(
        forecasts=pd.concat([_forecast_rows(m, rows[m], frame, numbers) for m in rows], ignore_index=True),
        scores=_scores(rows, marks, cube, test),
        calibration=pd.concat([_calibration(m, rows[m], frame) for m in rows], ignore_index=True),
        pit=pd.concat([_pit(m, marks[m]) for m in rows], ignore_index=True),
        fold_losses=_fold_losses(rows, marks, cube, numbers),
        losses=_losses(cube, numbers),
        cube=cube,
        loss=cube.loss,
        best_naive=best,
        unit=unit,
    )


def _scales(scales: Mapping[str, float] | None, frame: Frame, samples: Sequence[Floats]) -> Floats:
    """Return the scale of MASE, (folds, S)."""
    if scales is None:
        return np.array(
            [naive_scale(np.log(known) if frame.quantity == "log_return" else known) for known in samples]
        )
    missing = [name for name in frame.series if name not in scales]
    if missing:
        raise ForecastError(f"series '{missing[0]}' has no scale; scales are for {', '.join(sorted(scales))}")
    return np.tile([scales[name] for name in frame.series], (len(samples), 1))


def _units(rows: Mapping[str, ScoredRows], frame: Frame, scale: Floats) -> tuple[str, dict[str, Floats]]:
    """Return the unit of the relative losses and each model's divisors, (R,)."""
    if frame.quantity != "level":
        return "as forecast", {label: np.ones(len(row.last)) for label, row in rows.items()}
    if all((row.last > 0).all() for row in rows.values()):
        return "share of the last value", {label: row.last for label, row in rows.items()}
    usable = np.where(scale > 0, scale, np.nan)
    return "in-sample naive error", {label: usable[row.cutoff, row.series] for label, row in rows.items()}


def _marks(row: ScoredRows, frame: Frame, scale: Floats, divisor: Floats) -> _Marks:
    scaled = absolute_scaled_error(row.truth, row.point, scale[row.cutoff, row.series])
    error = (row.truth - row.point) / divisor
    if frame.quantity == "variance":
        none = np.full(len(row.truth), np.nan)
        grid = np.full(row.values.shape, np.nan)
        positive = row.point > 0
        loss = np.where(positive, qlike_loss(row.truth, np.where(positive, row.point, 1.0)), np.nan)
        return _Marks(grid, none, none, none, scaled, none, loss, error, none)
    losses = pinball_loss(row.truth, row.values, frame.levels)
    crps = crps_from_pinball(losses, row.truth, row.values, frame.levels) / divisor
    low, high = _band(row, frame)
    return _Marks(
        pinball=losses / divisor[:, None],
        crps=crps,
        winkler=winkler_loss(row.truth, low, high, 0.9) / divisor,
        covered=np.where(np.isnan(low), np.nan, coverage_score(row.truth, low, high)),
        scaled=scaled,
        integral=probability_integral(row.truth, row.values, frame.levels),
        loss=crps,
        error=error,
        origin=row.last if frame.quantity == "level" else np.zeros(len(row.last)),
    )


def _band(row: ScoredRows, frame: Frame) -> tuple[Floats, Floats]:
    """Return the quantiles of levels .05 and .95, NaN when these levels were not forecast."""
    found = []
    for level in (0.05, 0.95):
        at = np.flatnonzero(np.isclose(frame.levels, level, rtol=0, atol=1e-9))
        found.append(row.values[:, at[0]] if len(at) else np.full(len(row.values), np.nan))
    return found[0], found[1]


def _fold_numbers(frame: Frame, folds: Mapping[np.datetime64, int] | None) -> np.ndarray:
    if folds is None:
        return np.zeros(len(frame.cutoffs), np.int64)
    known = {as_time(cutoff): number for cutoff, number in folds.items()}
    missing = [cutoff for cutoff in frame.cutoffs if cutoff not in known]
    if missing:
        raise ForecastError(f"cutoff {missing[0]} has no fold; {len(known)} cutoffs have one")
    return np.array([known[cutoff] for cutoff in frame.cutoffs], np.int64)


def _cube(rows: Mapping[str, ScoredRows], marks: Mapping[str, _Marks], frame: Frame) -> LossCube:
    shape = (len(rows), len(frame.cutoffs), len(frame.series), frame.horizon)
    losses, errors = np.full(shape, np.nan), np.full(shape, np.nan)
    times = np.repeat(frame.cutoffs[:, None], frame.horizon, axis=1)
    for i, (label, row) in enumerate(rows.items()):
        losses[i, row.cutoff, row.series, row.step - 1] = marks[label].loss
        errors[i, row.cutoff, row.series, row.step - 1] = marks[label].error
        times[row.cutoff, row.step - 1] = row.time
    loss: Loss = "qlike" if frame.quantity == "variance" else "crps"
    return LossCube(tuple(rows), loss, frame.cutoffs, times, losses, errors)


def _forecast_rows(label: str, row: ScoredRows, frame: Frame, folds: np.ndarray) -> pd.DataFrame:
    table = pd.DataFrame(
        {
            "model": label,
            "fold": folds[row.cutoff],
            "cutoff": frame.cutoffs[row.cutoff],
            "series": np.array(frame.series, object)[row.series],
            "step": row.step,
            "time": row.time,
            "last": row.last,
            "truth": row.truth,
            "unbounded": row.unbounded,
        }
    )
    levels = pd.DataFrame(row.values, columns=[f"q{level:g}" for level in frame.levels])
    return pd.concat([table, levels], axis=1)


def _scores(
    rows: Mapping[str, ScoredRows], marks: Mapping[str, _Marks], cube: LossCube, test: SkillTest
) -> pd.DataFrame:
    steps = range(1, cube.losses.shape[3] + 1)
    overall = skill_findings([cube], test)
    by_step = skill_findings([cube.at_step(step) for step in steps], test)
    records: list[dict[str, Any]] = []
    for i, label in enumerate(rows):
        for step, findings in enumerate([*overall, *by_step]):
            inside = rows[label].step == step if step else np.ones(len(rows[label].step), bool)
            records.append(
                {
                    "model": label,
                    "step": step,
                    **_score_cells(rows[label], marks[label], inside),
                    **_skill_cells(findings[i]),
                }
            )
    return pd.DataFrame(records)


def _score_cells(row: ScoredRows, marks: _Marks, inside: np.ndarray) -> dict[str, float]:
    truth, point = row.truth[inside], row.point[inside]
    direction = direction_score(truth, point, marks.origin[inside])
    return {
        "n": int((~np.isnan(truth)).sum()),
        "rmse": root_mean_squared_error(truth, point),
        "rmse_over_mean": relative_root_mean_squared_error(truth, point),
        "mae": _mean(np.abs(truth - point)),
        "mase": _mean(marks.scaled[inside]),
        "pinball": _mean(marks.pinball[inside]),
        "crps": _mean(marks.crps[inside]),
        "winkler_90": _mean(marks.winkler[inside]),
        "coverage_90": _mean(marks.covered[inside]),
        "direction_accuracy": direction.accuracy,
        "direction_base_rate": direction.base_rate,
    }


def _skill_cells(finding: SkillFinding) -> dict[str, Any]:
    test = finding.test
    return {
        "best_naive": finding.best_naive,
        "skill": finding.skill,
        "dm_statistic": np.nan if test is None else test.statistic,
        "p_value": np.nan if test is None else test.p_value,
        "holm_p_value": finding.holm_p_value,
        "verdict": finding.verdict,
    }


def _calibration(label: str, row: ScoredRows, frame: Frame) -> pd.DataFrame:
    known = ~np.isnan(row.truth) & (frame.quantity != "variance")
    below = row.truth[known, None] <= row.values[known]
    empirical = below.mean(axis=0) if known.any() else np.full(len(frame.levels), np.nan)
    return pd.DataFrame(
        {"model": label, "level": frame.levels, "empirical": empirical, "n": int(known.sum())}
    )


def _pit(label: str, marks: _Marks) -> pd.DataFrame:
    edges = np.linspace(0.0, 1.0, PIT_BINS + 1)
    known = marks.integral[~np.isnan(marks.integral)]
    counts = np.histogram(known, edges)[0]
    share = counts / len(known) if len(known) else np.full(PIT_BINS, np.nan)
    return pd.DataFrame({"model": label, "low": edges[:-1], "high": edges[1:], "share": share})


def _fold_losses(
    rows: Mapping[str, ScoredRows], marks: Mapping[str, _Marks], cube: LossCube, folds: np.ndarray
) -> pd.DataFrame:
    best = best_naive(cube)
    records = []
    for i, (label, row) in enumerate(rows.items()):
        for fold in np.unique(folds):
            crps = _mean(marks[label].crps[folds[row.cutoff] == fold])
            skill = np.nan
            if best is not None:
                pair = cube.losses[[i, cube.labels.index(best)]][:, folds == fold]
                skill = _fold_skill(per_cutoff(pair), cube.loss)
            records.append({"model": label, "fold": int(fold), "crps": crps, "skill": skill})
    return pd.DataFrame(records)


def _fold_skill(pair: Floats, loss: Loss) -> float:
    return avoided(float(pair[0].mean()), float(pair[1].mean()), loss) if pair.shape[1] else float("nan")


def _losses(cube: LossCube, folds: np.ndarray) -> pd.DataFrame:
    known = ~np.isnan(cube.losses)
    count = known.sum(axis=(2, 3))
    total = np.where(known, cube.losses, 0.0).sum(axis=(2, 3))
    mean = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    models, cutoffs = mean.shape
    return pd.DataFrame(
        {
            "model": np.repeat(np.array(cube.labels, object), cutoffs),
            "fold": np.tile(folds, models),
            "cutoff": np.tile(cube.cutoffs, models),
            "loss": mean.ravel(),
        }
    )


def _mean(values: Floats) -> float:
    """Return the mean of the scored values, NaN when none is."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else float("nan")
