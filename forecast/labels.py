"""Move labels: will a series be up, down or neither by a threshold within the next bars, and when is that known?"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from data.panel import Floats, read_only
from forecast.errors import ForecastError

MOVES: tuple[str, ...] = ("down", "flat", "up")
"""The classes of a move label, in the order of their numbers 0, 1, 2."""

UNKNOWN = -1
"""Class and known row of a decision that has no label."""

Reading = Literal["ahead", "first_touch"]
"""What "moves by x within h bars" means: ``ahead``, the value exactly h bars later; ``first_touch``, the first value of the
next h that is beyond +x or -x."""

Classes = npt.NDArray[np.int64]
Rows = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class MoveLabels:
    """The class of every row and series, and the row at which it is known.

    Attributes:
        classes: (T, S) positions in ``MOVES``; ``UNKNOWN`` where a value it needs is missing or lies beyond the data.
        known: (T, S) row whose bar completes the label, after its own row; ``UNKNOWN`` without a label. A touch is known
            when it happens, everything else ``horizon`` rows later.
    """

    classes: Classes
    known: Rows

    def __post_init__(self) -> None:
        object.__setattr__(self, "classes", read_only(self.classes))
        object.__setattr__(self, "known", read_only(self.known))


def move_labels(
    values: Floats, horizon: int, threshold: float = 0.01, reading: Reading = "ahead"
) -> MoveLabels:
    """Return the label of the move after each row: ``up`` above +threshold, ``down`` below -threshold, else ``flat``.

    Moves are simple returns from the row's own value. No row has a label before its whole window of ``horizon`` rows lies
    in the data, not even one that touched early: among the last rows only those that touched would have a label, and the
    shares of the classes would be wrong there.

    Args:
        values: (T, S) above 0, NaN where not observed. For ``ahead`` the row and the one ``horizon`` later must be
            observed; for ``first_touch`` the row must be, and also the last one where nothing was touched before.
        horizon: rows ahead, at least 1.
        threshold: above 0, as a share: 0.01 is 1 %.
        reading: see ``Reading``.

    Raises:
        ForecastError: when a setting is out of range or a value is not above 0.
    """
    _check(values, horizon, threshold)
    classes = np.full(values.shape, UNKNOWN, np.int64)
    known = np.full(values.shape, UNKNOWN, np.int64)
    for row in range(len(values) - horizon):
        moves = values[row + 1 : row + 1 + horizon] / values[row] - 1.0
        classes[row], steps = (_ahead if reading == "ahead" else _first_touch)(moves, threshold)
        known[row] = np.where(classes[row] == UNKNOWN, UNKNOWN, row + steps)
    return MoveLabels(classes, known)


def base_rates(classes: Classes, count: int = len(MOVES)) -> Floats:
    """Return the share of each class, (K,), among labels that are known; NaN without any."""
    seen = classes[classes != UNKNOWN]
    if not len(seen):
        return np.full(count, np.nan)
    return np.asarray(np.bincount(seen, minlength=count) / len(seen))


def touched_share(values: Floats, horizon: int, threshold: float) -> float:
    """Return the share of rows from which some value of the next ``horizon`` is beyond the threshold.

    Args:
        values: (T, S) above 0, NaN where not observed; windows with a missing value are left out.
        horizon: rows ahead, at least 1.
        threshold: above 0 asks for a rise by at least that share, below 0 for a fall.
    """
    _check(values, horizon, abs(threshold))
    windows = np.lib.stride_tricks.sliding_window_view(values, horizon + 1, axis=0)
    moves = windows[:, :, 1:] / windows[:, :, :1] - 1.0
    whole = ~np.isnan(moves).any(axis=2)
    touched = (np.sign(threshold) * moves > abs(threshold)).any(axis=2)[whole]
    return float(touched.mean()) if len(touched) else float("nan")


def _ahead(moves: Floats, threshold: float) -> tuple[Classes, Rows]:
    """Return classes and steps until known, (S,) each, from the moves of the next rows, (H, S)."""
    last = moves[-1]
    found = np.where(last > threshold, 2, np.where(last < -threshold, 0, 1))
    return np.where(np.isnan(last), UNKNOWN, found), np.full(len(last), len(moves))


def _first_touch(moves: Floats, threshold: float) -> tuple[Classes, Rows]:
    beyond = np.abs(moves) > threshold
    touched, first = beyond.any(axis=0), beyond.argmax(axis=0)
    way = np.where(np.take_along_axis(moves, first[None], axis=0)[0] > 0, 2, 0)
    still = np.where(np.isnan(moves[-1]), UNKNOWN, 1)
    return np.where(touched, way, still), np.where(touched, first + 1, len(moves))


def _check(values: Floats, horizon: int, threshold: float) -> None:
    if horizon < 1 or not threshold > 0:
        raise ForecastError(
            f"horizon was {horizon} and threshold {threshold:g}; a horizon of 1 or more and a threshold other than 0 are needed"
        )
    bad = np.asarray(values <= 0)
    if bad.any():
        t, s = np.argwhere(bad)[0]
        raise ForecastError(f"value of series {s} at row {t} is {values[t, s]:g}; moves need values above 0")
