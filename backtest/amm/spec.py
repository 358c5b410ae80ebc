"""LiquiditySpec: one YAML file with ``experiment: liquidity``, one validated, hashable value."""

import dataclasses
import hashlib
import json
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Self

import annotated_types as at
from pydantic import model_validator

from backtest.amm.policies.base import LIQUIDITY_POLICIES, AbstractLiquidityPolicy
from backtest.amm.terms import PoolCosts
from data.errors import SpecError, nearest
from data.registry import Registry, plain, spec, validated
from data.sources.base import SOURCES, AbstractSource
from forecast.liquidity import LIQUIDITY_FORECASTERS, AbstractLiquidityForecaster

EXPERIMENT = "liquidity"
"""The value of the key ``experiment`` that makes a file a liquidity experiment."""

HOLD = "hold"
"""The policy that places nothing: its account is the basket every other one is measured against; it always runs."""

PASSIVE = "full_range"
"""The policy every other one is compared with on the same swaps; it always runs."""


@spec
class Windows:
    """How history is cut: blocks of equal length; a test block follows its validation block, that one its training blocks.

    Attributes:
        bars: bars of a block; 720 hourly bars are 30 days.
        train: training blocks before the validation block.
        embargo: bars left out between what is learnt from and the first decision judged; at least the longest horizon, and
            fewer than the bars trained on.
    """

    bars: Annotated[int, at.Ge(24)] = 720
    train: Annotated[int, at.Ge(1)] = 5
    embargo: Annotated[int, at.Ge(0)] = 24

    @model_validator(mode="after")
    def _embargo_leaves_something_to_learn_from(self) -> Self:
        if self.embargo >= self.bars * self.train:
            raise ValueError(
                f"embargo was {self.embargo}; fewer than the {self.bars * self.train} bars of the training blocks are needed"
            )
        return self


@spec
class Frontier:
    """Accounts of other sizes that pay other gas for the same decisions, all in quote tokens.

    Attributes:
        capital: worth of an account at the start of a window.
        gas: gas of moving a range once: closing it, converting and opening another.
    """

    capital: tuple[Annotated[float, at.Gt(0)], ...] = ()
    gas: tuple[Annotated[float, at.Ge(0)], ...] = ()


@dataclasses.dataclass(frozen=True, kw_only=True)
class LiquiditySpec:
    """One experiment on a pool: data, forecasters, policies, windows, costs and the seed.

    The first policy is the one the run is judged by; full range and hold always run beside.

    Attributes:
        capital: worth of every account at the start of each window, in quote tokens.
        own_dilution: see ``PoolTerms``; the bound for a position that matters to the pool.
        placebos: worlds of random signs that the rules are judged in as well, where none may beat full range.
    """

    name: str
    data: AbstractSource
    forecasters: tuple[AbstractLiquidityForecaster, ...]
    policies: tuple[AbstractLiquidityPolicy, ...]
    windows: Windows
    capital: float
    costs: PoolCosts
    own_dilution: bool
    frontier: Frontier
    placebos: int
    seed: int

    def __post_init__(self) -> None:
        kinds = [LIQUIDITY_FORECASTERS.kind_of(each) for each in self.forecasters]
        for policy in self.policies:
            if policy.forecaster is not None and policy.forecaster not in kinds:
                kind = LIQUIDITY_POLICIES.kind_of(policy)
                raise SpecError(
                    f"policy '{kind}' reads forecaster '{policy.forecaster}', which the experiment does not have"
                    f"{nearest(policy.forecaster, kinds)}"
                )
        longest = max((each.horizon for each in self.forecasters), default=0)
        if self.windows.embargo < longest:
            raise SpecError(
                f"windows.embargo was {self.windows.embargo}; it must be at least the longest horizon, {longest} bars"
            )

    def resolved(self) -> dict[str, Any]:
        """Return every setting, defaults included, as plain values; ``build_liquidity_spec`` turns it back."""
        return {
            "experiment": EXPERIMENT,
            "name": self.name,
            "data": SOURCES.describe(self.data),
            "forecasters": [LIQUIDITY_FORECASTERS.describe(each) for each in self.forecasters],
            "policies": [LIQUIDITY_POLICIES.describe(each) for each in self.policies],
            **{name: plain(getattr(self, name)) for name in PLAIN_KEYS},
        }

    def digest(self) -> str:
        """Return the sha256 of the resolved settings."""
        return hashlib.sha256(json.dumps(self.resolved(), sort_keys=True).encode()).hexdigest()


