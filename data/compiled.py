"""Compiled: how every compiled loop is declared, and when its cached code is stale."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar, cast

import numba

Compiled = TypeVar("Compiled", bound=Callable[..., Any])
Stamp = tuple[tuple[float, int], ...]


def compiled_with(function: Compiled, watched: Sequence[Path], **options: bool) -> Compiled:
    """Return the function compiled on first call and cached on disk; plain IEEE arithmetic, no reordering, no lock held.

    The caller owns every array and nothing is allocated, so reference counts (``_nrt``), an atomic write for each array that
    another compiled function takes, are left out.

    Args:
        function: the loop.
        watched: files whose functions or constants are frozen into it; numba's cache looks at its own file only.
        options: further ones of ``numba.njit``.
    """
    njit: Any = numba.njit  # its stub leaves ``_nrt`` out
    shared = {"cache": True, "error_model": "numpy", "nogil": True, "_nrt": False}
    dispatcher = njit(**shared, **options)(function)
    dispatcher._cache._cache_file._source_stamp = source_stamp(
        [Path(function.__code__.co_filename), *watched]
    )
    return cast(Compiled, dispatcher)


def source_stamp(files: Sequence[Path]) -> Stamp:
    """Return time of change and size of each file."""
    return tuple((fact.st_mtime, fact.st_size) for fact in (file.stat() for file in files))
