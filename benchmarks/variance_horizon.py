"""The variance horizon beside ``datasieve.find_training_horizon``, which defines it: equal answers, and CPU time.

    python benchmarks/variance_horizon.py --data FOLDER

FOLDER is not read: the matrices are made. The other ratio of retraining, 100 expanding ridge refits, stands in
``benchmarks/ridge_long_horizon.py``.
"""

import argparse
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.tools.measuring import oracle
from data.panel import Floats
from forecast.retraining.variance_horizon import PRESETS, variance_horizon

HORIZON, TARGET = 6, 500.0
TOLERANCES = (2e-3, 4e-3)
REPEATS = 20
LARGE = (3500, 100)
"""Rows and columns of what the source's program was run on, about; there only our own time is taken."""


@dataclass(frozen=True)
class Case:
    """Rows both return for one matrix, and the CPU seconds of one call."""

    name: str
    rows: int
    library_rows: int
    seconds: float
    library_seconds: float

    @property
    def ratio(self) -> float:
        """How many times less CPU time ours takes."""
        return self.library_seconds / self.seconds


def library(features: Floats, tolerance: float) -> tuple[int, float]:
    """Return the answer of datasieve and the CPU seconds it took, its threads' too: eight ask for distances, as shipped."""
    from datasieve.utils import find_training_horizon

    frame = pd.DataFrame(features)
    begun = time.process_time()
    rows = find_training_horizon(frame, HORIZON, threshold=tolerance, backend="threading", n_jobs=1)
    return int(rows), time.process_time() - begun


def own(features: Floats, tolerance: float, repeats: int = REPEATS) -> tuple[int, float]:
    """Return our answer, and the CPU seconds of one call of many."""
    rule = replace(PRESETS["datasieve"], tolerance=tolerance)
    rows = variance_horizon(features, HORIZON, rule)
    begun = time.process_time()
    for _ in range(repeats):
        variance_horizon(features, HORIZON, rule)
    return rows, (time.process_time() - begun) / repeats


def cases(rows: int = 500) -> list[Case]:
    """Return the eight matrices: four kinds of features, two tolerances loose enough for the library to stop early."""
    found = []
    for name, features in oracle("variance_horizon_oracle").made_matrices(rows).items():
        for tolerance in TOLERANCES:
            wanted, theirs = library(features, tolerance)
            answer, ours = own(features, tolerance)
            found.append(Case(f"{name}, {tolerance:g}", answer, wanted, ours, theirs))
    return found


def main() -> None:
    """Print the table, and whether the target is met."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="not read")
    parser.parse_args()
    print(
        f"{'500 x 4, horizon 6':<22}{'rows':>6}{'datasieve':>11}{'CPU ms':>9}{'datasieve ms':>14}{'ratio':>8}"
    )
    found = cases()
    for each in found:
        print(
            f"{each.name:<22}{each.rows:>6}{each.library_rows:>11}{1e3 * each.seconds:>9.2f}"
            f"{1e3 * each.library_seconds:>14.0f}{each.ratio:>8.0f}"
        )
    equal = sum(each.rows == each.library_rows for each in found)
    least = min(each.ratio for each in found)
    is_met = equal == len(found) and least >= TARGET
    print(
        f"{'met' if is_met else 'MISSED'}: {equal} of {len(found)} equal; least ratio {least:.0f}, target {TARGET:.0f}"
    )
    rng = np.random.default_rng(0)
    features = oracle("variance_horizon_oracle").minmax(np.cumsum(rng.standard_normal(LARGE), axis=0))
    for label, tolerance in (("as shipped", PRESETS["datasieve"].tolerance), ("never stops", 1e-12)):
        rows, seconds = own(features, tolerance, 1)
        print(f"{LARGE[0]} x {LARGE[1]}, {label}: {rows} rows in {1e3 * seconds:.0f} CPU ms")


if __name__ == "__main__":
    main()