PLAIN_KEYS: tuple[str, ...] = ("windows", "capital", "costs", "own_dilution", "frontier", "placebos", "seed")

KEYS: tuple[str, ...] = ("experiment", "name", "data", "forecasters", "policies", *PLAIN_KEYS)
"""Every key of a configuration, in the order of a run."""

DEFAULTS: dict[str, Any] = {
    "name": "liquidity",
    "forecasters": [],
    "windows": {},
    "own_dilution": False,
    "frontier": {},
    "placebos": 0,
    "seed": 0,
}


def is_liquidity(config: Mapping[str, Any]) -> bool:
    """Return whether a configuration, or the manifest of a stored run, is a liquidity experiment."""
    return config.get("experiment") == EXPERIMENT


def build_liquidity_spec(config: Mapping[str, Any]) -> LiquiditySpec:
    """Return the spec of a mapping, or one SpecError that names every fault in it.

    Raises:
        SpecError: when it is no liquidity experiment, a key is unknown or missing, or a value is not allowed.
    """
    if not is_liquidity(config):
        raise SpecError(
            f"experiment was {config.get('experiment')!r}; a liquidity experiment is needed, with 'experiment: {EXPERIMENT}'"
        )
    faults = [f"unknown key '{key}'{nearest(key, KEYS)}" for key in config if key not in KEYS]
    merged = {**DEFAULTS, **config}
    faults += [f"missing key '{key}'" for key in KEYS if key not in merged]
    parts: dict[str, Any] = {}
    for key, part in _PARTS.items():
        if key in merged:
            try:
                parts[key] = part(key, merged[key])
            except SpecError as error:
                faults.append(str(error))
    if faults:
        raise SpecError("; ".join(faults))
    return LiquiditySpec(**parts)


def _text(key: str, value: Any) -> str:
    if not isinstance(value, str):
        raise SpecError(f"{key} was {value!r}; text is needed")
    return value


def _whole(key: str, value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise SpecError(f"{key} was {value!r}; a whole number is needed")
    return value


def _count(key: str, value: Any) -> int:
    if _whole(key, value) < 0:
        raise SpecError(f"{key} was {value!r}; 0 or more is needed")
    return int(value)


def _switch(key: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise SpecError(f"{key} was {value!r}; true or false is needed")
    return value


def _positive(key: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < float("inf"):
        raise SpecError(f"{key} was {value!r}; a number above 0 is needed")
    return float(value)


def _settings(cls: type[Any]) -> Callable[[str, Any], Any]:
    def part(key: str, value: Any) -> Any:
        if not isinstance(value, Mapping):
            raise SpecError(f"{key} was {value!r}; a mapping is needed")
        return validated(cls, value, key)

    return part


def _many(registry: Registry[Any]) -> Callable[[str, Any], tuple[Any, ...]]:
    def part(key: str, value: Any) -> tuple[Any, ...]:
        if not isinstance(value, list):
            raise SpecError(f"{key} was {value!r}; a list is needed")
        return tuple(registry.build(each, f"{key}[{i}]") for i, each in enumerate(value))

    return part


_PARTS: Mapping[str, Callable[[str, Any], Any]] = {
    "name": _text,
    "data": lambda key, value: SOURCES.build(value, key),
    "forecasters": _many(LIQUIDITY_FORECASTERS),
    "policies": _many(LIQUIDITY_POLICIES),
    "windows": _settings(Windows),
    "capital": _positive,
    "costs": _settings(PoolCosts),
    "own_dilution": _switch,
    "frontier": _settings(Frontier),
    "placebos": _count,
    "seed": _whole,
}
