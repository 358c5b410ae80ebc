"""Boosted trees: path, variance and quantiles of the price's change from features of many spans."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Self

import annotated_types as at
import numpy as np
from pydantic import model_validator

from data.history import History
from data.panel import Floats
from data.registry import spec
from forecast.base import Count
from forecast.liquidity import AbstractFittedLiquidity, LiquidityForecast
from forecast.models.boosting import interpolated_levels, spread_levels, tree_settings
from forecast.models.liquidity.base import Outlook, liquidity_forecast
from forecast.models.liquidity.features import span_features, usual_levels
from forecast.models.liquidity.labels import (
    MOST_DEPARTURE,
    AbstractDepartureModel,
    TrainingSpans,
    training_spans,
)
from forecast.models.liquidity.rows import PoolRows, context_rows
from forecast.models.liquidity.shapes import mean_shape, spread_shape
from forecast.randomness import RandomStreams
from forecast.storage import read_state, write_state

SPANS: tuple[int, ...] = (1, 3, 6, 12, 24, 72, 168, 336, 672)
"""Bars over which features are taken, where the context is longer."""

PATH, VARIANCE = "path", "variance"


@spec
class BoostedProfile(AbstractDepartureModel):
    """LightGBM (Ke and others 2017) on the log path, the log variance and quantiles of the price's change.

    All are measured in what was usual over the last week of bars. Path and variance are least-squares trees, bias
    corrected on held-out spans (Duan 1983); quantiles are pinball trees at a few levels, interpolated in normal quantiles
    and put in order. The shape is the mean held-out profile in units of the deviation expected there, laid out by the
    deviation expected now. The last part of the training spans chooses the number of rounds; no span that is learnt from
    ends after the first of them begins.

    It loses to HAR on histories of a few hundred days, where trees find little beyond the three means.

    Attributes:
        rounds: most rounds.
        patience: rounds without a better validation loss before growing stops.
        learning_rate: share of each tree that is added.
        leaves: most leaves of a tree.
        least_leaf: fewest spans of a leaf.
        trained_levels: how many quantile levels are grown.
    """

    rounds: Annotated[int, at.Ge(1), at.Le(5000)] = 300
    patience: Count = 20
    learning_rate: Annotated[float, at.Gt(0), at.Le(1)] = 0.03
    leaves: Annotated[int, at.Ge(2), at.Le(256)] = 6
    least_leaf: Count = 60
    trained_levels: Annotated[int, at.Ge(2), at.Le(50)] = 7

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.context < 2:
            raise ValueError(f"context was {self.context}; features need two bars or more")
        return self

    @property
    def grown_levels(self) -> tuple[float, ...]:
        """The quantile levels that are grown."""
        return spread_levels(self.levels, self.trained_levels)

    def fit(self, train: History, rng: RandomStreams) -> "BoostedFitted":
        """Return the trees grown on every bar of the history since its first swap."""
        spans = training_spans(train, self)
        features = self.features(spans.rows, spans.floors, spans.usual)[spans.labels.origins]
        texts = self._grow(features, spans, int(rng.of("lightgbm").integers(2**31 - 1)))
        models = _revived(texts)
        path, variance = (_said(models[name], features[spans.checked]) for name in (PATH, VARIANCE))
        smears = spans.smears(path, variance)
        shares = spans.shares(spans.checked, np.sqrt(np.exp(variance) * smears[1]))
        learnt = {"floors": spans.floors, "smears": smears, "shape": mean_shape(shares)}
        return BoostedFitted(self, learnt, texts, models)

    def load(self, folder: Path) -> "BoostedFitted":
        """Return the fitted state stored there."""
        arrays, facts = read_state(folder)
        texts = {name: (folder / file).read_text() for name, file in facts["models"].items()}
        return BoostedFitted(self, arrays, texts, _revived(texts))

    def features(self, rows: PoolRows, floors: Floats, usual: Floats) -> Floats:
        """Return what the trees see at each bar, (T, F), NaN where the longest span is not complete."""
        spans = [span for span in SPANS if span < self.context]
        parts = [span_features(rows, floors, usual, span) for span in spans]
        return np.column_stack([*parts, np.log(usual)])

    def _grow(self, features: Floats, spans: TrainingSpans, seed: int) -> dict[str, str]:
        """Return the grown trees as text, by what they say."""
        labels, settings = spans.labels, {**tree_settings(self, seed), "feature_fraction": 0.5}
        squared = {**settings, "objective": "regression"}
        texts = {
            name: _grown(features, label, spans, squared, (self.rounds, self.patience))
            for name, label in ((PATH, labels.path), (VARIANCE, labels.variance))
        }
        for level in self.grown_levels:
            pinball = {**settings, "objective": "quantile", "alpha": level}
            texts[repr(level)] = _grown(features, labels.change, spans, pinball, (self.rounds, self.patience))
        return texts


@dataclass(frozen=True, eq=False)
class BoostedFitted(AbstractFittedLiquidity):
    """Grown trees.

    Attributes:
        spec: the hyper-parameters.
        learnt: floors, bias corrections and shape.
        texts: the trees as text, by what they say; what ``save`` writes.
        models: the same, ready to answer.
    """

    spec: BoostedProfile
    learnt: Mapping[str, Floats]
    texts: Mapping[str, str]
    models: Mapping[str, Any]

    def predict(self, history: History, rng: RandomStreams) -> LiquidityForecast:
        """Return the forecast made at the end of ``history`` from its last ``context`` bars.

        Raises:
            ForecastError: when the history has no pool, or fewer bars since its first swap.
        """
        asked = self.spec
        rows = context_rows(history, asked.context)
        usual = usual_levels(rows, self.learnt["floors"], asked.usual)
        features = asked.features(rows, self.learnt["floors"], usual)[-1:]
        path, variance = (
            float(np.exp(_said(self.models[name], features)[0]) * smear * asked.horizon * level)
            for name, smear, level in zip((PATH, VARIANCE), self.learnt["smears"], usual[-1], strict=True)
        )
        profile = path * spread_shape(self.learnt["shape"], np.sqrt(variance), asked.log_edges)
        grown = np.sort([_said(self.models[repr(level)], features)[0] for level in asked.grown_levels])
        unit = interpolated_levels(grown, asked.grown_levels, asked.levels)
        return liquidity_forecast(
            asked, rows, Outlook(profile, unit * np.sqrt(asked.horizon * usual[-1, 1]), variance)
        )

    def save(self, folder: Path) -> None:
        """Write one text file a model, and the arrays."""
        files = {name: f"trees_{i}.txt" for i, name in enumerate(self.texts)}
        for name, file in files.items():
            (folder / file).write_text(self.texts[name])
        write_state(folder, self.learnt, {"models": files})


def _grown(
    features: Floats,
    label: Floats,
    spans: TrainingSpans,
    settings: Mapping[str, Any],
    rounds: tuple[int, int],
) -> str:
    """Return one model as text; rounds are the most, and those without a better validation loss before it stops."""
    import lightgbm

    data = lightgbm.Dataset(features[spans.kept], label[spans.kept], params=dict(settings))
    held = lightgbm.Dataset(features[spans.checked], label[spans.checked], reference=data)
    stop = lightgbm.early_stopping(rounds[1], verbose=False)
    model = lightgbm.train(
        dict(settings), data, num_boost_round=rounds[0], valid_sets=[held], callbacks=[stop]
    )
    return str(model.model_to_string(num_iteration=model.best_iteration))


def _revived(texts: Mapping[str, str]) -> dict[str, Any]:
    """Return one booster a text."""
    import lightgbm

    return {name: lightgbm.Booster(model_str=text) for name, text in texts.items()}


def _said(model: Any, features: Floats) -> Floats:
    """Return what a model says of (N, F) features, (N,), within what is believed."""
    return np.asarray(np.clip(model.predict(features, num_threads=1), -MOST_DEPARTURE, MOST_DEPARTURE))
