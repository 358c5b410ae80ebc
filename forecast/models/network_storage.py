"""Fitted networks on disk: weights as safetensors, the rest as JSON, under a format version."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from forecast.errors import ForecastError
from forecast.models.network_outputs import SCALING, Scaling, SeriesArrays
from forecast.models.network_part import NetworkPart

NETWORK_FORMAT = 1
"""Version of what is written here; a file of another version is refused, never guessed at."""

_ARRAYS, _FACTS = "network.safetensors", "network.json"
Arrays = Mapping[str, npt.NDArray[Any]]


@dataclass(frozen=True, eq=False)
class StoredNetwork:
    """What a file holds; see ``NetworkFitted`` for the meaning of each."""

    parts: Mapping[str, NetworkPart]
    offsets: SeriesArrays
    held_out: SeriesArrays


def write_network(folder: Path, fields: tuple[str, ...], stored: StoredNetwork) -> None:
    """Write a network that reads these fields into a folder."""
    from safetensors.numpy import save_file

    arrays: dict[str, npt.NDArray[Any]] = {}
    for p, part in enumerate(stored.parts.values()):
        arrays |= {f"{p}.{name}": array for name, array in part.scaling.arrays().items()}
        for m, state in enumerate(part.states):
            arrays |= {f"{p}.{m}.{name}": array for name, array in state.items()}
    for kind in ("offsets", "held_out"):
        arrays |= {f"{kind}.{i}": array for i, array in enumerate(getattr(stored, kind).values())}
    facts = {
        "format": NETWORK_FORMAT,
        "fields": list(fields),
        "parts": [[name, list(part.series), len(part.states)] for name, part in stored.parts.items()],
        "offsets": list(stored.offsets),
        "held_out": list(stored.held_out),
    }
    save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, folder / _ARRAYS)
    (folder / _FACTS).write_text(json.dumps(facts))


def read_network(folder: Path, fields: tuple[str, ...]) -> StoredNetwork:
    """Return the network stored in a folder, to the last bit.

    Raises:
        ForecastError: when a file is missing or damaged, was written by another version, or reads other fields.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        facts = json.loads((folder / _FACTS).read_text())
        _require_same_form(facts, fields, folder)
        arrays = load_file(folder / _ARRAYS)
    except (OSError, ValueError, SafetensorError) as error:
        raise ForecastError(f"fitted network in {folder} cannot be read: {error}") from error
    parts = {
        name: _part(arrays, f"{p}.", tuple(series), count)
        for p, (name, series, count) in enumerate(facts["parts"])
    }
    offsets, held_out = (
        {name: arrays[f"{kind}.{i}"] for i, name in enumerate(facts[kind])}
        for kind in ("offsets", "held_out")
    )
    return StoredNetwork(parts, offsets, held_out)


def _part(arrays: Arrays, prefix: str, series: tuple[str, ...], count: int) -> NetworkPart:
    scaling = Scaling(*(arrays[prefix + name] for name in SCALING))
    states = tuple(_starting(arrays, f"{prefix}{member}.") for member in range(count))
    return NetworkPart(series, states, scaling)


def _starting(arrays: Arrays, prefix: str) -> dict[str, npt.NDArray[Any]]:
    """Return the arrays whose name starts so, under the rest of their name."""
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}


def _require_same_form(facts: Mapping[str, Any], fields: tuple[str, ...], folder: Path) -> None:
    found = facts.get("format")
    if found != NETWORK_FORMAT:
        raise ForecastError(
            f"fitted network in {folder} has format {found}; this version reads format {NETWORK_FORMAT}: fit it again"
        )
    if tuple(facts["fields"]) != fields:
        raise ForecastError(
            f"fitted network in {folder} reads the fields {', '.join(facts['fields'])}; "
            f"the specification names {', '.join(fields)}"
        )
