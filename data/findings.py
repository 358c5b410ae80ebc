"""Findings: what is wrong or odd about data, said once a kind, with place, size and consequence."""

from collections.abc import Iterable
from dataclasses import astuple, dataclass, fields
from typing import Literal, get_args

import numpy as np
import pandas as pd

from data.errors import DataError
from data.panel import as_time

Severity = Literal["info", "warning", "error"]
"""info: worth knowing; warning: results may mislead; error: results would be wrong."""

SEVERITIES: tuple[str, ...] = get_args(Severity)


@dataclass(frozen=True)
class Finding:
    """One kind of defect in one field of one series.

    Attributes:
        series: name of the series; ``*`` when it is about the whole file.
        field: ``close``, ``volume`` ...; ``time`` for stamps and ``bar`` for whole rows.
        kind: stable word for the kind of defect, for example ``zero_bar``.
        severity: ``info``, ``warning`` or ``error``.
        time: stamp of the first affected bar, UTC; NaT when no stamp is meant.
        until: stamp of the last affected bar, UTC.
        count: number of affected bars, at least 1.
        value: the size of the worst case in the unit the message names; NaN when nothing is measured.
        message: one sentence that says what was seen and what it means for a backtest.

    Raises:
        DataError: when the severity is unknown, the count is below 1, or the stamps are in the wrong order.
    """

    series: str
    field: str
    kind: str
    severity: Severity
    time: np.datetime64
    until: np.datetime64
    count: int
    value: float
    message: str

    def __post_init__(self) -> None:
        if self.severity not in SEVERITIES:
            raise DataError(f"severity was '{self.severity}'; allowed: {', '.join(SEVERITIES)}")
        if self.count < 1:
            raise DataError(f"count of finding '{self.kind}' was {self.count}; allowed: 1 or more")
        object.__setattr__(self, "time", as_time(self.time))
        object.__setattr__(self, "until", as_time(self.until))
        object.__setattr__(self, "count", int(self.count))
        object.__setattr__(self, "value", float(self.value))
        if self.until < self.time:
            raise DataError(f"finding '{self.kind}' ends at {self.until}, before it begins at {self.time}")


COLUMNS: tuple[str, ...] = tuple(part.name for part in fields(Finding))
"""Columns of the table ``findings``, in order."""


def findings_frame(findings: Iterable[Finding]) -> pd.DataFrame:
    """Return one row a finding, worst first, then by series, kind, field and time.

    Columns: series, field, kind, severity, message (text); time, until (datetime64[ns], UTC); count (int64); value
    (float64). Without findings the table has no rows and the same column types.
    """
    rank = {severity: -place for place, severity in enumerate(SEVERITIES)}
    ordered = sorted(
        findings,
        key=lambda found: (rank[found.severity], found.series, found.kind, found.field, _number(found.time)),
    )
    columns = zip(*map(astuple, ordered), strict=True) if ordered else ([] for _ in COLUMNS)
    frame = pd.DataFrame({name: list(column) for name, column in zip(COLUMNS, columns, strict=True)})
    types = {"time": "datetime64[ns]", "until": "datetime64[ns]", "count": "int64", "value": "float64"}
    return frame.astype({name: types.get(name, "str") for name in COLUMNS})


def _number(time: np.datetime64) -> int:
    return int(time.astype(np.int64))
