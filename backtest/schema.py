"""JSON Schema of a configuration, for editors."""

from typing import Any

from pydantic import TypeAdapter

from backtest.amm.policies.base import LIQUIDITY_POLICIES
from backtest.amm.spec import DEFAULTS as LIQUIDITY_DEFAULTS
from backtest.amm.spec import EXPERIMENT, Frontier, Windows
from backtest.amm.spec import KEYS as LIQUIDITY_KEYS
from backtest.amm.terms import PoolCosts
from backtest.limits import Limits
from backtest.spec import DEFAULTS, KEYS, REQUIRED, SECTIONS
from data.registry import Registry
from data.sources.base import SOURCES
from forecast.liquidity import LIQUIDITY_FORECASTERS


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of a configuration with every registered kind.

    One with the key ``experiment`` is a liquidity experiment, one without it trades weights.
    """
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Wayfold run",
        "oneOf": [_trading(), _liquidity()],
    }


def _trading() -> dict[str, Any]:
    properties: dict[str, Any] = {
        "name": {"type": "string"},
        "seed": {"type": "integer"},
        "limits": _inlined(TypeAdapter(Limits).json_schema()),
        "grid": {"type": "object", "additionalProperties": {"type": "array", "minItems": 1}},
    }
    for key, registry in SECTIONS.items():
        default = DEFAULTS.get(key)
        properties[key] = _section(registry, default["kind"] if isinstance(default, dict) else None)
    properties["forecaster"] = {
        "oneOf": [properties["forecaster"], {"type": "array", "items": properties["forecaster"]}]
    }
    return _object({key: properties[key] for key in KEYS}, list(REQUIRED))


def _liquidity() -> dict[str, Any]:
    properties: dict[str, Any] = {
        "experiment": {"const": EXPERIMENT},
        "name": {"type": "string"},
        "data": _section(SOURCES),
        "forecasters": {"type": "array", "items": _section(LIQUIDITY_FORECASTERS)},
        "policies": {"type": "array", "items": _section(LIQUIDITY_POLICIES)},
        "windows": _settings(Windows),
        "capital": {"type": "number", "exclusiveMinimum": 0},
        "costs": _settings(PoolCosts),
        "own_dilution": {"type": "boolean"},
        "frontier": _settings(Frontier),
        "placebos": {"type": "integer", "minimum": 0},
        "seed": {"type": "integer"},
    }
    required = [key for key in LIQUIDITY_KEYS if key not in LIQUIDITY_DEFAULTS]
    return _object({key: properties[key] for key in LIQUIDITY_KEYS}, required)


def _object(properties: dict[str, Any], required: list[str]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def _section(registry: Registry[Any], default: str | None = None) -> dict[str, Any]:
    """Return the schema of a section: the bare name of a kind that needs no settings, or one kind's mapping.

    A mapping of the default kind may leave the kind out.
    """
    kinds = [_kind(name, registry.load(name)) for name in registry.names()]
    bare = [kind["properties"]["kind"]["const"] for kind in kinds if kind["required"] == ["kind"]]
    for kind in kinds:
        if kind["properties"]["kind"]["const"] == default:
            kind["required"] = [name for name in kind["required"] if name != "kind"]
    return {"oneOf": [{"enum": bare}, *kinds]}


def _kind(name: str, cls: type) -> dict[str, Any]:
    schema = _settings(cls)
    schema["properties"] = {"kind": {"const": name}, **schema.get("properties", {})}
    schema["required"] = ["kind", *schema.get("required", [])]
    return schema


def _settings(cls: type) -> dict[str, Any]:
    return {**_inlined(TypeAdapter(cls).json_schema()), "additionalProperties": False}


def _inlined(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a schema with its local references written out."""
    definitions = schema.pop("$defs", {})

    def expand(node: Any) -> Any:
        if isinstance(node, dict) and "$ref" in node:
            return expand(definitions[node["$ref"].rsplit("/", 1)[1]])
        if isinstance(node, dict):
            return {key: expand(value) for key, value in node.items()}
        return [expand(item) for item in node] if isinstance(node, list) else node

    inlined: dict[str, Any] = expand(schema)
    return inlined
