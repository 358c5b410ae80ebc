"""Compiled: how the loops over swaps are compiled, once for all of them."""

from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar, cast

import numba

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


def compiled(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """Return the function compiled on first call and cached on disk; plain IEEE arithmetic, no reordering, no lock held.

    The caller owns every array and nothing is allocated, so reference counts (``_nrt``), an atomic write for each array that
    another compiled function takes, are left out. The cache watches the function's own file only, so a compiled function
    calls no compiled function of another file.
    """
    return _compiled(function)


def inlined(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """Return the function compiled, and written out wherever a compiled function of the same file calls it."""
    return _compiled(function, forceinline=True)


def _compiled(function: Callable[Arguments, Result], **options: bool) -> Callable[Arguments, Result]:
    njit: Any = numba.njit  # its stub leaves ``_nrt`` out
    shared = {"cache": True, "error_model": "numpy", "nogil": True, "_nrt": False}
    return cast(Callable[Arguments, Result], njit(**shared, **options)(function))
