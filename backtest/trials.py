"""Trial ledger: every strategy ever tried on some data, counted once; append-only.

A trial is one strategy the user asked for (model x policy x settings) on one set of data, tried by a run, a point of a sweep
or a selection. Its key names the data (source, series, fields, period), never its bytes, which change daily. Reference
models, benchmarks and audits count zero.

Each line of the file is a run's trial with its returns, or a batch of a sweep: ids and Sharpe ratios, and instead of
returns the one sum from which their mean correlation follows. Nothing is ever taken out, so deleting runs or sweeps does
not lower the count.
"""

import base64
import fcntl
import hashlib
import json
import zlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from io import TextIOBase
from pathlib import Path
from typing import Any

import numpy as np

from backtest.errors import MetricError, RunError
from backtest.metrics.returns import NOISE, until_ruin
from backtest.metrics.significance import TrialFamily
from backtest.metrics.trial_correlation import TrialCorrelation
from backtest.spec import RunSpec
from data.panel import Floats, Times, read_only
from forecast.base import AbstractForecaster
from forecast.registry import FORECASTERS


@dataclass(frozen=True, eq=False)
class Trial:
    """One strategy tried.

    Attributes:
        id: names the strategy: data, model, policy and settings; identical reruns have the same id.
        key: data identity as canonical JSON.
        run: id of the run or sweep.
        lane: label of the lane, or of the sweep's point.
        sharpe: Sharpe ratio per period of the net returns, NaN when undefined.
        returns: (T,) net returns per period; None where only its batch's correlation sum was kept.
        span: first and last time of the returns; returns of other spans cannot be correlated. Empty when unknown.
    """

    id: str
    key: str
    run: str
    lane: str
    sharpe: float
    returns: Floats | None
    span: str = ""


@dataclass(frozen=True, eq=False)
class TrialBatch:
    """The points of one sweep.

    Attributes:
        key: data identity as canonical JSON.
        run: id of the sweep.
        ids: one for each point, as a run of that point alone would have it.
        sharpes: (P,) Sharpe ratios per period, NaN when undefined.
        span: first and last time of the returns.
        correlation: of exactly these points; None when it was not kept.
    """

    key: str
    run: str
    ids: tuple[str, ...]
    sharpes: Floats
    span: str
    correlation: TrialCorrelation | None


@dataclass(frozen=True)
class TrialCount:
    """All trials on one set of data, as a deflated Sharpe ratio needs to know them.

    Attributes:
        count: strategies tried, each once.
        dispersion: standard deviation (ddof 1) of their per-period Sharpe ratios; 0 for fewer than two.
        mean_correlation: mean pairwise correlation of their returns, over the pairs whose returns span the same time; 0
            without such a pair, which makes the effective number the full one.
        pairs: how many pairs that mean is over.
    """

    count: int
    dispersion: float
    mean_correlation: float
    pairs: int

    @property
    def family(self) -> TrialFamily:
        """The trials as significance reads them, at least one of them."""
        return TrialFamily(max(1, self.count), self.dispersion, self.mean_correlation)


NO_TRIALS = TrialCount(count=0, dispersion=0.0, mean_correlation=0.0, pairs=0)
"""Nothing was counted, as in a walk that no ledger knows of."""


def trial_key(identity: Mapping[str, Any]) -> str:
    """Return the canonical text of a data identity."""
    return json.dumps(identity, sort_keys=True)


def trial_id(spec: RunSpec, forecaster: AbstractForecaster) -> str:
    """Return what names a strategy: its data, model, policy and every other setting, but no other model of the run.

    Another repair of the data is a new trial; a newer bar, a newer version of the code or another name for the run is not.
    """
    settings = {**spec.resolved(), "forecaster": FORECASTERS.describe(forecaster)}
    for outside in ("name", "grid"):
        settings.pop(outside, None)
    return digest_of(trial_key(spec.data.identity()), settings)


def digest_of(key: str, settings: Mapping[str, Any]) -> str:
    """Return the sha256 of a data key and the settings of a strategy."""
    return hashlib.sha256(json.dumps([key, settings], sort_keys=True).encode()).hexdigest()


def account_trial(
    spec: RunSpec, forecaster: AbstractForecaster, run: str, lane: str, times: Times, equity: Floats
) -> Trial:
    """Return the trial of one account of a run.

    Args:
        spec: the experiment.
        forecaster: the model whose forecasts were traded.
        run: id of the run.
        lane: label of the account.
        times: (T,) closes.
        equity: (T,) net of costs at each close; a ruined account counts up to its ruin.
    """
    curve = until_ruin(equity)
    returns = curve[1:] / curve[:-1] - 1.0
    key = trial_key(spec.data.identity())
    sharpe = sharpe_of(returns)
    return Trial(trial_id(spec, forecaster), key, run, lane, sharpe, returns, span_of(times[: len(curve)]))


