"""A fitted network: its weights, its scaling, and forecasts from the last rows."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from data.history import History
from data.panel import Floats
from forecast.base import AbstractFitted
from forecast.distribution import QuantileForecast
from forecast.errors import ForecastError
from forecast.models.empirical import around
from forecast.models.network_outputs import SeriesArrays, form_of_target
from forecast.models.network_part import NetworkPart, loaded_modules, spoken
from forecast.models.network_storage import StoredNetwork, write_network
from forecast.models.network_windows import decoded, encoded_inputs
from forecast.randomness import RandomStreams
from forecast.windows import Context, carried, context_window, require_positive, target_values

if TYPE_CHECKING:
    from torch import nn

    from forecast.models.network import AbstractNetwork


@dataclass(frozen=True, eq=False)
class NetworkFitted(AbstractFitted):
    """Trained networks, ready to forecast.

    Attributes:
        spec: the hyper-parameters.
        parts: by series for separate networks, else one under the empty name.
        offsets: error quantiles (H, Q) by series, of point losses only; a series with too few errors has none.
        held_out: mean absolute error of the median (H,) by series on the held-out windows, in the field's unit.
    """

    spec: "AbstractNetwork"
    parts: Mapping[str, NetworkPart]
    offsets: SeriesArrays
    held_out: SeriesArrays

    @property
    def validation_errors(self) -> Mapping[str, Floats] | None:
        """Mean absolute error of the median on rows the fit held out, (H,) by series; None when nothing was held out."""
        return self.held_out or None

    def predict(self, history: History, rng: RandomStreams) -> QuantileForecast:
        """Return the forecast of every series that can be forecast; no chance is involved.

        Each series goes through its network alone: a product of several rows may round differently in each place, and a
        forecast must not depend on which other series are there.

        Raises:
            ForecastError: when a field or channel the network was fitted to is missing, or a forecast is not finite.
        """
        asked = self.spec
        missing = [field for field in asked.channels if field not in history.panel.fields]
        if missing:
            raise ForecastError(
                f"the network was fitted to the fields {', '.join(asked.channels)}; the history has no '{missing[0]}'"
            )
        window = context_window(history, asked.field, asked.context)
        made = self._joint(history, window) if asked.mixes_series else self._each(history, window)
        kept = [i for i, name in enumerate(window.series) if name in made]
        shape = (len(kept), asked.horizon, len(asked.levels))
        return QuantileForecast(
            history.cutoff,
            history.clock.next(history.cutoff, asked.horizon),
            tuple(window.series[i] for i in kept),
            np.array(asked.levels),
            np.reshape([made[window.series[i]] for i in kept], shape),
            asked.quantity,
            window.last[kept],
        )

    def save(self, folder: Path) -> None:
        """Write weights, scaling and error quantiles as safetensors, the rest as JSON."""
        write_network(folder, self.spec.channels, StoredNetwork(self.parts, self.offsets, self.held_out))

    @cached_property
    def modules(self) -> dict[str, list["nn.Module"]]:
        """The networks by part, with their weights in place."""
        return {name: loaded_modules(self.spec, part) for name, part in self.parts.items()}

    def _each(self, history: History, window: Context) -> dict[str, Floats]:
        """Return quantiles (H, Q) by series."""
        contexts = [context_window(history, field, self.spec.context) for field in self.spec.channels]
        columns = [dict(zip(each.series, each.values.T, strict=True)) for each in contexts]
        wanted = [
            name for name in window.series if self._knows(name) and all(name in each for each in columns)
        ]
        made = {}
        for name in wanted:
            values = np.stack([each[name] for each in columns], axis=1)  # (C, F)
            self._require_positive(values, name)
            part = name if self.spec.series == "separate" else ""
            made[name] = self._quantiles(part, values, history, (name,))[0]
        return made

    def _joint(self, history: History, window: Context) -> dict[str, Floats]:
        """Return quantiles (H, Q) by series from all channels; a channel without values stands at its training mean."""
        names = self.parts[""].series
        absent = sorted(set(names) - set(history.panel.series))
        if absent:
            raise ForecastError(
                f"the network was fitted to {len(names)} series together; the history has no '{absent[0]}'"
            )
        if not window.series:
            return {}
        order = [history.panel.series_index(name) for name in names]
        recent = history.last(self.spec.context)
        columns = [target_values(recent, field)[:, order] for field in self.spec.channels]
        values = carried(carried(np.concatenate(columns, axis=1))[::-1])[::-1]
        self._require_positive(values, "a channel")
        made = self._quantiles("", values, history, names)
        return {name: each for name, each in zip(names, made, strict=True) if name in window.series}

    def _knows(self, name: str) -> bool:
        if self.spec.heads.is_point:
            return name in self.offsets
        return self.spec.series == "pooled" or name in self.parts

    def _require_positive(self, values: Floats, name: str) -> None:
        if self.spec.target == "log_return":
            require_positive(values, (name,) * values.shape[1], "the input")

    def _quantiles(self, part: str, values: Floats, history: History, names: tuple[str, ...]) -> list[Floats]:
        """Return quantiles (H, Q) of each series from one window of values (context, C)."""
        asked = self.spec
        ahead = history.clock.next(history.cutoff, asked.horizon)
        times = np.concatenate([history.times[-asked.context :], ahead])
        inputs = encoded_inputs(values[None], times[None], asked.cut)
        # Only a joint network sees channels without any value.
        scaling = self.parts[part].scaling
        scaled = np.nan_to_num(scaling.inputs(inputs), nan=0.0)
        raw = spoken(self.modules[part], scaled, (asked.horizon, len(names), asked.heads.per_step))
        last = values[-1, : len(names)]
        if asked.heads.is_point:
            points = decoded(asked.heads.medians(raw, scaling)[0], last, asked.target)  # (H, S)
            return [self._around(points[:, s], name) for s, name in enumerate(names)]
        quantiles = asked.heads.quantiles(raw, scaling)[0]  # (H, S, Q)
        found = np.maximum.accumulate(decoded(quantiles, last[:, None], asked.target), axis=-1)
        return [found[:, s] for s in range(len(names))]

    def _around(self, points: Floats, name: str) -> Floats:
        if name not in self.offsets or not np.isfinite(points).all():
            return np.repeat(points[:, None], len(self.spec.levels), axis=1)
        return around(points, self.offsets[name], form_of_target(self.spec.target))
