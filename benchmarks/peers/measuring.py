"""Measuring: CPU seconds of repeated calls and the peak memory of this process, printed as one JSON line."""

import json
import resource
import statistics
import time
from collections.abc import Callable
from typing import Any

from cases import GOLDEN


def measured(call: Callable[[], float], *, rounds: int) -> dict[str, Any]:
    """Return what the first call and the median of the next ``rounds`` took, and what the last one returned.

    Nothing of a call outlives it but its float, so that memory for results is found anew each time.
    """
    taken = []
    for _ in range(1 + rounds):
        begun, began = time.process_time(), time.perf_counter()
        final = call()
        taken.append((time.process_time() - begun, time.perf_counter() - began))
    cpu, wall = zip(*(taken[1:] or taken), strict=True)
    return {
        "first_seconds": taken[0][0],
        "seconds": statistics.median(cpu),
        "least_seconds": min(cpu),
        "wall_seconds": min(wall),
        "final": final,
    }


def say(engine: str, case: str, cells: int, found: dict[str, Any]) -> None:
    """Print one measurement; ``cells`` are its bars, asset-bars or parameter sets."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    line = {"engine": engine, "case": case, "cells": cells, "peak_mb": peak, "golden": GOLDEN.get(case)}
    print(json.dumps({**line, **found}), flush=True)
