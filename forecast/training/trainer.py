"""Training many folds at once: stacked in groups that fit the cache, each fold as if it were alone."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import numpy.typing as npt
from torch import nn

from forecast.errors import TrainingError
from forecast.training.fold import Outcome, TrainingFailure, TrainingFold, TrainingSettings
from forecast.training.looped import LoopedStack
from forecast.training.losses import Loss
from forecast.training.run import train_group

Build = Callable[[Sequence[int]], nn.Module]
"""Seeds -> a freshly initialised stacked module, one model a seed."""

GROUP_ROWS = 1024
"""Samples of all models together in one step: enough to fill a core, few enough for its cache."""

GROUP_WEIGHTS = 2**22
"""Weights of all models together: 16 MiB, five times that with gradients, moments and the weights that are kept."""


def train_many(
    build: Build, folds: Sequence[TrainingFold], settings: TrainingSettings, loss: Loss
) -> list[Outcome]:
    """Return the trained model of each fold, or why it has none, in the order of the folds.

    Folds are trained in groups of about ``GROUP_ROWS / batch`` models, fewer large ones, stacked; modules that cannot be stacked
    (``LoopedStack``) one by one. Each fold draws its first weights and its order from its own seed and stops on its own
    validation loss, so a result is that of training the fold alone: up to float rounding, and on a CPU mostly to the last
    bit (small products whose sizes are no multiples of 4 are rounded by where they lie in memory).

    Args:
        build: seeds -> stacked module of as many models.
        folds: all of one architecture; tables with the same (L, C) and O.
        settings: how to train.
        loss: mean loss of each model.

    Raises:
        TrainingError: when the settings cannot be met at all, for example no CUDA device, or tables differ in shape.
    """
    shapes = {(fold.table.inputs.shape[1:], fold.table.targets.shape[1:]) for fold in folds}
    if len(shapes) > 1:
        raise TrainingError(f"windows of one architecture have one shape; these have {sorted(shapes)}")
    reasons = _refusals(folds, settings)
    outcomes: list[Outcome] = [
        TrainingFailure(fold.name, reason) for fold, reason in zip(folds, reasons, strict=True)
    ]
    pending = [k for k, reason in enumerate(reasons) if not reason]
    rates = [settings.learning_rate] + ([settings.retry_rate] if settings.retry_rate is not None else [])
    for rate in rates:
        made = _trained(build, [folds[k] for k in pending], settings, rate, loss)
        for k, outcome in zip(pending, made, strict=True):
            outcomes[k] = outcome
        pending = [k for k in pending if isinstance(outcomes[k], TrainingFailure)]
    return outcomes


def _refusal(fold: TrainingFold, settings: TrainingSettings, finite: npt.NDArray[np.bool_]) -> str:
    """Return why a fold cannot be trained, or nothing."""
    if not len(fold.train):
        return "it has no training rows"
    if settings.patience is not None and not len(fold.valid):
        return f"patience is {settings.patience} and it has no validation rows to stop by"
    used = np.concatenate([fold.train, fold.valid])
    if used.min() < 0 or used.max() >= len(finite):
        return f"rows {used.min()} to {used.max()} were asked of a table of {len(finite)}"
    if not finite[used].all():
        return f"window {used[~finite[used]][0]} or its target is not finite"
    for name in ("input_scale", "target_scale"):
        scale = np.asarray(getattr(fold, name))
        if not (np.isfinite(scale).all() and (scale > 0).all()):
            return f"{name} was {scale.tolist()}; every scale must be finite and above 0"
    if not all(np.isfinite(getattr(fold, name)).all() for name in ("input_centre", "target_centre")):
        return "a centre is not finite"
    return ""


def _refusals(folds: Sequence[TrainingFold], settings: TrainingSettings) -> list[str]:
    finite = {id(table): table.finite_rows() for table in {id(f.table): f.table for f in folds}.values()}
    return [_refusal(fold, settings, finite[id(fold.table)]) for fold in folds]


def _trained(
    build: Build,
    folds: Sequence[TrainingFold],
    settings: TrainingSettings,
    rate: float,
    loss: Loss,
) -> list[Outcome]:
    """Return the outcome of each fold, trained in groups."""
    if not folds:
        return []
    size = _group_size(build([folds[0].seed]), settings.batch)
    outcomes: dict[int, Outcome] = {}
    for group in _groups(folds, settings, size):
        members = [folds[k] for k in group]
        made = train_group(build([fold.seed for fold in members]), members, settings, rate, loss)
        outcomes |= dict(zip(group, made, strict=True))
    return [outcomes[k] for k in range(len(folds))]


def _group_size(single: nn.Module, batch: int) -> int:
    """Return how many models like this one are trained together."""
    if isinstance(single, LoopedStack):
        return 1
    weights = sum(parameter.numel() for parameter in single.parameters())
    return max(1, min(GROUP_ROWS // batch, GROUP_WEIGHTS // weights))


def _groups(folds: Sequence[TrainingFold], settings: TrainingSettings, size: int) -> Iterator[list[int]]:
    """Yield positions of folds that are trained together: neighbours in the number of steps an epoch.

    With a decaying rate, which is one number for a whole step, all folds of a group end their epochs together.
    """
    steps = [-(-len(fold.train) // settings.batch) for fold in folds]
    group: list[int] = []
    for k in sorted(range(len(folds)), key=steps.__getitem__):
        apart = settings.rate_decay != "none" and group and steps[k] != steps[group[0]]
        if len(group) == size or apart:
            yield group
            group = []
        group.append(k)
    yield group
