"""Gradient-boosted quantiles of scaled returns, pooled over series (LightGBM and XGBoost)."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Protocol, Self

import annotated_types as at
import numpy as np
import numpy.typing as npt
from pydantic import model_validator
from scipy.special import ndtri

from data.history import History
from data.panel import Floats
from data.registry import spec
from forecast.base import AbstractFitted, AbstractForecaster, Count
from forecast.distribution import QuantileForecast
from forecast.errors import FitError
from forecast.models.lagged_features import (
    Samples,
    pooled_samples,
    split_samples,
    thinned,
    window_features,
    with_step,
)
from forecast.models.normal_quantiles import from_scale
from forecast.models.univariate import check_quantity
from forecast.randomness import RandomStreams
from forecast.storage import read_state, write_state
from forecast.windows import MIN_OBSERVED, carried, context_window, require_positive, target_values

LEAST_SAMPLES = 50
"""Fewest training samples, and fewest validation samples, a fit accepts."""

MOST_HELD_OUT = 1000
"""Forecasts of validation rows that are compared with what happened, about."""


@spec
class AbstractBoosting(AbstractForecaster):
    """Gradient boosting of quantiles on lagged features (Friedman 2001; pinball loss, Koenker and Bassett 1978).

    One pooled fit serves all series: features and labels are log changes over each window's own volatility, so they have
    no unit. Trees are grown for a few steps ahead (the step is a feature) and a few levels; other steps and levels are
    interpolated, linearly in the step and in the normal quantile of the level. Crossing quantiles are put in order
    (Chernozhukov, Fernandez-Val and Galichon 2010). The number of rounds is chosen on the last part of the training
    rows; no training label is known later than the first decision there. A series that was not there to be fitted is
    forecast all the same once it fills a context; a constant one is forecast at its value without spread.

    Attributes:
        lags: one-bar changes among the features.
        trained_steps: how many steps ahead have labels: the first, the last, and some between.
        trained_levels: how many levels are grown: the outermost, the middle, and some between.
        rounds: most rounds.
        patience: rounds without a better validation loss before growing stops.
        learning_rate: share of each tree that is added.
        leaves: most leaves of a tree.
        least_leaf: fewest samples of a leaf (XGBoost: least sum of weights).
        validation: share of the training rows that choose the number of rounds.
        most_samples: more samples than this are thinned evenly in time.
    """

    lags: Count = 5
    trained_steps: Annotated[int, at.Ge(1), at.Le(20)] = 3
    trained_levels: Annotated[int, at.Ge(2), at.Le(50)] = 7
    rounds: Annotated[int, at.Ge(1), at.Le(5000)] = 60
    patience: Count = 5
    learning_rate: Annotated[float, at.Gt(0), at.Le(1)] = 0.1
    leaves: Annotated[int, at.Ge(2), at.Le(256)] = 8
    least_leaf: Count = 50
    validation: Annotated[float, at.Ge(0.05), at.Le(0.5)] = 0.2
    most_samples: Annotated[int, at.Ge(1000)] = 20_000

    @model_validator(mode="after")
    def _check(self) -> Self:
        check_quantity(self.quantity, "boosting")
        if self.lags >= self.context:
            raise ValueError(f"lags were {self.lags}; they must be fewer than context {self.context}")
        return self

    @property
    @abstractmethod
    def suffix(self) -> str:
        """File name ending of a stored model."""

    @abstractmethod
    def grow(self, train: Samples, check: Samples, levels: Sequence[float], seed: int) -> tuple[str, ...]:
        """Return the grown models as text, their rounds chosen on ``check``."""

    @abstractmethod
    def revive(self, texts: Sequence[str]) -> tuple[Any, ...]:
        """Return usable models from their text."""

    @abstractmethod
    def answer(self, models: Sequence[Any], features: Floats) -> Floats:
        """Return the raw quantile of each row at each grown level, (N, K)."""

    def steps(self) -> tuple[int, ...]:
        """Return the steps that are trained, increasing."""
        return tuple(
            np.unique(np.rint(np.linspace(1, self.horizon, self.trained_steps)).astype(int)).tolist()
        )

    def grown_levels(self) -> tuple[float, ...]:
        """Return the levels that are grown."""
        return spread_levels(self.levels, self.trained_levels)

    def fit(self, train: History, rng: RandomStreams) -> "BoostingFitted":
        """Return the model grown on every series of ``train``."""
        require_positive(target_values(train, self.field), train.panel.series, self.field)
        samples = pooled_samples(train, self.field, self.context, self.lags, self.steps())
        if len(samples.labels) < 2 * LEAST_SAMPLES:
            raise FitError(
                f"history has {len(train.panel)} rows, which make {len(samples.labels)} samples of context "
                f"{self.context} and horizon {self.horizon}; {2 * LEAST_SAMPLES} are needed"
            )
        grown, check = split_samples(thinned(samples, self.most_samples), self.validation)
        if min(len(grown.labels), len(check.labels)) < LEAST_SAMPLES:
            raise FitError(
                f"{len(grown.labels)} training and {len(check.labels)} validation samples were left; "
                f"{LEAST_SAMPLES} of each are needed"
            )
        seed = int(rng.of("boosting").integers(2**31 - 1))
        texts = self.grow(grown, check, self.grown_levels(), seed)
        fitted = BoostingFitted(self, texts, self.revive(texts))
        return replace(fitted, errors=fitted.held_out_errors(train, int(check.decided.min())))

    def load(self, folder: Path) -> "BoostingFitted":
        """Return the fitted state stored there."""
        arrays, facts = read_state(folder)
        texts = tuple((folder / name).read_text() for name in facts["models"])
        errors = dict(zip(facts["held_out"], arrays["errors"], strict=True))
        return BoostingFitted(self, texts, self.revive(texts), errors)


@dataclass(frozen=True, eq=False)
class BoostingFitted(AbstractFitted):
    """Grown trees.

    Attributes:
        spec: the hyper-parameters.
        texts: the models as text; what ``save`` writes.
        models: the same, ready to answer.
        errors: mean absolute error of the median on validation rows, (H,) by series.
    """

    spec: AbstractBoosting
    texts: tuple[str, ...]
    models: tuple[Any, ...]
    errors: Mapping[str, Floats] = field(default_factory=dict)

    @property
    def validation_errors(self) -> Mapping[str, Floats] | None:
        """Mean absolute error of the median on validation rows, (H,) by series; None when no median is forecast.

        These rows chose the number of rounds too, so the errors are a little too small.
        """
        return self.errors if 0.5 in self.spec.levels else None

    def predict(self, history: History, rng: RandomStreams) -> QuantileForecast:
        """Return the quantiles of every series that can be forecast from its last ``context`` rows."""
        asked = self.spec
        window = context_window(history, asked.field, asked.context)
        require_positive(window.values, window.series, asked.field)
        values = np.empty((len(window.series), asked.horizon, len(asked.levels)))
        if window.series:
            values = self._quantiles(np.log(np.ascontiguousarray(window.values.T)))
        return QuantileForecast(
            history.cutoff,
            history.clock.next(history.cutoff, asked.horizon),
            window.series,
            np.asarray(asked.levels),
            values,
            asked.quantity,
            window.last,
        )

    def _quantiles(self, logs: Floats) -> Floats:
        """Return the quantiles of every series, (S, H, Q), from windows of logs, (S, C)."""
        asked, steps = self.spec, self.spec.steps()
        features, scale = window_features(logs, asked.lags)
        rows = np.concatenate([with_step(features, step) for step in steps])
        grown = np.sort(asked.answer(self.models, rows), axis=1).reshape(len(steps), len(logs), -1)
        ahead = np.arange(1, asked.horizon + 1)
        unit = interpolated_levels(
            interpolated_steps(grown, steps, ahead), asked.grown_levels(), asked.levels
        )
        spread = scale[:, None] * np.sqrt(ahead)
        return from_scale(logs[:, -1, None, None] + unit * spread[:, :, None], "log")

    def held_out_errors(self, train: History, first: int) -> dict[str, Floats]:
        """Return the mean absolute error of the median, (H,) by series, of forecasts made from row ``first`` on.

        They are ``horizon`` bars apart, more where that would make too many; all their truth lies in ``train``, and no
        training label is known later than ``first``. Windows are those that training uses. A step of a series whose
        truth is never known is NaN; a series without a usable window is left out.
        """
        asked = self.spec
        if 0.5 not in asked.levels:
            return {}
        values = target_values(train, asked.field)
        stop = len(values) - asked.horizon
        thinning = max(1, -(-(stop - first) * values.shape[1] // (asked.horizon * MOST_HELD_OUT)))
        decided = np.arange(first, stop, asked.horizon * thinning)
        found = {}
        for name, column in zip(train.panel.series, values.T, strict=True):
            errors = self._median_errors(column, decided)
            if len(errors):
                counts = np.maximum((~np.isnan(errors)).sum(axis=0), 1)
                mean = np.nansum(errors, axis=0) / counts
                found[name] = np.where(np.isnan(errors).all(axis=0), np.nan, mean)
        return found

    def _median_errors(self, values: Floats, decided: npt.NDArray[np.int64]) -> Floats:
        """Return the absolute errors (N, H) of the medians from the rows of (T,) values that have a usable window."""
        asked = self.spec
        windows = np.lib.stride_tricks.sliding_window_view(carried(values[:, None])[:, 0], asked.context)
        windows = windows[decided + 1 - asked.context]
        seen = ~np.isnan(values[decided[:, None] + np.arange(1 - asked.context, 1)])
        usable = (seen.mean(axis=1) >= MIN_OBSERVED) & seen[:, -1] & ~np.isnan(windows[:, 0])
        truth = values[decided[usable, None] + np.arange(1, asked.horizon + 1)]
        if not len(truth):
            return np.asarray(truth)
        made = self._quantiles(np.log(np.ascontiguousarray(windows[usable])))
        return np.asarray(np.abs(made[:, :, asked.levels.index(0.5)] - truth))

    def save(self, folder: Path) -> None:
        """Write one text file a model, and the errors."""
        names = [f"model_{i}.{self.spec.suffix}" for i in range(len(self.texts))]
        for name, text in zip(names, self.texts, strict=True):
            (folder / name).write_text(text)
        errors = np.reshape(list(self.errors.values()), (len(self.errors), self.spec.horizon))
        write_state(folder, {"errors": errors}, {"models": names, "held_out": list(self.errors)})


def interpolated_steps(values: Floats, known: Sequence[int], ahead: npt.NDArray[np.int64]) -> Floats:
    """Return (S, H, K) values at every step ahead, linear between the known steps of (len(known), S, K) values."""
    right = np.clip(np.searchsorted(known, ahead), 1, max(len(known) - 1, 1))
    if len(known) == 1:
        return np.repeat(values[0][:, None, :], len(ahead), axis=1)
    at_step = np.asarray(known)
    share = ((ahead - at_step[right - 1]) / (at_step[right] - at_step[right - 1]))[:, None, None]
    return np.moveaxis((1.0 - share) * values[right - 1] + share * values[right], 0, 1)


def spread_levels(levels: Sequence[float], count: int) -> tuple[float, ...]:
    """Return at most ``count`` of the levels: the outermost, and those most evenly spread in normal quantiles."""
    scores = ndtri(np.asarray(levels))
    wanted = np.linspace(scores[0], scores[-1], count)
    nearest = np.abs(scores[None, :] - wanted[:, None]).argmin(axis=1)
    return tuple(levels[i] for i in np.unique(nearest))


def interpolated_levels(values: Floats, known: Sequence[float], asked: Sequence[float]) -> Floats:
    """Return (..., Q) values at the levels asked, linear between known levels in normal quantiles.

    Args:
        values: (..., K) non-decreasing values at the known levels.
        known: K increasing levels; none asked lies outside them.
        asked: Q levels.
    """
    if len(known) == 1:
        return np.repeat(values, len(asked), axis=-1)
    scores, wanted = ndtri(np.asarray(known)), ndtri(np.asarray(asked))
    right = np.clip(np.searchsorted(scores, wanted), 1, len(known) - 1)
    share = (wanted - scores[right - 1]) / (scores[right] - scores[right - 1])
    return np.asarray((1.0 - share) * values[..., right - 1] + share * values[..., right])


class Trees(Protocol):
    """How trees are grown, by whichever spec asks."""

    @property
    def learning_rate(self) -> float:
        """Share of each tree that is added."""

    @property
    def leaves(self) -> int:
        """Leaves of a tree."""

    @property
    def least_leaf(self) -> int:
        """Rows of a leaf, at least."""


def tree_settings(asked: Trees, seed: int) -> dict[str, Any]:
    """Return LightGBM's settings for trees that come out the same, bit for bit, whenever they are grown."""
    return {
        "num_threads": 1,
        "deterministic": True,
        "force_row_wise": True,
        "seed": seed,
        "learning_rate": asked.learning_rate,
        "num_leaves": asked.leaves,
        "min_data_in_leaf": asked.least_leaf,
        "max_bin": 63,
        "verbosity": -1,
    }


