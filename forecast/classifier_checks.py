"""The contract every classifier keeps, as checks anyone can run on their own."""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path

import numpy as np

from data.history import History
from forecast.checks import (
    SEED,
    CheckResult,
    Places,
    require,
    require_described,
    require_fit_error,
    round_trip,
    run_check,
    synthetic_history,
)
from forecast.classification import (
    CLASSIFIERS,
    AbstractClassifier,
    AbstractFittedClassifier,
)
from forecast.distribution import CategoricalForecast
from forecast.labels import MOVES
from forecast.lookahead import Outputs, check_no_lookahead, same_bits
from forecast.randomness import RandomStreams
from forecast.windows import MAX_STALE


@dataclass(frozen=True)
class ClassifierCase(Places):
    """A classifier, a history, and where in it the classifier is fitted and asked.

    Attributes:
        spec: the hyper-parameters.
    """

    spec: AbstractClassifier

    @cached_property
    def fitted(self) -> AbstractFittedClassifier:
        """The classifier fitted once."""
        return fit(self.spec, self.train)

    def forecasts(self, fitted: AbstractFittedClassifier) -> list[CategoricalForecast]:
        """Return the forecasts of a fitted classifier at every cutoff."""
        return [predict(fitted, self.history.until(cutoff)) for cutoff in self.cutoffs]


Check = Callable[[ClassifierCase], None]


def check_classifier(spec: AbstractClassifier, *, history: History | None = None) -> list[CheckResult]:
    """Return one result per check of the contract, in the order of ``CHECKS``.

    Args:
        spec: the classifier to check, registered or not.
        history: what it is checked on; by default ``forecast.checks.synthetic_history()``. It needs rows enough to be
            fitted on the first 80 %, and two series or more.
    """
    case = ClassifierCase(synthetic_history() if history is None else history, spec)
    return [run_check(name, partial(check, case)) for name, check in CHECKS.items()]


def fit(spec: AbstractClassifier, train: History) -> AbstractFittedClassifier:
    """Return the classifier fitted with the streams of the history's cutoff."""
    return spec.fit(train, RandomStreams(SEED, train.cutoff))


def predict(fitted: AbstractFittedClassifier, history: History) -> CategoricalForecast:
    """Return the forecast made with the streams of the history's cutoff."""
    return fitted.predict(history, RandomStreams(SEED, history.cutoff))


def _require_same(
    first: Sequence[CategoricalForecast], second: Sequence[CategoricalForecast], when: str
) -> None:
    same = len(first) == len(second) and all(
        a.series == b.series and a.classes == b.classes and same_bits(a.values, b.values)
        and same_bits(a.times, b.times)
        for a, b in zip(first, second, strict=False)
    )  # fmt: skip
    require(same, f"forecasts changed {when}; they must be the same bits")


def _changed(history: History, change: Callable[[np.ndarray], None]) -> History:
    values = history.panel.values.copy()
    change(values)
    return replace(history, panel=replace(history.panel, values=values))


def _check_future(case: ClassifierCase) -> None:
    """Probabilities do not move when rows after their cutoff are raised, lowered, mirrored, lost or cut off."""

    def walk(history: History) -> Outputs:
        fitted = fit(case.spec, history.until(case.fit_cutoff))
        asked = [cutoff for cutoff in case.cutoffs if cutoff <= history.cutoff]
        made = {cutoff: predict(fitted, history.until(cutoff)) for cutoff in asked}
        return {
            "probabilities": {cutoff: each.values for cutoff, each in made.items()},
            "series": {cutoff: np.array(each.series) for cutoff, each in made.items()},
            "times": {cutoff: each.times for cutoff, each in made.items()},
        }

    check_no_lookahead(
        walk, case.history, [case.cutoffs[0], case.cutoffs[-1]], named=type(case.spec).__name__
    )


def _check_inputs(case: ClassifierCase) -> None:
    """Fitting and forecasting leave every input as it was."""
    before = case.history.fingerprint()
    own = _changed(case.history, lambda values: None)
    case.forecasts(fit(case.spec, own.until(case.fit_cutoff)))
    require(own.fingerprint() == before, "the history was changed in place")


def _check_seed(case: ClassifierCase) -> None:
    """The same seed gives the same bits, from the fit on and from the forecast on."""
    once = case.forecasts(case.fitted)
    _require_same(once, case.forecasts(case.fitted), "when asked twice")
    _require_same(once, case.forecasts(fit(case.spec, case.train)), "after a second fit with the same seed")


def _check_shape(case: ClassifierCase) -> None:
    """A forecast has the cutoff, time, series and classes asked, and no class is impossible."""
    for cutoff, made in zip(case.cutoffs, case.forecasts(case.fitted), strict=True):
        require(made.cutoff == cutoff, f"cutoff was {made.cutoff}; the history ends at {cutoff}")
        expected = case.history.clock.next(cutoff, case.spec.horizon)[-1:]
        require(same_bits(made.times, expected), f"times were {made.times}; the move is over at {expected}")
        names = case.history.panel.series
        require(made.series == names, f"series were {made.series}; the complete panel has {names}")
        require(made.classes == MOVES, f"classes were {made.classes}; {MOVES} are asked")
        require(bool((made.values > 0).all()), "a class has probability 0, so one surprise costs everything")


