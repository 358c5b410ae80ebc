"""NIFTY regressors: the correlation that same-day prices buy, and what is left of it with the day before.

Mehtab, Sen and Dutta (arXiv 2009.10819, 2020) regress the NIFTY 50 open with eight methods and report correlation and RMSE
over the mean. With the day's own high, low and close as features any method looks good; so does repeating the last price.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from backtest.errors import BoundedOutputError, FeatureLeakError, RunError
from backtest.lint import FeatureTable, require_known_features, require_unbounded, require_unbounded_forecasts
from backtest.reproductions.base import AbstractReproduction, Reproduction, Row, require_file
from backtest.reproductions.intervals import Rows, block_interval
from data.errors import SpecError
from data.history import History
from data.panel import Floats, Panel, Times
from data.registry import spec, validated
from data.sessions import DAY, BarClock
from forecast.base import AbstractForecaster
from forecast.comparison import diebold_mariano, holm
from forecast.models.lagged_features import window_features
from forecast.models.regression import AbstractRegressor
from forecast.models.regressors import DecisionTree, LinearRegression
from forecast.randomness import RandomStreams
from forecast.registry import FORECASTERS
from forecast.skill import ALPHA

FIELDS = ("open", "high", "low", "close")
SAME_DAY = ("high", "low", "close")
SERIES = "NIFTY 50"

Measure = Callable[..., float]
"""A number made of columns (N,) each."""

Tests = Mapping[str, Mapping[str, float]]
"""Last price -> regressor -> p-value."""


@spec
class NiftyMl(AbstractReproduction):
    """One-day-ahead opens: a same-day regression, eight regressors of the past, and two last prices.

    Attributes:
        file: daily bars with the columns Date, Open, High, Low, Close.
        leaky_start: first training day of the same-day regression; the known figures belong to it.
        train_start: first training day of the regressors.
        test_start: first day of the test; training ends before it.
        test_end: last day of the test.
        refit_days: sessions a fit is used; the training window grows.
        forecasters: settings every regressor shares.
        regressors: kinds of forecaster.
        known: name of a row -> the figure it must meet.
        seed: of the fits and the bootstrap.
    """

    file: str
    leaky_start: str
    train_start: str
    test_start: str
    test_end: str
    refit_days: int
    forecasters: dict[str, Any]
    regressors: tuple[str, ...]
    known: dict[str, float]
    seed: int = 0

    def run(self, folder: Path) -> Reproduction:
        """Return every row and the verdict."""
        history = read_sessions(require_file(folder, self.file), self.test_end)
        test = int(np.searchsorted(history.times, stamp(self.test_start)))
        truth, last = truth_and_last(history, test)
        refusal = refused_features(history)
        made = {f"{field} of the day before": values for field, values in last.items()}
        naive_rows = [
            row for name, values in made.items() for row in self._figures(name, truth, values, True)
        ]
        leaky = self._same_day(history, test)
        leaky_rows = self._figures(
            f"OLS on the same day's {', '.join(SAME_DAY)} (leaks)", truth, leaky, False
        )
        honest = {kind: self._walk(kind, history, test) for kind in self.regressors}
        tests = compared(truth, honest, last)
        overnight = {f"{kind}, overnight": self._overnight(kind, history, test) for kind in self.regressors}
        again = compared(truth, overnight, last)
        rows = [*leaky_rows, *naive_rows]
        for kind, points in honest.items():
            rows += self._figures(kind, truth, points, False)
            rows += self._skills(kind, truth, points, last, tests)
        for kind, points in overnight.items():
            rows += self._skills(kind, truth, points, {"close": last["close"]}, again)
        level, bound = self._tree_on_levels(history, test)
        rows += self._figures("decision tree on levels, fitted once (bounded)", truth, level, False)[:1]
        measure = (
            "RMSE over mean, correlation, or skill (1 - squared error over that of the row named); "
            "p: Diebold-Mariano, Holm-adjusted for the regressors"
        )
        verdict = verdict_of(
            truth, leaky, {**honest, **overnight}, last["close"], {**tests["close"], **again["close"]}
        )
        return Reproduction(self.claim, self.public, measure, tuple(rows), f"{verdict} {refusal} {bound}")

    def _figures(self, name: str, truth: Floats, points: Floats, is_naive: bool) -> list[Row]:
        return [
            self._row(f"{name}: {word}", measure, (truth, points), is_naive)
            for word, measure in (("RMSE over mean", rmse_over_mean), ("correlation", correlation))
        ]

    def _skills(
        self, name: str, truth: Floats, points: Floats, last: Mapping[str, Floats], tests: Tests
    ) -> list[Row]:
        return [
            replace(
                self._row(f"{name}: skill against the last {field}", skill, (truth, points, naive), False),
                p_value=tests[field][name],
            )
            for field, naive in last.items()
        ]

    def _row(self, name: str, measure: Measure, columns: tuple[Floats, ...], is_naive: bool) -> Row:
        def of(pick: Rows) -> float:
            return measure(*(column[pick] for column in columns))

        low, high = block_interval(of, len(columns[0]), np.random.default_rng(self.seed))
        return Row(name, measure(*columns), low, high, self.known.get(name), is_naive)

    def _same_day(self, history: History, test: int) -> Floats:
        """Return the test's opens as least squares finds them from the same day's other prices."""
        start = int(np.searchsorted(history.times, stamp(self.leaky_start)))
        columns = [history.panel.field(name)[:, 0] for name in SAME_DAY]
        features, opens = np.column_stack(columns), history.panel.field("open")[:, 0]
        return (
            LinearRegression()
            .fit_table(features[start:test], opens[start:test], self.seed)
            .answer(features[test:])
        )

    def _walk(self, kind: str, history: History, test: int) -> Floats:
        """Return one forecast a test day, made at the close before it by a fit at most ``refit_days`` old."""
        asked = FORECASTERS.build({"kind": kind, **self.forecasters}, kind)
        start = int(np.searchsorted(history.times, stamp(self.train_start)))
        own = history.between(history.times[start], history.times[-1])
        points = []
        for first in range(test - 1, len(history.times) - 1, self.refit_days):
            train = own.until(history.times[first])
            fitted = asked.fit(train, RandomStreams(self.seed, train.cutoff))
            if first == test - 1:
                require_unbounded_forecasts(kind, fitted, train)
            cutoffs = list(history.times[first : min(first + self.refit_days, len(history.times) - 1)])
            rngs = [RandomStreams(self.seed, cutoff) for cutoff in cutoffs]
            points += [median(made, asked) for made in fitted.predict_many(own, cutoffs, rngs)]
        return np.array(points)

    def _overnight(self, kind: str, history: History, test: int) -> Floats:
        """Return one forecast a test day as ``_walk`` does, of the move from the last close: the best chance there is."""
        asked = FORECASTERS.build({"kind": kind, **self.forecasters}, kind)
        if not isinstance(asked, AbstractRegressor):
            raise SpecError(f"'{kind}' is no regression; an overnight move needs one")
        start = int(np.searchsorted(history.times, stamp(self.train_start)))
        features, labels, scale = overnight_table(history, asked.context, asked.lags)
        first_row, points = asked.context - 1, []
        for first in range(test - 1, len(history.times) - 1, self.refit_days):
            seen = slice(max(0, start - first_row), first - first_row)
            table = asked.fit_table(features[seen], labels[seen], self.seed)
            now = slice(first - first_row, min(first + self.refit_days, len(history.times) - 1) - first_row)
            points.append(table.answer(features[now]) * scale[now])
        closes = history.panel.field("close")[test - 1 : -1, 0]
        return np.asarray(closes * np.exp(np.concatenate(points)))

    def _tree_on_levels(self, history: History, test: int) -> tuple[Floats, str]:
        """Return the opens a tree of yesterday's prices forecasts, and the words with which the lint refuses it."""
        start = int(np.searchsorted(history.times, stamp(self.train_start)))
        prices = history.panel.values[:, 0]
        inputs, opens = prices[start:-1], prices[start + 1 :, 0]
        size = test - start - 1
        asked = validated(DecisionTree, {"least_leaf": 5, "depth": 10}, "decision tree on levels")
        tree = asked.fit_table(inputs[:size], opens[:size], self.seed)
        try:
            require_unbounded("decision tree on levels", tree.answer, inputs[:size], opens[:size])
        except BoundedOutputError as error:
            return tree.answer(inputs[size:]), f"Refused by the lint: {error}."
        raise RunError("a decision tree on levels was not refused; the lint is broken")


