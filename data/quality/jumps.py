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

SMALLEST_SPLIT = float(np.log(1.18))
"""Below this size (a 6:5 split) a jump is no candidate."""

LARGE_MOVE = 0.25
"""Log returns of a session beyond this are told as large moves."""

UNREST_LIMIT = 2.5
"""Most doublings of range and turnover, together, in the session of a split."""

UNREST_LIMIT_WITHOUT_VOLUME = 1.25
"""Most doublings of the range alone, where no volume is known."""

TURNOVER_COLLAPSE = 20.0
"""A turnover below its usual level by this factor belongs to another market, not to a split."""

_NEAR, _FAR = 20, 60
_RATIOS: tuple[Fraction, ...] = (
    *(Fraction(n) for n in (2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 15, 20, 25, 30, 40, 50, 60, 100)),
    *(
        Fraction(p, q)
        for p, q in ((6, 5), (5, 4), (4, 3), (7, 5), (3, 2), (8, 5), (5, 3), (7, 4), (5, 2), (7, 2))
    ),
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
    """

    session: int
    move: float
    gap: float
    noise: float
    is_lone: bool
    unrest: float
    turnover: float
    level: float


def large_jumps(sessions: SessionBars, explained: Times) -> list[Jump]:
    """Return the jumps beyond the smallest split, in order, without those that known actions explain.

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
    candidates = np.flatnonzero((np.abs(moves) >= SMALLEST_SPLIT) & ~is_explained)
    return [_jump(sessions, moves, int(i) + 1) for i in candidates]


def _jump(sessions: SessionBars, moves: Floats, session: int) -> Jump:
    """Return what happened at a session, against the sessions around it (never the jump's own)."""
    near = _around(len(sessions), session, _NEAR)
    opened = float(sessions.open[session])
    base = float(sessions.close[session - 1])
    others = (
        np.abs(moves[_around(len(sessions), session, _FAR)[1:] - 1]) if len(sessions) > 2 else np.zeros(1)
    )
    closest = np.abs(moves[near[near > 0] - 1])
    noise = max(1.4826 * median(others) if len(others) else 0.0, 0.002)
    ranges = np.log(sessions.high / sessions.low)
    turnovers = sessions.close * sessions.volume
    turnover = float(turnovers[session]) / _usual(turnovers[near])
    spread = float(ranges[session]) / _usual(ranges[near])
    move = float(moves[session - 1])
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
    )


def _around(length: int, session: int, reach: int) -> Ints:
    """Return the sessions within reach of a session, without itself."""
    near = np.arange(max(0, session - reach), min(length, session + reach + 1))
    return np.asarray(near[near != session])


def _usual(values: Floats) -> float:
    """Return the median of the positive values, NaN when there is none."""
    return median(values[values > 0]) if len(values) else float("nan")


def _doublings(ratio: float) -> float:
    return max(0.0, float(np.log2(ratio))) if np.isfinite(ratio) and ratio > 0 else 0.0


def split_ratio(jump: Jump) -> Fraction | None:
    """Return new units per old unit when a jump looks like an unadjusted split or bonus, else None."""
    has_volume = np.isfinite(jump.turnover)
    limit = UNREST_LIMIT if has_volume else UNREST_LIMIT_WITHOUT_VOLUME
    if not jump.is_lone or jump.unrest > limit or jump.turnover < 1 / TURNOVER_COLLAPSE:
        return None
    best = min(_RATIOS, key=lambda ratio: abs(abs(jump.gap) - np.log(float(ratio))))
    size = float(np.log(float(best)))
    tolerance = min(max(2.5 * jump.noise, 0.01), 0.15, size / 4)
    # A ratio such as 7:5 is near every jump of its size, so it must fit better than 2:1.
    if best.denominator > 1 or not has_volume:
        tolerance /= 2
    has_stayed = abs(abs(jump.level) - size) <= 0.35 * size + 2 * jump.noise and jump.level * jump.gap > 0
    if abs(abs(jump.gap) - size) > tolerance or not has_stayed:
        return None
    return best if jump.gap < 0 else 1 / best


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
