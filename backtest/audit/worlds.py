"""Null worlds: bars like the real ones in which nothing can be known of the next price.

Every world is a martingale in adjusted prices: the expected next price is the last one. What else is kept is the kind's:

    bootstrapped      whitened, demeaned log returns drawn in blocks of geometric length   Politis and Romano 1994
    sign_randomised   each row's demeaned log returns, or all of them turned round         Davidson and Flachaire 2008
    garch_t           GARCH(1,1) with Student t shocks, the series' own variance           Bollerslev 1987, eq. 1
    random_walk       normal log returns                                                   Bachelier 1900

Blocks keep what volatility and skewness do over time, and with it whatever edge is not linear in a series' own last returns:
about such an edge ``bootstrapped`` errs on the side of luck. Whitening removes the linear one. In the other kinds no rule
that knows only the past can earn anything.

All series share their rows, signs or mixing variables, and shocks have the observed correlation, so the cross-section stays
dependent. Bars are rebuilt around the new closes from the shapes of observed bars, turned upside down with the return's
sign; volumes and other fields come with them. Bars that were absent stay absent. Dividends and splits are folded into the
prices, so worlds have none.
"""

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from data.errors import SpecError
from data.events import CorporateActions
from data.history import History
from data.panel import Floats, Panel
from data.prices import ADJUSTED_FIELDS, adjusted
from forecast.randomness import RandomStreams
from forecast.resampling import optimal_block

KINDS: tuple[str, ...] = ("bootstrapped", "sign_randomised", "garch_t", "random_walk")

BLIND: tuple[str, ...] = KINDS[1:]
"""The kinds in which the direction of each bar is independent of everything before it."""

ARCH, GARCH, DEGREES = 0.05, 0.90, 5.0
"""Of ``garch_t``: the weights of the last squared shock and the last variance, and the shocks' degrees of freedom."""

LAGS = 5
"""Own returns whose linear effect is taken out of ``bootstrapped``; series with under ten returns a lag keep theirs."""

LARGEST_SHOCK = 8.0
"""Student t shocks are cut here, in standard deviations: the mean of exp(t) does not exist."""

Rows = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


def make_world(history: History, kind: str, number: int, seed: int) -> History:
    """Return the ``number``-th null world of a kind; it depends on nothing but the bars, the kind, the number and the seed.

    Args:
        history: bars with a close above 0 in every observed row.
        kind: one of ``KINDS``.
        number: which world.
        seed: the experiment's seed.

    Raises:
        SpecError: when the kind is unknown, there is no close, a price is not above 0, or a series has under 3 bars.
    """
    if kind not in KINDS:
        raise SpecError(f"null world kind was '{kind}'; allowed: {', '.join(KINDS)}")
    closes = _closes(history.panel)
    rng = RandomStreams(seed, history.cutoff).of("null world", kind, str(number))
    returns = _own_returns(closes)
    if kind == "bootstrapped":
        rows = _shared_rows(returns, _blocks(len(returns), _block_length(returns), rng))
        drawn = np.take_along_axis(_centred(_whitened(returns)), rows, axis=0)
        return _assembled(history, closes, drawn, rows, np.zeros(rows.shape, bool))
    own = np.repeat(np.arange(len(returns))[:, None], returns.shape[1], axis=1)
    if kind == "sign_randomised":
        turned = np.repeat(rng.random(len(returns))[:, None] < 0.5, returns.shape[1], axis=1)
        demeaned = returns - np.nanmean(returns, axis=0)
        signed = np.where(turned, -demeaned, demeaned)
        # Half of exp(x) + exp(-x) is the expected factor of a row under a random sign.
        return _assembled(history, closes, signed - np.log(np.cosh(demeaned)), own, turned)
    drawn = _shocks(returns, kind, rng)
    rows = _rows_of_like_size(returns, drawn)
    turned = np.sign(drawn) != np.sign(np.take_along_axis(returns, rows, axis=0))
    return _assembled(history, closes, drawn, rows, turned)