def sharpe_of(returns: Floats) -> float:
    """Return mean over standard deviation (ddof 1), per period; NaN when returns are too few or do not vary."""
    if len(returns) < 2 or float(np.ptp(returns)) <= NOISE:
        return float("nan")
    return float(returns.mean() / returns.std(ddof=1))


def span_of(times: Times) -> str:
    """Return the first and last of the times in words, to the second; empty for none."""
    return f"{np.datetime64(times[0], 's')}/{np.datetime64(times[-1], 's')}" if len(times) else ""


def add_trials(ledger: Path, trials: Sequence[Trial]) -> int:
    """Append the trials that are not in the ledger yet and return how many were new.

    The file is locked while it is read and appended, so any number of processes may count at once.

    Raises:
        RunError: when a line already there cannot be read.
    """
    ledger.parent.mkdir(parents=True, exist_ok=True)
    with ledger.open("a+", encoding="utf-8") as file:
        known = _locked_ids(file, ledger)
        new = {trial.id: trial for trial in trials if trial.id not in known}
        file.writelines(json.dumps(_to_row(trial)) + "\n" for trial in new.values())
        file.flush()
    return len(new)


def add_batch(ledger: Path, batch: TrialBatch) -> int:
    """Append the points of a sweep that are not in the ledger yet, in one line, and return how many were new.

    The correlation sum is kept only when it is of exactly the new points: hand in one that left out the points that
    ``known_trials`` names. (When another process counts some of them in between, the sum is dropped, the count is right.)

    Raises:
        RunError: when a line already there cannot be read, or the batch is not one ratio a point.
    """
    if len(batch.ids) != len(batch.sharpes):
        raise RunError(
            f"batch has {len(batch.ids)} points and {len(batch.sharpes)} Sharpe ratios; one each is needed"
        )
    ledger.parent.mkdir(parents=True, exist_ok=True)
    with ledger.open("a+", encoding="utf-8") as file:
        known = _locked_ids(file, ledger)
        new = {each: row for row, each in reversed(list(enumerate(batch.ids))) if each not in known}
        if new:
            rows = sorted(new.values())
            kept = replace(batch, ids=tuple(batch.ids[row] for row in rows), sharpes=batch.sharpes[rows])
            file.write(json.dumps(_batch_to_row(kept)) + "\n")
            file.flush()
    return len(new)


def known_trials(ledger: Path) -> frozenset[str]:
    """Return the ids of all trials of the ledger.

    Raises:
        RunError: when a line cannot be read.
    """
    return frozenset(trial.id for trial in read_trials(ledger))


def read_trials(ledger: Path, key: str | None = None) -> list[Trial]:
    """Return the trials of the ledger, or those on one set of data, oldest first.

    Raises:
        RunError: when a line cannot be read.
    """
    entries = _entries(ledger)
    return [trial for entry in entries for trial in _trials(entry) if key is None or trial.key == key]


def trials_summary(ledger: Path, key: str) -> TrialCount:
    """Return how many trials there are on one set of data, how their Sharpe ratios spread, and how alike they are.

    Raises:
        RunError: when a line cannot be read.
    """
    return _count([entry for entry in _entries(ledger) if entry.key == key])


def every_summary(ledger: Path) -> dict[str, TrialCount]:
    """Return ``trials_summary`` of each set of data in the ledger, oldest first; the file is read once.

    Raises:
        RunError: when a line cannot be read.
    """
    by_key: dict[str, list[Trial | TrialBatch]] = defaultdict(list)
    for entry in _entries(ledger):
        by_key[entry.key].append(entry)
    return {key: _count(entries) for key, entries in by_key.items()}


def _count(entries: Sequence[Trial | TrialBatch]) -> TrialCount:
    trials = [trial for entry in entries for trial in _trials(entry)]
    correlation, pairs = mean_correlation(entries)
    return TrialCount(len(trials), sharpe_dispersion(trials), correlation, pairs)


def sharpe_dispersion(trials: Sequence[Trial]) -> float:
    """Return the standard deviation (ddof 1) of the trials' per-period Sharpe ratios; 0 for fewer than two."""
    ratios = np.array([trial.sharpe for trial in trials if np.isfinite(trial.sharpe)])
    return float(ratios.std(ddof=1)) if len(ratios) > 1 else 0.0


