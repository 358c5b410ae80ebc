"""Learning curve: the error of a model against how many bars it learns from.

err(n) = a n^-b + c is fitted to the errors of nested trailing windows (after Vilares Ferro, Darriba and Ribadas 2024). Under
drift the error need not fall with n: where a shorter window did better by more than chance explains, nothing is extrapolated
and the best window is named.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import OptimizeWarning, curve_fit

from data.panel import Floats
from forecast.comparison import diebold_mariano, holm
from forecast.skill import ALPHA, least_decisions

LEAST_SIZES = 4
"""Fewer windows cannot show that three numbers fit."""

SMALLEST_SHARE = 1 / 8
"""The shortest window as a share of the longest."""

WORTH = 0.01
"""A gain below this share of the error is called none."""

SETTLED = 2
"""Windows in a row at which the predicted gain must be below ``WORTH``."""


@dataclass(frozen=True)
class PowerLaw:
    """err(n) = scale (n / longest)^-power + floor."""

    scale: float
    power: float
    floor: float
    longest: float

    def at(self, rows: float) -> float:
        """Return the error expected after learning from so many bars."""
        return float(self.scale * (rows / self.longest) ** -self.power + self.floor)


@dataclass(frozen=True)
class LearningCurve:
    """What the errors of nested windows say.

    Attributes:
        best: the window with the lowest error.
        law: the fitted curve; None where a shorter window is better, windows are too few, or none fits.
        gain: share of the error that twice the longest window is expected to avoid; NaN without a curve.
        enough: shortest window from which the curve promised less than 1 % more, twice in a row; None when none did.
        words: the conclusion.
    """

    best: int
    law: PowerLaw | None
    gain: float
    enough: int | None
    words: str


def window_sizes(longest: int, count: int) -> tuple[int, ...]:
    """Return ``count`` window lengths, geometric from an eighth of the longest to the longest, without repeats."""
    sizes = np.geomspace(longest * SMALLEST_SHARE, longest, count).round().astype(int)
    return tuple(sorted({max(2, int(size)) for size in sizes}))


def learning_curve(sizes: Sequence[int], losses: Floats, lags: int) -> LearningCurve:
    """Return what the losses of a model say that learnt from windows of several lengths.

    Args:
        sizes: (K,) bars, increasing.
        losses: (K, N) losses at the same decisions.
        lags: decisions that overlap; see ``forecast.comparison``.
    """
    errors = losses.mean(axis=1)
    best = sizes[int(np.argmin(errors))]
    if len(sizes) < LEAST_SIZES:
        return LearningCurve(best, None, float("nan"), None, f"{len(sizes)} windows are too few for a curve")
    shorter = _better_than_longest(losses, lags)
    if shorter.any():
        return LearningCurve(best, None, float("nan"), None, (
            f"the error does not fall with the window, as under drift: {best} bars did best, {sizes[-1]} worse by more "
            "than chance explains"
        ))  # fmt: skip
    law = fitted_law(sizes, errors)
    if law is None:
        return LearningCurve(best, None, float("nan"), None, f"no curve fits; {best} bars did best")
    gain = 1.0 - law.at(2 * sizes[-1]) / law.at(sizes[-1])
    words = (
        f"twice {sizes[-1]} bars are expected to avoid {gain:.1%} of the error"
        if gain >= WORTH
        else f"flat: twice {sizes[-1]} bars are expected to avoid less than {WORTH:.0%} of the error"
    )
    enough = sufficient_window(sizes, errors)
    told = "" if enough is None else f"; {enough} bars were enough to see that"
    return LearningCurve(best, law, gain, enough, f"{words}{told}")


def fitted_law(sizes: Sequence[int], errors: Floats) -> PowerLaw | None:
    """Return the power law of least squares, None where the optimiser does not find one.

    Args:
        sizes: (K,) bars, increasing, K >= 4.
        errors: (K,) mean losses; the floor is at least 0 where all are.
    """
    unit = float(np.abs(errors).max()) or 1.0
    scaled, relative = errors / unit, np.asarray(sizes, np.float64) / sizes[-1]
    lowest = 0.0 if (errors >= 0).all() else -np.inf
    start = (max(float(scaled[0] - scaled[-1]), 1e-3), 0.5, max(float(scaled.min()) - 1e-3, lowest))
    with warnings.catch_warnings():
        # Equal errors leave power and scale undetermined; their covariance is not used.
        warnings.simplefilter("ignore", OptimizeWarning)
        try:
            found, _ = curve_fit(
                _power_law, relative, scaled, p0=start, bounds=([0.0, 0.01, lowest], [np.inf, 5.0, np.inf]),
                maxfev=20_000,
            )  # fmt: skip
        except RuntimeError:
            return None
    return PowerLaw(float(found[0] * unit), float(found[1]), float(found[2] * unit), float(sizes[-1]))


def sufficient_window(sizes: Sequence[int], errors: Floats) -> int | None:
    """Return the shortest window from which the curve of the windows so far promised no gain, twice in a row.

    Curves are fitted to the first 4, 5, ... windows but the longest; each says what the longest one should still gain.
    """
    settled = 0
    for count in range(LEAST_SIZES, len(sizes)):
        law = fitted_law(sizes[:count], errors[:count])
        here = sizes[count - 1]
        promised = law is not None and 1.0 - law.at(sizes[-1]) / law.at(here) >= WORTH
        settled = 0 if law is None or promised else settled + 1
        if settled == SETTLED:
            return here
    return None


def _power_law(relative: Floats, scale: float, power: float, floor: float) -> Floats:
    return np.asarray(scale * relative**-power + floor)


def _better_than_longest(losses: Floats, lags: int) -> npt.NDArray[np.bool_]:
    """Return which windows but the longest are better than it, (K - 1,): Diebold-Mariano (HLN), Holm-adjusted, at 5 %."""
    if losses.shape[1] < least_decisions(lags):
        return np.zeros(len(losses) - 1, bool)
    p_values = [diebold_mariano(shorter, losses[-1], lags).p_value for shorter in losses[:-1]]
    return np.asarray(holm(p_values) <= ALPHA)
