"""Labels: what the spans after training bars came to, in units of what was usual at each."""

from dataclasses import dataclass
from typing import Annotated

import annotated_types as at
import numpy as np

from data.history import History
from data.panel import Floats
from data.registry import spec
from forecast.errors import FitError
from forecast.models.liquidity.averages import WEEK
from forecast.models.liquidity.base import AbstractSpanModel
from forecast.models.liquidity.features import floors_of, usual_levels
from forecast.models.liquidity.rows import PoolRows, training_rows
from forecast.models.liquidity.shapes import standardised_shares
from forecast.models.liquidity.spans import Origins, coming_sums, raised, training_origins

LEAST_SPANS = 20
"""Fewest spans that are learnt from, and fewest that are held out."""

MOST_DEPARTURE = 8.0
"""Greatest departure of a logarithm from its usual level that is believed."""


@spec
class AbstractDepartureModel(AbstractSpanModel):
    """One that says how far the coming span departs from what was usual over the last week of bars.

    Attributes:
        validation: share of the training spans, the last ones, that decides when to stop and corrects the bias.
    """

    validation: Annotated[float, at.Ge(0.05), at.Le(0.5)] = 0.25

    @property
    def usual(self) -> int:
        """Bars whose mean is the usual level."""
        return min(WEEK, self.context)


@dataclass(frozen=True, eq=False)
class SpanLabels:
    """What came after each of N training bars.

    Attributes:
        origins: (N,) rows of these bars, rising.
        path: (N,) log of the span's path over that of as many usual bars.
        variance: (N,) log of its variance over the usual one.
        change: (N,) change of the log price over the deviation of as many usual bars.
    """

    origins: Origins
    path: Floats
    variance: Floats
    change: Floats


@dataclass(frozen=True, eq=False)
class TrainingSpans:
    """Everything a fit looks at; every span ends inside the rows.

    Attributes:
        rows: bars.
        floors: (3,) ``floors_of`` them.
        usual: (T, 2) ``usual_levels`` of them.
        labels: what came after each training bar.
        kept: positions of the labels that are learnt from.
        checked: positions of those that are held out.
        horizon: bars of a span.
    """

    rows: PoolRows
    floors: Floats
    usual: Floats
    labels: SpanLabels
    kept: Origins
    checked: Origins
    horizon: int

    def smears(self, path: Floats, variance: Floats) -> Floats:
        """Return the means of exp(residual) of held-out log path and log variance, (2,) (Duan 1983)."""
        truth = self.labels.path[self.checked], self.labels.variance[self.checked]
        pairs = zip(truth, (path, variance), strict=True)
        return np.array([float(np.mean(np.exp(true - said))) for true, said in pairs])

    def shares(self, positions: Origins, departures: Floats | float = 1.0) -> Floats:
        """Return standardised shares of the spans at these positions, (N, Z, 2).

        Args:
            positions: of the labels.
            departures: (N,) deviation of each span over the usual one, what a standardised bin is counted in.
        """
        origins = self.labels.origins[positions]
        deviations = departures * np.sqrt(self.horizon * self.usual[origins, 1])
        return standardised_shares(self.rows, origins, deviations, self.horizon)


def training_spans(train: History, asked: AbstractDepartureModel) -> TrainingSpans:
    """Return the training spans of a history, those held out after those that are learnt from.

    Raises:
        FitError: when the history has no pool, nobody traded in it, or fewer than ``LEAST_SPANS`` are left of either.
    """
    rows = training_rows(train, asked.least_rows)
    floors = floors_of(rows)
    usual = usual_levels(rows, floors, asked.usual)
    origins = training_origins(len(rows), asked.context - 1, asked.horizon)
    kept, checked = _held_out(origins, asked.horizon, asked.validation)
    labels = _labels(rows, origins, floors, usual, asked.horizon)
    return TrainingSpans(rows, floors, usual, labels, kept, checked, asked.horizon)


def _labels(rows: PoolRows, origins: Origins, floors: Floats, usual: Floats, horizon: int) -> SpanLabels:
    parts = (rows.path, rows.field("variance"))
    path, variance = (
        np.log(raised(coming_sums(values, horizon), least * horizon)[origins] / (horizon * level[origins]))
        for values, least, level in zip(parts, floors[:2], usual.T, strict=True)
    )
    log_price = rows.log_price
    change = log_price[origins + horizon] - log_price[origins]
    return SpanLabels(origins, path, variance, change / np.sqrt(horizon * usual[origins, 1]))


def _held_out(origins: Origins, horizon: int, share: float) -> tuple[Origins, Origins]:
    """Return positions of the spans to learn from and of the last ``share``; none of the former ends after these begin."""
    first = int(np.floor(len(origins) * (1.0 - share)))
    checked = np.arange(first, len(origins))
    kept = np.flatnonzero(origins + horizon <= origins[first]) if len(checked) else checked
    if min(len(kept), len(checked)) < LEAST_SPANS:
        raise FitError(
            f"{len(kept)} spans to learn from and {len(checked)} to validate were left; {LEAST_SPANS} of each are needed"
        )
    return kept, checked
