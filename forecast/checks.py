"""The contract every forecaster keeps, as checks anyone can run on their own model."""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np

from data.errors import WayfoldError
from data.history import History
from data.panel import Panel
from data.registry import Registry, plain, validated
from data.sessions import BarClock
from forecast.base import AbstractFitted, AbstractForecaster
from forecast.distribution import QuantileForecast
from forecast.errors import CheckFailure, FitError
from forecast.lookahead import Outputs, check_no_lookahead, same_bits
from forecast.packing import pack_forecasts
from forecast.randomness import RandomStreams
from forecast.registry import FORECASTERS
from forecast.storage import load_with_spec, save_with_spec
from forecast.windows import MAX_STALE, carried, target_values

SEED = 7
FIT_SHARE, CUTOFF_SHARES = 0.8, (0.8, 0.87, 0.94)
"""Where in the history the model is fitted, and the cutoffs it forecasts from."""


@dataclass(frozen=True)
class CheckResult:
    """Outcome of one check: an empty message means that it passed."""

    check: str
    message: str = ""

    @property
    def passed(self) -> bool:
        """Whether the contract was kept."""
        return not self.message


def synthetic_history(rows: int = 300, seed: int = 5) -> History:
    """Return three series of daily bars on a 24/7 clock: geometric random walks with open, high, low, close, volume.

    Names are not in alphabetical order, so a model that sorts them is found out. All prices are positive.
    """
    rng = np.random.default_rng(seed)
    series = ("GAMMA", "ALPHA", "BETA")
    scale = np.array([0.01, 0.02, 0.005])
    steps = rng.standard_normal((rows, 2, 3)) * scale / np.sqrt(2)
    path = 100.0 * np.exp(np.cumsum(steps.reshape(2 * rows, 3), axis=0)).reshape(rows, 2, 3)
    opened, close = path[:, 0], path[:, 1]
    high = np.maximum(opened, close) * np.exp(0.3 * scale * rng.random((rows, 3)))
    low = np.minimum(opened, close) * np.exp(-0.3 * scale * rng.random((rows, 3)))
    volume = np.round(np.exp(rng.normal(10.0, 0.3, (rows, 3))))
    clock = BarClock()
    times = clock.next(np.datetime64("2019-12-31", "ns"), rows)
    fields = ("open", "high", "low", "close", "volume")
    panel = Panel(times, series, fields, np.stack([opened, high, low, close, volume], axis=2))
    return History(panel, clock)


@dataclass(frozen=True)
class Places:
    """Where in a history a model is fitted and asked.

    Attributes:
        history: rows beyond the last cutoff are left to be poisoned.
    """

    history: History

    @cached_property
    def fit_cutoff(self) -> np.datetime64:
        """The last row the model is fitted to."""
        return self._time(FIT_SHARE)

    @cached_property
    def cutoffs(self) -> tuple[np.datetime64, ...]:
        """Where forecasts are made, the fit's cutoff first."""
        return tuple(self._time(share) for share in CUTOFF_SHARES)

    @cached_property
    def train(self) -> History:
        """The history known at the fit."""
        return self.history.until(self.fit_cutoff)

    def _time(self, share: float) -> np.datetime64:
        return np.datetime64(self.history.times[int(share * (len(self.history.times) - 1))])


@dataclass(frozen=True)
class Case(Places):
    """A model, a history, and where in it the model is fitted and asked.

    Attributes:
        spec: the model's hyper-parameters.
    """

    spec: AbstractForecaster

    @cached_property
    def fitted(self) -> AbstractFitted:
        """The model fitted once."""
        return fit(self.spec, self.train)

    def forecasts(self, fitted: AbstractFitted) -> list[QuantileForecast]:
        """Return the forecasts of a fitted model at every cutoff."""
        return [predict(fitted, self.history.until(cutoff)) for cutoff in self.cutoffs]


Check = Callable[[Case], None]


def check_forecaster(spec: AbstractForecaster, *, history: History | None = None) -> list[CheckResult]:
    """Return one result per check of the contract, in the order of ``CHECKS``.

    Args:
        spec: the model to check, registered or not.
        history: what it is checked on; by default ``synthetic_history()``. It needs rows enough to be fitted on the first
            80 %, and two series or more.
    """
    case = Case(synthetic_history() if history is None else history, spec)
    return [run_check(name, partial(check, case)) for name, check in CHECKS.items()]


