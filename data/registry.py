"""Registry: a table from a kind's name to ``"module:Class"``, imported on first use.

One table per role (source, forecaster, policy ...). A configuration section is a mapping with ``kind:`` and the
fields of that kind's frozen, validated dataclass; nothing else can be named from a file, so nothing else is imported.
"""

import dataclasses
import importlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import Any, Generic, TypeVar, cast, dataclass_transform, get_type_hints

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass as pydantic_dataclass

from data.errors import SpecError, nearest

STRICT = ConfigDict(extra="forbid", arbitrary_types_allowed=True, allow_inf_nan=False)
"""Configuration of every spec dataclass: unknown keys and non-finite numbers are errors."""

Role = TypeVar("Role")


@dataclass_transform(kw_only_default=True, frozen_default=True)
def spec(cls: type[Role]) -> type[Role]:
    """Decorate a spec: frozen, keyword-only, validated in Python and from YAML alike."""
    return cast("type[Role]", pydantic_dataclass(frozen=True, kw_only=True, config=STRICT)(cls))


@dataclass(frozen=True)
class Registry(Generic[Role]):
    """The kinds of one role.

    Attributes:
        role: the word used in messages, for example ``forecaster``.
        kinds: name -> ``"module:Class"``.
        group: entry-point group that may add names; built-in names win.
    """

    role: str
    kinds: Mapping[str, str]
    group: str

    def names(self) -> tuple[str, ...]:
        """Return every known kind, sorted."""
        return tuple(sorted({*self.kinds, *(point.name for point in entry_points(group=self.group))}))

    def load(self, kind: str) -> type[Role]:
        """Import and return the class of a kind.

        Raises:
            SpecError: when the kind is unknown.
        """
        if kind in self.kinds:
            module, _, name = self.kinds[kind].partition(":")
            loaded: type[Role] = getattr(importlib.import_module(module), name)
            return loaded
        for point in entry_points(group=self.group):
            if point.name == kind:
                plugin: type[Role] = point.load()
                return plugin
        raise SpecError(f"unknown {self.role} kind '{kind}'{nearest(kind, self.names())}")

    def build(self, config: Any, where: str = "") -> Role:
        """Return the spec described by ``{kind: ..., field: value, ...}``.

        Args:
            config: the mapping, or a bare kind name.
            where: path of the section in the file, for messages (``forecaster[1]``).

        Raises:
            SpecError: when the kind, a key or a value is not allowed; names every fault.
        """
        where = where or self.role
        if isinstance(config, str):
            config = {"kind": config}
        if not isinstance(config, Mapping):
            raise SpecError(f"{where} was {config!r}; a mapping with 'kind:' is needed")
        if "kind" not in config:
            raise SpecError(f"{where} has no 'kind'; allowed: {', '.join(self.names())}")
        rest = {key: value for key, value in config.items() if key != "kind"}
        return validated(self.load(str(config["kind"])), rest, where)

    def kind_of(self, built: object) -> str:
        """Return the kind name under which a spec's class is registered.

        Raises:
            SpecError: when the class is not in the table.
        """
        path = f"{type(built).__module__}:{type(built).__qualname__}"
        for kind, target in self.kinds.items():
            if target == path:
                return kind
        for point in entry_points(group=self.group):
            if point.value == path:
                return point.name
        raise SpecError(f"{path} is not a registered {self.role}; allowed: {', '.join(self.names())}")

    def knows(self, built: object) -> bool:
        """Return whether a spec's class is registered under some kind."""
        try:
            self.kind_of(built)
        except SpecError:
            return False
        return True

    def describe(self, built: object) -> dict[str, Any]:
        """Return the mapping that ``build`` would turn back into this spec."""
        return {"kind": self.kind_of(built), **plain(built)}


def validated(cls: type[Role], config: Mapping[str, Any], where: str) -> Role:
    """Return ``cls`` made from a mapping, or one SpecError that names every wrong key and value.

    Types are strict as in JSON (``"5"`` and ``true`` are no numbers); lists become tuples.
    """
    try:
        text = json.dumps(plain(config))
    except (TypeError, ValueError) as error:
        raise SpecError(f"{where} holds a value that is no text, number, list or mapping: {error}") from error
    try:
        made: Role = TypeAdapter(cls).validate_json(text, strict=True)
    except ValidationError as error:
        raise SpecError("; ".join(_explain(fault, cls, where) for fault in error.errors())) from error
    return made


def _explain(fault: Mapping[str, Any], cls: type, where: str) -> str:
    path = ".".join([where, *(str(part) for part in fault["loc"])])
    if fault["type"] == "unexpected_keyword_argument":
        known = _keys(cls, fault["loc"][:-1])
        return f"unknown key '{path}'{nearest(str(fault['loc'][-1]), known) if known else ''}"
    if fault["type"].startswith("missing"):
        return f"missing key '{path}'"
    message = fault["msg"].removeprefix("Value error, ")
    return f"{path} was {fault.get('input')!r}: {message[:1].lower() + message[1:]}"


def _keys(cls: Any, path: Sequence[Any]) -> list[str]:
    """Return the keys of the spec at a path inside a spec."""
    for part in path:
        cls = get_type_hints(cls).get(str(part), cls) if dataclasses.is_dataclass(cls) else cls
    return [field.name for field in dataclasses.fields(cls)] if dataclasses.is_dataclass(cls) else []


def plain(value: Any) -> Any:
    """Return a spec as plain dicts, lists and scalars, ready for YAML or JSON.

    A field that holds a spec of some role, or several, is written with their kinds; the class names it in ``nested``, a
    mapping from the field to the role's registry.
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        nested: Mapping[str, Registry[Any]] = getattr(value, "nested", {})
        parts = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
        return {
            name: _described(nested[name], part) if name in nested else plain(part)
            for name, part in parts.items()
        }
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return value


def _described(registry: Registry[Any], part: Any) -> Any:
    return [registry.describe(each) for each in part] if isinstance(part, tuple) else registry.describe(part)
