"""JSON Schema of a configuration, for editors."""

from typing import Any

from pydantic import TypeAdapter

from backtest.limits import Limits
from backtest.spec import DEFAULTS, KEYS, REQUIRED, SECTIONS
from data.registry import Registry


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of a configuration with every registered kind."""
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
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Wayfold run",
        "type": "object",
        "properties": {key: properties[key] for key in KEYS},
        "required": list(REQUIRED),
        "additionalProperties": False,
    }


def _section(registry: Registry[Any], default: str | None) -> dict[str, Any]:
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
    schema = _inlined(TypeAdapter(cls).json_schema())
    schema["properties"] = {"kind": {"const": name}, **schema.get("properties", {})}
    schema["required"] = ["kind", *schema.get("required", [])]
    schema["additionalProperties"] = False
    return schema


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
