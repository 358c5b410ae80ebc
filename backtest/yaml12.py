"""YAML 1.2 (core schema) on PyYAML's safe loader: ``no`` is a string, ``1e-3`` a number, a repeated key an error.

Dates stay strings; anchors are allowed up to a size, so that a small file cannot expand into a large one.
"""

import re
from typing import Any

import yaml

from data.errors import SpecError

MAX_CHARACTERS = 1_000_000
MAX_ALIASES = 64


class _Yaml12Loader(yaml.SafeLoader):
    """SafeLoader with the scalar rules of the YAML 1.2 core schema."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: dict[Any, int] = {}
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, str):
                raise SpecError(f"key {key!r} in line {key_node.start_mark.line + 1} must be a word")
            if key in seen:
                raise SpecError(
                    f"key '{key}' stands twice, in lines {seen[key]} and {key_node.start_mark.line + 1}; keep one"
                )
            seen[key] = key_node.start_mark.line + 1
        return super().construct_mapping(node, deep)


_SCALARS = (
    ("tag:yaml.org,2002:bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("tag:yaml.org,2002:null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("tag:yaml.org,2002:int", r"[-+]?[0-9]+", "-+0123456789"),
    (
        "tag:yaml.org,2002:float",
        r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)",
        "-+.0123456789",
    ),
)
for _tag, _pattern, _first in _SCALARS:
    _Yaml12Loader.add_implicit_resolver(_tag, re.compile(rf"^(?:{_pattern})$"), list(_first))


def _construct_int(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> int:
    return int(loader.construct_scalar(node))


def _construct_float(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> float:
    return float(loader.construct_scalar(node).lower().replace(".inf", "inf").replace(".nan", "nan"))


_Yaml12Loader.add_constructor("tag:yaml.org,2002:int", _construct_int)
_Yaml12Loader.add_constructor("tag:yaml.org,2002:float", _construct_float)


def load_yaml(text: str, where: str = "the configuration") -> Any:
    """Return the value of a YAML 1.2 document.

    Raises:
        SpecError: when it is too large, not YAML, or repeats a key; names the line.
    """
    if len(text) > MAX_CHARACTERS:
        raise SpecError(f"{where} has {len(text):,} characters; at most {MAX_CHARACTERS:,} are read")
    if len(re.findall(r"(?:^|[\s\[,{:])\*\w", text)) > MAX_ALIASES:
        raise SpecError(f"{where} uses more than {MAX_ALIASES} aliases; write the values out")
    try:
        return yaml.load(text, Loader=_Yaml12Loader)  # noqa: S506, TID251 (a SafeLoader subclass)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark is not None else ""
        raise SpecError(f"{where}{line} is not YAML: {getattr(error, 'problem', None) or error}") from error


def dump_yaml(value: Any) -> str:
    """Return a value as YAML text that ``load_yaml`` reads back unchanged."""
    return yaml.dump(value, Dumper=_Yaml12Dumper, sort_keys=False, allow_unicode=True, width=110)


class _Yaml12Dumper(yaml.SafeDumper):
    """SafeDumper that quotes whatever the 1.2 loader would not read back as a string."""

    yaml_implicit_resolvers = _Yaml12Loader.yaml_implicit_resolvers


def _represent_float(dumper: yaml.SafeDumper, value: float) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:float", repr(value))


_Yaml12Dumper.add_representer(float, _represent_float)