def stamp(day: str) -> np.datetime64:
    """Return the end of a day's bar on the weekday clock."""
    return np.datetime64(day, "ns") + DAY


def read_sessions(path: Path, end: str) -> History:
    """Return the index's open, high, low and close on weekdays up to ``end``, days without a price dropped."""
    frame = (
        pd.read_csv(path, parse_dates=["Date"]).set_index("Date")[[name.title() for name in FIELDS]].dropna()
    )
    days: Times = np.asarray(frame.index.to_numpy()).astype("datetime64[ns]")
    ends = np.asarray(days + DAY)
    kept = np.is_busday(days.astype("datetime64[D]")) & (ends <= stamp(end))
    panel = Panel(ends[kept], (SERIES,), FIELDS, frame.to_numpy(np.float64)[kept][:, None])
    return History(panel, BarClock("weekdays"))


def truth_and_last(history: History, test: int) -> tuple[Floats, dict[str, Floats]]:
    """Return the test's opens (N,), and the open and close of the session before each."""
    opens, closes = history.panel.field("open")[:, 0], history.panel.field("close")[:, 0]
    return opens[test:], {"open": opens[test - 1 : -1], "close": closes[test - 1 : -1]}


def overnight_table(history: History, context: int, lags: int) -> tuple[Floats, Floats, Floats]:
    """Return features (N, F), the log move from a close to the next open over the volatility (N,), and that (N,).

    Row i is decided at bar ``context - 1 + i``; the last bar has no next open and no row.
    """
    prices = np.log(history.panel.values[:, 0])
    closes = prices[:, FIELDS.index("close")]
    windows = np.lib.stride_tricks.sliding_window_view(closes, context)[:-1]
    features, scale = window_features(windows, lags)
    decided = np.arange(context - 1, len(closes) - 1)
    beside = prices[decided, : FIELDS.index("close")] - closes[decided][:, None]
    moves = prices[decided + 1, FIELDS.index("open")] - closes[decided]
    return np.column_stack([features, beside / scale[:, None]]), moves / scale, scale


