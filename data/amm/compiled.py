"""Compiled: how the loops over swaps are compiled, once for all of them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from data.compiled import compiled_with

Compiled = TypeVar("Compiled", bound=Callable[..., Any])

_CONSTANTS = (Path(__file__).with_name("pool.py"),)


def compiled(function: Compiled) -> Compiled:
    """Return the function compiled, see ``data.compiled``; it calls no compiled function of another file."""
    return compiled_with(function, _CONSTANTS)


def inlined(function: Compiled) -> Compiled:
    """Return the function compiled, and written out wherever a compiled function of the same file calls it."""
    return compiled_with(function, _CONSTANTS, forceinline=True)