def _check_storage(case: ClassifierCase) -> None:
    """A classifier that was saved and loaded forecasts the same bits."""
    with tempfile.TemporaryDirectory() as parent:
        again = round_trip(CLASSIFIERS, case.fitted, Path(parent) / "fitted")
        _require_same(case.forecasts(case.fitted), case.forecasts(again), "after saving and loading")


def _check_permutation(case: ClassifierCase) -> None:
    """Series in another order give the same probabilities in that order."""
    names = case.history.panel.series
    turned = replace(case, history=case.history.select((*names[1:], names[0])))
    for made, other in zip(case.forecasts(case.fitted), turned.forecasts(turned.fitted), strict=True):
        require(set(made.series) == set(other.series), "another order of series forecast other series")
        order = [other.series.index(name) for name in made.series]
        require(
            same_bits(made.values, other.values[order]),
            "probabilities depend on the order of the series; they must be the same bits",
        )


def _check_constant_series(case: ClassifierCase) -> None:
    """A series that never moves stops no fit; a panel of nothing else is a FitError."""
    place = case.history.panel.field_index(case.spec.field)

    def still(values: np.ndarray) -> None:
        values[:, 0] = values[0, 0, place]

    beside = replace(case, history=_changed(case.history, still))
    for made in beside.forecasts(beside.fitted):
        names = case.history.panel.series
        require(made.series == names, f"a constant series beside them left only {made.series}")
    alone = replace(case, history=beside.history.select(case.history.panel.series[:1]))
    require_fit_error(lambda: fit(alone.spec, alone.train), "a series that never moves")


def _check_short_history(case: ClassifierCase) -> None:
    """Too little history to fit is a FitError; too little to forecast from leaves every series out."""
    few = replace(case.history, panel=case.history.panel.rows(0, 2))
    require_fit_error(lambda: fit(case.spec, few), "2 rows")
    if case.spec.context > 1:
        made = predict(case.fitted, case.train.last(case.spec.context - 1))
        require(
            made.series == (), f"{made.series} were forecast from fewer rows than context {case.spec.context}"
        )


def _check_stale_series(case: ClassifierCase) -> None:
    """A series whose last value is older than 5 bars is left out; the others keep their bits."""
    known = case.history.until(case.cutoffs[-1])

    def lost(values: np.ndarray) -> None:
        values[-MAX_STALE - 1 :, 0] = np.nan

    made, whole = predict(case.fitted, _changed(known, lost)), predict(case.fitted, known)
    require(made.series == whole.series[1:], f"{made.series} were forecast beside one stale series")
    require(same_bits(made.values, whole.values[1:]), "a stale series changed the forecasts of the others")


def _check_gaps(case: ClassifierCase) -> None:
    """A few missing bars, and a series never observed, stop neither fit nor forecast."""

    def holes(values: np.ndarray) -> None:
        values[np.random.default_rng(SEED).random(values.shape[:2]) < 0.05] = np.nan
        values[:, 0] = np.nan

    sparse = replace(case, history=_changed(case.history, holes))
    for made in sparse.forecasts(sparse.fitted):
        require(
            made.series == case.history.panel.series[1:],
            f"with 5 % of bars missing and one series never observed, {made.series} were forecast",
        )


def _check_spec(case: ClassifierCase) -> None:
    """The spec is hashable and comes back equal from its own description."""
    require_described(CLASSIFIERS, case.spec)


def _check_context(case: ClassifierCase) -> None:
    """A forecast uses at most the last ``context`` rows."""
    recent = [
        predict(case.fitted, case.history.until(cutoff).last(case.spec.context)) for cutoff in case.cutoffs
    ]
    _require_same(case.forecasts(case.fitted), recent, f"without the rows before context {case.spec.context}")


def _check_many(case: ClassifierCase) -> None:
    """``predict_many`` gives the bits of a loop."""
    rngs = [RandomStreams(SEED, cutoff) for cutoff in case.cutoffs]
    many = case.fitted.predict_many(case.history, case.cutoffs, rngs)
    _require_same(case.forecasts(case.fitted), many, "when asked together (predict_many)")


CHECKS: dict[str, Check] = {
    "future is never seen": _check_future,
    "inputs are not changed": _check_inputs,
    "same seed, same bits": _check_seed,
    "shape and values": _check_shape,
    "storage keeps the bits": _check_storage,
    "order of series does not matter": _check_permutation,
    "constant series": _check_constant_series,
    "short history": _check_short_history,
    "stale series": _check_stale_series,
    "missing bars": _check_gaps,
    "spec round trip": _check_spec,
    "at most context rows": _check_context,
    "many equals a loop": _check_many,
}
"""Every check by its name; each raises a typed error that says what was broken."""
