"""Variance recursions of the GARCH family: one step, run over a window, and simulated ahead."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from data.panel import Floats

Volatility = Literal["garch", "gjr", "egarch"]

VarianceOf = Literal["realised", "conditional"]
"""What a variance forecast is about; seen from t, in squared one-bar log returns.

- ``realised``: the squared log return that bar t+h will show. Its median lies far below its mean (0.45 of it for normal returns), and the
  mean over its quantiles misses the tail beyond the last level: on daily stocks 5 % (garch) to 17 % (har) of volatility.
- ``conditional``: the variance of bar t+h given everything known one bar earlier. Its quantiles spread with h; at h = 1
  it is known, so they are equal. This is what a forecast of quantity ``variance`` means in this
  house (QLIKE on its median), and the default.
"""

LEAST_VARIANCE, MOST_VARIANCE = 1e-8, 1e4
"""Bounds of every conditional variance, in units of the training variance: only an explosive recursion meets them."""

MEAN_ABSOLUTE_NORMAL = float(np.sqrt(2.0 / np.pi))

BACKCAST_ROWS, BACKCAST_DECAY = 75, 0.94
"""The variance before the window: an exponentially weighted mean of its first squared residuals, as in ``arch``."""


@dataclass(frozen=True)
class VarianceRecursion:
    """Coefficients of one member of the family.

    With residual e, variance v and z = e / sqrt(v):

    - ``garch`` (Bollerslev 1986, equation 2) and ``gjr`` (Glosten, Jagannathan and Runkle 1993):
      v_t = constant + sum a_i e^2_{t-i} + sum g_j e^2_{t-j} [e_{t-j} < 0] + sum b_k v_{t-k}
    - ``egarch`` (Nelson 1991): log v_t = constant + sum a_i (|z_{t-i}| - sqrt(2/pi)) + sum g_j z_{t-j}
      + sum b_k log v_{t-k}

    Attributes:
        volatility: the member.
        constant: the intercept.
        symmetric: weights a_1 .. a_p.
        asymmetric: weights g_1 .. g_o.
        persistence: weights b_1 .. b_q.
    """

    volatility: Volatility
    constant: float
    symmetric: tuple[float, ...]
    asymmetric: tuple[float, ...]
    persistence: tuple[float, ...]

    @property
    def memory(self) -> int:
        """How many past steps the recursion reads."""
        return max(len(self.symmetric), len(self.asymmetric), len(self.persistence), 1)


@dataclass(frozen=True, eq=False)
class Trail:
    """The last steps of a recursion, newest first; entries are numbers, or (N,) arrays on N paths.

    Attributes:
        symmetric: size terms of past shocks.
        asymmetric: sign terms of past shocks.
        states: past variances, or their logarithms for ``egarch``.
    """

    symmetric: tuple[Any, ...]
    asymmetric: tuple[Any, ...]
    states: tuple[Any, ...]


def start_trail(recursion: VarianceRecursion, backcast: float) -> Trail:
    """Return the trail before any residual was seen."""
    count = recursion.memory
    if recursion.volatility == "egarch":
        return Trail((0.0,) * count, (0.0,) * count, (float(np.log(backcast)),) * count)
    return Trail((backcast,) * count, (0.5 * backcast,) * count, (backcast,) * count)


def next_variance(recursion: VarianceRecursion, trail: Trail) -> Any:
    """Return the variance of the coming bar, a number or (N,)."""
    state = recursion.constant
    for weights, past in (
        (recursion.symmetric, trail.symmetric),
        (recursion.asymmetric, trail.asymmetric),
        (recursion.persistence, trail.states),
    ):
        for weight, value in zip(weights, past, strict=False):
            state = state + weight * value
    if recursion.volatility == "egarch":
        state = np.exp(np.clip(state, np.log(LEAST_VARIANCE), np.log(MOST_VARIANCE)))
    return np.clip(state, LEAST_VARIANCE, MOST_VARIANCE)


def extend(recursion: VarianceRecursion, trail: Trail, residual: Any, variance: Any) -> Trail:
    """Return the trail after a bar's residual became known."""
    if recursion.volatility == "egarch":
        shock = residual / np.sqrt(variance)
        size, sign, state = np.abs(shock) - MEAN_ABSOLUTE_NORMAL, shock, np.log(variance)
    else:
        size = residual * residual
        sign, state = size * (residual < 0), variance
    return Trail((size, *trail.symmetric[:-1]), (sign, *trail.asymmetric[:-1]), (state, *trail.states[:-1]))


def backcast_variance(residuals: Floats) -> float:
    """Return the variance assumed before the first residual."""
    first = residuals[:BACKCAST_ROWS]
    weights = BACKCAST_DECAY ** np.arange(len(first))
    return max(float(np.sum(weights / weights.sum() * first**2)), LEAST_VARIANCE)


def filter_variance(recursion: VarianceRecursion, residuals: Floats) -> tuple[Floats, Trail]:
    """Return the variance of each bar given those before it, (T,), and the trail after the last."""
    trail = start_trail(recursion, backcast_variance(residuals))
    variances = np.empty(len(residuals))
    for t, residual in enumerate(residuals.tolist()):
        variances[t] = next_variance(recursion, trail)
        trail = extend(recursion, trail, residual, variances[t])
    return variances, trail


def simulate(recursion: VarianceRecursion, trail: Trail, shocks: Sequence[Floats]) -> tuple[Floats, Floats]:
    """Return variances and residuals of N paths, (H, N) each, from H arrays of N standardised shocks."""
    variances, residuals = [], []
    for shock in shocks:
        variance = next_variance(recursion, trail) * np.ones_like(shock)
        residual = np.sqrt(variance) * shock
        trail = extend(recursion, trail, residual, variance)
        variances.append(variance)
        residuals.append(residual)
    return np.array(variances), np.array(residuals)


def path_quantiles(paths: Floats, levels: Sequence[float]) -> Floats:
    """Return the quantiles of (H, N) paths at each step, (H, Q), non-decreasing along Q."""
    found = np.moveaxis(np.quantile(paths, levels, axis=1), 0, 1)
    return np.maximum.accumulate(found, axis=1)