def same_day_table(history: History) -> FeatureTable:
    """Return the table of the papers: the open of each day beside the same day's other prices, decided the day before."""
    prices = np.column_stack([history.panel.field(name)[1:, 0] for name in SAME_DAY])
    opens = history.panel.field("open")[1:, 0]
    return FeatureTable(SAME_DAY, prices, opens, history.times[:-1], history.times[1:])


def refused_features(history: History) -> str:
    """Return the words with which the lint refuses the same-day features.

    Raises:
        RunError: when it does not.
    """
    try:
        require_known_features(same_day_table, history)
    except FeatureLeakError as error:
        return f"Refused by the lint: {error}."
    raise RunError("the same-day features were not refused; the lint is broken")


def median(made: Any, asked: AbstractForecaster) -> float:
    """Return the median of the one series and step of a forecast."""
    return float(made.values[0, 0, asked.levels.index(0.5)])


def compared(truth: Floats, honest: Mapping[str, Floats], last: Mapping[str, Floats]) -> Tests:
    """Return last price -> regressor -> the Holm-adjusted p-value of its squared errors being the smaller."""
    found = {}
    for field, naive in last.items():
        alone = [
            diebold_mariano((truth - points) ** 2, (truth - naive) ** 2, 0).p_value
            for points in honest.values()
        ]
        found[field] = dict(zip(honest, holm(alone).tolist(), strict=True))
    return found


def rmse_over_mean(truth: Floats, points: Floats) -> float:
    """Return the root mean square error of points (N,) over the mean of the truth (N,)."""
    return float(np.sqrt(np.mean((truth - points) ** 2)) / truth.mean())


def correlation(truth: Floats, points: Floats) -> float:
    """Return Pearson's correlation of truth and points, (N,) each."""
    return float(np.corrcoef(truth, points)[0, 1])


def skill(truth: Floats, points: Floats, naive: Floats) -> float:
    """Return 1 less the mean squared error of points (N,) over that of a naive forecast (N,)."""
    return float(1.0 - np.mean((truth - points) ** 2) / np.mean((truth - naive) ** 2))


def verdict_of(
    truth: Floats, leaky: Floats, honest: dict[str, Floats], close: Floats, p_values: dict[str, float]
) -> str:
    """Return what the numbers say in words."""
    errors = {kind: rmse_over_mean(truth, points) for kind, points in honest.items()}
    best, naive = min(errors, key=errors.__getitem__), rmse_over_mean(truth, close)
    good = [kind for kind, p in p_values.items() if p < ALPHA]
    better = sum(error < naive for error in errors.values())
    word = f"Skill shown by {', '.join(good)}" if good else "No skill shown"
    return (
        f"{word} against the last close: {better} of {len(errors)} forecasts of the past err less than it ({naive:.5f}), the "
        f"best is {best} ({errors[best]:.5f}). The same-day regression has correlation {correlation(truth, leaky):.5f} because "
        f"the answer lies between its features; the last close alone has {correlation(truth, close):.5f}, so a correlation "
        "tells nothing here."
    )
