"""RunSpec: one YAML file, one validated, hashable value."""

import dataclasses
import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from backtest.configuration import apply_overrides, read_config
from backtest.costs import COSTS, AbstractCosts
from backtest.engine.role import ENGINES, AbstractEngine
from backtest.folds import FOLDS, AbstractFolds
from backtest.labels import numbered
from backtest.limits import Limits
from backtest.policies.base import POLICIES, AbstractPolicy
from backtest.sweep.axes import Axis, grid_axes, grid_section
from data.errors import SpecError, nearest
from data.registry import Registry, plain, validated
from data.sources.base import SOURCES, AbstractSource
from forecast.base import AbstractForecaster
from forecast.calibration import CALIBRATIONS, AbstractCalibration
from forecast.registry import FORECASTERS, REFERENCE_KINDS
from forecast.retraining.base import RETRAINING, AbstractRetraining

SECTIONS: dict[str, Registry[Any]] = {
    "data": SOURCES,
    "forecaster": FORECASTERS,
    "retraining": RETRAINING,
    "calibration": CALIBRATIONS,
    "folds": FOLDS,
    "policy": POLICIES,
    "engine": ENGINES,
    "costs": COSTS,
    "benchmark": POLICIES,
}

DEFAULTS: dict[str, Any] = {
    "name": "run",
    "retraining": {"kind": "every_fold"},
    "calibration": {"kind": "none"},
    "limits": {},
    "engine": {"kind": "realistic"},
    "benchmark": {"kind": "buy_and_hold"},
    "grid": {},
    "seed": 0,
}

KEYS: tuple[str, ...] = (
    "name", "data", "forecaster", "retraining", "calibration", "folds", "policy", "limits", "engine", "costs",
    "benchmark", "grid", "seed",
)  # fmt: skip
"""Every key of a configuration, in the order of a run."""

