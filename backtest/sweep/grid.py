"""Grid: a configuration with a ``grid:`` section as one spec a point."""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from backtest.configuration import with_value
from backtest.spec import RunSpec, build_spec
from backtest.sweep.axes import grid_axes, point_count
from data.errors import SpecError

SHOWN_FAULTS = 3
"""Invalid points that an error describes; the others it counts."""


@dataclass(frozen=True, eq=False)
class GridPoint:
    """One combination of a grid's values.

    Attributes:
        label: the assignment in words, ``policy.k=2, limits.max_gross=1``.
        assignment: dotted path to value.
        spec: the experiment, without a grid: the same as the file with these overrides.
    """

    label: str
    assignment: Mapping[str, Any]
    spec: RunSpec


def grid_points(config: Mapping[str, Any]) -> list[GridPoint]:
    """Return every point of a configuration's grid, the last axis fastest; one point without a grid.

    The configuration must be valid without its grid, so that a path names a setting that exists.

    Raises:
        SpecError: when the configuration, an axis or a point is not valid, or two points are the same experiment.
    """
    axes = grid_axes(config.get("grid", {}))
    base = _listed({key: value for key, value in config.items() if key != "grid"})
    build_spec(base)
    points, faults = [], []
    for values in itertools.product(*(axis.values for axis in axes)):
        assignment = dict(zip((axis.path for axis in axes), values, strict=True))
        label = (
            ", ".join(f"{path}={value}" for path, value in assignment.items()) or "the configuration itself"
        )
        try:
            points.append(GridPoint(label, assignment, _spec_at(base, assignment)))
        except SpecError as error:
            faults.append(f"grid point {label}: {error}")
    if faults:
        more = len(faults) - SHOWN_FAULTS
        hidden = f"; {more} more points are not valid" if more > 0 else ""
        raise SpecError("; ".join(faults[:SHOWN_FAULTS]) + hidden)
    _refuse_twins(points)
    return points


def require_single(spec: RunSpec) -> None:
    """Refuse a spec with a grid where one experiment is needed.

    Raises:
        SpecError: when the spec has a grid.
    """
    if spec.grid:
        raise SpecError(
            f"'{spec.name}' has a grid of {point_count(spec.grid)} points; 'wayfold sweep' runs them, one experiment "
            "is needed here (--set grid={} leaves the grid out)"
        )


def _spec_at(base: Mapping[str, Any], assignment: Mapping[str, Any]) -> RunSpec:
    config = dict(base)
    for path, value in assignment.items():
        config = with_value(config, _place(path), value)
    return build_spec(config)


def _listed(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the configuration with its forecasters as a list, so that ``forecaster.0`` names the first of one too."""
    models = config.get("forecaster")
    return (
        {**config, "forecaster": models if isinstance(models, list) else [models]} if models else dict(config)
    )


def _place(path: str) -> str:
    """Return the path in a configuration with listed forecasters: ``forecaster.horizon`` is that of the first."""
    first, _, rest = path.partition(".")
    if first != "forecaster" or rest.split(".")[0].isdecimal():
        return path
    return f"forecaster.0.{rest}" if rest else "forecaster.0"


def _refuse_twins(points: list[GridPoint]) -> None:
    seen: dict[RunSpec, str] = {}
    for point in points:
        if (label := seen.setdefault(point.spec, point.label)) is not point.label:
            raise SpecError(f"grid points '{label}' and '{point.label}' are the same experiment")
