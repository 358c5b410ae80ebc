"""NIFTY networks: the CNN and LSTM of the papers on their own window, fitted once and truly every week, beside naive rows.

Mehtab and Sen (arXiv 2010.13891, 2020) forecast the NIFTY 50 open of the next five days, week by week, and call it a
walk-forward with retraining. The published code skeleton of this family fits once and only appends the weeks that passed.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from backtest.errors import RunError
from backtest.reproductions.base import AbstractReproduction, Reproduction, Row, require_file
from backtest.reproductions.intervals import Rows, block_interval
from backtest.reproductions.nifty_persistence import STEPS, filled_grid, read_weekday_bars
from data.history import History
from data.panel import Floats, Panel, Times
from data.registry import spec
from data.sessions import DAY, BarClock
from forecast.base import AbstractFitted, AbstractForecaster
from forecast.comparison import diebold_mariano, holm
from forecast.randomness import RandomStreams
from forecast.registry import FORECASTERS
from forecast.skill import ALPHA

SERIES = "NIFTY 50"


@dataclass(frozen=True, eq=False)
class Weeks:
    """The test weeks.

    Attributes:
        history: open and close on the weekday grid, holidays filled.
        cutoffs: (N,) the last bar before each week.
        opens: (N, 5) what is forecast.
        last_open: (N,) known at the cutoff.
        last_close: (N,) known at the cutoff.
    """

    history: History
    cutoffs: Times
    opens: Floats
    last_open: Floats
    last_close: Floats


@dataclass(frozen=True, eq=False)
class Run:
    """The forecasts of one model.

    Attributes:
        points: (R, N, 5) one table a seed.
        cpu_seconds: of fits and forecasts, a seed.
        fits: models fitted, a seed.
    """

    points: Floats
    cpu_seconds: float
    fits: int


@spec
class NiftyCnnLstm(AbstractReproduction):
    """RMSE over mean of networks, linear rows and last prices over the test weeks.

    Attributes:
        file: daily bars with the columns Date, Open, Close.
        grid_start: first weekday of the filled grid and of every training window.
        test_start: first day of the test, a Monday.
        test_end: last day of the test.
        networks: name -> settings of a forecaster of five opens.
        fitted_once: networks that are fitted once, before the test, with every seed.
        refit_weekly: networks that are fitted anew before each week, with the first seed.
        seeds: of first weights and order.
        known: name of a row -> the figure measured before.
        lags: opens that the autoregression sees.
        resampling_seed: of the bootstrap over weeks.
    """

    file: str
    grid_start: str
    test_start: str
    test_end: str
    networks: dict[str, dict[str, Any]]
    fitted_once: tuple[str, ...]
    refit_weekly: tuple[str, ...]
    seeds: tuple[int, ...]
    known: dict[str, float]
    lags: int = 10
    resampling_seed: int = 0

    def run(self, folder: Path) -> Reproduction:
        """Return every row and the verdict."""
        weeks = self.weeks(folder)
        return self.judged(weeks, {name: make() for name, make in self.runs(weeks).items()})

    def weeks(self, folder: Path) -> Weeks:
        """Return the test weeks from the data in ``folder``."""
        grid = filled_grid(read_weekday_bars(require_file(folder, self.file)), self.grid_start, self.test_end)
        days: Times = np.asarray(grid.index.to_numpy()).astype("datetime64[ns]")
        ends: Times = days + DAY
        panel = Panel(ends, (SERIES,), ("open", "close"), grid[["open", "close"]].to_numpy()[:, None])
        first = int(np.searchsorted(ends, np.datetime64(self.test_start, "ns") + DAY))
        known = np.arange(first - 1, len(ends) - STEPS, STEPS)
        opens, closes = grid["open"].to_numpy(np.float64), grid["close"].to_numpy(np.float64)
        truth = opens[known[:, None] + np.arange(1, STEPS + 1)]
        history = History(panel, BarClock("weekdays"))
        return Weeks(history, ends[known], truth, opens[known], closes[known])

    def runs(self, weeks: Weeks) -> dict[str, Callable[[], Run]]:
        """Return what makes the forecasts of each model, the cheap ones first."""
        built = {name: FORECASTERS.build(each, f"networks.{name}") for name, each in self.networks.items()}
        ridge = FORECASTERS.build({"kind": "ridge", "context": self.lags, "horizon": STEPS, "field": "open"})
        made: dict[str, Callable[[], Run]] = {
            "last open": partial(repeated, weeks.last_open),
            "last close": partial(repeated, weeks.last_close),
            f"AR({self.lags}), refit weekly": partial(autoregressed, weeks, self.lags),
            "ridge, refit weekly": partial(refit_weekly, ridge, weeks, self.seeds[0]),
        }
        for name in self.fitted_once:
            made[f"{name}, fitted once"] = partial(fitted_once, built[name], weeks, self.seeds)
        for name in self.refit_weekly:
            made[f"{name}, refit weekly"] = partial(refit_weekly, built[name], weeks, self.seeds[0])
        return made

    def judged(self, weeks: Weeks, runs: Mapping[str, Run]) -> Reproduction:
        """Return the rows of finished runs; ``last open`` must be among them."""
        losses = {name: weekly_losses(weeks.opens, run.points) for name, run in runs.items()}
        naive = losses["last open"]
        asked = [name for name in runs if not name.startswith("last ")]
        alone = [diebold_mariano(losses[name], naive, 0).p_value for name in asked]
        p_values = dict(zip(asked, holm(alone).tolist(), strict=True))
        rows = [row for name, run in runs.items() for row in self._rows(name, run, weeks, p_values.get(name))]
        measure = (
            "RMSE over mean (mean over seeds), skill against the last open (1 - squared error over its own; p: "
            "Diebold-Mariano by weeks, Holm-adjusted), CPU seconds of one seed"
        )
        return Reproduction(self.claim, self.public, measure, tuple(rows), verdict_of(weeks, runs, p_values))

    def _rows(self, name: str, run: Run, weeks: Weeks, p_value: float | None) -> list[Row]:
        is_naive = name.startswith("last ")
        naive = weeks.last_open[None, :, None]

        def error(pick: Rows) -> float:
            return float(np.mean(ratios(weeks.opens[pick], run.points[:, pick])))

        def skill(pick: Rows) -> float:
            lost = weekly_losses(weeks.opens[pick], run.points[:, pick]).mean()
            return float(
                1.0 - lost / weekly_losses(weeks.opens[pick], naive[:, pick].repeat(STEPS, 2)).mean()
            )

        whole = np.arange(len(weeks.opens))
        found = [self._row(f"{name}: RMSE over mean", error, whole, is_naive)]
        if len(run.points) > 1:
            spread = float(ratios(weeks.opens, run.points).std(ddof=1))
            found.append(_number(f"{name}: sd over {len(run.points)} seeds", spread))
        if p_value is not None:
            found.append(
                replace(self._row(f"{name}: skill", skill, whole, is_naive), p_value=p_value, published=None)
            )
            word = "fit" if run.fits == 1 else "fits"
            found.append(_number(f"{name}: CPU seconds, {run.fits} {word}", run.cpu_seconds))
        return found

    def _row(self, name: str, statistic: Callable[[Rows], float], whole: Rows, is_naive: bool) -> Row:
        rng = np.random.default_rng(self.resampling_seed)
        low, high = block_interval(statistic, len(whole), rng)
        return Row(name, statistic(whole), low, high, self.known.get(name), is_naive)


def repeated(last: Floats) -> Run:
    """Return the forecast that the last value (N,) stays."""
    return Run(np.repeat(last[:, None], STEPS, axis=1)[None], 0.0, 0)


def fitted_once(asked: AbstractForecaster, weeks: Weeks, seeds: Sequence[int]) -> Run:
    """Return the forecasts of a model fitted before the first week and never again, one table a seed."""
    started = time.process_time()
    train = weeks.history.until(weeks.cutoffs[0])
    made = asked.fit_many([train] * len(seeds), [RandomStreams(seed, train.cutoff) for seed in seeds])
    points = [_points([fitted] * len(weeks.cutoffs), weeks) for fitted in made]
    return Run(np.stack(points), (time.process_time() - started) / len(seeds), 1)


def refit_weekly(asked: AbstractForecaster, weeks: Weeks, seed: int) -> Run:
    """Return the forecasts of a model fitted anew before every week, on all rows known by then.

    Raises:
        RunError: when there is not one fit a week.
    """
    started = time.process_time()
    trains = [weeks.history.until(cutoff) for cutoff in weeks.cutoffs]
    made = asked.fit_many(trains, [RandomStreams(seed, train.cutoff) for train in trains])
    fits = len({id(fitted) for fitted in made})
    if fits != len(weeks.cutoffs):
        raise RunError(f"{fits} models were fitted for {len(weeks.cutoffs)} weeks; each week needs its own")
    return Run(_points(made, weeks)[None], time.process_time() - started, fits)


def _points(models: Sequence[AbstractFitted], weeks: Weeks) -> Floats:
    """Return the medians (N, 5) that each week's model says at its cutoff."""
    made = [
        model.predict(weeks.history.until(cutoff), RandomStreams(0, cutoff))
        for model, cutoff in zip(models, weeks.cutoffs, strict=True)
    ]
    return np.stack([each.median[0] for each in made])