REQUIRED: tuple[str, ...] = tuple(key for key in KEYS if key not in DEFAULTS)
"""The keys a configuration must have; the others have defaults."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class RunSpec:
    """One experiment: data, forecasters, folds, policy, engine, costs and the seed.

    The first forecaster is the one whose account the run is judged by; every other one, and the reference models
    (naive, drift, seasonal naive, ridge), run beside it on the same folds with the same policy.

    A spec with a ``grid`` stands for many experiments; ``backtest.sweep.grid`` makes each of them a spec without one.
    """

    name: str
    data: AbstractSource
    forecaster: tuple[AbstractForecaster, ...]
    retraining: AbstractRetraining
    calibration: AbstractCalibration
    folds: AbstractFolds
    policy: AbstractPolicy
    limits: Limits
    engine: AbstractEngine
    costs: AbstractCosts
    benchmark: AbstractPolicy
    seed: int
    grid: tuple[Axis, ...] = ()

    def __post_init__(self) -> None:
        _check_forecasters(self.forecaster)

    @property
    def horizon(self) -> int:
        """Bars ahead, the same for every forecaster."""
        return self.forecaster[0].horizon

    def resolved(self) -> dict[str, Any]:
        """Return every setting, defaults included, as plain values; ``build_spec`` turns it back into this spec.

        An empty grid is left out.
        """
        parts: dict[str, Any] = {}
        for key in KEYS:
            value = getattr(self, key)
            if key == "grid":
                parts |= {key: grid_section(value)} if value else {}
            elif key == "forecaster":
                parts[key] = [FORECASTERS.describe(each) for each in value]
            else:
                parts[key] = SECTIONS[key].describe(value) if key in SECTIONS else plain(value)
        return parts

    def digest(self) -> str:
        """Return the sha256 of the resolved settings."""
        return hashlib.sha256(json.dumps(self.resolved(), sort_keys=True).encode()).hexdigest()


def load_spec(path: Path | str, overrides: Sequence[str] = ()) -> RunSpec:
    """Return the spec of a YAML file, with ``a.b=c`` overrides applied.

    Raises:
        SpecError: when the file is missing or anything in it is not allowed; names every fault.
    """
    return build_spec(apply_overrides(read_config(Path(path)), overrides))


def build_spec(config: Mapping[str, Any]) -> RunSpec:
    """Return the spec of a mapping, or one SpecError that names every fault in it.

    Raises:
        SpecError: when a key is unknown or missing, or a value is not allowed.
    """
    if (experiment := config.get("experiment")) is not None:
        raise SpecError(f"this is a {experiment} experiment; here only trading experiments can be used")
    faults = [f"unknown key '{key}'{nearest(key, KEYS)}" for key in config if key not in KEYS]
    merged = {**DEFAULTS, **{key: _with_default_kind(key, value) for key, value in config.items()}}
    faults += [f"missing key '{key}'" for key in KEYS if key not in merged]
    parts: dict[str, Any] = {}
    for key in KEYS:
        if key in merged:
            try:
                parts[key] = _part(key, merged[key])
            except SpecError as error:
                faults.append(str(error))
    if faults:
        raise SpecError("; ".join(faults))
    return RunSpec(**parts)


def _with_default_kind(key: str, value: Any) -> Any:
    """Return a section with its default kind where it names none: ``engine: {capital: 50_000}`` is a realistic engine."""
    default = DEFAULTS.get(key)
    if isinstance(default, Mapping) and "kind" in default and isinstance(value, Mapping):
        return {"kind": default["kind"], **value}
    return value


def _part(key: str, value: Any) -> Any:
    if key == "forecaster":
        return _forecasters(value)
    if key == "grid":
        return grid_axes(value)
    if key in SECTIONS:
        return SECTIONS[key].build(value, key)
    if key == "limits":
        if not isinstance(value, Mapping):
            raise SpecError(f"limits was {value!r}; a mapping is needed")
        return validated(Limits, value, "limits")
    wanted = str if key == "name" else int
    if not isinstance(value, wanted) or isinstance(value, bool):
        raise SpecError(f"{key} was {value!r}; {'text' if key == 'name' else 'a whole number'} is needed")
    return value


def _forecasters(value: Any) -> tuple[AbstractForecaster, ...]:
    many = value if isinstance(value, list) else [value]
    built, faults = [], []
    for i, each in enumerate(many):
        try:
            built.append(FORECASTERS.build(each, f"forecaster[{i}]" if len(many) > 1 else "forecaster"))
        except SpecError as error:
            faults.append(str(error))
    if faults:
        raise SpecError("; ".join(faults))
    _check_forecasters(tuple(built))
    return tuple(built)


def _check_forecasters(forecasters: tuple[AbstractForecaster, ...]) -> None:
    if not forecasters:
        raise SpecError("forecaster is empty; at least one model is needed")
    first = forecasters[0]
    if 0.5 not in first.levels:
        raise SpecError(
            f"forecaster.levels was {list(first.levels)}; 0.5, the point forecast, must be among them"
        )
    for other in forecasters[1:]:
        for name in ("horizon", "field", "levels", "quantity"):
            if getattr(other, name) != getattr(first, name):
                raise SpecError(
                    f"forecasters disagree on {name}: {getattr(first, name)!r} and {getattr(other, name)!r}; "
                    "models of one run must be comparable"
                )


def model_labels(forecasters: Sequence[AbstractForecaster]) -> tuple[str, ...]:
    """Return a distinct label for each model: its kind, numbered from the second of a kind on."""
    return numbered([FORECASTERS.kind_of(forecaster) for forecaster in forecasters])


def with_references(forecasters: Sequence[AbstractForecaster]) -> tuple[AbstractForecaster, ...]:
    """Return the forecasters followed by the reference models the user did not ask for.

    They share the first forecaster's question, and its ``changes`` where they know them (``difference`` for values that may
    be negative).
    """
    first = forecasters[0]
    asked = {FORECASTERS.kind_of(forecaster) for forecaster in forecasters}
    shared = {name: getattr(first, name) for name in ("context", "horizon", "field", "levels", "quantity")}
    changes = getattr(first, "changes", None)
    if changes in ("log", "difference"):
        shared["changes"] = changes
    missing = [kind for kind in REFERENCE_KINDS if kind not in asked]
    return (*forecasters, *(FORECASTERS.build({"kind": kind, **shared}) for kind in missing))
