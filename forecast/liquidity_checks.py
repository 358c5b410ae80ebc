"""The contract every liquidity forecaster keeps, as checks anyone can run on their own."""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path

import numpy as np

from data.amm.bars import pool_bars
from data.amm.pool import Pool
from data.amm.pool_log import PoolLog, SwapPath
from data.history import History
from data.panel import Floats
from data.sessions import BarClock, bar_length
from forecast.checks import (
    SEED,
    CheckResult,
    Places,
    require,
    require_described,
    require_fit_error,
    round_trip,
    run_check,
)
from forecast.errors import CheckFailure, ForecastError
from forecast.liquidity import (
    LIQUIDITY_FORECASTERS,
    AbstractFittedLiquidity,
    AbstractLiquidityForecaster,
    LiquidityForecast,
)
from forecast.lookahead import Outputs, check_no_lookahead, same_bits
from forecast.randomness import RandomStreams

STORED_AS: tuple[str, ...] = (".npz", ".json", ".txt", ".safetensors")
"""Endings of files that hold no code."""


def synthetic_pool_history(bars: int = 700, swaps_per_bar: float = 4.0, seed: int = 5) -> History:
    """Return hourly bars of a made pool: swaps at random times whose size comes in waves, back and forth around a random walk.

    Without liquidity changes; some bars hold no swap.
    """
    rng = np.random.default_rng(seed)
    count = int(bars * swaps_per_bar)
    clock = BarClock("24/7", "1h")
    start, length = np.datetime64("2022-01-01", "ns"), int(bar_length("1h").astype(np.int64))
    places = np.sort(rng.uniform(0.0, float(bars), count))
    places[0], places[-1] = 0.5, bars - 1e-6
    wave = np.exp(0.8 * np.sin(places / 60.0) + 0.3 * rng.standard_normal(count))
    logs = 12.0 + np.cumsum(0.001 * wave * rng.standard_normal(count))
    root = np.exp(logs + 0.001 * rng.standard_normal(count))
    times = start + (np.sort(places) * length).astype("timedelta64[ns]")
    log = PoolLog(Pool(token0="BASE", token1="QUOTE"), _swap_path(times, np.concatenate([root[:1], root])))
    return History(pool_bars(log, clock, end=start + bars * bar_length("1h")), clock, pool=log)


def _swap_path(times: np.ndarray, root: Floats) -> SwapPath:
    """Return swaps along N + 1 root prices in a pool of constant liquidity without a fee."""
    liquidity = 1e18
    rows = np.arange(len(times), dtype=np.int64)
    return SwapPath(
        times,
        rows,
        np.zeros(len(times), np.int64),
        root[:-1],
        root[1:],
        liquidity * (1.0 / root[1:] - 1.0 / root[:-1]),
        liquidity * (root[1:] - root[:-1]),
        np.full(len(times), liquidity),
    )


@dataclass(frozen=True)
class LiquidityCase(Places):
    """A forecaster, the history of a pool, and where in it the forecaster is fitted and asked.

    Attributes:
        spec: the hyper-parameters.
    """

    spec: AbstractLiquidityForecaster

    @cached_property
    def fitted(self) -> AbstractFittedLiquidity:
        """The forecaster fitted once."""
        return fit(self.spec, self.train)

    def forecasts(self, fitted: AbstractFittedLiquidity) -> list[LiquidityForecast]:
        """Return the forecasts of a fitted forecaster at every cutoff."""
        return [predict(fitted, self.history.until(cutoff)) for cutoff in self.cutoffs]


Check = Callable[[LiquidityCase], None]


def check_liquidity(
    spec: AbstractLiquidityForecaster, *, history: History | None = None
) -> list[CheckResult]:
    """Return one result per check of the contract, in the order of ``CHECKS``.

    Args:
        spec: the forecaster to check, registered or not.
        history: of a pool; by default ``synthetic_pool_history()``. It needs bars enough for a fit to the first 80 %.
    """
    case = LiquidityCase(synthetic_pool_history() if history is None else history, spec)
    return [run_check(name, partial(check, case)) for name, check in CHECKS.items()]


def fit(spec: AbstractLiquidityForecaster, train: History) -> AbstractFittedLiquidity:
    """Return the forecaster fitted with the streams of the history's cutoff."""
    return spec.fit(train, RandomStreams(SEED, train.cutoff))


def predict(fitted: AbstractFittedLiquidity, history: History) -> LiquidityForecast:
    """Return the forecast made with the streams of the history's cutoff."""
    return fitted.predict(history, RandomStreams(SEED, history.cutoff))