def require_forecaster(spec: AbstractForecaster, *, history: History | None = None) -> None:
    """Raise unless the model keeps the whole contract.

    Raises:
        CheckFailure: naming every broken check.
    """
    broken = [
        f"{result.check}: {result.message}"
        for result in check_forecaster(spec, history=history)
        if not result.passed
    ]
    if broken:
        raise CheckFailure(f"{type(spec).__name__} breaks its contract: {'; '.join(broken)}")


def fit(spec: AbstractForecaster, train: History) -> AbstractFitted:
    """Return the model fitted with the streams that the walk would give it."""
    return spec.fit(train, RandomStreams(SEED, train.cutoff))


def predict(fitted: AbstractFitted, history: History) -> QuantileForecast:
    """Return the forecast made with the streams that the walk would give it."""
    return fitted.predict(history, RandomStreams(SEED, history.cutoff))


def run_check(name: str, check: Callable[[], None]) -> CheckResult:
    """Return the outcome of one check: a typed error is its message."""
    try:
        check()
    except WayfoldError as error:
        return CheckResult(name, str(error))
    return CheckResult(name)


def require(condition: bool, message: str) -> None:
    """Raise CheckFailure with this message unless the condition holds."""
    if not condition:
        raise CheckFailure(message)


def require_fit_error(fitting: Callable[[], object], what: str) -> None:
    """Raise CheckFailure unless a fit is refused with a FitError."""
    try:
        fitting()
    except FitError:
        return
    raise CheckFailure(f"a fit to {what} succeeded; a FitError is needed")


def _same(first: list[QuantileForecast], second: list[QuantileForecast]) -> bool:
    left, right = pack_forecasts(first), pack_forecasts(second)
    return left.keys() == right.keys() and all(same_bits(left[name], right[name]) for name in left)


def _require_same(first: list[QuantileForecast], second: list[QuantileForecast], when: str) -> None:
    require(_same(first, second), f"forecasts changed {when}; they must be the same bits")


def _check_future(case: Case) -> None:
    """Forecasts do not move when rows after their cutoff are raised, lowered, lost or cut off."""

    def walk(history: History) -> Outputs:
        fitted = fit(case.spec, history.until(case.fit_cutoff))
        asked = [cutoff for cutoff in case.cutoffs if cutoff <= history.cutoff]
        made = {cutoff: predict(fitted, history.until(cutoff)) for cutoff in asked}
        packed = {cutoff: pack_forecasts([each]) for cutoff, each in made.items()}
        return {
            name: {cutoff: arrays[f"0.{name}"] for cutoff, arrays in packed.items()}
            for name in ("values", "last", "series", "times")
        }

    check_no_lookahead(
        walk, case.history, [case.cutoffs[0], case.cutoffs[-1]], named=type(case.spec).__name__
    )


def _check_inputs(case: Case) -> None:
    """Fitting and forecasting leave every input as it was."""
    before = case.history.fingerprint()
    own = replace(case.history, panel=replace(case.history.panel, values=case.history.panel.values.copy()))
    case.forecasts(fit(case.spec, own.until(case.fit_cutoff)))
    require(
        own.fingerprint() == before and not own.panel.values.flags.writeable,
        "the history was changed in place",
    )


def _check_seed(case: Case) -> None:
    """The same seed gives the same bits, from the fit on and from the forecast on."""
    once = case.forecasts(case.fitted)
    _require_same(once, case.forecasts(case.fitted), "when asked twice")
    _require_same(once, case.forecasts(fit(case.spec, case.train)), "after a second fit with the same seed")


