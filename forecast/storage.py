"""Fitted models on disk: arrays as npz, everything else as JSON; never pickle."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

from data.registry import Registry
from forecast.base import AbstractFitted
from forecast.errors import ForecastError
from forecast.registry import FORECASTERS

_SPEC, _ARRAYS, _FACTS = "spec.json", "state.npz", "state.json"


def write_state(folder: Path, arrays: Mapping[str, npt.NDArray[Any]], facts: Mapping[str, Any]) -> None:
    """Write a model's arrays and its JSON facts into a folder."""
    write_arrays(folder / _ARRAYS, arrays)
    (folder / _FACTS).write_text(json.dumps(dict(facts)))


def read_state(folder: Path) -> tuple[dict[str, npt.NDArray[Any]], dict[str, Any]]:
    """Return the arrays and facts that ``write_state`` wrote.

    Raises:
        ForecastError: when a file is missing or damaged.
    """
    try:
        return read_arrays(folder / _ARRAYS), json.loads((folder / _FACTS).read_text())
    except (OSError, ValueError, EOFError, BadZipFile) as error:
        raise ForecastError(f"fitted state in {folder} cannot be read: {error}") from error


def write_arrays(path: Path, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
    """Write named arrays into one npz file, never pickled."""
    with path.open("wb") as file:
        np.savez(file, allow_pickle=False, **dict(arrays))


def read_arrays(path: Path) -> dict[str, npt.NDArray[Any]]:
    """Return the arrays that ``write_arrays`` wrote, to the last bit."""
    with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
        return {name: stored[name] for name in stored.files}


def save_with_spec(registry: Registry[Any], fitted: Any, folder: Path) -> None:
    """Write what a spec of a registry was fitted to, with the spec, into a new folder."""
    folder.mkdir(parents=True)
    (folder / _SPEC).write_text(json.dumps(registry.describe(fitted.spec)))
    fitted.save(folder)


def load_with_spec(registry: Registry[Any], folder: Path) -> Any:
    """Return what ``save_with_spec`` wrote; it forecasts the same bits."""
    return registry.build(json.loads((folder / _SPEC).read_text())).load(folder)


def save_fitted(fitted: AbstractFitted, folder: Path) -> None:
    """Write a fitted model with its spec into a new folder."""
    save_with_spec(FORECASTERS, fitted, folder)


def load_fitted(folder: Path) -> AbstractFitted:
    """Return the model ``save_fitted`` wrote; it forecasts the same bits."""
    return cast(AbstractFitted, load_with_spec(FORECASTERS, folder))
