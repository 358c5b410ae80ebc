"""Selections: candidates of a configuration walked on this machine, ranked, judged, and the seal kept."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from backtest.configuration import apply_overrides, read_config
from backtest.experiment import experiment_id
from backtest.selection.candidates import Entry, candidate_count, candidate_trials, make_pool, walk_candidates
from backtest.selection.seal import (
    Opening,
    before_seal,
    opening_of,
    read_openings,
    record_opening,
    refuse_spent,
)
from backtest.selection.select import Selection, select
from backtest.selection.settings import SelectionSettings, parse_ks
from backtest.sweep.grid import grid_points
from backtest.trials import add_trials, trial_key, trials_summary
from data.errors import SpecError
from data.history import History
from data.registry import validated
from data.sources.selection import instant
from service.clock import now_utc
from service.configs import config_path
from service.output import Progress
from service.settings import Settings

SEALS = "seals.jsonl"
"""File of openings in the home folder."""


@dataclass(frozen=True)
class Request:
    """What a person asked to be selected.

    Attributes:
        entries: the configurations, one a grid point.
        candidates: how many they make.
        settings: how candidates are ranked and judged.
        references: reference models are candidates too.
        sealed: first instant of the sealed period, or None.
        opens_seal: judge on the sealed period.
    """

    entries: tuple[Entry, ...]
    candidates: int
    settings: SelectionSettings
    references: bool
    sealed: np.datetime64 | None
    opens_seal: bool


@dataclass(frozen=True)
class Done:
    """A finished selection, the span it read, how many strategies were tried on these data, and what is known of the seal."""

    selection: Selection
    first: str
    last: str
    tried: int
    seal: str


def make_request(
    name: str,
    overrides: Sequence[str],
    k: str | None,
    choices: Mapping[str, Any],
    *,
    references: bool,
    seal: tuple[str | None, bool],
) -> Request:
    """Return what is asked for, checked before anything is walked.

    Args:
        name: file of a configuration, or the name of a shipped one; each point of its grid makes candidates.
        overrides: ``a.b=c`` for the configuration.
        k: as ``parse_ks`` reads it; None means 1 to 10, or to the number of candidates.
        choices: settings of the selection by name; None leaves a default.
        references: reference models are candidates too.
        seal: first day of the sealed period, and whether it is opened.

    Raises:
        SpecError: when anything is not allowed, or k is larger than the candidates.
    """
    sealed, opens_seal = seal
    if opens_seal and sealed is None:
        raise SpecError("--open-seal was given without --sealed DATE; say which period is to be opened")
    points = grid_points(apply_overrides(read_config(config_path(name)), overrides))
    entries = tuple(Entry(point.label if len(points) > 1 else "", point.spec) for point in points)
    count = candidate_count(entries, references=references)
    given = {key: value for key, value in choices.items() if value is not None}
    ks = parse_ks(k) if k else range(1, min(10, count) + 1)
    settings = validated(SelectionSettings, {"seed": entries[0].spec.seed, **given, "ks": list(ks)}, "select")
    if settings.ks[-1] > count:
        raise SpecError(f"k was {settings.ks[-1]}; {count} candidates allow 1 to {count}")
    start = None if sealed is None else instant(sealed)
    return Request(entries, count, settings, references, start, opens_seal)


def run_selection(request: Request, settings: Settings, progress: Progress) -> Done:
    """Return the selection on everything before the seal, or, when it is opened, on the sealed period alone.

    An opening is written down before its result is returned; a period that was opened before is refused before anything is walked.

    Raises:
        RunError: when the sealed period was opened before.
        SpecError: when folds, seal or settings do not fit the data.
    """
    progress(0, 0, "reading data")
    whole = request.entries[0].spec.data.load(settings.lake)
    if request.sealed is None:
        selection, _ = _selected(request, whole, settings.trials, progress)
        return _done(request, settings, selection, whole, "nothing is sealed")
    visible, ledger = before_seal(whole, request.sealed), settings.home / SEALS
    if not request.opens_seal:
        selection, _ = _selected(request, visible, settings.trials, progress)
        return _done(request, settings, selection, visible, _seal_words(ledger, _opening(request, whole, ())))
    refuse_spent(ledger, _opening(request, whole, ()))
    selection, ids = _selected(request, whole, settings.trials, progress, since=request.sealed)
    opening = _opening(request, whole, ids)
    record_opening(ledger, opening)
    return _done(
        request, settings, selection, whole, f"opened now, at {opening.opened_at}; it cannot be opened again"
    )


def _selected(
    request: Request,
    history: History,
    trials: Path,
    progress: Progress,
    since: np.datetime64 | None = None,
) -> tuple[Selection, tuple[str, ...]]:
    """Return the selection and its candidates, every one of them counted as a trial before any is judged."""
    walks = walk_candidates(request.entries, history, progress, references=request.references)
    runs = [experiment_id(walk.entry.spec, history) for walk in walks]
    add_trials(trials, candidate_trials(walks, runs))
    pool = make_pool(walks, history)
    return select(pool, request.settings, progress, since=since), pool.ids


def _opening(request: Request, history: History, ids: Sequence[str]) -> Opening:
    assert request.sealed is not None
    return opening_of(
        request.entries[0].spec.data.identity(),
        history,
        request.sealed,
        opened_at=now_utc().isoformat(timespec="seconds"),
        candidates=ids,
        settings=request.settings.digest(),
    )


def _seal_words(ledger: Path, would_be: Opening) -> str:
    spent = [each for each in read_openings(ledger) if each.overlaps(would_be)]
    state = f"spent, {spent[0].words()}" if spent else "never opened"
    return f"sealed from {would_be.start[:10]} to {would_be.end[:10]}, {state}; nothing here has read it"


def _done(request: Request, settings: Settings, selection: Selection, history: History, seal: str) -> Done:
    first, last = (str(history.times[i].astype("datetime64[D]")) for i in (0, -1))
    key = trial_key(request.entries[0].spec.data.identity())
    return Done(selection, first, last, trials_summary(settings.trials, key).count, seal)
