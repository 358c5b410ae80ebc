"""Jumps: unadjusted splits told from real crashes, by what else happened in the session of the jump.

A split changes the number of units and nothing else: the price opens near a simple ratio of the last close and stays
there, while the session's range and turnover (price times volume) are ordinary. A crash comes with a wide range and a
turnover far above the usual. Neither the size of the jump nor its nearness to a simple ratio can tell them apart.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from data.findings import Finding
from data.panel import Floats, Times
from data.quality.bars import SeriesBars, median, plural, shown
from data.quality.grid import Ints
from data.quality.session_bars import SessionBars

SMALLEST_JUMP = float(np.log(1.18))
"""Smaller log moves of a session are no candidates; a 5:4 split may come with a rise."""

LARGE_MOVE = 0.25
"""Log returns of a session beyond this are told as large moves."""

UNREST_LIMIT = 3.0
"""Most doublings of range and turnover, together, in the session of a split by a whole number, plus half a doubling for
each doubling of the units: nothing real multiplies a price without multiplying its turnover far more."""

UNREST_LIMIT_WITHOUT_VOLUME = 1.5
"""Most doublings of the range alone, where no volume is known."""

FRACTION_UNREST = 1.75
"""Most doublings in the session of a split by a fraction, as ratios such as 5:4 are near many earnings jumps."""

FRACTION_TURNOVER = 2.0
"""Largest turnover over its usual level in the session of a split by a fraction."""

LEAST_NOISE = 0.002
"""Series that barely move are taken to move by this much, so that a rounded price is no jump."""

TURNOVER_COLLAPSE = 20.0
"""A turnover below its usual level by this factor belongs to another market, not to a split."""

_NEAR, _FAR = 20, 60
_WHOLE: tuple[Fraction, ...] = tuple(
    Fraction(n) for n in (2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 15, 20, 25, 30, 40, 50, 60, 100)
)
_PARTIAL: tuple[Fraction, ...] = tuple(
    Fraction(p, q) for p, q in ((5, 4), (4, 3), (3, 2), (5, 3), (5, 2), (7, 2))
)


@dataclass(frozen=True)
class Jump:
    """One large change from a session's close to the next session.

    Attributes:
        session: position of the session after the jump.
        move: log return from close to close.
        gap: log change from the last close to the open (to the close where no open is known).
        noise: standard deviation of log returns around the jump, from their median.
        is_lone: whether the move stands out from every other move near it.
        unrest: doublings of range and turnover over their usual level, each at least 0.
        turnover: turnover over its usual level, NaN where unknown.
        level: log change of the median close of the ten sessions before and from the jump on.
        is_adjacent: whether no session of the clock is missing before the jump.
    """

    session: int
    move: float
    gap: float
    noise: float
    is_lone: bool
    unrest: float
    turnover: float
    level: float
    is_adjacent: bool


def large_jumps(sessions: SessionBars, explained: Times) -> list[Jump]:
    """Return the jumps of 18 % and more, in order, without those that known actions explain.

    Args:
        sessions: one bar a session.
        explained: stamps of known splits; adjusted closes, where the file has them, explain a jump as well.
    """
    moves = np.diff(np.log(sessions.close))
    with np.errstate(invalid="ignore", divide="ignore"):
        adjusted = np.abs(np.diff(np.log(sessions.ratio)))
    is_explained = np.nan_to_num(adjusted) > np.abs(moves) / 2
    known = np.searchsorted(sessions.times, explained)
    is_explained[known[(known > 0) & (known < len(sessions))] - 1] = True
    candidates = np.flatnonzero((np.abs(moves) >= SMALLEST_JUMP) & ~is_explained)
    return [_jump(sessions, moves, int(i) + 1) for i in candidates]


def _jump(sessions: SessionBars, moves: Floats, session: int) -> Jump:
    """Return what happened at a session, against the sessions around it (never the jump's own)."""
    near, far = _around(len(sessions), session, _NEAR), _around(len(sessions), session, _FAR)
    opened, base = float(sessions.open[session]), float(sessions.close[session - 1])
    move = float(moves[session - 1])
    others, closest = np.abs(moves[far[far > 0] - 1]), np.abs(moves[near[near > 0] - 1])
    noise = max(1.4826 * median(others) if len(others) else 0.0, LEAST_NOISE)
    turnover = _over_usual(sessions.close * sessions.volume, session, near)
    spread = _over_usual(np.log(sessions.high / sessions.low), session, near)
    before, after = sessions.close[max(0, session - 10) : session], sessions.close[session : session + 10]
    return Jump(
        session=session,
        move=move,
        gap=float(np.log(opened / base)) if np.isfinite(opened) else move,
        noise=noise,
        is_lone=abs(move) >= max(5 * noise, 1.5 * max([0.0, *closest])),
        unrest=_doublings(spread) + _doublings(turnover),
        turnover=turnover,
        level=float(np.log(np.median(after) / np.median(before))),
        is_adjacent=bool(sessions.numbers[session] - sessions.numbers[session - 1] == 1),
    )


def _around(length: int, session: int, reach: int) -> Ints:
    """Return the sessions within reach of a session, without itself."""
    near = np.arange(max(0, session - reach), min(length, session + reach + 1))
    return np.asarray(near[near != session])


def _over_usual(values: Floats, session: int, near: Ints) -> float:
    """Return a session's value over the median of the positive values near it, NaN where either is unknown."""
    usual = values[near]
    return float(values[session]) / median(usual[usual > 0])


def _doublings(ratio: float) -> float:
    return max(0.0, float(np.log2(ratio))) if np.isfinite(ratio) and ratio > 0 else 0.0


def split_ratio(jump: Jump) -> Fraction | None:
    """Return new units per old unit when a jump looks like an unadjusted split or bonus, else None.

    Whole ratios are tried both ways; ratios such as 3:2 only downward, without a missing session, and under stricter
    limits, since earnings move prices by as much.
    """
    if not jump.is_lone or jump.turnover < 1 / TURNOVER_COLLAPSE:
        return None
    for ratios, fits in ((_WHOLE, _fits_whole), (_PARTIAL, _fits_fraction)):
        best = min(ratios, key=lambda ratio: abs(abs(jump.gap) - _size(ratio)))
        if fits(jump, _size(best)) and _has_stayed(jump, _size(best)):
            return best if jump.gap < 0 else 1 / best
    return None


def _size(ratio: Fraction) -> float:
    return float(np.log(float(ratio)))


def _fits_whole(jump: Jump, size: float) -> bool:
    has_volume = np.isfinite(jump.turnover)
    limit = UNREST_LIMIT + size / np.log(4) if has_volume else UNREST_LIMIT_WITHOUT_VOLUME
    tolerance = min(max(2.5 * jump.noise, 0.01), 0.15) / (1 if has_volume else 2)
    return bool(jump.unrest <= limit and abs(abs(jump.gap) - size) <= tolerance)


def _fits_fraction(jump: Jump, size: float) -> bool:
    if jump.gap > 0 or not jump.is_adjacent or jump.turnover > FRACTION_TURNOVER:
        return False
    limit = FRACTION_UNREST if np.isfinite(jump.turnover) else FRACTION_UNREST / 3
    tolerance = min(max(1.5 * jump.noise, 0.01), size / 8)
    return bool(jump.unrest <= limit and abs(abs(jump.gap) - size) <= tolerance)


def _has_stayed(jump: Jump, size: float) -> bool:
    return abs(abs(jump.level) - size) <= 0.35 * size + 2 * jump.noise and jump.level * jump.gap > 0


def splits(bars: SeriesBars, sessions: SessionBars, jumps: list[Jump]) -> Iterator[Finding]:
    """Yield ``unadjusted_split`` (error) for each jump that is a change of units; value: new units per old unit."""
    for jump in jumps:
        ratio = split_ratio(jump)
        if ratio is None:
            continue
        word = "split or bonus" if ratio > 1 else "reverse split"
        evidence = "range and turnover" if np.isfinite(jump.turnover) else "range"
        first = sessions.first_times[jump.session]
        message = (
            f"The price opens {np.expm1(jump.gap):+.1%} from the last close at {shown(first)} and stays, with ordinary {evidence}: "
            f"an unadjusted {word} of about {ratio.numerator}:{ratio.denominator}, booked by a backtest as a "
            f"{'loss' if ratio > 1 else 'gain'} that no holder had."
        )
        row = np.searchsorted(bars.times, [first])
        yield bars.found(
            "unadjusted_split", "error", row, message, field=bars.price or "close", value=float(ratio)
        )


def large_moves(bars: SeriesBars, sessions: SessionBars, jumps: list[Jump]) -> Iterator[Finding]:
    """Yield ``large_move`` (info): the sessions that moved beyond 25 % in logs and are no split; value: worst return."""
    moved = [jump for jump in jumps if abs(jump.move) >= LARGE_MOVE]
    if not moved:
        return
    worst = max(moved, key=lambda jump: abs(jump.move))
    change = float(np.expm1(worst.move))
    extra = f" on {worst.turnover:.1f} times the usual turnover" if np.isfinite(worst.turnover) else ""
    message = (
        f"{plural(len(moved), 'session')} moved over 22 % down or 28 % up without looking like a split, most "
        f"{shown(sessions.times[worst.session])} with {change:+.1%}{extra}: kept as real; a single one may decide a result."
    )
    rows = np.searchsorted(bars.times, sessions.first_times[[jump.session for jump in moved]])
    yield bars.found("large_move", "info", rows, message, field=bars.price or "close", value=change)
