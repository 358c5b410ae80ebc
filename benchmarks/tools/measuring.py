"""Measuring: CPU time of calls, and the slow twins that benchmarks compare with."""

import importlib.util
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ORACLES = Path(__file__).resolve().parents[2] / "tests" / "oracles"


def seconds(call: Callable[[], object], rounds: int = 3) -> float:
    """Return the median CPU time of a call."""
    taken = []
    for _ in range(rounds):
        begun = time.process_time()
        call()
        taken.append(time.process_time() - begun)
    return statistics.median(taken)


def oracle(name: str) -> Any:
    """Return a slow twin's module, by the name of its file without the ending."""
    spec = importlib.util.spec_from_file_location(name, ORACLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