def autoregressed(weeks: Weeks, lags: int) -> Run:
    """Return an autoregression by least squares, one equation a step with an intercept, refit before every week.

    Inputs and targets are log opens less the last known one.
    """
    started = time.process_time()
    logs = np.log(weeks.history.panel.field("open")[:, 0])
    points = [
        _autoregressed(logs[: int(np.searchsorted(weeks.history.times, cutoff, "right"))], lags)
        for cutoff in weeks.cutoffs
    ]
    return Run(np.stack(points)[None], time.process_time() - started, len(points))


def _autoregressed(past_logs: Floats, lags: int) -> Floats:
    windows = np.lib.stride_tricks.sliding_window_view(past_logs, lags + STEPS)
    moved = windows - windows[:, lags - 1 : lags]
    inputs = np.column_stack([moved[:, : lags - 1], np.ones(len(moved))])
    weights = np.linalg.lstsq(inputs, moved[:, lags:], rcond=None)[0]
    now = np.append(past_logs[-lags:-1] - past_logs[-1], 1.0)
    return np.asarray(np.exp(past_logs[-1] + now @ weights))


def ratios(truth: Floats, points: Floats) -> Floats:
    """Return RMSE over mean of each table, (R,), from truth (N, 5) and points (R, N, 5)."""
    return np.asarray(np.sqrt(np.mean((points - truth) ** 2, axis=(1, 2))) / truth.mean())


