"""Axes: the ``grid:`` section of a configuration, a dotted path and the values it takes on each line."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from data.errors import SpecError, nearest

VARIABLE: tuple[str, ...] = (
    "forecaster", "retraining", "calibration", "policy", "limits", "engine", "costs",
)  # fmt: skip
"""The sections a grid may vary: all points share data, folds, benchmark and seed, so that their accounts compare."""

MOST_POINTS = 100_000
"""A larger grid is refused: it is a mistake, or a search whose best is luck."""


@dataclass(frozen=True)
class Axis:
    """One setting that varies.

    Attributes:
        path: dotted path of the setting, as in ``--set``.
        texts: JSON of each value, in the order of the file; JSON so that the axis is hashable.
    """

    path: str
    texts: tuple[str, ...]

    @property
    def values(self) -> tuple[Any, ...]:
        """The values, in the order of the file."""
        return tuple(json.loads(text) for text in self.texts)


def grid_axes(section: Any) -> tuple[Axis, ...]:
    """Return the axes of a ``grid:`` section, in the order of the file; none for an empty one.

    Raises:
        SpecError: when it is no mapping of paths to lists, a path lies outside the sections a grid may vary, a list is
            empty or repeats a value, or there are more than ``MOST_POINTS`` points; names every fault.
    """
    if not isinstance(section, Mapping):
        raise SpecError(f"grid was {section!r}; a mapping of dotted paths to lists of values is needed")
    faults = [fault for path, values in section.items() for fault in _faults(str(path), values)]
    if faults:
        raise SpecError("; ".join(faults))
    axes = tuple(Axis(str(path), tuple(map(_text, values))) for path, values in section.items())
    if (count := point_count(axes)) > MOST_POINTS:
        raise SpecError(f"grid has {count} points; at most {MOST_POINTS} are allowed")
    return axes


def point_count(axes: tuple[Axis, ...]) -> int:
    """Return the number of combinations of the axes' values."""
    return math.prod(len(axis.texts) for axis in axes)


def grid_section(axes: tuple[Axis, ...]) -> dict[str, list[Any]]:
    """Return the section that ``grid_axes`` turns back into these axes."""
    return {axis.path: list(axis.values) for axis in axes}


def _faults(path: str, values: Any) -> list[str]:
    first = path.split(".", maxsplit=1)[0]
    if first not in VARIABLE:
        return [f"grid.{path}: '{first}' cannot vary in a sweep{nearest(first, VARIABLE)}"]
    if not isinstance(values, list) or not values:
        return [f"grid.{path} was {values!r}; a list of at least one value is needed"]
    texts = [_text(value) for value in values]
    twice = sorted({text for text in texts if texts.count(text) > 1})
    return [f"grid.{path} lists {text} more than once" for text in twice]


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True)
