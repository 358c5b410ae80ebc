"""Rules: compiled families of indicator strategies, one target matrix a parameter set."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Annotated

import annotated_types as at
import numba
import numpy as np
import numpy.typing as npt

from backtest.engine.bars import Bars
from backtest.errors import EngineError
from data.panel import Floats, read_only
from data.registry import spec

Point = tuple[int, ...]
"""One parameter set of a rule."""


@spec
class AbstractRule(ABC):
    """A family of strategies that read nothing but past closes; frozen settings, the parameters come point by point."""

    @abstractmethod
    def writer(self, bars: Bars) -> Callable[[Sequence[Point], Floats], None]:
        """Return a function that fills (P, T, S) target weights for P points, NaN where nothing is asked for.

        Row t is decided at close t from closes up to t. The function holds no lock and may run in many threads.
        """

    @abstractmethod
    def check(self, point: Point, bars: int) -> None:
        """Refuse parameters that are not the rule's.

        Raises:
            EngineError: when the point is not allowed.
        """


@spec
class MovingAverageCross(AbstractRule):
    """Long while the mean of the last ``fast`` closes is above that of the last ``slow``, else flat; a point is (fast, slow).

    Each of S series has its own signal and, while long, the weight ``weight / S``. Orders are given on changes only, the
    first one when ``slow`` closes are known. An absent bar repeats the last close; no mean reaches before a series' first
    close. Means are differences of one running sum of closes less the first close: exact for prices in ticks of a binary
    fraction, else a tie of two means may fall to either side.

    Attributes:
        weight: gross weight while all series are long.
    """

    weight: Annotated[float, at.Gt(0), at.Le(10)] = 1.0

    def writer(self, bars: Bars) -> Callable[[Sequence[Point], Floats], None]:
        """Return the function that fills target weights from running sums of closes."""
        sums, first = running_sums(bars.close)
        weight = self.weight / len(bars.series)

        def write(points: Sequence[Point], targets: Floats) -> None:
            write_crosses(sums, first, np.array(points, np.int64), weight, targets)

        return write

    def check(self, point: Point, bars: int) -> None:
        """Refuse anything but two window lengths, 1 <= fast < slow <= bars."""
        if len(point) != 2 or not 1 <= point[0] < point[1] <= bars:
            raise EngineError(f"point was {point}; (fast, slow) with 1 <= fast < slow <= {bars} is needed")


def running_sums(closes: Floats) -> tuple[Floats, npt.NDArray[np.int64]]:
    """Return (T + 1, S) sums of the closes before each row, less the first close each, and each series' first row.

    Absent closes repeat the last one; rows before the first close add nothing, and a series without closes begins at T.
    """
    absent = np.isnan(closes)
    first = np.where(absent.all(axis=0), len(closes), np.argmin(absent, axis=0))
    rows = np.where(absent, 0, np.arange(len(closes))[:, None])
    filled = np.take_along_axis(closes, np.maximum.accumulate(rows, axis=0), axis=0)
    origin = np.take_along_axis(closes, np.minimum(first, len(closes) - 1)[None], axis=0)
    sums = np.zeros((len(closes) + 1, closes.shape[1]))
    np.cumsum(np.nan_to_num(filled - origin), axis=0, out=sums[1:])
    return read_only(sums), read_only(first.astype(np.int64))


def _write_crosses(
    sums: Floats, first: npt.NDArray[np.int64], points: npt.NDArray[np.int64], weight: float, targets: Floats
) -> None:
    for p in range(len(points)):
        fast, slow = points[p, 0], points[p, 1]
        for s in range(targets.shape[2]):
            start = min(first[s] + slow - 1, targets.shape[1])
            for t in range(start):
                targets[p, t, s] = np.nan
            # Sums up to each close, and those up to where its two means begin.
            now, after = sums[start + 1 :, s], targets[p, start:, s]
            fast_from, slow_from = sums[start + 1 - fast :, s], sums[start + 1 - slow :, s]
            was_long = False
            for i in range(len(after)):
                # Both means times fast x slow: products are exact where the sums are, quotients are not.
                is_long = (now[i] - fast_from[i]) * slow > (now[i] - slow_from[i]) * fast
                after[i] = np.nan if is_long == was_long else weight if is_long else 0.0
                was_long = is_long


write_crosses = numba.njit(cache=True, error_model="numpy", nogil=True)(_write_crosses)
