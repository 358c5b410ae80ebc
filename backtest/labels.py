"""Labels: distinct names for things of which several may be of one kind."""

from collections.abc import Sequence


def numbered(kinds: Sequence[str]) -> tuple[str, ...]:
    """Return a label for each kind: its name, numbered from the second of a kind on: ``ridge``, ``ridge-2``."""
    before = [list(kinds[:i]).count(kind) for i, kind in enumerate(kinds)]
    return tuple(kind if not n else f"{kind}-{n + 1}" for kind, n in zip(kinds, before, strict=True))
