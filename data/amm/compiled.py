"""Compiled: how the loops over swaps are compiled, once for all of them."""

from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar, cast

import numba

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


def compiled(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """Return the function compiled on first call and cached on disk; plain IEEE arithmetic, no reordering, no lock held.

    The cache watches the function's own file only, so a compiled function calls no compiled function of another file.
    """
    njit: Any = numba.njit
    return cast(Callable[Arguments, Result], njit(cache=True, error_model="numpy", nogil=True)(function))
