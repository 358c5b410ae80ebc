"""Curves: every model that learns, walked again with shorter training windows."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from backtest.model_comparison.learning_curve import LearningCurve, learning_curve, window_sizes
from backtest.model_comparison.trailing import trailing
from backtest.model_comparison.walks import Entrant, ModelWalk, Report, Walks, evaluated, shared, walk_model
from backtest.spec import RunSpec
from data.history import History
from forecast.distribution import QuantileForecast
from forecast.errors import FitError
from forecast.skill import is_naive, overlapping, per_cutoff

NAIVE = "naive"

COLUMNS = ("model", "rows", "loss", "cpu_seconds", "flag")


@dataclass(frozen=True, eq=False)
class LearningCurves:
    """Learning curves.

    Attributes:
        table: model, rows, loss (mean over the decisions scored with every window), cpu_seconds of the fits, flag (why a
            window was left out).
        curves: model -> what they say.
    """

    table: pd.DataFrame
    curves: dict[str, LearningCurve]

    @property
    def laws(self) -> pd.DataFrame:
        """One row a curve: model, best (window), scale, power, floor (NaN without a fit), gain, enough, words."""
        columns = ["model", "best", "scale", "power", "floor", "gain", "enough", "words"]
        rows = [
            {**vars(curve), "model": label, **({} if curve.law is None else vars(curve.law))}
            for label, curve in self.curves.items()
        ]
        return pd.DataFrame(rows, columns=columns)


def learning_curves(
    spec: RunSpec,
    history: History,
    named: Sequence[Entrant],
    walks: Walks,
    naive: Sequence[QuantileForecast],
    windows: int,
    report: Report,
) -> LearningCurves:
    """Return the learning curves of all models but the naive ones, with the first seed.

    The longest window is the shortest that a fit of the comparison read; all windows end where the fit's did. A model that
    cannot be fitted to a window leaves it out and says so.

    Args:
        spec: the configuration.
        history: the data.
        named: its models.
        walks: their walks.
        naive: forecasts of a naive model, of the cells that are compared.
        windows: how many windows; 0 makes no curve.
        report: told before each walk.
    """
    learning = [each for each in named if each.label in walks.of_model and not is_naive(each.label)]
    parts, curves = [pd.DataFrame(columns=list(COLUMNS))], dict[str, LearningCurve]()
    for i, each in enumerate(learning if windows else ()):
        first = walks.of_model[each.label][0]
        sizes = window_sizes(int(first.fits["rows"].min()), windows)
        made, flags = dict[int, ModelWalk](), dict[int, str]()
        for j, rows in enumerate(sizes):
            report(i * len(sizes) + j, len(learning) * len(sizes), f"{each.label} on {rows} bars")
            try:
                made[rows] = _walked(spec, history, each, first, rows)
            except FitError as error:
                flags[rows] = str(error)
        table, curve = _judged(spec, history, naive, made)
        parts.append(_rows(each.label, sizes, table, made, flags))
        if curve is not None:
            curves[each.label] = curve
    return LearningCurves(
        pd.concat([part for part in parts if len(part)] or parts, ignore_index=True), curves
    )


def _walked(spec: RunSpec, history: History, each: Entrant, first: ModelWalk, rows: int) -> ModelWalk:
    """Return the walk with fits cut to their last rows; the comparison's own where its fits were just as long."""
    if (first.fits["rows"] == rows).all():
        return first
    cut = replace(spec, retraining=trailing(spec.retraining, rows))
    return walk_model(cut, history, each, first.seed, each.label)


def _judged(
    spec: RunSpec, history: History, naive: Sequence[QuantileForecast], made: dict[int, ModelWalk]
) -> tuple[dict[int, float], LearningCurve | None]:
    """Return the mean loss of each window over shared decisions, and what the windows say together."""
    if not made:
        return {}, None
    names = {str(rows): walk.forecasts for rows, walk in made.items()}
    compared = shared({NAIVE: naive, **names})
    if not compared[NAIVE]:
        return {}, None
    cube = evaluated(spec, history, compared).cube
    losses = per_cutoff(cube.losses[1:])
    if not losses.shape[1]:
        return {}, None
    lags = overlapping(cube.cutoffs, cube.times)
    return dict(zip(made, losses.mean(axis=1).tolist(), strict=True)), learning_curve(
        list(made), losses, lags
    )


def _rows(
    label: str,
    sizes: Sequence[int],
    losses: dict[int, float],
    made: dict[int, ModelWalk],
    flags: dict[int, str],
) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {
                "model": label,
                "rows": rows,
                "loss": losses.get(rows, np.nan),
                "cpu_seconds": float(made[rows].fits["cpu_seconds"].sum()) if rows in made else np.nan,
                "flag": flags.get(rows, ""),
            }
            for rows in sizes
        ]
    )
