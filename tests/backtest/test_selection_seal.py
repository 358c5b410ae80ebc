"""The seal: a period is opened once, whatever is renamed, and everyone sees that it was."""

import json
import multiprocessing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from backtest.errors import RunError
from backtest.selection.seal import (
    Opening,
    before_seal,
    opening_of,
    read_openings,
    record_opening,
    refuse_spent,
)
from data.errors import SpecError
from data.history import History
from data.panel import Panel
from data.sessions import BarClock

IDENTITY: dict[str, Any] = {
    "source": "bundled",
    "series": ["A", "B"],
    "fields": ["close"],
    "start": None,
    "end": None,
}
SEALED = np.datetime64("2020-02-01", "ns")


def history(series: tuple[str, ...] = ("A", "B"), bars: int = 60) -> History:
    times = np.datetime64("2020-01-01", "ns") + np.timedelta64(1, "D") * np.arange(bars)
    return History(Panel(times, series, ("close",), np.ones((bars, len(series), 1))), BarClock())


def opening(
    identity: dict[str, Any] = IDENTITY, known: History | None = None, sealed: Any = SEALED
) -> Opening:
    return opening_of(
        identity,
        known or history(),
        sealed,
        opened_at="2026-01-01T00:00:00+00:00",
        candidates=["a", "b"],
        settings="digest",
    )


def test_everything_before_the_seal_is_there_and_nothing_of_it() -> None:
    known = before_seal(history(), SEALED)
    assert known.times[-1] == np.datetime64("2020-01-31", "ns")
    assert len(known.panel) == 31


@pytest.mark.parametrize("sealed", ["2019-12-31", "2020-01-01", "2020-03-01"])
def test_a_seal_must_hold_bars_and_leave_some(sealed: str) -> None:
    with pytest.raises(SpecError, match="must hold bars and leave some"):
        before_seal(history(), np.datetime64(sealed, "ns"))


def test_an_opening_is_recorded_and_a_second_one_refused(tmp_path: Path) -> None:
    ledger = tmp_path / "home" / "seals.jsonl"
    refuse_spent(ledger, opening())
    record_opening(ledger, opening())
    assert read_openings(ledger) == [opening()]
    wanted = r"A, B from 2020-02-01 to 2020-02-29 was opened at 2026-01-01T00:00:00\+00:00 with 2 candidates"
    with pytest.raises(RunError, match=wanted):
        record_opening(ledger, opening())
    with pytest.raises(RunError, match="cannot be opened again"):
        refuse_spent(ledger, opening())
    assert len(read_openings(ledger)) == 1


def test_another_span_fewer_series_or_other_fields_do_not_make_it_unseen(tmp_path: Path) -> None:
    ledger = tmp_path / "seals.jsonl"
    record_opening(ledger, opening())
    same = [
        opening({**IDENTITY, "end": "2020-02-20"}),
        opening({**IDENTITY, "series": ["B"]}, history(("B",))),
        opening({**IDENTITY, "fields": ["open", "close"]}),
        opening(sealed=np.datetime64("2020-02-20", "ns")),
        replace(opening(), candidates=("z",), settings="other"),
    ]
    for each in same:
        with pytest.raises(RunError, match="cannot be opened again"):
            record_opening(ledger, each)


def test_other_data_and_a_later_period_are_their_own(tmp_path: Path) -> None:
    ledger = tmp_path / "seals.jsonl"
    record_opening(ledger, opening())
    record_opening(ledger, opening({**IDENTITY, "source": "lake:other"}))
    record_opening(ledger, opening(known=history(("C",))))
    record_opening(ledger, opening(known=history(bars=90), sealed=np.datetime64("2020-03-05", "ns")))
    assert len(read_openings(ledger)) == 4


def _open(ledger: Path, worker: int) -> None:
    try:
        record_opening(ledger, replace(opening(), opened_at=f"by {worker}"))
    except RunError:
        return


def test_of_many_processes_one_opens_it(tmp_path: Path) -> None:
    ledger = tmp_path / "seals.jsonl"
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_open, args=(ledger, i)) for i in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(read_openings(ledger)) == 1


@pytest.mark.parametrize("line", ["{", "[]", json.dumps({"source": "x"})])
def test_a_damaged_line_is_named_and_opens_nothing(tmp_path: Path, line: str) -> None:
    ledger = tmp_path / "seals.jsonl"
    ledger.write_text(line + "\n")
    with pytest.raises(RunError, match="line 1 of the seal ledger"):
        record_opening(ledger, opening())
    assert ledger.read_text() == line + "\n"


def test_no_ledger_is_no_opening(tmp_path: Path) -> None:
    assert read_openings(tmp_path / "none.jsonl") == []