def mean_correlation(entries: Iterable[Trial | TrialBatch]) -> tuple[float, int]:
    """Return the mean pairwise correlation of trials and the number of pairs it is over.

    Trials correlate only with trials of the same span: the mean is over those pairs, each counted once.
    """
    groups: dict[tuple[str, int], list[TrialCorrelation]] = defaultdict(list)
    for entry in entries:
        if (found := _correlation(entry)) is not None:
            groups[entry.span, len(found.total)].append(found)
    totals = [reduce(TrialCorrelation.merge, found) for found in groups.values()]
    pairs = [total.count * (total.count - 1) // 2 for total in totals]
    if not sum(pairs):
        return 0.0, 0
    weighted = sum(n * total.mean_correlation for n, total in zip(pairs, totals, strict=True))
    return max(-1.0, min(1.0, weighted / sum(pairs))), sum(pairs)


def _correlation(entry: Trial | TrialBatch) -> TrialCorrelation | None:
    if isinstance(entry, TrialBatch):
        return entry.correlation
    if entry.returns is None or len(entry.returns) < 2:
        return None
    return TrialCorrelation.start(len(entry.returns)).add(entry.returns)


def _trials(entry: Trial | TrialBatch) -> list[Trial]:
    if isinstance(entry, Trial):
        return [entry]
    return [
        Trial(each, entry.key, entry.run, "sweep", sharpe, None, entry.span)
        for each, sharpe in zip(entry.ids, entry.sharpes.tolist(), strict=True)
    ]


def _entries(ledger: Path) -> list[Trial | TrialBatch]:
    if not ledger.exists():
        return []
    with ledger.open(encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        return _parse(file.read(), ledger)


def _locked_ids(file: TextIOBase, ledger: Path) -> set[str]:
    """Lock a ledger that is open for appending and return the ids it holds; the lock ends when the file is closed."""
    fcntl.flock(file, fcntl.LOCK_EX)
    file.seek(0)
    return {trial.id for entry in _parse(file.read(), ledger) for trial in _trials(entry)}


def _to_row(trial: Trial) -> dict[str, Any]:
    row = {name: getattr(trial, name) for name in ("id", "key", "run", "lane", "span")}
    returns = np.empty(0) if trial.returns is None else np.asarray(trial.returns, np.float64)
    return {**row, "sharpe": _number(trial.sharpe), "returns": _packed(returns)}


def _batch_to_row(batch: TrialBatch) -> dict[str, Any]:
    row = {name: getattr(batch, name) for name in ("key", "run", "span", "ids")}
    sums, found = None, batch.correlation
    if found is not None and found.count + found.constant == len(batch.ids):
        sums = {"count": found.count, "constant": found.constant, "total": _packed(found.total)}
    return {**row, "sharpes": [_number(sharpe) for sharpe in batch.sharpes.tolist()], "correlation": sums}


def _number(sharpe: float) -> float | None:
    return sharpe if np.isfinite(sharpe) else None


def _packed(values: Floats) -> str:
    """Return the bytes of returns as text; level 0, since they do not compress but would be slow to read."""
    return base64.b64encode(zlib.compress(np.ascontiguousarray(values).tobytes(), 0)).decode("ascii")


def _unpacked(text: str) -> Floats:
    return np.frombuffer(zlib.decompress(base64.b64decode(text)), np.float64)


def _parse(text: str, ledger: Path) -> list[Trial | TrialBatch]:
    entries: list[Trial | TrialBatch] = []
    for number, line in enumerate(text.splitlines(), start=1):
        try:
            row = json.loads(line)
            entries.append(_batch(row) if "ids" in row else _trial(row))
        except (ValueError, KeyError, TypeError, zlib.error, MetricError) as error:
            raise RunError(f"line {number} of the trial ledger {ledger} cannot be read: {error}") from error
    return entries


def _trial(row: Mapping[str, Any]) -> Trial:
    sharpe, returns = _ratio(row["sharpe"]), _unpacked(row["returns"])
    return Trial(row["id"], row["key"], row["run"], row["lane"], sharpe, returns, row.get("span", ""))


def _batch(row: Mapping[str, Any]) -> TrialBatch:
    ids, sharpes = tuple(row["ids"]), np.array([_ratio(sharpe) for sharpe in row["sharpes"]], np.float64)
    if len(ids) != len(sharpes):
        raise ValueError(f"it holds {len(ids)} ids and {len(sharpes)} Sharpe ratios")
    sums = row["correlation"]
    found = sums and TrialCorrelation(
        int(sums["count"]), int(sums["constant"]), read_only(_unpacked(sums["total"]))
    )
    return TrialBatch(row["key"], row["run"], ids, sharpes, row["span"], found)


def _ratio(value: float | None) -> float:
    return float("nan") if value is None else float(value)