def weekly_losses(truth: Floats, points: Floats) -> Floats:
    """Return the mean squared error of each week, (N,), the mean over its days and all tables."""
    return np.asarray(np.mean((points - truth) ** 2, axis=(0, 2)))


def _number(name: str, value: float) -> Row:
    return Row(name, value, np.nan, np.nan, None, False)


def verdict_of(weeks: Weeks, runs: Mapping[str, Run], p_values: Mapping[str, float]) -> str:
    """Return what the numbers say in words."""
    errors = {name: float(ratios(weeks.opens, run.points).mean()) for name, run in runs.items()}
    naive = errors["last open"]
    networks = [name for name in p_values if "ridge" not in name and not name.startswith("AR(")]
    worse = [name for name in networks if errors[name] > naive]
    shown = [name for name in p_values if p_values[name] < ALPHA]
    words = f"Skill shown by {', '.join(shown)}." if shown else "No skill shown."
    if networks:
        best = min(networks, key=errors.__getitem__)
        words += (
            f" {len(worse)} of {len(networks)} networks err more than repeating the last open ({naive:.5f}); the best is "
            f"{best} ({errors[best]:.5f})."
        )
    weekly = [name for name in networks if runs[name].fits > 1]
    if weekly:
        words += (
            f" Refitting them before each of {len(weeks.cutoffs)} weeks is included: one fit a week, counted."
        )
    return words
