"""Compiled: how the loops over swaps are compiled, once for all of them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, ParamSpec, TypeVar, cast

import numba

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


def compiled(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """Return the function compiled on first call and cached on disk; plain IEEE arithmetic, no reordering, no lock held.

    The caller owns every array and nothing is allocated, so reference counts (``_nrt``), an atomic write for each array that
    another compiled function takes, are left out. The cache watches the function's own file and that of the pool's constants,
    so a compiled function calls no compiled function of another file.
    """
    return _compiled(function)


def inlined(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """Return the function compiled, and written out wherever a compiled function of the same file calls it."""
    return _compiled(function, forceinline=True)


def _compiled(function: Callable[Arguments, Result], **options: bool) -> Callable[Arguments, Result]:
    njit: Any = numba.njit  # its stub leaves ``_nrt`` out
    shared = {"cache": True, "error_model": "numpy", "nogil": True, "_nrt": False}
    dispatcher = njit(**shared, **options)(function)
    # Constants of a pool are frozen into the code; numba would go on with old ones, for it looks at the function's file only.
    dispatcher._cache._cache_file._source_stamp = source_stamp(Path(function.__code__.co_filename))
    return cast(Callable[Arguments, Result], dispatcher)


def source_stamp(own: Path) -> tuple[tuple[float, int], ...]:
    """Return time of change and size of a file and of the one that holds a pool's constants."""
    facts = [path.stat() for path in (own, Path(__file__).with_name("pool.py"))]
    return tuple((fact.st_mtime, fact.st_size) for fact in facts)
