"""From what a network says to forecasts: scaling, point and quantile heads, errors on held-out windows."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.special import stdtrit

from data.panel import Floats
from forecast.errors import FitError
from forecast.models.network_windows import Singles, Target

NetworkLoss = Literal["mse", "mae", "pinball", "student_t"]
"""What a network is trained on, and so what it says of a step: a point, one value a level, or the three of Student's t."""

MOST_LOG_SCALE = 6.0
"""Largest log scale of a Student-t head: about 400 times the spread of the training targets."""

LEAST_SCALE = 1e-5
"""A spread below this share of the centre is lost in single precision, and a network would be trained on rounding."""


@dataclass(frozen=True, eq=False)
class Scaling:
    """Centres and scales of one fold, taken from its training windows alone.

    Attributes:
        input_centre, input_scale: (C,) with the marks, which stay as they are.
        target_centre, target_scale: (H * S,) step before series.
    """

    input_centre: Floats
    input_scale: Floats
    target_centre: Floats
    target_scale: Floats

    def inputs(self, windows: Floats) -> Singles:
        """Return scaled inputs, any shape ending in C."""
        return ((windows - self.input_centre) / self.input_scale).astype(np.float32)

    def arrays(self) -> dict[str, Floats]:
        """Return the four arrays by name."""
        return {name: getattr(self, name) for name in SCALING}


SCALING = ("input_centre", "input_scale", "target_centre", "target_scale")


def level_scaling(inputs: Floats, channels: tuple[str, ...], targets: int, horizon: int) -> Scaling:
    """Return the mean and standard deviation of each channel; a target is scaled as its own channel.

    Args:
        inputs: (N, L, C) training windows, without marks.
        channels: C names, for the message; the first ``targets`` are forecast.
        targets: S.
        horizon: H.

    Raises:
        FitError: when a channel does not vary.
    """
    centre = inputs.mean(axis=(0, 1), dtype=np.float64)
    scale = inputs.std(axis=(0, 1), dtype=np.float64)
    still = ~(scale > LEAST_SCALE * np.abs(centre))
    _require_moving(still, channels, scale)
    repeated = np.tile(centre[:targets], horizon), np.tile(scale[:targets], horizon)
    return Scaling(centre, scale, *repeated)


def change_scaling(inputs: Floats, targets: Floats, channels: tuple[str, ...]) -> Scaling:
    """Return root mean squares and no centre, so that saying 0 is the naive forecast.

    Args:
        inputs: (N, L, C) training windows of changes, without marks.
        targets: (N, O) changes.
        channels: C names, for the message.

    Raises:
        FitError: when a channel or target does not vary.
    """
    scale = np.sqrt(np.mean(inputs**2, axis=(0, 1), dtype=np.float64))
    spread = np.sqrt(np.mean(targets**2, axis=0, dtype=np.float64))
    _require_moving(scale == 0, channels, scale)
    _require_moving(spread == 0, tuple(f"target {i + 1}" for i in range(len(spread))), spread)
    return Scaling(np.zeros_like(scale), scale, np.zeros_like(spread), spread)


def _require_moving(still: Floats, channels: tuple[str, ...], scale: Floats) -> None:
    if still.any():
        worst = int(np.flatnonzero(still)[0])
        raise FitError(
            f"{channels[worst]} is constant in the training windows (spread {scale[worst]:.3g}); "
            "a network needs values that move"
        )


def with_marks(scaling: Scaling, count: int) -> Scaling:
    """Return the scaling with ``count`` more channels that stay as they are."""
    centre = np.concatenate([scaling.input_centre, np.zeros(count)])
    scale = np.concatenate([scaling.input_scale, np.ones(count)])
    return Scaling(centre, scale, scaling.target_centre, scaling.target_scale)