def parts(made: LiquidityForecast) -> dict[str, np.ndarray]:
    """Return every number of a forecast by name."""
    return {
        "profile": made.profile.values,
        "edges": np.asarray(made.profile.edges),
        "changes": made.offset.values,
        "price": made.offset.last,
        "variance": np.asarray(made.variance),
        "times": made.profile.times,
    }


def _require_same(first: Sequence[LiquidityForecast], second: Sequence[LiquidityForecast], when: str) -> None:
    require(len(first) == len(second), f"other cutoffs were forecast {when}")
    for left, right in zip(first, second, strict=True):
        before, after = parts(left), parts(right)
        moved = [name for name in before if not same_bits(before[name], after[name])]
        require(not moved, f"{', '.join(moved)} changed {when}; they must be the same bits")


def _check_future(case: LiquidityCase) -> None:
    """Forecasts do not move when bars after their cutoff are raised, lowered, mirrored, lost or cut off, or swaps are others."""

    def walk(history: History) -> Outputs:
        fitted = fit(case.spec, history.until(case.fit_cutoff))
        named = {}
        for cutoff in (each for each in case.cutoffs if each <= history.cutoff):
            try:
                # Asked this way the forecaster holds the future in its hands.
                (made,) = fitted.predict_many(history, [cutoff], [RandomStreams(SEED, cutoff)])
            except ForecastError:
                # Bars after the poison may be no pool's bars; a forecast that must be there is missed by the comparison.
                continue
            named[cutoff] = parts(made)
        return {
            name: {cutoff: each[name] for cutoff, each in named.items()}
            for name in ("profile", "changes", "price", "variance", "times")
        }

    cutoffs = [case.cutoffs[0], case.cutoffs[-1]]
    check_no_lookahead(walk, case.history, cutoffs, named=type(case.spec).__name__)
    whole = walk(case.history)
    for cutoff in cutoffs:
        other = walk(other_future(case.history, cutoff))
        for name, found in whole.items():
            same = all(same_bits(made, other[name][time]) for time, made in found.items() if time <= cutoff)
            require(same, f"{name} moved when swaps after {cutoff} were others; it saw the future")


def other_future(history: History, cutoff: np.datetime64) -> History:
    """Return the history with every swap after the cutoff three times as far and the other way, and bars to match.

    Bars and swaps up to the cutoff keep their bits.
    """
    assert history.pool is not None
    swaps = history.pool.swaps
    known = len(swaps.until(cutoff))
    steps = np.log(swaps.sqrt_after / swaps.sqrt_before)
    root = np.concatenate([swaps.sqrt_before[:1], swaps.sqrt_after])
    root[known + 1 :] = root[known] * np.exp(np.cumsum(-3.0 * steps[known:]))
    before = np.concatenate([swaps.sqrt_before[: known + 1], root[known + 1 : -1]])[: len(swaps)]
    changed = replace(swaps, sqrt_before=before, sqrt_after=root[1:])
    log = replace(history.pool, swaps=changed)
    bars = pool_bars(log, history.clock, start=history.times[0], end=history.cutoff)
    return replace(history, panel=bars, pool=log)


def _check_inputs(case: LiquidityCase) -> None:
    """Fitting and forecasting leave every input as it was."""
    before = case.history.fingerprint()
    values = case.history.panel.values.copy()
    own = replace(case.history, panel=replace(case.history.panel, values=values))
    case.forecasts(fit(case.spec, own.until(case.fit_cutoff)))
    require(own.fingerprint() == before, "the history was changed in place")


def _check_seed(case: LiquidityCase) -> None:
    """The same seed gives the same bits, from the fit on and from the forecast on."""
    once = case.forecasts(case.fitted)
    _require_same(once, case.forecasts(case.fitted), "when asked twice")
    _require_same(once, case.forecasts(fit(case.spec, case.train)), "after a second fit with the same seed")


def _check_shape(case: LiquidityCase) -> None:
    """A forecast has the cutoff, time, bins and levels asked, and counts from the price known at its cutoff."""
    spec = case.spec
    for cutoff, made in zip(case.cutoffs, case.forecasts(case.fitted), strict=True):
        require(made.cutoff == cutoff, f"cutoff was {made.cutoff}; the history ends at {cutoff}")
        expected = case.history.clock.next(cutoff, spec.horizon)[-1:]
        for times in (made.profile.times, made.offset.times):
            require(same_bits(times, expected), f"times were {times}; the span is over at {expected}")
        require(
            same_bits(made.profile.edges, spec.edges),
            f"edges were {made.profile.edges}; {spec.edges} were asked",
        )
        require(
            tuple(made.offset.levels) == spec.levels,
            f"levels were {made.offset.levels}; {spec.levels} were asked",
        )
        require(
            made.offset.quantity == "log_return", f"quantity was {made.offset.quantity}; it is log_return"
        )
        names = case.history.panel.series
        require(
            made.profile.series == names and made.offset.series == names,
            f"series were {made.profile.series} and {made.offset.series}; the panel has {names}",
        )
        price = case.history.until(cutoff).panel.field("sqrt_price")[-1] ** 2
        require(same_bits(made.offset.last, price), f"last was {made.offset.last}; the price is {price}")
        require(bool(made.profile.values.sum() > 0.0), "no path is expected where swaps come every hour")


