"""Configuration files: read as YAML 1.2, with ``a.b=c`` overrides applied."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from backtest.yaml12 import load_yaml
from data.errors import SpecError


def read_config(path: Path) -> dict[str, Any]:
    """Return the mapping a YAML file holds.

    Raises:
        SpecError: when the file cannot be read or does not hold a mapping.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise SpecError(f"configuration '{path}' cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise SpecError(f"configuration '{path}' is not UTF-8 text") from error
    config = load_yaml(text, where=str(path))
    if not isinstance(config, dict):
        raise SpecError(f"{path} holds {type(config).__name__}; a mapping is needed")
    return config


def apply_overrides(config: Mapping[str, Any], overrides: Sequence[str]) -> dict[str, Any]:
    """Return the mapping with each ``a.b=c`` set; the value is read as YAML, list items are named by position.

    Raises:
        SpecError: when an override has no key and value, or its place does not exist.
    """
    changed: dict[str, Any] = json.loads(json.dumps(dict(config)))
    for override in overrides:
        path, equals, text = override.partition("=")
        if not equals or not path:
            raise SpecError(f"override was '{override}'; 'section.key=value' is needed")
        _set(changed, path.split("."), load_yaml(text, where=f"the value of '{path}'"), path)
    return changed


def with_value(config: Mapping[str, Any], path: str, value: Any) -> dict[str, Any]:
    """Return the mapping with the value at a dotted path set, as an override ``path=value`` would.

    Raises:
        SpecError: when its place does not exist.
    """
    changed: dict[str, Any] = json.loads(json.dumps(dict(config)))
    _set(changed, path.split("."), value, path)
    return changed


def _set(node: Any, keys: list[str], value: Any, path: str) -> None:
    for key in keys[:-1]:
        node = _child(node, key, path)
    if isinstance(node, dict):
        node[keys[-1]] = value
    elif isinstance(node, list) and keys[-1].isdecimal() and int(keys[-1]) < len(node):
        node[int(keys[-1])] = value
    else:
        raise SpecError(f"override '{path}' names nothing that can be set")


def _child(node: Any, key: str, path: str) -> Any:
    if isinstance(node, dict):
        node.setdefault(key, {})
        place: Any = key
    elif isinstance(node, list):
        if not key.isdecimal() or int(key) >= len(node):
            raise SpecError(f"override '{path}': '{key}' is no position in a list of {len(node)}")
        place = int(key)
    else:
        raise SpecError(f"override '{path}': '{key}' is inside a plain value")
    if isinstance(node[place], str):
        node[place] = {"kind": node[place]}
    return node[place]
