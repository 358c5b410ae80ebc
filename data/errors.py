"""The root of Wayfold's errors, and those of the data package.

WayfoldError
├── SpecError            a configuration or argument is wrong (exit code 2)
└── DataError            the data itself is missing, broken or not allowed (exit code 3)
    ├── PanelError       a panel or history breaks its invariants
    ├── SourceError      a source cannot deliver what was asked
    │   └── OfflineError the source needs the network and did not reach it
    ├── LakeError        a stored file is missing, altered or superseded
    └── PoolError        a pool, its events or a position break the pool's rules
        ├── TickError        a tick or range is off the spacing, inverted or outside the pool
        ├── EventOrderError  events are unsorted or repeated
        ├── EventGapError    events are missing
        └── ReorgError       a block read before is no longer part of the chain

Every message says what was wrong, the value, and what is allowed or nearest.
"""

import difflib
from collections.abc import Iterable


class WayfoldError(Exception):
    """An error that is explained to the user in one line."""


class SpecError(WayfoldError):
    """A configuration or argument is wrong."""


class DataError(WayfoldError):
    """The data is missing, broken or not allowed."""


class PanelError(DataError):
    """A panel or history breaks its invariants."""


class SourceError(DataError):
    """A source cannot deliver what was asked."""


class OfflineError(SourceError):
    """A source needs the network and did not reach it."""


class LakeError(DataError):
    """A stored file is missing, altered or superseded."""


class PoolError(DataError):
    """A pool, its events or a position break the pool's rules."""


class TickError(PoolError):
    """A tick or range is off the spacing, inverted or outside the pool."""


class EventOrderError(PoolError):
    """Events are unsorted or repeated."""


class EventGapError(PoolError):
    """Events are missing."""


class ReorgError(PoolError):
    """A block read before is no longer part of the chain."""


def nearest(name: str, allowed: Iterable[str]) -> str:
    """Return a hint naming the nearest allowed word, or all of them: ``; did you mean 'ridge'?``."""
    words = sorted(allowed)
    close = difflib.get_close_matches(name, words, n=1, cutoff=0.6)
    if close:
        return f"; did you mean '{close[0]}'?"
    return f"; allowed: {', '.join(words) or 'nothing'}"
