"""The windows that every fold shares: a fold is rows of one table, never a copy of data."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from forecast.errors import TrainingError

Singles = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class WindowTable:
    """Every window that some fold may train on, in no particular order; cut before any fold's end, so nothing leaks.

    Attributes:
        inputs: (N, L, C) float32, read-only here; values are not yet scaled.
        targets: (N, O) float32, not yet scaled.

    Raises:
        TrainingError: when the shapes do not belong together.
    """

    inputs: Singles
    targets: Singles

    def __post_init__(self) -> None:
        shapes = self.inputs.shape, self.targets.shape
        if self.inputs.ndim != 3 or self.targets.ndim != 2 or shapes[0][0] != shapes[1][0]:
            raise TrainingError(f"inputs {shapes[0]} and targets {shapes[1]} must be (N, L, C) and (N, O)")
        for name in ("inputs", "targets"):
            object.__setattr__(self, name, np.asarray(getattr(self, name), dtype=np.float32))

    def finite_rows(self) -> npt.NDArray[np.bool_]:
        """Return (N,) whether every number of a window and its target is finite."""
        inputs, targets = np.isfinite(self.inputs), np.isfinite(self.targets)
        return np.asarray(inputs.all(axis=(1, 2)) & targets.all(axis=1))