@spec
class LightGbmQuantiles(AbstractBoosting):
    """LightGBM (Ke and others 2017): one model a level, objective ``quantile``; see ``AbstractBoosting``.

    It loses on series whose past says nothing about their next move (most daily prices), where early stopping leaves it
    close to scaled unconditional quantiles, and wherever fewer than a few thousand samples are there to grow on.
    """

    @property
    def suffix(self) -> str:
        """File name ending of a stored model."""
        return "txt"

    def grow(self, train: Samples, check: Samples, levels: Sequence[float], seed: int) -> tuple[str, ...]:
        """Return one model a level as text."""
        import lightgbm

        data = lightgbm.Dataset(train.features, train.labels, params=tree_settings(self, seed))
        held = lightgbm.Dataset(check.features, check.labels, reference=data)
        texts = []
        for level in levels:
            model = lightgbm.train(
                {**tree_settings(self, seed), "objective": "quantile", "alpha": level, "metric": "quantile"},
                data,
                num_boost_round=self.rounds,
                valid_sets=[held],
                callbacks=[lightgbm.early_stopping(self.patience, verbose=False)],
            )
            texts.append(model.model_to_string(num_iteration=model.best_iteration))
        return tuple(texts)

    def revive(self, texts: Sequence[str]) -> tuple[Any, ...]:
        """Return one booster a level."""
        import lightgbm

        return tuple(lightgbm.Booster(model_str=text) for text in texts)

    def answer(self, models: Sequence[Any], features: Floats) -> Floats:
        """Return the raw quantile of each row at each grown level, (N, K)."""
        return np.column_stack([model.predict(features, num_threads=1) for model in models])


