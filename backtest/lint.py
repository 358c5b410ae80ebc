"""Lint: three ways to build a table or model that cannot be honest, each found by trying it and refused by name.

- A feature that is not known when its target is forecast, such as the high of the bar whose close is the target. The bars
  after a decision are changed; a feature of that decision that moves has seen them.
- A scaler fitted outside the training window. It is fitted again to the training rows alone and must do the same.
- A model of a level whose output is bounded, such as a sigmoid over a min-max scale, or a tree. Its inputs are taken to
  twice the highest and half the lowest level of training, and its answers must leave that range too.

Experiments of this package cannot make these mistakes with the models and fields it brings: their contracts are checked.
The lint is for tables and models from elsewhere, and for the reproductions, which build the published mistakes on purpose.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from backtest.errors import BoundedOutputError, FeatureLeakError, ScalerLeakError
from data.errors import SpecError
from data.history import History
from data.panel import Floats, Times
from data.prices import ADJUSTED_FIELDS
from forecast.base import AbstractFitted
from forecast.lookahead import perturbed
from forecast.models.normal_quantiles import MIN_SPREAD
from forecast.randomness import RandomStreams
from forecast.windows import target_values

CUTS = (0.25, 0.5, 0.75)
"""Decisions after which the future is changed, as shares of their number."""

SAME = 1e-9
"""Two scalers agree when they agree to this share of the scaled rows' spread."""

BEYOND = (0.5, 2.0)
"""Inputs are taken to these multiples of the lowest and the highest training level."""

NEWEST = 20
"""Rows of inputs that are tried beyond the training range."""


@dataclass(frozen=True, eq=False)
class FeatureTable:
    """Features beside their targets, as any learner takes them.

    Attributes:
        names: F names.
        features: (N, F).
        targets: (N,).
        decided: (N,) when each row's forecast is made; every feature must be known then.
        known: (N,) when each target is known: the end of its bar.
    """

    names: tuple[str, ...]
    features: Floats
    targets: Floats
    decided: Times
    known: Times

    def __post_init__(self) -> None:
        rows = {len(self.features), len(self.targets), len(self.decided), len(self.known)}
        if len(rows) != 1 or self.features.shape[1:] != (len(self.names),):
            raise SpecError(
                f"a table has {len(self.names)} names, features {self.features.shape}, targets {self.targets.shape}, "
                f"decided {self.decided.shape} and known {self.known.shape}; (F), (N, F) and three (N,) are needed"
            )


Builder = Callable[[History], FeatureTable]
"""Makes a table from bars; pure, so that it makes the same rows again."""

Scaling = Callable[[Floats], Floats]
"""Takes rows (N, ...) to scaled rows, same shape."""


def require_known_features(build: Builder, history: History) -> FeatureTable:
    """Return the table, or raise when a feature is not known at its decision.

    The future is changed after three decisions: later bars raised, then put in another order, so that levels and ratios
    inside a bar both move. What it cannot find: a field that already held the future before it was read.

    Raises:
        FeatureLeakError: naming the first feature that moved, and the field of the target's bar that it repeats, if any.
    """
    table = build(history)
    early = np.flatnonzero(table.decided >= table.known)
    if len(early):
        row = early[0]
        raise FeatureLeakError(
            f"the target of row {row} is known at {table.known[row]} and forecast at {table.decided[row]}; a decision must "
            "come before the end of the bar it forecasts"
        )
    order = np.unique(table.decided)
    for share in CUTS:
        cut = np.datetime64(order[int(share * (len(order) - 1))])
        for how, changed in (
            ("raised", perturbed(history, cut, "raised")),
            ("put in another order", _shuffled(history, cut)),
        ):
            _require_unmoved(table, build(changed), cut, how, history)
    return table


def require_train_scaler(
    name: str, scaling: Scaling, fit: Callable[[Floats], Scaling], rows: Floats, train: slice
) -> None:
    """Raise unless a scaler is the one that its training rows alone give.

    Args:
        name: of the scaler, for the message.
        scaling: the scaler in use, ``scaler.transform`` or the like.
        fit: how such a scaler is fitted to rows.
        rows: (N, ...) all rows.
        train: which of them may be seen.

    Raises:
        ScalerLeakError: naming the scaler, the first row it scales otherwise, and whether it is the one of all rows.
    """
    own, honest = np.asarray(scaling(rows)), np.asarray(fit(rows[train])(rows))
    tolerance = SAME * max(float(np.nanstd(honest)), MIN_SPREAD)
    differs = np.abs(own - honest) > tolerance
    if not differs.any():
        return
    place = tuple(int(i) for i in np.argwhere(differs)[0])
    everything = np.asarray(fit(rows)(rows))
    origin = (
        f"it was fitted to all {len(rows)} rows"
        if (np.abs(own - everything) <= tolerance).all()
        else "it was fitted to other rows"
    )
    raise ScalerLeakError(
        f"scaler '{name}' takes {rows[place]:g} at {place} to {own[place]:g}; fitted to the {len(rows[train])} training rows "
        f"it gives {honest[place]:g}: {origin}"
    )


