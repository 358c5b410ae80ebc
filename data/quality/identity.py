"""Identity: series under one name that are not one instrument, and single prices that belong to none."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from data.findings import Finding
from data.panel import Floats
from data.quality.bars import SeriesBars, median, plural, shown
from data.quality.grid import Grid, Ints
from data.quality.jumps import TURNOVER_COLLAPSE, UNREST_LIMIT, Jump, split_ratio
from data.quality.session_bars import SessionBars

LONG_PAUSE = 250
"""Sessions without a bar after which a name may have been given to another instrument."""

SHORT_PAUSE = 60
"""The same, when the level of the price or the volume changed as well."""

PRICE_FACTOR = 2.0
"""A change of the price over a pause by this factor speaks of another instrument."""

LEVEL_FACTOR = 4.0
"""A lasting change of the price in one session by this factor needs a cause."""

VOLUME_FACTOR = 30.0
"""A change of the usual volume over a pause by this factor speaks of another instrument."""

ALTERNATION = float(np.log(1.3))
"""Smallest log jump that counts as one between two instruments' prices."""

_FEWEST_TICKS = 10
_SPIKE = 0.2
_JUMP_NOISE, _ALTERNATION_NOISE, _WICK_NOISE = 10.0, 20.0, 30.0
_LONGEST_STAY = 120
_BUSY = 4.0
_AROUND = 60


@dataclass(frozen=True)
class Reuse:
    """Sessions at which a name seems to pass to another instrument.

    Attributes:
        sessions: positions of the first sessions after each change.
        factor: the largest factor between the prices on both sides.
        is_sure: whether price or volume changed too, so that a pause alone is not all there is.
        message: what was seen and what it means for a backtest.
    """

    sessions: tuple[int, ...]
    factor: float
    is_sure: bool
    message: str


def ticker_reuses(sessions: SessionBars, jumps: Sequence[Jump]) -> list[Reuse]:
    """Return pauses of months, prices that alternate between two levels, and levels from nowhere, in this order.

    Args:
        sessions: one bar a session.
        jumps: the jumps that no known action explains.
    """
    found = [*_over_pauses(sessions), *_alternations(sessions, jumps)]
    taken = {session for reuse in found for session in reuse.sessions}
    return [*found, *(_level(jump) for jump in jumps if jump.session not in taken and _is_from_nowhere(jump))]


def reused_ticker(bars: SeriesBars, sessions: SessionBars, reuse: Reuse) -> Finding:
    """Return the finding ``ticker_reuse``: an error, or a warning where only the pause speaks for it; value: the factor."""
    rows = np.searchsorted(bars.times, sessions.first_times[list(reuse.sessions)])
    return bars.found(
        "ticker_reuse",
        "error" if reuse.is_sure else "warning",
        rows,
        reuse.message,
        field=bars.price or "close",
        value=reuse.factor,
    )


def _over_pauses(sessions: SessionBars) -> Iterator[Reuse]:
    pauses = np.diff(sessions.numbers) - 1
    for i in np.flatnonzero(pauses >= SHORT_PAUSE):
        change = float(sessions.close[i + 1] / sessions.close[i])
        is_other = (
            max(change, 1 / change) >= PRICE_FACTOR or _volume_factor(sessions, int(i)) >= VOLUME_FACTOR
        )
        if not is_other and pauses[i] < LONG_PAUSE:
            continue
        message = (
            f"{plural(int(pauses[i]), 'session')} without a bar before {shown(sessions.first_times[i + 1])}, then the price is "
            f"{change:,.4g} times the last: {'' if is_other else 'perhaps '}another instrument under the same name, which a "
            "backtest would trade as one."
        )
        yield Reuse((int(i) + 1,), max(change, 1 / change), is_other, message)


def _volume_factor(sessions: SessionBars, last: int) -> float:
    """Return the factor between the usual volumes of the 20 sessions up to ``last`` and the 20 after it, NaN if unknown."""
    before = median(sessions.volume[max(0, last - 19) : last + 1])
    after = median(sessions.volume[last + 1 : last + 21])
    low, high = min(before, after), max(before, after)
    return high / max(low, 1.0)


def _alternations(sessions: SessionBars, jumps: Sequence[Jump]) -> Iterator[Reuse]:
    chain = _alternating(sessions, jumps)
    if not chain:
        return
    worst = max(chain, key=lambda jump: abs(jump.move))
    low, high = sorted(sessions.close[[worst.session - 1, worst.session]])
    message = (
        f"The price jumps {len(chain)} times between two levels (about {low:.4g} and {high:.4g}): rows of two instruments are "
        "mixed under one name, and a backtest would book every change as a return."
    )
    yield Reuse(tuple(jump.session for jump in chain), float(np.exp(abs(worst.move))), True, message)


def _level(jump: Jump) -> Reuse:
    factor = float(np.exp(abs(jump.move)))
    message = (
        f"The price {'rises' if jump.move > 0 else 'falls'} {factor:,.3g}-fold from one session to the next and stays, with "
        "neither a split ratio nor the turnover of a real move: another instrument under the same name, or another unit or venue."
    )
    return Reuse((jump.session,), factor, True, message)