@spec
class XgboostQuantiles(AbstractBoosting):
    """XGBoost (Chen and Guestrin 2016): one model for all levels, objective ``reg:quantileerror``; see ``AbstractBoosting``.

    It loses where LightGBM does; its one number of rounds serves all levels, so tails that need more rounds than the
    middle are left rough.
    """

    @property
    def suffix(self) -> str:
        """File name ending of a stored model."""
        return "json"

    def grow(self, train: Samples, check: Samples, levels: Sequence[float], seed: int) -> tuple[str, ...]:
        """Return one model as text."""
        import xgboost

        alphas = np.asarray(levels)
        data = xgboost.QuantileDMatrix(train.features, train.labels, max_bin=64, nthread=1)
        held = xgboost.QuantileDMatrix(check.features, check.labels, ref=data, max_bin=64, nthread=1)
        model = xgboost.train(
            {
                "objective": "reg:quantileerror",
                "quantile_alpha": alphas,
                "tree_method": "hist",
                "grow_policy": "lossguide",
                "max_depth": 0,
                "max_leaves": self.leaves,
                "max_bin": 64,
                "learning_rate": self.learning_rate,
                "min_child_weight": self.least_leaf,
                "nthread": 1,
                "seed": seed,
                "verbosity": 0,
            },
            data,
            num_boost_round=self.rounds,
            evals=[(held, "check")],
            early_stopping_rounds=self.patience,
            verbose_eval=False,
        )
        best = model[: model.best_iteration + 1]
        return (best.save_raw("json").decode(),)

    def revive(self, texts: Sequence[str]) -> tuple[Any, ...]:
        """Return the one booster."""
        import xgboost

        booster = xgboost.Booster({"nthread": 1})
        booster.load_model(bytearray(texts[0].encode()))
        return (booster,)

    def answer(self, models: Sequence[Any], features: Floats) -> Floats:
        """Return the raw quantile of each row at each grown level, (N, K)."""
        import xgboost

        raw = models[0].predict(xgboost.DMatrix(features, nthread=1))
        return np.asarray(raw, np.float64).reshape(len(features), -1)
