"""Lint: target-bar prices, scalers of all rows and bounded levels are refused by name; their honest twins pass."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from sklearn.tree import DecisionTreeRegressor

from backtest.errors import BoundedOutputError, FeatureLeakError, LintError, ScalerLeakError
from backtest.lint import (
    FeatureTable,
    require_known_features,
    require_train_scaler,
    require_unbounded,
    require_unbounded_forecasts,
)
from data.errors import SpecError
from data.history import History
from forecast.base import AbstractForecaster
from forecast.checks import synthetic_history
from forecast.models.naive import Naive
from forecast.models.regressors import DecisionTree, LinearRegression
from forecast.models.ridge import Ridge
from forecast.randomness import RandomStreams

Column = Callable[[History], np.ndarray]


def field(history: History, name: str) -> np.ndarray:
    return np.array(history.panel.field(name)[:, 0])


def table_of(column: Column, name: str = "column", shift: int = 1) -> Callable[[History], FeatureTable]:
    """Return a builder of one column (T,), read at the target's bar less ``shift``, for the next close."""

    def build(history: History) -> FeatureTable:
        rows = np.arange(1, len(history.panel))
        values = column(history)[rows - shift]
        times = history.times
        return FeatureTable(
            (name,), values[:, None], field(history, "close")[rows], times[rows - 1], times[rows]
        )

    return build


TARGET_BAR: dict[str, Column] = {
    "high": lambda history: field(history, "high"),
    "open": lambda history: field(history, "open"),
    "volume": lambda history: field(history, "volume"),
    "log_range": lambda history: np.log(field(history, "high") / field(history, "low")),
    "range_diff": lambda history: (field(history, "high") - field(history, "low")) / field(history, "close"),
    "body": lambda history: np.sign(field(history, "close") - field(history, "open")),
}


@pytest.mark.parametrize("name", TARGET_BAR)
def test_a_feature_of_the_target_bar_is_refused_and_of_the_bar_before_is_not(name: str) -> None:
    history = synthetic_history()
    with pytest.raises(FeatureLeakError, match=f"feature '{name}' of the row decided at .* moved"):
        require_known_features(table_of(TARGET_BAR[name], name, shift=0), history)
    assert require_known_features(table_of(TARGET_BAR[name], name), history).names == (name,)


def test_the_field_that_is_repeated_is_told() -> None:
    with pytest.raises(FeatureLeakError, match="it is the low of the bar that is forecast"):
        require_known_features(table_of(lambda history: field(history, "low"), "x", 0), synthetic_history())


@pytest.mark.parametrize(
    "column",
    [
        lambda history: field(history, "close") / field(history, "close").mean(),
        lambda history: np.interp(
            np.arange(len(history.panel)), [0, len(history.panel) - 1], field(history, "close")[[0, -1]]
        ),
        lambda history: np.convolve(field(history, "close"), np.ones(5) / 5, "same"),
    ],
    ids=["whole mean", "interpolated", "centred mean"],
)
def test_quieter_leaks_are_found_too(column: Column) -> None:
    with pytest.raises(FeatureLeakError, match="it is not known when its target is forecast"):
        require_known_features(table_of(column), synthetic_history())


def test_a_target_known_at_its_decision_and_rows_chosen_by_the_future_are_refused() -> None:
    history = synthetic_history()
    made = table_of(TARGET_BAR["open"])(history)
    with pytest.raises(
        FeatureLeakError, match="the target of row 0 is known at .* a decision must come before"
    ):
        require_known_features(lambda _: replace(made, decided=made.known), history)

    def rising(now: History) -> FeatureTable:
        whole = table_of(TARGET_BAR["open"])(now)
        kept = whole.targets > field(now, "close")[:-1]
        return FeatureTable(
            whole.names, whole.features[kept], whole.targets[kept], whole.decided[kept], whole.known[kept]
        )

    with pytest.raises(FeatureLeakError, match="which rows there are must not depend on the future"):
        require_known_features(rising, history)


def test_tables_of_the_wrong_shape_are_named() -> None:
    with pytest.raises(SpecError, match=r"a table has 2 names, features \(299, 1\)"):
        replace(table_of(TARGET_BAR["open"])(synthetic_history()), names=("a", "b"))


