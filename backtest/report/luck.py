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
from backtest.trial_luck import CASH

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
    "This experiment was not audited. The command wayfold audit changes its future and compares its past bit by bit, and runs it in "
    "worlds where nothing can be known."
)


def luck_section(run: Material) -> Section:
    """Return the trials behind the numbers, the tests after paying for them, and the audit if there was one."""
    lede = "The more is tried, the better the best of it looks by chance. This is what remains after paying for the search."
    return Section("luck", "Which numbers are luck", lede, (_trials(run), *_tests(run), *_audit(run)))


def _trials(run: Material) -> Block:
    facts = run.manifest.get("trials") or {}
    shown = (
        ("Strategies tried", "count", count),
        ("Worth independent", "effective_count", significant),
        ("Mean correlation", "mean_correlation", number),
        ("Spread of Sharpe ratios", "sharpe_dispersion", number),
        ("Best Sharpe by luck", "expected_best_sharpe", number),
        ("Years to a Sharpe of 1 by luck", "years_for_a_sharpe_of_1", number),
    )
    return Facts(tuple((title, how(facts[key]) if key in facts else NOT_STORED) for title, key, how in shown))


def _tests(run: Material) -> list[Block]:
    table = run.table("luck", "against", "strategy", "verdict")
    if table is None:
        return [Absent("luck")]
    blocks: list[Block] = []
    for against, rows in table.groupby("against", sort=False):
        blocks.append(table_of(rows, _shown(rows), _caption(run, str(against)), "luck.parquet"))
        blocks.append(Prose(tuple(_together(rows.iloc[0], run.lane_name(str(against))))))
    return [*blocks, _definitions()]


def _shown(rows: pd.DataFrame) -> tuple[Column, ...]:
    """Return the columns, without the flag where nothing was left untested."""
    has_flags = rows["flag"].fillna("").astype(bool).any()
    return tuple(column for column in _TESTED if column.name != "flag" or has_flags)


def _caption(run: Material, against: str) -> str:
    held = "" if against == CASH else ", held at each account's own volatility"
    return f"Above {run.lane_name(against)}{held}: small p are evidence, and so are deflated ratios near 1."


def _together(row: pd.Series, against: str) -> list[str]:
    """Return what is said of all accounts at once: superiority, and overfitting beside its null band."""
    said = []
    if not is_missing(row["superiority_p"]):
        said.append(
            f"The chance that the best of these accounts would look this good if none beat {against}: "
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
