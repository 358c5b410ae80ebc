"""From histories to fitted networks: one task a network, all tasks of all histories trained together."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from data.history import History
from data.panel import Floats
from data.registry import validated
from forecast.errors import FitError
from forecast.models.empirical import LEAST_ERRORS, error_quantiles, forecast_errors
from forecast.models.network_fitted import NetworkFitted
from forecast.models.network_outputs import (
    Scaling,
    change_scaling,
    form_of_target,
    level_scaling,
    mean_absolute,
    with_marks,
)
from forecast.models.network_part import NetworkPart, State, loaded_modules, spoken
from forecast.models.network_windows import (
    FieldRows,
    Rows,
    Windows,
    decoded,
    field_rows,
    joined,
    split_rows,
    windows_of,
)
from forecast.randomness import RandomStreams
from forecast.windows import MIN_OBSERVED

if TYPE_CHECKING:
    from torch import nn

    from forecast.models.network import AbstractNetwork
    from forecast.training.fold import Outcome, TrainingFold

LEAST_WINDOWS = 20
"""Fewest windows a network is trained on."""

SETTINGS = ("epochs", "batch", "learning_rate", "patience", "rate_decay", "retry_rate", "device", "precision")
"""Settings of a network that are those of its training."""


@dataclass(frozen=True, eq=False)
class Task:
    """One network of one history.

    Attributes:
        history: position of the history.
        name: of the part: the series of a separate network, else empty.
        series: whose windows these are, sorted; the channels of a joint network.
        windows: the table it shares with others.
        train: rows of the table that are fitted.
        valid: rows that are held out.
        scaling: of the training rows.
    """

    history: int
    name: str
    series: tuple[str, ...]
    windows: Windows
    train: Rows
    valid: Rows
    scaling: Scaling


def fitted_networks(
    asked: "AbstractNetwork",
    trains: Sequence[History],
    rngs: Sequence[RandomStreams],
    previous: Mapping[str, NetworkPart] | None = None,
) -> list[NetworkFitted | FitError]:
    """Return the network, or why there is none, of each history.

    Args:
        asked: the hyper-parameters.
        trains: histories; those cut from one panel share their windows.
        rngs: one a history; first weights and order of a member depend on its history, part and number alone.
        previous: parts to start from, of the same specification; a part not in it starts anew.
    """
    plans = planned(asked, trains)
    tasks = [task for plan in plans if not isinstance(plan, FitError) for task in plan]
    outcomes = _trained(asked, tasks, rngs, previous or {})
    made: list[NetworkFitted | FitError] = []
    for plan in plans:
        if isinstance(plan, FitError):
            made.append(plan)
            continue
        try:
            made.append(_assembled(asked, plan, [outcomes[id(task)] for task in plan]))
        except FitError as error:
            made.append(error)
    return made


def planned(asked: "AbstractNetwork", trains: Sequence[History]) -> list[list[Task] | FitError]:
    """Return the tasks of each history, or why it has none."""
    parts = [_usable(field_rows(train, asked.channels, asked.target), asked) for train in trains]
    tables, places = joined(parts)
    windows = [windows_of(table, asked.cut) for table in tables]
    plans: list[list[Task] | FitError] = []
    for k, (table, first) in enumerate(places):
        place = (first, first + len(parts[k].times))
        try:
            plans.append(_tasks(asked, k, windows[table], place, parts[k].series))
        except FitError as error:
            plans.append(error)
    return plans


def _usable(rows: FieldRows, asked: "AbstractNetwork") -> FieldRows:
    """Return the series that a joint network can see: those observed on 80 % of the rows."""
    if not asked.mixes_series or not len(rows.times):
        return rows
    seen = (rows.observed.mean(axis=0) >= MIN_OBSERVED).all(axis=1)
    return rows.select([name for name, kept in zip(rows.series, seen, strict=True) if kept])


def _tasks(
    asked: "AbstractNetwork", k: int, windows: Windows, place: tuple[int, int], series: tuple[str, ...]
) -> list[Task]:
    if not series:
        raise FitError(f"no series is observed on {MIN_OBSERVED:.0%} of the {place[1] - place[0]} rows")
    rows = [windows.fold_rows(place, view, asked.cut) for view in range(len(windows.views))]
    if asked.series != "separate":
        return [_task(asked, k, "", series, windows, np.concatenate(rows))]
    made, errors = [], []
    for name, own in zip(series, rows, strict=True):
        try:
            made.append(_task(asked, k, name, (name,), windows, own))
        except FitError as error:
            error.add_note(f"series {name}")
            errors.append(error)
    if not made:
        raise errors[0]
    return made


def _task(
    asked: "AbstractNetwork", k: int, name: str, series: tuple[str, ...], windows: Windows, rows: Rows
) -> Task:
    train, valid = split_rows(windows.decided, rows, asked.horizon, asked.validation_share)
    held_out = LEAST_ERRORS if asked.validation_share else 0
    if len(train) < LEAST_WINDOWS or len(valid) < held_out:
        raise FitError(
            f"{len(train)} windows of context {asked.context} and horizon {asked.horizon} to train on and {len(valid)} "
            f"to validate were left; {LEAST_WINDOWS} and {held_out} are needed"
        )
    return Task(k, name, series, windows, train, valid, _scaling(asked, series, windows, train))


def _scaling(asked: "AbstractNetwork", series: tuple[str, ...], windows: Windows, train: Rows) -> Scaling:
    length, marks = asked.cut.length, asked.cut.mark_count
    seen = windows.inputs[train, :length]
    inputs = seen[:, :, : seen.shape[2] - marks].astype(np.float64)
    channels = asked.channels
    if asked.mixes_series:
        channels = tuple(f"{field} of {name}" for field in channels for name in series)
    if asked.target == "level":
        count = len(series) if asked.mixes_series else 1
        return with_marks(level_scaling(inputs, channels, count, asked.horizon), marks)
    targets = windows.targets[train].astype(np.float64)
    return with_marks(change_scaling(inputs, targets, channels), marks)


def _trained(
    asked: "AbstractNetwork",
    tasks: Sequence[Task],
    rngs: Sequence[RandomStreams],
    previous: Mapping[str, NetworkPart],
) -> dict[int, list["Outcome"]]:
    """Return the outcome of each member by the identity of its task; networks of one shape are trained together."""
    outcomes: dict[int, list[Outcome]] = {}
    for series in sorted({len(task.series) if asked.mixes_series else 1 for task in tasks}):
        alike = [task for task in tasks if not asked.mixes_series or len(task.series) == series]
        made = _trained_alike(asked, alike, rngs, previous, series)
        for i, task in enumerate(alike):
            outcomes[id(task)] = made[i * asked.seeds : (i + 1) * asked.seeds]
    return outcomes


def _trained_alike(
    asked: "AbstractNetwork",
    tasks: Sequence[Task],
    rngs: Sequence[RandomStreams],
    previous: Mapping[str, NetworkPart],
    series: int,
) -> list["Outcome"]:
    from forecast.training.fold import TrainingSettings
    from forecast.training.trainer import train_many

    folds, starts = _folds(asked, tasks, rngs, previous)
    shape = asked.shape(series)
    return train_many(
        lambda seeds: started(asked.stacked(seeds, shape), [starts.get(seed) for seed in seeds]),
        folds,
        validated(TrainingSettings, {name: getattr(asked, name) for name in SETTINGS}, "training"),
        _loss(asked),
    )


def _folds(
    asked: "AbstractNetwork",
    tasks: Sequence[Task],
    rngs: Sequence[RandomStreams],
    previous: Mapping[str, NetworkPart],
) -> tuple[list["TrainingFold"], dict[int, State]]:
    """Return one training fold a member of each task, and by seed the weights that some start from."""
    from forecast.training.fold import TrainingFold
    from forecast.training.windows import WindowTable

    tables = {id(task.windows): WindowTable(task.windows.inputs, task.windows.targets) for task in tasks}
    folds, starts = [], {}
    for task in tasks:
        before = previous[task.name].states if task.name in previous else ()
        table, name = tables[id(task.windows)], _fold_name(task, rngs[task.history])
        for member in range(asked.seeds):
            seed = int(rngs[task.history].of("network", task.name, str(member)).integers(2**63 - 1))
            if before:
                starts[seed] = before[member]
            scaling = task.scaling.arrays()
            folds.append(TrainingFold(table, task.train, task.valid, **scaling, seed=seed, name=name))
    return folds, starts


def _fold_name(task: Task, rng: RandomStreams) -> str:
    what = f"series {task.name}, " if task.name else ""
    return f"{what}fold {task.history + 1} (cutoff {rng.cutoff})"


def _loss(asked: "AbstractNetwork") -> Any:
    from forecast.training import losses

    return losses.pinball(asked.levels) if asked.loss == "pinball" else getattr(losses, asked.loss)


def started(module: "nn.Module", states: Sequence[State | None]) -> "nn.Module":
    """Return the stacked module with the weights of some of its models replaced; None leaves a model as it was drawn."""
    import torch

    from forecast.training.looped import LoopedStack

    for k, state in enumerate(states):
        if state is None:
            continue
        weights = {name: torch.from_numpy(np.array(array)) for name, array in state.items()}
        if isinstance(module, LoopedStack):
            prefix = "members.0."
            module.members[k].load_state_dict(
                {name.removeprefix(prefix): value for name, value in weights.items()}
            )
            continue
        with torch.no_grad():
            for name, own in module.state_dict().items():
                own[k] = weights[name][0]
    return module


def _assembled(
    asked: "AbstractNetwork", tasks: Sequence[Task], outcomes: Sequence[list["Outcome"]]
) -> NetworkFitted:
    from forecast.training.fold import TrainedModel

    parts: dict[str, NetworkPart] = {}
    offsets: dict[str, Floats] = {}
    held_out: dict[str, Floats] = {}
    for task, members in zip(tasks, outcomes, strict=True):
        failed = [each for each in members if not isinstance(each, TrainedModel)]
        if failed:
            raise failed[0].error
        states = tuple(each.state for each in members if isinstance(each, TrainedModel))
        parts[task.name] = NetworkPart(task.series, states, task.scaling)
        for name, (truth, points) in _judged(asked, task, parts[task.name]).items():
            found = error_quantiles(
                forecast_errors(truth, points, form_of_target(asked.target)), asked.levels
            )
            if asked.heads.is_point and found is not None:
                offsets[name] = found
            mean = mean_absolute(truth - points)
            if len(task.valid) and mean is not None:
                held_out[name] = mean
    if asked.heads.is_point and not offsets:
        raise FitError(f"no series has {LEAST_ERRORS} errors a step to take a spread from")
    return NetworkFitted(asked, parts, offsets, held_out)


def _judged(asked: "AbstractNetwork", task: Task, part: NetworkPart) -> dict[str, tuple[Floats, Floats]]:
    """Return truth, NaN where not observed, and median of the held-out windows by series, (N, H) each.

    Without held-out windows those of the training are taken.
    """
    rows = task.valid if len(task.valid) else task.train
    windows, count = task.windows, len(task.series) if asked.mixes_series else 1
    scaled = task.scaling.inputs(windows.inputs[rows].astype(np.float64))
    shape = (asked.horizon, count, asked.heads.per_step)
    said = asked.heads.medians(spoken(loaded_modules(asked, part), scaled, shape), task.scaling)
    points = decoded(said, windows.last[rows][:, None], asked.target)  # (N, H, S)
    truth = windows.truths(rows, asked.horizon)
    if asked.mixes_series:
        return {name: (truth[:, :, s], points[:, :, s]) for s, name in enumerate(task.series)}
    view = np.array([windows.views[v].name for v in windows.view[rows]])
    return {
        name: (truth[view == name, :, 0], points[view == name, :, 0]) for name in np.unique(view).tolist()
    }