def _check_shape(case: Case) -> None:
    """A forecast has the cutoff, times, series, levels and quantity asked; finite, not crossing."""
    spec, names = case.spec, case.history.panel.series
    for cutoff, made in zip(case.cutoffs, case.forecasts(case.fitted), strict=True):
        known = case.history.until(cutoff)
        require(made.cutoff == cutoff, f"cutoff was {made.cutoff}; the history ends at {cutoff}")
        expected = case.history.clock.next(cutoff, spec.horizon)
        require(same_bits(made.times, expected), f"times were {made.times}; the next bars end at {expected}")
        require(made.series == names, f"series were {made.series}; the complete panel has {names}")
        require(tuple(made.levels) == spec.levels, f"levels were {made.levels}; {spec.levels} were asked")
        require(made.quantity == spec.quantity, f"quantity was {made.quantity}; {spec.quantity} was asked")
        require(
            bool(np.isfinite(made.values).all() and (np.diff(made.values) >= 0).all()),
            "a quantile is not finite or crosses the next",
        )
        last = carried(target_values(known, spec.field))[-1]
        require(same_bits(made.last, last), f"last values were {made.last}; the panel ends with {last}")


def _check_storage(case: Case) -> None:
    """A model that was saved and loaded forecasts the same bits."""
    with tempfile.TemporaryDirectory() as parent:
        _require_same(
            case.forecasts(case.fitted),
            case.forecasts(round_trip(FORECASTERS, case.fitted, Path(parent) / "fitted")),
            "after saving and loading",
        )


def round_trip(registry: Registry[Any], fitted: Any, folder: Path) -> Any:
    """Return what was fitted after writing it into a new folder and reading it back, with its spec where that has a kind."""
    if registry.knows(fitted.spec):
        save_with_spec(registry, fitted, folder)
        return load_with_spec(registry, folder)
    folder.mkdir()
    fitted.save(folder)
    return fitted.spec.load(folder)


def _check_permutation(case: Case) -> None:
    """Series in another order give the same forecasts in that order."""
    names = case.history.panel.series
    turned = replace(case, history=case.history.select((*names[1:], names[0])))
    for made, other in zip(case.forecasts(case.fitted), turned.forecasts(turned.fitted), strict=True):
        require(set(made.series) == set(other.series), "another order of series forecast other series")
        order = [other.series.index(name) for name in made.series]
        require(
            same_bits(made.values, other.values[order]) and same_bits(made.last, other.last[order]),
            "forecasts depend on the order of the series; they must be the same bits",
        )


def _check_one_series(case: Case) -> None:
    """A panel of one series is forecast."""
    name = case.history.panel.series[0]
    alone = replace(case, history=case.history.select((name,)))
    made = alone.forecasts(alone.fitted)
    require(
        all(each.series == (name,) for each in made),
        f"a panel of one series gave {[each.series for each in made]}",
    )


def _check_constant_series(case: Case) -> None:
    """A series that never moves is forecast or left out, and the others are forecast; or FitError."""
    values = case.history.panel.values.copy()
    values[:, 0] = values[0, 0, case.history.panel.field_index(case.spec.field)]
    still = replace(case, history=replace(case.history, panel=replace(case.history.panel, values=values)))
    try:
        fitted = still.fitted
    except FitError:
        return
    for made in still.forecasts(fitted):
        require(
            set(case.history.panel.series[1:]) <= set(made.series),
            f"a constant series beside them left only {made.series}",
        )


def _check_short_history(case: Case) -> None:
    """Too little history to fit is a FitError; too little to forecast from leaves every series out."""
    few = replace(case.history, panel=case.history.panel.rows(0, 2))
    require_fit_error(lambda: fit(case.spec, few), "2 rows")
    if case.spec.context > 1:
        made = predict(case.fitted, case.train.last(case.spec.context - 1))
        require(
            made.series == (), f"{made.series} were forecast from fewer rows than context {case.spec.context}"
        )


def _check_nan_tail(case: Case) -> None:
    """A series whose last value is older than 5 bars is left out; the others keep their bits."""
    name, cutoff = case.history.panel.series[0], case.cutoffs[-1]
    known = case.history.until(cutoff)
    values = known.panel.values.copy()
    values[-MAX_STALE - 1 :, 0] = np.nan
    made = predict(case.fitted, replace(known, panel=replace(known.panel, values=values)))
    whole = predict(case.fitted, known)
    require(name not in made.series, f"{name} was forecast though its last {MAX_STALE + 1} bars are missing")
    require(made.series == whole.series[1:], f"only {made.series} were forecast beside a stale series")
    if not case.spec.mixes_series:
        require(
            same_bits(made.values, whole.values[1:]), "a stale series changed the forecasts of the others"
        )


