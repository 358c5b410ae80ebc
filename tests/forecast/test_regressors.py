"""The eight regressors: contract, a learnable market, other fields, errors held out, storage, and tables of any kind."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from data.errors import SpecError
from data.history import History
from data.panel import Panel
from data.sessions import BarClock
from forecast.checks import CHECKS, check_forecaster, synthetic_history
from forecast.errors import FitError, ForecastError
from forecast.models.regression import AbstractRegressor, RegressorFitted
from forecast.models.regressors import (
    AdaptiveSplines,
    Bagging,
    DecisionTree,
    GradientBoosting,
    LinearRegression,
    MultilayerPerceptron,
    RandomForest,
    SupportVectors,
)
from forecast.randomness import RandomStreams

SMALL = {AdaptiveSplines: {"terms": 7}, Bagging: {"trees": 10}, RandomForest: {"trees": 10}}
KINDS = [
    LinearRegression,
    AdaptiveSplines,
    DecisionTree,
    Bagging,
    GradientBoosting,
    RandomForest,
    MultilayerPerceptron,
    SupportVectors,
]
every_kind = pytest.mark.parametrize("kind", KINDS)


def small(kind: type[AbstractRegressor], **settings: object) -> AbstractRegressor:
    return kind(**{"context": 20, "horizon": 3, **SMALL.get(kind, {}), **settings})


def market(rows: int, seed: int, pull: float = -0.6) -> History:
    """Return two series whose next move is ``pull`` times their last one, plus noise."""
    shocks = np.random.default_rng(seed).standard_normal((rows, 2)) * 0.01
    moves = np.zeros_like(shocks)
    for t in range(1, rows):
        moves[t] = pull * moves[t - 1] + shocks[t]
    close = 100 * np.exp(np.cumsum(moves, axis=0))
    opened = np.vstack([close[:1], close[:-1]]) * np.exp(
        0.001 * np.random.default_rng(seed + 1).standard_normal((rows, 2))
    )
    times = np.datetime64("2010-01-01", "ns") + np.arange(rows) * np.timedelta64(1, "D")
    return History(Panel(times, ("b", "a"), ("open", "close"), np.stack([opened, close], axis=2)), BarClock())


def fitted(asked: AbstractRegressor, history: History) -> RegressorFitted:
    return asked.fit(history, RandomStreams(1, history.cutoff))


def errors_beside_naive(made: RegressorFitted, history: History, rows: range) -> tuple[float, float]:
    """Return mean squared one-bar errors of the median and of the last value, in logs."""
    values = history.panel.field(made.spec.field)
    own, naive = [], []
    for t in rows:
        seen = history.until(history.times[t])
        forecast = made.predict(seen, RandomStreams(1, seen.cutoff))
        middle = forecast.values[:, 0, forecast.levels.tolist().index(0.5)]
        own.append(np.log(values[t + 1] / middle))
        naive.append(np.log(values[t + 1] / values[t]))
    return float(np.mean(np.square(own))), float(np.mean(np.square(naive)))


@pytest.mark.parametrize("kind", [LinearRegression, GradientBoosting])
def test_the_contract_is_kept_with_other_fields_and_a_second_fit(kind: type[AbstractRegressor]) -> None:
    results = check_forecaster(small(kind, fields=("open", "high"), all_rows=True))
    assert [result.check for result in results] == list(CHECKS)
    assert [result for result in results if not result.passed] == []


@every_kind
def test_a_pull_back_is_forecast_better_than_by_the_last_value(kind: type[AbstractRegressor]) -> None:
    history = market(700, 0)
    made = fitted(small(kind, horizon=1), history.until(history.times[599]))
    own, naive = errors_beside_naive(made, history, range(600, 699, 2))
    assert own < 0.85 * naive


@every_kind
def test_the_last_close_among_the_features_forecasts_the_next_open(kind: type[AbstractRegressor]) -> None:
    history = market(700, 1, pull=0.0)
    train = history.until(history.times[599])
    blind = fitted(small(kind, horizon=1, field="open"), train)
    told = fitted(small(kind, horizon=1, field="open", fields=("close",)), train)
    rows = range(600, 699, 3)
    assert errors_beside_naive(told, history, rows)[0] < 0.5 * errors_beside_naive(blind, history, rows)[0]


@every_kind
def test_storage_keeps_the_bits(kind: type[AbstractRegressor], tmp_path: Path) -> None:
    history = market(300, 2)
    made = fitted(small(kind), history)
    made.save(tmp_path)
    assert not [path for path in tmp_path.iterdir() if path.suffix in (".pkl", ".pickle", ".joblib")]
    again = made.spec.load(tmp_path)
    rng = RandomStreams(1, history.cutoff)
    np.testing.assert_array_equal(again.predict(history, rng).values, made.predict(history, rng).values)
    assert again.validation_errors.keys() == made.validation_errors.keys()


@every_kind
def test_a_damaged_or_missing_model_is_a_typed_error(kind: type[AbstractRegressor], tmp_path: Path) -> None:
    made = fitted(small(kind), market(300, 2))
    made.save(tmp_path)
    (path,) = tmp_path.glob("model.*")
    path.write_bytes(b"not a model")
    with pytest.raises(ForecastError, match=f"{path.name} cannot be read"):
        made.spec.load(tmp_path)
    path.unlink()
    with pytest.raises(ForecastError, match=f"{path.name} cannot be read"):
        made.spec.load(tmp_path)


def test_held_out_errors_are_those_of_forecasts_after_the_training_labels() -> None:
    history = market(400, 3)
    made = fitted(small(LinearRegression, validation=0.25), history)
    close = history.panel.field("close")
    rows = np.arange(19, 399)
    start = rows[int(np.floor(len(rows) * 0.75))]
    wrong = np.full((400, 2, 3), np.nan)
    for t in range(start, 399):
        seen = history.until(history.times[t])
        forecast = made.predict(seen, RandomStreams(1, seen.cutoff))
        ahead = min(3, 399 - t)
        truth = close[t + 1 : t + 1 + ahead].T
        wrong[t, :, :ahead] = np.abs(truth - forecast.values[:, :ahead, forecast.levels.tolist().index(0.5)])
    for s, name in enumerate(history.panel.series):
        np.testing.assert_allclose(made.validation_errors[name], np.nanmean(wrong[:, s], axis=0), rtol=1e-9)


def test_the_spread_covers_what_it_says() -> None:
    history = market(1500, 4)
    made = fitted(small(LinearRegression, horizon=1), history.until(history.times[999]))
    close, inside = history.panel.field("close"), []
    for t in range(1000, 1499):
        seen = history.until(history.times[t])
        forecast = made.predict(seen, RandomStreams(1, seen.cutoff))
        low, high = (forecast.levels.tolist().index(level) for level in (0.1, 0.9))
        inside.append(
            (forecast.values[:, 0, low] <= close[t + 1]) & (close[t + 1] <= forecast.values[:, 0, high])
        )
    assert np.mean(inside) == pytest.approx(0.8, abs=0.05)


def test_a_second_fit_uses_all_rows_and_keeps_the_errors() -> None:
    history = market(400, 5)
    once, twice = (fitted(small(LinearRegression, all_rows=again), history) for again in (False, True))
    np.testing.assert_array_equal(once.offsets, twice.offsets)
    assert not np.array_equal(once.table.model["weights"], twice.table.model["weights"])


@every_kind
def test_any_table_can_be_learnt_in_any_unit(kind: type[AbstractRegressor]) -> None:
    rng = np.random.default_rng(6)
    features = rng.standard_normal((1100, 4)) * np.array([1e-3, 1.0, 50.0, 1.0]) + np.array([0, 5, 1000, 0])
    labels = 1e4 + 300 * np.tanh(features[:, 1] - 5) + 10 * rng.standard_normal(1100)
    table = small(kind).fit_table(features[:1000], labels[:1000], 7)
    assert np.mean((table.answer(features[1000:]) - labels[1000:]) ** 2) < 0.5 * labels[1000:].var()
    again = small(kind).fit_table(features[:1000], labels[:1000], 7)
    np.testing.assert_array_equal(table.answer(features), again.answer(features))
    alone = np.concatenate([table.answer(features[i : i + 1]) for i in range(10)])
    np.testing.assert_array_equal(alone, table.answer(features)[:10])


def test_bad_tables_are_named() -> None:
    features, labels = np.zeros((80, 3)), np.arange(80.0)
    asked = small(LinearRegression)
    with pytest.raises(FitError, match=r"features have shape \(80, 3\) and labels \(79,\)"):
        asked.fit_table(features, labels[1:], 0)
    with pytest.raises(FitError, match="the table has 20 rows of 3 features; 50 and 1 are needed"):
        asked.fit_table(features[:20], labels[:20], 0)
    broken = features.copy()
    broken[4, 1] = np.nan
    with pytest.raises(FitError, match=r"feature at \(4, 1\) is nan"):
        asked.fit_table(broken, labels, 0)
    table = asked.fit_table(features, labels, 0)
    with pytest.raises(ForecastError, match=r"features have shape \(80, 2\); the fit had 3 features"):
        table.answer(features[:, :2])
    with pytest.raises(ForecastError, match="feature 1 of row 4 is nan"):
        table.answer(broken)


def test_answers_that_are_not_finite_are_refused() -> None:
    table = small(LinearRegression).fit_table(np.eye(60), np.arange(60.0), 0)
    broken = replace(table, model={"weights": np.full(61, np.inf)})
    with (
        pytest.raises(ForecastError, match="LinearRegression answered .* it must be finite"),
        np.errstate(all="ignore"),
    ):
        broken.answer(np.ones((1, 60)))


def test_bad_settings_and_short_histories_are_named() -> None:
    with pytest.raises(ValueError, match="lags were 30; they must be fewer than context 20"):
        small(LinearRegression, lags=30)
    with pytest.raises(ValueError, match="must be distinct and other than close"):
        small(LinearRegression, fields=("close",))
    with pytest.raises(ValueError, match="a regression forecasts level"):
        small(LinearRegression, quantity="variance")
    with pytest.raises(FitError, match="30 rows, which make 54 samples"):
        fitted(small(LinearRegression), market(30, 7))
    with pytest.raises(FitError, match="the last 0.2 of 40 rows hold fewer than 20 errors"):
        fitted(small(LinearRegression), market(40, 7))
    with pytest.raises(SpecError, match="close of b is -1 at row 3"):
        values = market(300, 7).panel.values.copy()
        values[3, 0, 1] = -1.0
        fitted(
            small(LinearRegression),
            replace(market(300, 7), panel=replace(market(300, 7).panel, values=values)),
        )


def test_a_series_without_the_other_price_is_left_out() -> None:
    history = synthetic_history()
    made = fitted(small(LinearRegression, fields=("open",)), history)
    values = history.panel.values.copy()
    values[-20:, 1, history.panel.field_index("open")] = np.nan
    hidden = replace(history, panel=replace(history.panel, values=values))
    rng = RandomStreams(1, history.cutoff)
    assert made.predict(hidden, rng).series == ("GAMMA", "BETA")
    np.testing.assert_array_equal(made.predict(hidden, rng).values, made.predict(history, rng).values[[0, 2]])


def test_an_estimator_of_another_class_type_or_version_is_refused(tmp_path: Path) -> None:
    tree, forest = (fitted(small(kind), market(300, 8)) for kind in (DecisionTree, RandomForest))
    forest.save(tmp_path)
    with pytest.raises(
        ForecastError, match="holds a RandomForestRegressor; DecisionTreeRegressor was expected"
    ):
        tree.spec.load(tmp_path)
    (tmp_path / "model.skops").write_bytes(_with_schema(tmp_path / "model.skops", "sklearn.tree._tree", "os"))
    with pytest.raises(ForecastError, match="holds a type that is not expected: .*os.Tree"):
        forest.spec.load(tmp_path)
    tree_folder = tmp_path / "tree"
    tree_folder.mkdir()
    tree.save(tree_folder)
    (tree_folder / "model.skops").write_bytes(_with_schema(tree_folder / "model.skops", _version(), "0.1.0"))
    with pytest.raises(ForecastError, match="written by another scikit-learn"):
        tree.spec.load(tree_folder)


def _version() -> str:
    import sklearn

    return str(sklearn.__version__)


def _with_schema(path: Path, old: str, new: str) -> bytes:
    """Return a skops file in whose schema one text is replaced."""
    import io
    import zipfile

    with zipfile.ZipFile(path) as stored:
        parts = {name: stored.read(name) for name in stored.namelist()}
    text = parts["schema.json"].decode().replace(old, new)
    assert json.loads(text)
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for name, content in {**parts, "schema.json": text.encode()}.items():
            archive.writestr(name, content)
    return made.getvalue()
