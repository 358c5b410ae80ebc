"""The windows of a group of folds on the device: scaled batches, each fold in its own order."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from forecast.training.fold import Rows, TrainingFold
from forecast.training.seeds import order_generator

EVALUATED_ROWS = 64
"""Samples of a model that are evaluated at once: always as many, so that rounding does not depend on the group."""


@dataclass(frozen=True, eq=False)
class GroupData:
    """One table and the scaling of K folds.

    Attributes:
        inputs: (N, L, C).
        targets: (N, O).
        input_centre, input_scale: (K, 1, 1, C).
        target_centre, target_scale: (K, 1, O).
    """

    inputs: torch.Tensor
    targets: torch.Tensor
    input_centre: torch.Tensor
    input_scale: torch.Tensor
    target_centre: torch.Tensor
    target_scale: torch.Tensor

    def batch(self, rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return scaled inputs (K, B, L, C) and targets (K, B, O) of rows (K, B)."""
        inputs = (self.inputs[rows] - self.input_centre) / self.input_scale
        return inputs, (self.targets[rows] - self.target_centre) / self.target_scale

    def of(self, models: torch.Tensor) -> "GroupData":
        """Return the data of some of the models."""
        scaling = self.input_centre, self.input_scale, self.target_centre, self.target_scale
        return GroupData(self.inputs, self.targets, *(one[models] for one in scaling))


def joined_tables(folds: Sequence[TrainingFold]) -> tuple[torch.Tensor, torch.Tensor, list[int]]:
    """Return inputs, targets and, by fold, the row at which its table starts; one table is not copied."""
    tables = {id(fold.table): fold.table for fold in folds}
    starts, first = {}, 0
    for key, table in tables.items():
        starts[key] = first
        first += len(table.inputs)
    parts = [[getattr(table, name) for table in tables.values()] for name in ("inputs", "targets")]
    inputs, targets = (
        torch.from_numpy(each[0] if len(each) == 1 else np.concatenate(each)) for each in parts
    )
    return inputs, targets, [starts[id(fold.table)] for fold in folds]


def group_data(folds: Sequence[TrainingFold], device: torch.device) -> tuple[GroupData, list[int]]:
    """Return the data of a group and, by fold, the row at which its table starts in it."""
    inputs, targets, starts = joined_tables(folds)

    def stacked(name: str, width: int, *middle: int) -> torch.Tensor:
        rows = [np.broadcast_to(np.asarray(getattr(fold, name), np.float32), (width,)) for fold in folds]
        return torch.from_numpy(np.stack(rows)).view(len(folds), *middle, width).to(device)

    channels, outputs = inputs.shape[2], targets.shape[1]
    data = GroupData(
        inputs.to(device),
        targets.to(device),
        stacked("input_centre", channels, 1, 1),
        stacked("input_scale", channels, 1, 1),
        stacked("target_centre", outputs, 1),
        stacked("target_scale", outputs, 1),
    )
    return data, starts


class RowOrder:
    """The batches of one fold, epoch after epoch, in its own random order; rows are (steps, width).

    Attributes:
        steps: batches an epoch.
        shares: (steps, width) weight of each sample in its batch; places beyond a smaller last batch have 0, and hold other
            samples of the epoch, so that statistics of the batch stay those of a whole one.
        portions: (steps,) weight of each batch in the epoch.
        epoch: (steps, width) rows in the order of this epoch.
    """

    def __init__(self, rows: Rows, seed: int, batch: int, width: int) -> None:
        self.steps = -(-len(rows) // batch)
        self._rows, self._batch, self._width = rows, batch, width
        self._generator = order_generator(seed)
        filled = np.minimum(batch, len(rows) - batch * np.arange(self.steps))[:, None]
        self.shares = torch.from_numpy(
            np.where(np.arange(width) < filled, 1.0 / filled, 0.0).astype(np.float32)
        )
        self.portions = torch.from_numpy((filled[:, 0] / len(rows)).astype(np.float32))
        self.epoch: torch.Tensor
        self.shuffle()

    def shuffle(self) -> None:
        """Draw the order of the next epoch."""
        order = self._generator.permutation(self._rows)
        padded = np.resize(order, self.steps * self._batch)
        self.epoch = torch.from_numpy(padded.reshape(self.steps, self._batch)[:, : self._width])


def validation_chunks(valid: Sequence[Rows]) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Return rows (K, B) and the weight of each sample (K, B), padded with weight 0, that cover every fold's rows once."""
    longest = max(len(rows) for rows in valid)
    length = -(-longest // EVALUATED_ROWS) * EVALUATED_ROWS
    padded = np.zeros((len(valid), length), np.int64)
    shares = np.zeros((len(valid), length), np.float32)
    for k, rows in enumerate(valid):
        padded[k, : len(rows)], padded[k, len(rows) :] = rows, rows[0]
        shares[k, : len(rows)] = 1.0 / len(rows)
    spans = [slice(at, at + EVALUATED_ROWS) for at in range(0, length, EVALUATED_ROWS)]
    return [(torch.from_numpy(padded[:, span]), torch.from_numpy(shares[:, span])) for span in spans]
