"""The contract suite finds what it is there to find: planted leaks, and one broken model for each check."""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pytest

from data.history import History
from data.registry import spec
from forecast.base import AbstractFitted, AbstractForecaster
from forecast.checks import CHECKS, Case, check_forecaster, require_forecaster, synthetic_history
from forecast.distribution import QuantileForecast
from forecast.errors import CheckFailure, FitError
from forecast.lookahead import check_no_lookahead, perturbed
from forecast.models.naive import Naive
from forecast.windows import context_window, target_values

HISTORY = synthetic_history(120)
CUTS = [HISTORY.times[row] for row in (40, 80, 110)]


def per_time(history, values):
    return {time: values[i] for i, time in enumerate(history.times)}


def scaled_on_the_past(history):
    close = history.panel.field("close")
    means = [np.nanmean(close[: i + 1], axis=0) for i in range(len(close))]
    return {"feature": per_time(history, close / np.array(means))}


def scaled_on_all_rows(history):
    close = history.panel.field("close")
    return {"feature": per_time(history, close / np.nanmean(close, axis=0))}


def centred_average(history):
    close = np.pad(history.panel.field("close"), ((1, 1), (0, 0)), mode="edge")
    return {"feature": per_time(history, (close[:-2] + close[1:-1] + close[2:]) / 3)}


def filled_backward(history):
    close = history.panel.field("close").copy()
    close[:-1:20] = close[1::20][: len(close[:-1:20])]
    return {"feature": per_time(history, close)}


def told_how_long_history_is(history):
    return {"feature": {time: len(history.times) for time in history.times}}


def one_artefact_of_two_leaks(history):
    close = history.panel.field("close")
    weights = {time: np.nanmax(close[:, 0]) for time in history.times[60:]}
    return {"feature": per_time(history, close), "weight": weights}


def test_features_of_the_past_alone_pass():
    check_no_lookahead(scaled_on_the_past, HISTORY, CUTS)


@pytest.mark.parametrize(
    "pipeline",
    [
        scaled_on_all_rows,
        centred_average,
        filled_backward,
        told_how_long_history_is,
        one_artefact_of_two_leaks,
    ],
)
def test_a_planted_leak_fails(pipeline):
    with pytest.raises(CheckFailure, match="it saw the future"):
        check_no_lookahead(pipeline, HISTORY, CUTS)


def test_a_scaler_fitted_on_all_rows_is_named_with_its_first_time():
    with pytest.raises(CheckFailure) as caught:
        check_no_lookahead(scaled_on_all_rows, HISTORY, CUTS, named="my pipeline")
    first, cut = HISTORY.times[0], HISTORY.times[40]
    expected = f"my pipeline: feature at {first} moved when rows after {cut} were raised; it saw the future"
    assert str(caught.value) == expected


def test_the_artefact_that_leaks_is_named_and_not_its_neighbour():
    with pytest.raises(CheckFailure, match="weight at 2020-03-01"):
        check_no_lookahead(one_artefact_of_two_leaks, HISTORY, [HISTORY.times[80]])


def test_a_cutoff_without_a_future_proves_nothing():
    with pytest.raises(CheckFailure, match="has no row after it"):
        check_no_lookahead(scaled_on_the_past, HISTORY, [HISTORY.times[-1]])


@pytest.mark.parametrize("how", ["raised", "lowered", "missing", "truncated"])
def test_perturbation_keeps_the_past_and_changes_every_later_row(how):
    cut = HISTORY.times[80]
    changed = perturbed(HISTORY, cut, how)
    assert changed.until(cut).fingerprint() == HISTORY.until(cut).fingerprint()
    if how == "truncated":
        assert len(changed.times) == 81
    else:
        assert (changed.panel.values[81:] != HISTORY.panel.values[81:]).all()


Fault = Literal[
    "none",
    "future rows of the view",
    "mutates",
    "chance",
    "times",
    "forgets",
    "order",
    "lonely",
    "brittle",
    "eager",
    "stale",
    "gaps",
    "whole history",
    "many",
    "updates in place",
]


@spec
class Faulty(AbstractForecaster):
    """The last value, with one fault."""

    fault: Fault = "none"

    def fit(self, train, rng):
        seen = ~np.isnan(target_values(train, self.field))
        if len(train.panel) < self.context and self.fault != "eager":
            raise FitError("too short")
        if self.fault == "gaps" and not seen.all():
            raise FitError("a bar is missing")
        if self.fault == "mutates":
            train.panel.values.base[0] += 1.0
        return FaultyFitted(self, {"shift": 0.0, "seen": float(len(train.panel))})

    def fit_many(self, trains, rngs):
        made = super().fit_many(trains, rngs)
        return made[:1] * len(made) if self.fault == "many" else made

    def load(self, folder):
        return FaultyFitted(self, {"shift": 1.0 if self.fault == "forgets" else 0.0, "seen": 0.0})