def require_unbounded(name: str, answer: Callable[[Floats], Floats], inputs: Floats, levels: Floats) -> None:
    """Raise when a model of a level cannot answer outside the range it was trained on.

    Args:
        name: of the model, for the message.
        answer: inputs -> forecast levels (N,).
        inputs: (N, ...) training inputs, all in the unit of the level and above 0, the newest last.
        levels: (M,) training levels, above 0.

    Raises:
        BoundedOutputError: naming the model and the range that it does not leave.
    """
    newest = inputs[-NEWEST:]
    low, high = float(levels.min()), float(levels.max())
    fall, rise = BEYOND[0] * low / float(newest.max()), BEYOND[1] * high / float(newest.min())
    lowest, highest = float(np.min(answer(newest * fall))), float(np.max(answer(newest * rise)))
    _require_outside(name, (lowest, highest), (low, high))


def require_unbounded_forecasts(name: str, fitted: AbstractFitted, history: History) -> None:
    """Raise when a forecaster's median cannot leave the range of a history, series by series; see ``require_unbounded``.

    Args:
        name: of the model, for the message.
        fitted: a model of levels, fitted to ``history``.
        history: prices above 0; every price of a bar is multiplied alike.

    Raises:
        BoundedOutputError: naming the model, the series and the range that it does not leave.
    """
    asked = fitted.spec
    levels = target_values(history, asked.field)
    for s, series in enumerate(history.panel.series):
        values, recent = levels[:, s], levels[-asked.context :, s]
        low, high = float(np.nanmin(values)), float(np.nanmax(values))
        fall = BEYOND[0] * low / float(np.nanmax(recent))
        rise = BEYOND[1] * high / float(np.nanmin(recent))
        reached = tuple(
            _median(fitted, _multiplied(history, asked.field, factor), series) for factor in (fall, rise)
        )
        _require_outside(f"{name}, series {series}", (reached[0], reached[1]), (low, high))


def _require_unmoved(
    table: FeatureTable, after: FeatureTable, cut: np.datetime64, how: str, history: History
) -> None:
    left, right = table.decided <= cut, after.decided <= cut
    if (
        table.names != after.names
        or left.sum() != right.sum()
        or (table.decided[left] != after.decided[right]).any()
    ):
        raise FeatureLeakError(
            f"the rows decided up to {cut} are others when later bars are {how}; which rows there are must not depend on "
            "the future"
        )
    before, moved = table.features[left], after.features[right]
    differs = (before != moved) & ~(np.isnan(before) & np.isnan(moved))
    if differs.any():
        column = int(np.flatnonzero(differs.any(axis=0))[0])
        row = int(np.flatnonzero(left)[np.flatnonzero(differs[:, column])[0]])
        raise FeatureLeakError(
            f"feature '{table.names[column]}' of the row decided at {table.decided[row]} moved when later bars were {how}; "
            f"{_repeats(table, column, history) or 'it is not known when its target is forecast'}"
        )


def _repeats(table: FeatureTable, column: int, history: History) -> str:
    """Return in words which field of the target's bar a feature repeats, "" when it repeats none."""
    rows = np.searchsorted(history.times, table.known)
    inside = rows < len(history.times)
    bars = history.panel.values[rows[inside]]
    same = (bars == table.features[inside, column][:, None, None]).any(axis=1).mean(axis=0)
    if not inside.any() or same.max() < 1.0:
        return ""
    return f"it is the {history.panel.fields[int(same.argmax())]} of the bar that is forecast"


def _shuffled(history: History, cut: np.datetime64) -> History:
    """Return the history with the bars after the cut in another order, their times as they were."""
    past = len(history.panel.until(cut))
    values = history.panel.values.copy()
    # Half the way round: every bar gets another one's values, and a single later bar an earlier one's.
    later = np.roll(values[past:], max(1, (len(values) - past) // 2), axis=0)
    values[past:] = later if len(later) > 1 else values[:1]
    return replace(history, panel=replace(history.panel, values=values))


def _require_outside(name: str, reached: tuple[float, float], trained: tuple[float, float]) -> None:
    for word, found, bound, is_out in (
        ("above", reached[1], trained[1], reached[1] > trained[1]),
        ("below", reached[0], trained[0], reached[0] < trained[0]),
    ):
        if not is_out:
            raise BoundedOutputError(
                f"model '{name}' answers {found:g} to inputs far {word} the training range of {trained[0]:g} to "
                f"{trained[1]:g}, and never {word} {bound:g}; a level has no bound: let it forecast changes"
            )


def _multiplied(history: History, field: str, factor: float) -> History:
    panel = history.panel
    prices = [f for f, name in enumerate(panel.fields) if name in (*ADJUSTED_FIELDS, field)]
    values = panel.values.copy()
    values[:, :, prices] *= factor
    return replace(history, panel=replace(panel, values=values))


def _median(fitted: AbstractFitted, history: History, series: str) -> float:
    made = fitted.predict(history, RandomStreams(0, history.cutoff))
    if series not in made.series:
        raise SpecError(f"series '{series}' was not forecast; a bound needs a forecast of every series")
    middle = int(np.abs(made.levels - 0.5).argmin())
    return float(made.values[made.series.index(series), 0, middle])
