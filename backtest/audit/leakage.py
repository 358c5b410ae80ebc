"""Leakage: does anything an experiment makes for a time move when only later bars change?"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from backtest.audit.cuts import Cut
from backtest.audit.recording import ARTEFACTS, UNUSABLE, Recording, recorded
from backtest.audit.span import Span
from backtest.experiment import Report
from data.history import History
from forecast.lookahead import PERTURBATIONS, Movement, first_of, movements, perturbed, row_moved

MOST_SCANNED = 2000
"""Cuts of the scan over derived fields; more bars are thinned evenly."""


@dataclass(frozen=True)
class Comparison:
    """One rerun on another future, held against the run as it was.

    Attributes:
        cut: the last bar that kept its values.
        how: how later bars were changed, see ``PERTURBATIONS``.
        moved: the earliest movement of each artefact that moved; empty when every bit up to the cut stayed.
        failure: why the rerun stopped before the cut, else empty; without a movement, the source refused that future.
    """

    cut: Cut
    how: str
    moved: tuple[Movement, ...]
    failure: str = ""


@dataclass(frozen=True)
class FieldScan:
    """The source's derived fields with the future changed after every bar.

    Attributes:
        cuts: bars after which the future was changed, each in every way.
        moved: of these, how many moved a field's past, by perturbation.
        refused: futures from which the source could derive nothing.
        first: the first movement with its cut and perturbation; None when nothing moved.
    """

    cuts: int
    moved: dict[str, int]
    refused: int
    first: Comparison | None


@dataclass(frozen=True)
class Leakage:
    """What changed futures did to the past.

    Attributes:
        comparisons: one rerun of the whole experiment a cut and perturbation.
        scan: the derived fields alone, after every bar; None when the source derives nothing.
        compared: artefact -> how many of it the whole run made: values of fields, else one a time and place.
    """

    comparisons: tuple[Comparison, ...]
    scan: FieldScan | None
    compared: dict[str, int]

    @property
    def leaks(self) -> bool:
        """Whether anything moved."""
        return self.first is not None

    @property
    def first(self) -> tuple[Movement, Comparison] | None:
        """The earliest movement of all reruns and the rerun that shows it."""
        scanned = (self.scan.first,) if self.scan is not None and self.scan.first is not None else ()
        found = [(first_of(each.moved), each) for each in (*self.comparisons, *scanned) if each.moved]
        return min(found, key=lambda pair: (pair[0].time, ARTEFACTS.index(pair[0].artefact)), default=None)

    def count(self, artefact: str, how: str) -> tuple[int, int]:
        """Return at how many cuts an artefact moved under a perturbation, and how many cuts there were."""
        tried = [each for each in self.comparisons if each.how == how]
        moved = sum(any(movement.artefact == artefact for movement in each.moved) for each in tried)
        return moved, len(tried)

    def sentences(self) -> list[str]:
        """Return what was found, in words."""
        if self.first is None:
            sentence = (
                f"No leak found: every bit of {', '.join(ARTEFACTS)} up to {len(self._cuts())} cuts stayed the same, "
                f"whatever happened afterwards ({', '.join(PERTURBATIONS)})."
            )
            return [sentence, *self._refusals()]
        movement, shown = self.first
        sentence = (
            f"LEAK: {movement} moved when bars after {shown.cut.time} ({shown.cut.kind}) were {shown.how}; "
            "it saw the future."
        )
        return [sentence, *([f"That rerun stopped with: {shown.failure}"] if shown.failure else [])]

    def _refusals(self) -> list[str]:
        failed = [each for each in self.comparisons if each.failure]
        if not failed:
            return []
        sentence = (
            f"{len(failed)} of {len(self.comparisons)} futures could not be compared, as the source refused them; "
            f"the first, {failed[0].how} after {failed[0].cut.time}: {failed[0].failure}"
        )
        return [sentence]

    def _cuts(self) -> set[np.datetime64]:
        return {each.cut.time for each in self.comparisons}


def audit_leakage(span: Span, cuts: Sequence[Cut], report: Report) -> Leakage:
    """Return what the past of an experiment does when only its future changes.

    The bars are changed before the source derives anything from them and the whole experiment runs again: derived fields,
    fits, forecasts, calibrations, targets, accounts, fills and equity. ``truncated`` reads the bars again from a source
    that ends at the cut, so that what a source computes while it loads is found too.

    Raises:
        WayfoldError: when the experiment does not run on its own bars.
    """
    before = span.derive(span.raw)
    run = partial(_run, span)
    whole = run(before, span.raw.cutoff)
    if whole.failure is not None:
        raise whole.failure
    total, comparisons = len(cuts) * len(PERTURBATIONS), list[Comparison]()
    for cut in cuts:
        for how in PERTURBATIONS:
            report(len(comparisons), total, f"changing the future after {cut.time.astype('datetime64[D]')}")
            comparisons.append(_compared(span, before, whole, cut, how))
    scan = scan_fields(span) if span.derives else None
    sizes = {name: sum(map(len, made.values())) for name, made in whole.outputs.items()}
    return Leakage(tuple(comparisons), scan, {"features": before.panel.values.size, **sizes})


def scan_fields(span: Span) -> FieldScan:
    """Return what the derived fields do when the future changes after every single bar."""
    before, rows = span.derive(span.raw), len(span.raw.panel) - 1
    chosen = np.unique(np.linspace(0, rows - 1, min(rows, MOST_SCANNED)).astype(int))
    moved, refused, first = dict.fromkeys(PERTURBATIONS, 0), 0, None
    for row in chosen:
        cut = Cut(np.datetime64(span.raw.times[row]), "every bar")
        for how in PERTURBATIONS:
            after, failure = _derived(span, perturbed(span.raw, cut.time, how))
            movement = None if after is None else row_moved("features", before.panel, after.panel, cut.time)
            refused += bool(failure)
            if movement is not None:
                moved[how] += 1
                first = first or Comparison(cut, how, (movement,))
    return FieldScan(len(chosen), moved, refused, first)


def _run(span: Span, history: History, until: np.datetime64) -> Recording:
    return recorded(span.plan(history), span.folds, history, until)


def _compared(span: Span, before: History, whole: Recording, cut: Cut, how: str) -> Comparison:
    raw = span.reread(cut.time) if how == "truncated" else perturbed(span.raw, cut.time, how)
    after, refusal = _derived(span, raw)
    if after is None:
        return Comparison(cut, how, (), refusal)
    again = _run(span, after, cut.time)
    fields = row_moved("features", before.panel, after.panel, cut.time)
    moved = (*((fields,) if fields is not None else ()), *movements(whole.outputs, again.outputs, cut.time))
    return Comparison(cut, how, moved, "" if again.failure is None else _told(again.failure))


def _derived(span: Span, raw: History) -> tuple[History | None, str]:
    """Return the derived bars, or None and why the source derives nothing from such bars."""
    try:
        return span.derive(raw), ""
    except UNUSABLE as error:
        return None, _told(error)


def _told(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