def _closes(panel: Panel) -> Floats:
    if "close" not in panel.fields:
        raise SpecError(f"null worlds need the field 'close'; the panel has {', '.join(panel.fields)}")
    for field in ADJUSTED_FIELDS:
        values = panel.field(field) if field in panel.fields else np.ones(1)
        if (values <= 0).any():
            raise SpecError(f"{field} holds {np.nanmin(values):g}; null worlds need prices above 0")
    closes = adjusted(panel, "close")
    few = (~np.isnan(closes)).sum(axis=0) < 3
    if few.any():
        name = panel.series[int(np.argmax(few))]
        raise SpecError(f"series '{name}' has fewer than 3 bars; null worlds need 3 or more of each")
    return closes


def _own_returns(closes: Floats) -> Floats:
    """Return the log return of each bar from its series' last observed one, (T, S); NaN in the first and absent ones."""
    returns = np.full(closes.shape, np.nan)
    for s in range(closes.shape[1]):
        seen = np.flatnonzero(~np.isnan(closes[:, s]))
        returns[seen[1:], s] = np.diff(np.log(closes[seen, s]))
    return returns


def _whitened(returns: Floats) -> Floats:
    """Return what is left of each series' returns after its own last ``LAGS`` explain what they linearly can, (T, S)."""
    left = returns.copy()
    for s in range(returns.shape[1]):
        seen = np.flatnonzero(~np.isnan(returns[:, s]))
        own = returns[seen, s] - returns[seen, s].mean()
        lagged = np.stack([np.append(np.zeros(k), own[:-k]) for k in range(1, LAGS + 1)], axis=1)
        if len(own) > 10 * LAGS:
            left[seen, s] -= lagged @ np.linalg.lstsq(lagged, own, rcond=None)[0]
    return left


def _centred(returns: Floats) -> Floats:
    """Return log returns whose expected factor is 1 when rows are drawn evenly."""
    return np.asarray(returns - np.log(np.nanmean(np.exp(returns), axis=0)))


def _block_length(returns: Floats) -> float:
    """Return the longest optimal block of any series' squared returns: volatility is what blocks must keep."""
    lengths = [1.0]
    for column in returns.T:
        squared = column[~np.isnan(column)] ** 2
        if len(squared) >= 20 and squared.std() > 0:
            lengths.append(optimal_block(squared))
    return min(max(lengths), len(returns) / 4)


def _blocks(length: int, block: float, rng: np.random.Generator) -> Rows:
    """Return rows (T,) in blocks of geometric length, from row 1 on as row 0 has no return; ends wrap round."""
    count = length - 1
    starts = rng.integers(count, size=length)
    begins = rng.random(length) < 1.0 / block
    begins[0] = True
    place = np.maximum.accumulate(np.where(begins, np.arange(length), 0))
    return np.asarray((starts[place] + np.arange(length) - place) % count + 1)


def _shared_rows(returns: Floats, rows: Rows) -> Rows:
    """Return the source row of each bar, (T, S): the shared one, or one of the series' own where that is absent there."""
    chosen = np.repeat(rows[:, None], returns.shape[1], axis=1)
    for s in range(returns.shape[1]):
        seen = np.flatnonzero(~np.isnan(returns[:, s]))
        absent = np.isnan(returns[rows, s])
        chosen[absent, s] = seen[rows[absent] % len(seen)]
    return chosen


def _shocks(returns: Floats, kind: str, rng: np.random.Generator) -> Floats:
    """Return simulated log returns (T, S) with the observed deviations and correlations, and expected factors of 1."""
    deviations = np.nanstd(returns, axis=0)
    normal = rng.standard_normal(returns.shape) @ _correlation_root(returns).T
    if kind == "random_walk":
        return np.asarray(normal * deviations - deviations**2 / 2)
    mixing = np.sqrt((DEGREES - 2) / rng.chisquare(DEGREES, len(returns)))[:, None]
    shocks = np.clip(normal * mixing, -LARGEST_SHOCK, LARGEST_SHOCK)
    drawn, variance = np.empty_like(shocks), deviations**2
    for t, shock in enumerate(shocks):
        step = np.sqrt(variance) * shock
        drawn[t] = step - variance / 2
        variance = deviations**2 * (1 - ARCH - GARCH) + ARCH * step**2 + GARCH * variance
    return drawn