def _check_quiet(case: LiquidityCase) -> None:
    """A context in which nobody traded is forecast all the same."""
    assert case.history.pool is not None
    cutoff = case.history.times[-1] + case.spec.context * bar_length(case.history.clock.bar)
    bars = pool_bars(case.history.pool, case.history.clock, start=case.history.times[0], end=cutoff)
    predict(case.fitted, replace(case.history, panel=bars))


def _check_storage(case: LiquidityCase) -> None:
    """A forecaster that was saved and loaded forecasts the same bits, and none of its files can hold code."""
    with tempfile.TemporaryDirectory() as parent:
        folder = Path(parent) / "fitted"
        again = round_trip(LIQUIDITY_FORECASTERS, case.fitted, folder)
        wrong = sorted(path.name for path in folder.iterdir() if path.suffix not in STORED_AS)
        require(not wrong, f"files {', '.join(wrong)} were written; allowed endings: {', '.join(STORED_AS)}")
        _require_same(case.forecasts(case.fitted), case.forecasts(again), "after saving and loading")


def _check_constant(case: LiquidityCase) -> None:
    """A pool whose price never moved is a FitError."""
    assert case.history.pool is not None
    swaps = case.history.pool.swaps
    still = np.full(len(swaps), swaps.sqrt_before[0])
    log = replace(case.history.pool, swaps=replace(swaps, sqrt_before=still, sqrt_after=still))
    bars = pool_bars(log, case.history.clock, start=case.history.times[0], end=case.history.cutoff)
    require_fit_error(
        lambda: fit(case.spec, replace(case.history, panel=bars, pool=log)), "a price that never moved"
    )


def _check_short_history(case: LiquidityCase) -> None:
    """Too little history, or one without a pool, is a FitError at the fit and a ForecastError at the forecast."""
    short = replace(case.history, panel=case.history.panel.rows(0, 2))
    require_fit_error(lambda: fit(case.spec, short.until(short.cutoff)), "2 bars")
    require_fit_error(lambda: fit(case.spec, replace(case.train, pool=None)), "a history without a pool")
    first = case.history.times[case.spec.context - 2]
    for known, what in (
        (case.history.until(first), f"fewer bars than context {case.spec.context}"),
        (replace(case.train, pool=None), "a history without a pool"),
    ):
        try:
            predict(case.fitted, known)
        except ForecastError:
            continue
        raise CheckFailure(f"a forecast from {what} succeeded; a ForecastError is needed")


def _check_spec(case: LiquidityCase) -> None:
    """The spec is hashable and comes back equal from its own description."""
    require_described(LIQUIDITY_FORECASTERS, case.spec)


def _check_context(case: LiquidityCase) -> None:
    """A forecast uses at most the last ``context`` bars and the swaps inside them."""
    recent = [predict(case.fitted, _recent(case.history.until(t), case.spec.context)) for t in case.cutoffs]
    _require_same(
        case.forecasts(case.fitted), recent, f"without what is older than context {case.spec.context}"
    )


def _recent(history: History, context: int) -> History:
    """Return the last bars of a history, with only the swaps inside them."""
    assert history.pool is not None
    kept = history.last(context)
    opening = kept.times[0] - bar_length(history.clock.bar)
    return replace(kept, pool=history.pool.between(opening, kept.cutoff))


def _check_many(case: LiquidityCase) -> None:
    """``predict_many`` gives the bits of a loop."""
    rngs = [RandomStreams(SEED, cutoff) for cutoff in case.cutoffs]
    many = case.fitted.predict_many(case.history, case.cutoffs, rngs)
    _require_same(case.forecasts(case.fitted), many, "when asked together (predict_many)")


CHECKS: dict[str, Check] = {
    "future is never seen": _check_future,
    "inputs are not changed": _check_inputs,
    "same seed, same bits": _check_seed,
    "shape and values": _check_shape,
    "quiet context": _check_quiet,
    "storage keeps the bits": _check_storage,
    "constant price": _check_constant,
    "short history": _check_short_history,
    "spec round trip": _check_spec,
    "at most context rows": _check_context,
    "many equals a loop": _check_many,
}
"""Every check by its name; each raises a typed error that says what was broken."""