def _alternating(sessions: SessionBars, jumps: Sequence[Jump]) -> list[Jump]:
    """Return the jumps between two levels, when there are three or more that each undo the one before."""
    tick = _tick(sessions.close)
    large = [
        jump
        for jump in jumps
        if abs(jump.move) >= max(ALTERNATION, _ALTERNATION_NOISE * jump.noise)
        and abs(sessions.close[jump.session] - sessions.close[jump.session - 1]) >= _FEWEST_TICKS * tick
    ]
    chains: list[list[Jump]] = [[]]
    for jump in large:
        if chains[-1] and not _undoes(jump, chains[-1][-1]):
            chains.append([])
        chains[-1].append(jump)
    return [jump for chain in chains if len(chain) >= 3 for jump in chain]


def _undoes(jump: Jump, last: Jump) -> bool:
    """Return whether a jump takes back the one before it, soon and by about its size."""
    rest = abs(last.move + jump.move)
    is_soon = jump.session - last.session <= _LONGEST_STAY
    return is_soon and rest <= 0.35 * max(abs(last.move), abs(jump.move))


def _tick(close: Floats) -> float:
    """Return the smallest change of price seen."""
    changes = np.abs(np.diff(close))
    changes = changes[changes > 0]
    return float(changes.min()) if len(changes) else 0.0


def _is_from_nowhere(jump: Jump) -> bool:
    if abs(jump.move) < np.log(LEVEL_FACTOR) or not jump.is_lone or split_ratio(jump) is not None:
        return False
    has_stayed = abs(jump.level) >= 0.5 * abs(jump.move) and jump.level * jump.move > 0
    is_quiet = jump.unrest <= UNREST_LIMIT or jump.turnover < 1 / TURNOVER_COLLAPSE
    return has_stayed and (is_quiet or abs(jump.move) >= np.log(TURNOVER_COLLAPSE))


def price_spikes(bars: SeriesBars, grid: Grid) -> Iterator[Finding]:
    """Yield ``price_spike`` (warning): one close, high or low far from the prices around it; value: the factor.

    A close is a spike when it leaves by over 20 % and ten times the usual move and is back in the next bar; a high or low
    when it lies beyond half or twice the bar's open and close and beyond thirty times the usual move.
    """
    if bars.price is None:
        return
    price = bars.columns[bars.price]
    with np.errstate(invalid="ignore"):
        known = bars.rows(np.isfinite(price) & (price > 0))
    close = known.columns[bars.price]
    if len(close) < 3:
        return
    moves = np.diff(np.log(close))
    usual = 1.4826 * median(np.abs(moves[moves != 0]))
    there, back = moves[:-1], moves[1:]
    is_spike = (there * back < 0) & (np.minimum(np.abs(there), np.abs(back)) > _SPIKE)
    is_spike &= np.abs(there + back) < 0.25 * np.abs(there)
    is_spike &= np.abs(np.diff(close))[:-1] >= _FEWEST_TICKS * _tick(close)
    for i in np.flatnonzero(is_spike):
        is_spike[i] = abs(there[i]) > _JUMP_NOISE * _noise(moves, int(i)) and not _is_busy(known, int(i) + 1)
    if is_spike.any():
        yield _spike(known, bars.price, np.flatnonzero(is_spike) + 1, np.abs(there[is_spike]))
    for name in ("high", "low"):
        if {name, "open", "close"} <= set(known.columns):
            wick = _wicks(known, name)
            far = np.flatnonzero(wick > max(np.log(2), _WICK_NOISE * (usual if np.isfinite(usual) else 0)))
            if len(far):
                yield _spike(known, name, far, wick[far])


def _noise(moves: Floats, place: int) -> float:
    """Return the standard deviation of the moves around a spike, from their median and without the spike's own two."""
    past, coming = moves[max(0, place - _AROUND) : place], moves[place + 2 : place + 2 + _AROUND]
    around = np.abs(np.concatenate([past, coming]))
    return 1.4826 * float(np.median(around)) if len(around) else 0.0


def _is_busy(bars: SeriesBars, row: int) -> bool:
    """Return whether a bar's volume is far above those around it, as in a real crash and rebound."""
    volume = bars.columns.get("volume")
    if volume is None:
        return False
    around = volume[max(0, row - _AROUND) : row + _AROUND + 1]
    return bool(volume[row] > _BUSY * median(around[around > 0]))


def _wicks(bars: SeriesBars, name: str) -> Floats:
    """Return by how much (log) the high or low lies beyond open and close, (N,); NaN where it is not positive."""
    ends = [bars.columns["open"], bars.columns["close"]]
    column = bars.columns[name]
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = column / np.fmax(*ends) if name == "high" else np.fmin(*ends) / column
        beyond = np.log(ratio)
    return np.where(np.isfinite(beyond), beyond, np.nan)


def _spike(bars: SeriesBars, name: str, rows: Ints, sizes: Floats) -> Finding:
    worst = int(rows[sizes.argmax()])
    factor = float(np.exp(sizes.max()))
    message = (
        f"The {name} of {plural(len(rows), 'bar')} stands alone, most at {shown(bars.times[worst])} with "
        f"{bars.columns[name][worst]:.6g}, {factor:.3g} times off the prices around it: an erroneous trade or a bad record, at "
        "which stops and limits would wrongly fill."
    )
    return bars.found("price_spike", "warning", rows, message, field=name, value=factor)
