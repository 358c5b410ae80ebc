"""Storage of a learned policy: weights and scaler as safetensors, settings as JSON, under a format version."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from backtest.errors import EngineError
from forecast.models.scaling import Scaler

LEARNED_FORMAT = 1
"""Version of what is written here; a file of another version is refused, never guessed at."""

_ARRAYS, _FACTS = "learned.safetensors", "learned.json"
Arrays = Mapping[str, npt.NDArray[Any]]


def write_learned(
    folder: Path, settings: Mapping[str, Any], weights: tuple[Arrays, ...], scaler: Scaler
) -> None:
    """Write a learned policy into an existing folder."""
    from safetensors.numpy import save_file

    arrays: dict[str, npt.NDArray[Any]] = {"centre": scaler.centre, "scale": scaler.scale}
    for member, state in enumerate(weights):
        arrays |= {f"{member}.{name}": array for name, array in state.items()}
    facts = {"format": LEARNED_FORMAT, "members": len(weights), "policy": dict(settings)}
    save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, folder / _ARRAYS)
    (folder / _FACTS).write_text(json.dumps(facts))


def read_learned(folder: Path) -> tuple[dict[str, Any], tuple[Arrays, ...], Scaler]:
    """Return the settings, the weights of each member and the scaler stored in a folder, to the last bit.

    Raises:
        EngineError: when a file is missing or damaged, or was written by another version.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        facts = json.loads((folder / _FACTS).read_text())
        found = facts.get("format")
        if found != LEARNED_FORMAT:
            raise EngineError(
                f"learned policy in {folder} has format {found}; this version reads format {LEARNED_FORMAT}: fit it again"
            )
        arrays = load_file(folder / _ARRAYS)
    except (OSError, ValueError, SafetensorError) as error:
        raise EngineError(f"learned policy in {folder} cannot be read: {error}") from error
    for array in arrays.values():
        array.flags.writeable = False
    weights = tuple(
        {name.partition(".")[2]: array for name, array in arrays.items() if name.startswith(f"{member}.")}
        for member in range(facts["members"])
    )
    return facts["policy"], weights, Scaler(arrays["centre"], arrays["scale"])