def _check_gaps(case: Case) -> None:
    """A few missing bars, and a series never observed, stop neither fit nor forecast."""
    values = case.history.panel.values.copy()
    values[np.random.default_rng(SEED).random(values.shape[:2]) < 0.05] = np.nan
    values[:, 0] = np.nan
    sparse = replace(case, history=replace(case.history, panel=replace(case.history.panel, values=values)))
    for made in sparse.forecasts(sparse.fitted):
        require(
            made.series == case.history.panel.series[1:],
            f"with 5 % of bars missing and one series never observed, {made.series} were forecast",
        )


def require_described(registry: Registry[Any], spec: Any) -> None:
    """Raise CheckFailure unless a spec is hashable and comes back equal from its own description."""
    if registry.knows(spec):
        again = registry.build(registry.describe(spec))
    else:
        again = validated(type(spec), plain(spec), registry.role)
    require(again == spec and hash(again) == hash(spec), f"{spec} came back from its description as {again}")


def _check_spec(case: Case) -> None:
    """The spec is hashable and comes back equal from its own description."""
    require_described(FORECASTERS, case.spec)


def _check_context(case: Case) -> None:
    """A forecast uses at most the last ``context`` rows."""
    recent = [
        predict(case.fitted, case.history.until(cutoff).last(case.spec.context)) for cutoff in case.cutoffs
    ]
    _require_same(case.forecasts(case.fitted), recent, f"without the rows before context {case.spec.context}")


def _check_many(case: Case) -> None:
    """``predict_many`` gives the bits of a loop; ``fit_many`` too, or stays within the spec's ``fold_tolerance``."""
    rngs = [RandomStreams(SEED, cutoff) for cutoff in case.cutoffs]
    many = case.fitted.predict_many(case.history, case.cutoffs, rngs)
    _require_same(case.forecasts(case.fitted), many, "when asked together (predict_many)")
    trains = [case.train, case.history.until(case.cutoffs[-1])]
    made = case.spec.fit_many(trains, [RandomStreams(SEED, train.cutoff) for train in trains])
    require(len(made) == len(trains), f"fit_many returned {len(made)} models for {len(trains)} histories")
    last = predict(fit(case.spec, trains[1]), trains[1])
    _require_near(
        [predict(case.fitted, trains[0]), last],
        [predict(each, train) for each, train in zip(made, trains, strict=True)],
        case.spec.fold_tolerance,
    )


def _require_near(first: list[QuantileForecast], second: list[QuantileForecast], tolerance: float) -> None:
    if tolerance == 0.0:
        _require_same(first, second, "when fitted together (fit_many)")
        return
    for alone, together in zip(first, second, strict=True):
        require(alone.series == together.series, "fitted together (fit_many), other series were forecast")
        moved = np.abs(alone.values - together.values) / np.abs(alone.last)[:, None, None]
        require(
            bool((moved <= tolerance).all()),
            f"fitted together (fit_many), forecasts moved by {moved.max():.2e} of the last value; "
            f"fold_tolerance allows {tolerance:g}",
        )


def _check_update(case: Case) -> None:
    """``update`` returns a model that forecasts, and leaves the old one as it was."""
    before = case.forecasts(case.fitted)
    newer = case.fitted.update(case.history.until(case.cutoffs[-1]))
    require(newer.spec == case.spec, f"update changed the spec to {newer.spec}")
    made = predict(newer, case.history)
    require(made.series == case.history.panel.series, f"after an update only {made.series} were forecast")
    _require_same(before, case.forecasts(case.fitted), "of the old model after an update")


CHECKS: dict[str, Check] = {
    "future is never seen": _check_future,
    "inputs are not changed": _check_inputs,
    "same seed, same bits": _check_seed,
    "shape and values": _check_shape,
    "storage keeps the bits": _check_storage,
    "order of series does not matter": _check_permutation,
    "one series": _check_one_series,
    "constant series": _check_constant_series,
    "short history": _check_short_history,
    "stale series": _check_nan_tail,
    "missing bars": _check_gaps,
    "spec round trip": _check_spec,
    "at most context rows": _check_context,
    "many equals a loop": _check_many,
    "update keeps the old model": _check_update,
}
"""Every check by its name; each raises a typed error that says what was broken."""