@dataclass(frozen=True, eq=False)
class FaultyFitted(AbstractFitted):
    spec: Faulty
    state: dict

    def predict(self, history, rng):
        asked, fault = self.spec, self.spec.fault
        window = context_window(history, asked.field, asked.context)
        if fault == "stale":
            names, last = history.panel.series, np.nan_to_num(target_values(history, "close")[-1], nan=1.0)
        else:
            names, last = window.series, window.last
        if fault == "lonely" and len(names) == 1:
            names, last = (), last[:0]
        if fault == "brittle" and (np.ptp(window.values, axis=0) == 0).any():
            names, last = (), last[:0]
        points = last + self.state["shift"]
        if fault == "future rows of the view":
            points = points + history.panel.values.base[-1, 0, 0]
        if fault == "chance":
            points = points + FaultyFitted.coin.normal()
        if fault == "order" and len(last):
            points = points + np.arange(len(points)) * 1e-9
        if fault == "whole history":
            points = points + len(history.panel)
        if fault == "many":
            points = points + self.state["seen"]
        times = history.clock.next(history.cutoff, asked.horizon)
        if fault == "times":
            times = times + np.timedelta64(1, "h")
        values = np.tile(points[:, None, None], (1, asked.horizon, len(asked.levels)))
        return QuantileForecast(history.cutoff, times, names, np.array(asked.levels), values, "level", last)

    def update(self, history):
        if self.spec.fault == "updates in place":
            self.state["shift"] += 1.0
        return self

    def save(self, folder):
        return None


FaultyFitted.coin = np.random.default_rng(0)

FOUND_BY = {
    "future rows of the view": "future is never seen",
    "mutates": "inputs are not changed",
    "chance": "same seed, same bits",
    "times": "shape and values",
    "forgets": "storage keeps the bits",
    "order": "order of series does not matter",
    "lonely": "one series",
    "brittle": "constant series",
    "eager": "short history",
    "stale": "stale series",
    "gaps": "missing bars",
    "whole history": "at most context rows",
    "many": "many equals a loop",
    "updates in place": "update keeps the old model",
}


def faulty(fault):
    return Faulty(context=20, horizon=2, fault=fault)


def test_a_model_without_fault_keeps_the_contract_though_it_is_not_registered():
    require_forecaster(faulty("none"), history=synthetic_history(150))


@pytest.mark.parametrize(("fault", "check"), FOUND_BY.items())
def test_each_fault_is_found_by_the_check_that_is_there_for_it(fault, check):
    results = check_forecaster(faulty(fault), history=synthetic_history(150))
    assert check in [result.check for result in results if not result.passed]


def test_every_check_but_the_round_trip_of_specs_has_a_model_that_breaks_it():
    assert set(CHECKS) - set(FOUND_BY.values()) == {"spec round trip"}


def test_a_spec_that_is_not_equal_to_itself_is_found():
    @spec
    class Unequal(Faulty):
        def __eq__(self, other):
            return False

        def __hash__(self):
            return id(self)

    results = check_forecaster(Unequal(context=20, horizon=2), history=synthetic_history(150))
    assert "spec round trip" in [result.check for result in results if not result.passed]


def test_a_broken_contract_is_raised_with_the_names_of_the_checks():
    with pytest.raises(CheckFailure, match="Faulty breaks its contract: shape and values: times were"):
        require_forecaster(faulty("times"), history=synthetic_history(150))


def test_a_model_that_cannot_be_fitted_at_all_fails_in_words():
    results = check_forecaster(Naive(context=30), history=synthetic_history(20))
    assert not any(result.passed for result in results if result.check == "shape and values")
    assert "no series with 20 errors" in results[0].message


def test_the_synthetic_history_is_a_plausible_market():
    history = synthetic_history()
    opened, high, low, close = (history.panel.field(name) for name in ("open", "high", "low", "close"))
    assert history.panel.series == ("GAMMA", "ALPHA", "BETA")
    assert (low <= np.minimum(opened, close)).all()
    assert (high >= np.maximum(opened, close)).all()
    assert (low > 0).all()
    assert history.fingerprint() == synthetic_history().fingerprint()


def test_a_case_forecasts_at_three_cutoffs_that_leave_rows_to_poison():
    case = Case(HISTORY, Naive(context=30))
    assert len(case.cutoffs) == 3
    assert case.cutoffs[0] == case.fit_cutoff
    assert case.cutoffs[-1] < HISTORY.cutoff
    assert isinstance(replace(case, history=HISTORY).train, History)