@dataclass(frozen=True)
class Heads:
    """How outputs are read.

    Attributes:
        loss: what the network was trained on.
        levels: Q quantile levels.
    """

    loss: NetworkLoss
    levels: tuple[float, ...]

    @property
    def per_step(self) -> int:
        """P, outputs for one step of one series."""
        return {"pinball": len(self.levels), "student_t": 3}.get(self.loss, 1)

    @property
    def is_point(self) -> bool:
        """Whether the spread must come from past errors."""
        return self.per_step == 1 and self.loss != "pinball"

    def medians(self, raw: Floats, scaling: Scaling) -> Floats:
        """Return the middle of the forecast in the target's unit, (N, H, S), the mean over members.

        Args:
            raw: (E, N, H, S, P) what E members say.
            scaling: of the fold.
        """
        if self.loss == "pinball":
            return interpolated_median(self.quantiles(raw, scaling), self.levels)
        return np.asarray(_unscaled(raw[..., 0], scaling).mean(axis=0))

    def quantiles(self, raw: Floats, scaling: Scaling) -> Floats:
        """Return quantiles in the target's unit, (N, H, S, Q), averaged over members, in order.

        Quantiles are averaged level by level (Vincent 1912); heads that cross are sorted (Chernozhukov, Fernandez-Val and
        Galichon 2010).

        Args:
            raw: (E, N, H, S, P) what E members say of pinball or Student-t heads.
            scaling: of the fold.
        """
        if self.loss == "pinball":
            return np.sort(_unscaled(raw, scaling).mean(axis=0), axis=-1)
        unit = student_quantiles(raw, self.levels)
        return np.maximum.accumulate(_unscaled(unit, scaling).mean(axis=0), axis=-1)


def _unscaled(said: Floats, scaling: Scaling) -> Floats:
    """Return (E, N, H, S) or (E, N, H, S, P) outputs in the target's unit."""
    shape = (*said.shape[2:4], *([1] * (said.ndim - 4)))
    return np.asarray(
        scaling.target_centre.reshape(shape) + scaling.target_scale.reshape(shape) * said.astype(np.float64)
    )


def student_quantiles(raw: Floats, levels: tuple[float, ...]) -> Floats:
    """Return quantiles (..., Q) of Student's t from location, log scale and log(df - 2), (..., 3).

    A network far outside what it was trained on says a scale that no number holds; it ends at ``MOST_LOG_SCALE``.
    """
    location, log_scale, log_excess = np.moveaxis(raw.astype(np.float64), -1, 0)
    # Beyond some millions of degrees Student's t is the normal distribution to single precision.
    freedom = 2.0 + np.exp(np.minimum(log_excess, 15.0))
    scale = np.exp(np.minimum(log_scale, MOST_LOG_SCALE))
    # What is infinite here is refused where the forecast is made.
    with np.errstate(invalid="ignore"):
        unit = stdtrit(freedom[..., None], np.asarray(levels))
        return np.asarray(location[..., None] + scale[..., None] * unit)


def interpolated_median(quantiles: Floats, levels: tuple[float, ...]) -> Floats:
    """Return the value at level 0.5, (...), from quantiles (..., Q), linear between levels, the ends held."""
    right = int(np.clip(np.searchsorted(levels, 0.5), 1, max(len(levels) - 1, 1)))
    if len(levels) == 1:
        return np.asarray(quantiles[..., 0])
    share = np.clip((0.5 - levels[right - 1]) / (levels[right] - levels[right - 1]), 0.0, 1.0)
    return np.asarray((1.0 - share) * quantiles[..., right - 1] + share * quantiles[..., right])


def form_of_target(target: Target) -> Literal["log", "difference"]:
    """Return how errors of a point forecast are measured: in ratios, or in the field's own unit."""
    return "log" if target == "log_return" else "difference"


def mean_absolute(errors: Floats) -> Floats | None:
    """Return the mean absolute error of each step, (H,), from (N, H) with NaN for none; None when a step has none."""
    counts = (~np.isnan(errors)).sum(axis=0)
    if not len(errors) or not counts.min():
        return None
    return np.asarray(np.nansum(np.abs(errors), axis=0) / counts)


SeriesArrays = Mapping[str, Floats]
"""One array a series."""
