"""Findings: one value a defect, and the table a run stores."""

import numpy as np
import pandas as pd
import pytest

from data.errors import DataError
from data.findings import COLUMNS, Finding, findings_frame

FIRST, LAST = np.datetime64("2020-01-02T21:00", "ns"), np.datetime64("2020-01-03T21:00", "ns")
TABLE = ["series", "field", "kind", "severity", "time", "until", "count", "value", "message"]


def finding(**changes):
    given = {
        "series": "A",
        "field": "close",
        "kind": "gap",
        "severity": "warning",
        "time": FIRST,
        "until": LAST,
        "count": 2,
        "value": 0.5,
        "message": "Two bars are missing.",
    }
    return Finding(**{**given, **changes})


def test_table_has_the_columns_of_a_run_in_order():
    assert list(COLUMNS) == TABLE
    assert list(findings_frame([finding()]).columns) == TABLE


def test_empty_table_has_the_types_of_a_full_one():
    assert findings_frame([]).dtypes.equals(findings_frame([finding()]).dtypes)


def test_worst_findings_come_first_then_series():
    given = [finding(severity="info"), finding(series="B"), finding(), finding(series="Z", severity="error")]
    table = findings_frame(given)
    assert table["series"].tolist() == ["Z", "A", "B", "A"]
    assert table["severity"].tolist() == ["error", "warning", "warning", "info"]


def test_table_does_not_depend_on_the_order_of_findings():
    given = [finding(series=name, kind=kind) for name in "CAB" for kind in ("gap", "duplicate")]
    pd.testing.assert_frame_equal(findings_frame(given), findings_frame(reversed(given)))


def test_a_finding_without_a_stamp_stays_without_one():
    never = np.datetime64("NaT", "ns")
    assert findings_frame([finding(time=never, until=never)])["time"].isna().all()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"severity": "fatal"}, "severity was 'fatal'; allowed: info, warning, error"),
        ({"count": 0}, "count of finding 'gap' was 0"),
        ({"time": LAST, "until": FIRST}, "before it begins"),
    ],
)
def test_impossible_findings_are_refused(changes, message):
    with pytest.raises(DataError, match=message):
        finding(**changes)