def fit_min_max(rows: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    return MinMaxScaler().fit(rows).transform


def fit_standard(rows: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    return StandardScaler().fit(rows).transform


@pytest.mark.parametrize("fit", [fit_min_max, fit_standard])
def test_a_scaler_of_all_rows_is_refused_and_of_the_training_rows_is_not(fit: Callable) -> None:
    rows = np.cumsum(np.random.default_rng(0).standard_normal((200, 3)), axis=0)
    train = slice(0, 150)
    require_train_scaler("levels", fit(rows[train]), fit, rows, train)
    with pytest.raises(
        ScalerLeakError, match=r"scaler 'levels' takes .* fitted to the 150 training rows .* to all 200 rows"
    ):
        require_train_scaler("levels", fit(rows), fit, rows, train)
    with pytest.raises(ScalerLeakError, match="it was fitted to other rows"):
        require_train_scaler("levels", fit(rows[:170]), fit, rows, train)


def trending(rows: int = 300) -> tuple[np.ndarray, np.ndarray]:
    levels = 100 + np.cumsum(np.random.default_rng(1).normal(0.1, 1.0, rows + 1))
    return levels[:-1, None], levels[1:]


def test_a_sigmoid_over_a_min_max_scale_and_a_tree_on_levels_are_refused() -> None:
    inputs, levels = trending()
    low, high = levels.min(), levels.max()

    def squashed(now: np.ndarray) -> np.ndarray:
        return low + (high - low) / (1 + np.exp(-6 * ((now[:, 0] - low) / (high - low) - 0.5)))

    with pytest.raises(
        BoundedOutputError, match="model 'sigmoid' answers .* far above .* let it forecast changes"
    ):
        require_unbounded("sigmoid", squashed, inputs, levels)
    tree = DecisionTreeRegressor(min_samples_leaf=5, random_state=0).fit(inputs, levels)
    with pytest.raises(BoundedOutputError, match="model 'tree'"):
        require_unbounded("tree", tree.predict, inputs, levels)


def test_a_model_bounded_below_only_is_refused_too() -> None:
    inputs, levels = trending()
    with pytest.raises(BoundedOutputError, match="far below the training range"):
        require_unbounded("floor", lambda now: np.maximum(now[:, 0], levels.min()), inputs, levels)


def test_models_that_follow_the_level_pass() -> None:
    inputs, levels = trending()
    require_unbounded("last", lambda now: now[:, 0], inputs, levels)
    slope, start = np.polyfit(inputs[:, 0], levels, 1)
    require_unbounded("line", lambda now: start + slope * now[:, 0], inputs, levels)


@pytest.mark.parametrize(
    "asked",
    [
        Naive(context=30),
        Ridge(context=30),
        LinearRegression(context=30, field="open", fields=("close",)),
        DecisionTree(context=30),
    ],
    ids=lambda asked: type(asked).__name__,
)
def test_forecasters_of_changes_leave_the_training_range_even_trees(asked: AbstractForecaster) -> None:
    history = synthetic_history()
    fitted = asked.fit(history, RandomStreams(0, history.cutoff))
    require_unbounded_forecasts("it", fitted, history)


def test_a_forecaster_whose_level_is_clipped_is_refused_with_its_series() -> None:
    history = synthetic_history()
    fitted = Naive(context=30).fit(history, RandomStreams(0, history.cutoff))
    highest = float(history.panel.field("close")[:, 0].max())

    class Clipped(type(fitted)):
        def predict(self, now: History, rng: RandomStreams):
            made = fitted.predict(now, rng)
            return replace(made, values=np.minimum(made.values, highest))

    clipped = Clipped(**vars(fitted))
    with pytest.raises(BoundedOutputError, match="model 'clipped, series GAMMA' answers"):
        require_unbounded_forecasts("clipped", clipped, history.select(("GAMMA",)))
    with pytest.raises(SpecError, match="series 'GAMMA' was not forecast"):
        require_unbounded_forecasts("short", fitted, history.last(29))


def test_every_refusal_is_a_lint_error() -> None:
    assert all(
        issubclass(kind, LintError) for kind in (FeatureLeakError, ScalerLeakError, BoundedOutputError)
    )