def _correlation_root(returns: Floats) -> Floats:
    """Return L with L L' the observed correlation; rows in which a series is absent count as its mean."""
    standard = (returns - np.nanmean(returns, axis=0)) / np.maximum(np.nanstd(returns, axis=0), 1e-12)
    known = ~np.isnan(standard)
    filled = np.where(known, standard, 0.0)
    shared = np.maximum(known.T.astype(float) @ known, 1.0)
    correlation = filled.T @ filled / shared
    np.fill_diagonal(correlation, 1.0)
    # Pairs observed at different times need not fit together: negative eigenvalues are dropped.
    values, vectors = np.linalg.eigh(correlation)
    root = vectors * np.sqrt(np.maximum(values, 0.0))
    return np.asarray(root / np.linalg.norm(root, axis=1, keepdims=True))


def _rows_of_like_size(returns: Floats, drawn: Floats) -> Rows:
    """Return for each simulated return the row of the observed one with the same rank of size, (T, S)."""
    rows = np.empty(returns.shape, np.int64)
    for s in range(returns.shape[1]):
        seen = np.flatnonzero(~np.isnan(returns[:, s]))
        by_size = seen[np.argsort(np.abs(returns[seen, s]), kind="stable")]
        ranks = np.argsort(np.argsort(np.abs(drawn[:, s]), kind="stable"), kind="stable")
        rows[:, s] = by_size[ranks * len(seen) // len(ranks)]
    return rows


def _assembled(history: History, closes: Floats, drawn: Floats, rows: Rows, turned: Flags) -> History:
    """Return the history with closes that move by ``drawn`` and bars shaped like ``rows``, some turned upside down."""
    panel, present = history.panel, ~np.isnan(closes)
    first = present & (np.cumsum(present, axis=0) == 1)
    moves = np.where(present & ~first, drawn, 0.0)
    begun = np.array([closes[present[:, s], s][0] for s in range(closes.shape[1])])
    made = np.where(present, begun * np.exp(np.cumsum(moves, axis=0)), np.nan)
    sources = np.where(first, np.arange(len(closes))[:, None], rows)
    turned = turned & ~first
    fields = [_field(panel, name, np.where(present, made, np.nan), sources, turned) for name in panel.fields]
    values = np.where(present[:, :, None], np.stack(fields, axis=2), np.nan)
    _hold_bodies(values, panel.fields)
    return replace(history, panel=replace(panel, values=values), actions=CorporateActions())


def _hold_bodies(values: Floats, fields: tuple[str, ...]) -> None:
    """Move highs and lows that rounding left inside their bar's body out to it, in place."""
    body = values[:, :, [fields.index(name) for name in ("open", "close") if name in fields]]
    for name, reach, outer in (("high", np.fmax, body.max(axis=2)), ("low", np.fmin, body.min(axis=2))):
        if name in fields:
            column = values[:, :, fields.index(name)]
            column[...] = np.where(np.isnan(column), column, reach(column, outer))


def _field(panel: Panel, name: str, closes: Floats, rows: Rows, turned: Flags) -> Floats:
    def source(field: str) -> Any:
        return np.take_along_axis(panel.field(field), rows, axis=0)

    if name == "close":
        return closes
    if name == "factor":
        return np.ones_like(closes)
    if name not in ADJUSTED_FIELDS:
        return np.asarray(source(name))
    opposite = {"high": "low", "low": "high"}.get(name, name)
    mirrored = source("close") / source(opposite if opposite in panel.fields else name)
    return np.asarray(closes * np.where(turned, mirrored, source(name) / source("close")))
