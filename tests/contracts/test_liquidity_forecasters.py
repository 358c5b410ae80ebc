"""Every registered liquidity forecaster keeps the contract; a new one needs only its line in the table."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from data.registry import spec
from forecast.liquidity import LIQUIDITY_FORECASTERS, AbstractFittedLiquidity
from forecast.liquidity_checks import (
    CHECKS,
    LiquidityCase,
    check_liquidity,
    other_future,
    synthetic_pool_history,
)
from forecast.models.liquidity.averages import LastValue

SMALL = {
    "weekly_mean": {"context": 168},
    "har": {"lags": [6, 24, 60]},
    "lightgbm": {"rounds": 5, "trained_levels": 3, "least_leaf": 10},
    "lstm": {"seeds": 2, "units": 4, "epochs": 2},
}
"""Settings beyond ``context: 60, horizon: 6`` that keep the suite quick."""


def small_spec(kind, **settings):
    usual = {"context": 60, "horizon": 6, "bins": 21, "bin_ticks": 20.0}
    return LIQUIDITY_FORECASTERS.build({"kind": kind, **usual, **SMALL.get(kind, {}), **settings})


def broken(made):
    return [result for result in check_liquidity(made) if not result.passed]


@pytest.mark.parametrize("kind", LIQUIDITY_FORECASTERS.names())
def test_every_registered_liquidity_forecaster_keeps_the_contract(kind):
    results = check_liquidity(small_spec(kind))
    assert [result.check for result in results] == list(CHECKS)
    assert [result for result in results if not result.passed] == []


@pytest.mark.parametrize("kind", ["last_value", "weekly_mean", "har", "lightgbm"])
@pytest.mark.parametrize("horizon", [1, 24])
def test_other_horizons_keep_the_contract_too(kind, horizon):
    assert broken(small_spec(kind, horizon=horizon)) == []


@spec
class Peeking(LastValue):
    """Reads the swaps after the cutoff when it is asked for many forecasts at once."""

    def fit(self, train, rng):
        return PeekingFitted(LastValue.fit(self, train, rng))


@spec
class Forgetless(LastValue):
    """Reads one swap more than its context holds."""

    def fit(self, train, rng):
        return ForgetlessFitted(LastValue.fit(self, train, rng))


class PeekingFitted(AbstractFittedLiquidity):
    def __init__(self, inner):
        self.inner, self.spec = inner, inner.spec

    def predict(self, history, rng):
        return self.inner.predict(history, rng)

    def predict_many(self, history, cutoffs, rngs):
        made = [self.predict(history.until(t), rng) for t, rng in zip(cutoffs, rngs, strict=True)]
        spans = [history.pool.swaps.between(each.cutoff, each.profile.times[-1]) for each in made]
        moved = [float(np.abs(span.sqrt_after - span.sqrt_before).sum()) for span in spans]
        return [replace(each, variance=each.variance + move) for each, move in zip(made, moved, strict=True)]

    def save(self, folder):
        self.inner.save(folder)


class ForgetlessFitted(PeekingFitted):
    predict_many = AbstractFittedLiquidity.predict_many

    def predict(self, history, rng):
        made = self.inner.predict(history, rng)
        return replace(made, variance=made.variance + float(history.pool.swaps.sqrt_before[0]))


def failed(made):
    return {result.check for result in broken(made)}


def test_a_forecaster_that_reads_swaps_to_come_is_named():
    assert {"future is never seen", "many equals a loop"} <= failed(Peeking(context=60, horizon=6))


def test_a_forecaster_that_reads_swaps_older_than_its_context_is_named():
    found = failed(Forgetless(context=60, horizon=6))
    assert "at most context rows" in found
    assert "storage keeps the bits" in found


def test_another_future_leaves_the_past_as_it_was():
    history = synthetic_pool_history(200)
    cutoff = history.times[120]
    other = other_future(history, cutoff)
    assert other.until(cutoff).fingerprint() == history.until(cutoff).fingerprint()
    assert other.fingerprint() != history.fingerprint()


def test_the_places_of_a_case_leave_bars_to_poison():
    case = LiquidityCase(synthetic_pool_history(200), small_spec("last_value"))
    assert case.cutoffs[-1] + case.spec.horizon * np.timedelta64(1, "h") < case.history.cutoff


def test_importing_the_table_imports_no_heavy_library():
    heavy = ("torch", "lightgbm", "sklearn", "numba", "arch")
    code = f"import sys, forecast.liquidity; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_building_every_spec_imports_no_heavy_library():
    heavy = ("torch", "lightgbm", "sklearn", "numba", "arch")
    code = (
        "import sys; from forecast.liquidity import LIQUIDITY_FORECASTERS as known; "
        "[known.build(kind) for kind in known.names()]; "
        f"print([name for name in {heavy} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
