"""Outcome: the three parts of an audit together, in words, and as one JSON document that a report can show."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from backtest.audit.cuts import choose_cuts
from backtest.audit.leakage import Comparison, Leakage, audit_leakage
from backtest.audit.null_test import NullTest, run_null_test
from backtest.audit.recording import ARTEFACTS
from backtest.audit.span import Span
from backtest.audit.warm_up import WarmUp, measure_warm_up
from backtest.errors import RunError
from backtest.experiment import Report
from data.errors import SpecError
from forecast.lookahead import PERTURBATIONS, Movement
from forecast.randomness import RandomStreams

LIMITS = (
    "What is proved: what the experiment makes for a time depends on the bars up to that time only, at the cuts tried.",
    (
        "What is not: a column that knew the future before the source read it, bars revised after the fact, and settings "
        "chosen by looking at the whole history cannot be told from honest ones. The null worlds speak for what this "
        "configuration searches, not for what was tried before it."
    ),
)


@dataclass(frozen=True, eq=False)
class Audit:
    """An audited experiment.

    Attributes:
        span: what was audited.
        leakage: what changed futures did to the past.
        warm_up: what another start of history does.
        null: the pipeline in worlds without an edge; None when it was not asked for, or something leaks.
    """

    span: Span
    leakage: Leakage
    warm_up: WarmUp
    null: NullTest | None

    @property
    def leaks(self) -> bool:
        """Whether the past moved with the future, or the experiment earns where nothing can be known."""
        return self.leakage.leaks or (self.null is not None and self.null.earns_from_nothing)

    def sentences(self) -> list[str]:
        """Return the whole outcome in words, what it does not prove last."""
        null = self.null.sentences() if self.null is not None else []
        return [
            self.span.sentence(),
            *self.leakage.sentences(),
            *self.warm_up.sentences(),
            *null,
            *LIMITS,
        ]

    def document(self) -> dict[str, Any]:
        """Return the outcome as plain values; the tables of a report section are in it, ready to draw."""
        return {
            "leaks": self.leaks,
            "sentences": self.sentences(),
            "first": _first(self.leakage),
            "table": leak_rows(self.leakage),
            "cuts": [
                _comparison(each)
                for each in self.leakage.comparisons
                if each.how == PERTURBATIONS[0] or each.moved
            ],
            "scan": _scan(self.leakage),
            "compared": self.leakage.compared,
            "warm_up": [_shift(shift) for shift in self.warm_up.shifts],
            "null": _null(self.null),
        }


def audit(span: Span, cuts: int, worlds: int, report: Report) -> Audit:
    """Return the audit of a span: changed futures at ``cuts`` cuts, warm-up, and ``worlds`` null worlds of each kind.

    Null worlds are not run where something leaks, as a p-value would then measure the leak.

    Raises:
        SpecError: when a number is out of range.
        WayfoldError: when the experiment does not run.
    """
    if worlds < 0:
        raise SpecError(f"worlds was {worlds}; allowed: 0 or more")
    rng = RandomStreams(span.spec.seed, span.raw.cutoff).of("audit cuts")
    leakage = audit_leakage(span, choose_cuts(span, cuts, rng), report)
    warm_up = measure_warm_up(span)
    null = run_null_test(span, worlds, report) if worlds and not leakage.leaks else None
    return Audit(span, leakage, warm_up, null)


def leak_rows(leakage: Leakage) -> list[dict[str, Any]]:
    """Return one row an artefact: at how many cuts it moved, by perturbation, and when it moved first."""
    rows = []
    for artefact in ARTEFACTS:
        counts = {how: "{} of {}".format(*leakage.count(artefact, how)) for how in PERTURBATIONS}
        moved = [m for each in leakage.comparisons for m in each.moved if m.artefact == artefact]
        first = min(moved, key=lambda movement: movement.time, default=None)
        rows.append(
            {
                "artefact": artefact,
                "compared": leakage.compared[artefact],
                **counts,
                "first": "" if first is None else f"{first.place} at {first.time}",
            }
        )
    return rows


def save_audit(document: dict[str, Any], path: Path) -> None:
    """Write an audit's document as JSON; it appears whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.draft")
    draft.write_text(json.dumps(document, indent=1, allow_nan=False))
    draft.replace(path)


def load_audit(path: Path) -> dict[str, Any]:
    """Return the document that ``save_audit`` wrote.

    Raises:
        RunError: when it cannot be read.
    """
    try:
        document: dict[str, Any] = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise RunError(f"the audit in {path} cannot be read: {error}") from error
    return document


def _first(leakage: Leakage) -> dict[str, Any] | None:
    if leakage.first is None:
        return None
    movement, shown = leakage.first
    return {**_movement(movement), **_comparison(shown)}


def _movement(movement: Movement) -> dict[str, Any]:
    return {"artefact": movement.artefact, "place": movement.place, "time": str(movement.time)}


def _comparison(each: Comparison) -> dict[str, Any]:
    return {
        "cut": str(each.cut.time),
        "kind": each.cut.kind,
        "how": each.how,
        "moved": [_movement(movement) for movement in each.moved],
        "failure": each.failure,
    }


def _scan(leakage: Leakage) -> dict[str, Any] | None:
    scan = leakage.scan
    return None if scan is None else {"cuts": scan.cuts, "moved": scan.moved}


def _shift(shift: Any) -> dict[str, Any]:
    known = shift.difference < float("inf")
    return {
        "artefact": shift.artefact,
        "bars": shift.bars,
        "difference": shift.difference if known else None,
        "share": shift.share,
        "place": shift.place,
        "time": str(shift.time) if shift.place else "",
    }


def _null(null: NullTest | None) -> dict[str, Any] | None:
    if null is None:
        return None
    return {
        "p_value": null.p_value,
        "least_p_value": null.least_p_value,
        "statistic": null.statistic,
        "lane": null.lane,
        "lanes": null.lanes,
        "bars": null.bars,
        "excess_growth": null.excess_growth,
        "worlds": {kind: list(values) for kind, values in null.worlds.items()},
        "reached": {kind: null.reached(kind) for kind in null.worlds},
    }
