"""Luck: which numbers the search for them explains, and what an attack on the experiment found."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from backtest.metrics.selection_tests import COLUMNS
from backtest.report.blocks import (
    Absent,
    Block,
    Cell,
    Column,
    Facts,
    Heading,
    Listing,
    Prose,
    Section,
    Table,
    table_of,
)
from backtest.report.formats import count, is_missing, number, p_value, percent, significant, text
from backtest.report.material import NOT_STORED, Material

_TESTED = tuple(
    Column(name, title, shown, COLUMNS[name])
    for name, title, shown in (
        ("strategy", "Account", text),
        ("verdict", "In words", text),
        ("sharpe", "Sharpe", number),
        ("alone_p", "p alone", p_value),
        ("holm_p", "p, Holm", p_value),
        ("stepwise_p", "p, stepwise", p_value),
        ("deflated_sharpe", "Deflated", number),
        ("deflated_sharpe_effective", "Deflated, effective", number),
        ("in_confidence_set", "Among the best", text),
        ("flag", "Not tested", text),
    )
)

NOT_AUDITED = (
    "This experiment was not audited. `wayfold audit` changes its future and compares its past bit by bit, and runs it in "
    "worlds where nothing can be known."
)


def luck_section(run: Material) -> Section:
    """Return the trials behind the numbers, the tests after paying for them, and the audit if there was one."""
    lede = "The more is tried, the better the best of it looks by chance. This is what remains after paying for the search."
    return Section("luck", "Which numbers are luck", lede, (_trials(run), *_tests(run), *_audit(run)))


def _trials(run: Material) -> Block:
    facts = run.manifest.get("trials") or {}
    shown = (
        ("Strategies tried on these data", "count", count),
        ("Independent ones they are worth", "effective_count", significant),
        ("Mean correlation of their returns", "mean_correlation", number),
        ("Spread of their Sharpe ratios, a year", "sharpe_dispersion", number),
        ("Best Sharpe ratio that luck would show", "expected_best_sharpe", number),
        ("Years in which such a search finds a ratio of 1 by luck", "years_for_a_sharpe_of_1", number),
    )
    return Facts(tuple((title, how(facts[key]) if key in facts else NOT_STORED) for title, key, how in shown))


def _tests(run: Material) -> list[Block]:
    table = run.table("luck", "strategy", "verdict")
    if table is None:
        return [Absent("luck")]
    caption = (
        "Accounts that count as trials, tested above cash; small p are evidence, deflated ratios near 1 are."
    )
    return [
        table_of(table, _TESTED, caption, "luck.parquet"),
        Prose(tuple(_together(table.iloc[0]))),
        _definitions(),
    ]


def _together(row: pd.Series) -> list[str]:
    """Return what is said of all accounts at once: superiority, and overfitting beside its null band."""
    said = []
    if not is_missing(row["superiority_p"]):
        said.append(
            "The chance that the best of these accounts would look this good if none beat cash: "
            f"{p_value(row['superiority_p'])} (Hansen's test of superior predictive ability, returns scaled by their own spread)."
        )
    if not is_missing(row["overfitting"]):
        band = f"{percent(row['overfitting_null_low'], 0)} to {percent(row['overfitting_null_high'], 0)}"
        said.append(
            "The best account on one half of the time falls into the lower half on the rest in "
            f"{percent(row['overfitting'], 0)} of all splits; accounts without skill give {band}, so only a number outside "
            "that band says anything."
        )
    return said


def _definitions() -> Table:
    rows = tuple((Cell(column.title, is_header=True), Cell(column.help)) for column in _TESTED if column.help)
    headings = (Heading("Column", is_number=False), Heading("What it says", is_number=False))
    return Table("What each column says", headings, rows, style="prose", is_folded=True)


def _audit(run: Material) -> list[Block]:
    audit = run.manifest.get("audit")
    if not isinstance(audit, Mapping):
        return [Prose((NOT_AUDITED,), "quiet")]
    return [_moved(audit), Listing("What the audit found", tuple(map(str, audit.get("sentences") or ())))]


def _moved(audit: Mapping[str, Any]) -> Table:
    rows = [dict(row) for row in audit.get("table") or ()]
    names = list(rows[0]) if rows else ["artefact"]
    cells = tuple(tuple(Cell(text(row[name]), is_header=name == names[0]) for name in names) for row in rows)
    headings = tuple(Heading(name.capitalize(), is_number=False) for name in names)
    return Table("Audit: cuts at which the past moved when only the future was changed.", headings, cells)
