"""What is wrong with the data is told beside the result."""

from typing import Any

from service.run_view import findings_lines


def finding(severity: str, series: str = "AAA", kind: str = "gap") -> dict[str, Any]:
    return {"series": series, "kind": kind, "severity": severity}


def test_errors_of_the_data_are_named_and_warnings_counted() -> None:
    found = [finding("error", "BBB", "zero_bar")] * 2 + [finding("warning")] * 3 + [finding("info")]
    assert findings_lines(found) == [
        "found   errors in the data: BBB zero_bar; 3 warnings (the report's data findings)"
    ]
    assert findings_lines([finding("warning")]) == ["found   1 warning (the report's data findings)"]


def test_sound_data_needs_no_line() -> None:
    assert findings_lines([]) == findings_lines([finding("info")]) == []


def test_many_errors_are_shortened() -> None:
    (line,) = findings_lines([finding("error", f"S{number}", "zero_bar") for number in range(9)])
    assert "S3 zero_bar and 5 more" in line
    assert "S4" not in line
