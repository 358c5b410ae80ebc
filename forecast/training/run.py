"""The training of one group: folds step together, each ends its own epochs, stops on its own and leaves when done."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import nn
from torch.func import functional_call

from forecast.training.flat_adam import FlatAdam
from forecast.training.fold import (
    Outcome,
    Rows,
    TrainedModel,
    TrainingFailure,
    TrainingFold,
    TrainingSettings,
)
from forecast.training.group import RowOrder, group_data, validation_chunks
from forecast.training.hardware import chosen_device, precision_context
from forecast.training.losses import Loss
from forecast.training.seeds import torch_seed

EXPLODED = 1e6
"""A loss this many times the first one (or 1, if that is smaller) has exploded, finite or not."""

KEPT_BYTES = 30 * 2**20


def train_group(
    module: nn.Module, folds: Sequence[TrainingFold], settings: TrainingSettings, rate: float, loss: Loss
) -> list[Outcome]:
    """Return the outcome of each fold; model k of the module is trained on fold k, in place.

    ``rate`` is the first learning rate; a retry uses another than that of the settings.
    """
    device = chosen_device(settings.device)
    # glibc hands freed blocks back to the system, and the next step pays for fresh pages, until it has seen a block of
    # this size come and go; it then keeps them.
    torch.empty(KEPT_BYTES, dtype=torch.uint8)
    with torch.random.fork_rng(devices=None if device.type == "cuda" else []):
        # Dropout inside ordinary modules draws from the global generator; stacked layers draw nothing.
        torch.manual_seed(torch_seed(folds[0].seed))
        group = Group(module.to(device), folds, settings, rate, loss)
        while group.progress:
            group.step()
            ended = [k for k, each in enumerate(group.progress) if each.step == each.order.steps]
            if ended:
                group.end_epochs(ended)
    return group.outcomes


@dataclass(eq=False)
class Progress:
    """How far one fold is; changed in place.

    Attributes:
        place: of the fold in its group.
        valid: (m,) its validation rows in the group's table.
        order: its batches.
        step: batches of this epoch that are done.
        epoch: epochs that are done.
        stale: epochs since the kept one.
        kept_train, kept_valid: losses of the kept epoch.
        is_done: whether it has its outcome.
    """

    place: int
    valid: Rows
    order: RowOrder
    step: int = 0
    epoch: int = 0
    stale: int = 0
    kept_train: float = math.nan
    kept_valid: float = math.inf
    is_done: bool = False


class Group:
    """Mutable state of a group. Kept weights are copies, so a fold that is done may go on stepping until many are.

    Attributes:
        progress: of the folds still in the group, in the order of the module's models.
        outcomes: by place in the group.
    """

    def __init__(
        self,
        module: nn.Module,
        folds: Sequence[TrainingFold],
        settings: TrainingSettings,
        rate: float,
        loss: Loss,
    ) -> None:
        self.module, self.folds, self.settings, self.rate, self.loss = module, folds, settings, rate, loss
        self.device = chosen_device(settings.device)
        self.data, starts = group_data(folds, self.device)
        width = min(settings.batch, max(len(fold.train) for fold in folds))
        self.progress = [
            Progress(k, fold.valid + start, RowOrder(fold.train + start, fold.seed, settings.batch, width))
            for k, (fold, start) in enumerate(zip(folds, starts, strict=True))
        ]
        self.outcomes: list[Outcome] = [
            TrainingFailure(fold.name, "it never ended an epoch") for fold in folds
        ]
        self.optimizer = FlatAdam(module, rate)
        self.kept = {name: value.clone() for name, value in module.state_dict().items()}
        self.summed = torch.zeros(len(folds), device=self.device)
        self.first: torch.Tensor | None = None

    def step(self) -> None:
        """Take one Adam step in every model."""
        rows, shares, portions = self._next_batches()
        inputs, targets = self.data.batch(rows)
        losses = self.loss(self._output(self.module, inputs), targets, shares)
        losses.sum().backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        losses = losses.detach()
        if self.first is None:
            self.first = losses
        self.summed += portions * losses

    def end_epochs(self, ended: Sequence[int]) -> None:
        """Judge the epochs that just ended, keep better weights, and let folds that are done go."""
        train = self.summed.tolist()
        running = [k for k in ended if not self.progress[k].is_done]
        valid = self._valid_losses(running)
        self._keep([k for k in running if self._is_kept(self.progress[k], train[k], valid[k])])
        for k in running:
            self._close(k, train[k], valid[k])
        for k in ended:
            self.summed[k] = 0.0
            self.progress[k].step = 0
        self._decay()
        self._let_go()

    def _next_batches(self) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        parts = []
        for each in self.progress:
            order, at = each.order, each.step
            parts.append((order.epoch[at], order.shares[at], order.portions[at]))
            each.step += 1
        rows, shares, portions = (torch.stack(one).to(self.device) for one in zip(*parts, strict=True))
        return rows, shares, portions

    def _output(self, module: Callable[[torch.Tensor], torch.Tensor], inputs: torch.Tensor) -> torch.Tensor:
        with precision_context(self.settings.precision, self.device):
            return module(inputs).float()

    def _is_last(self, each: Progress) -> bool:
        return each.epoch + 1 == self.settings.epochs

    def _is_kept(self, each: Progress, train: float, valid: float) -> bool:
        """Return whether the weights of the epoch that ended are the ones to keep so far."""
        if self._explosion(each, train, valid):
            return False
        return self._is_last(each) if self.settings.patience is None else valid < each.kept_valid

    def _explosion(self, each: Progress, train: float, valid: float) -> str:
        """Return which loss exploded, or nothing; a validation loss that was not measured is NaN."""
        assert self.first is not None
        limit = EXPLODED * max(1.0, abs(float(self.first[self.progress.index(each)])))
        measured = len(each.valid) > 0 and (self.settings.patience is not None or self._is_last(each))
        for name, value in (("training", train), ("validation", valid if measured else 0.0)):
            if not value <= limit:
                return f"its {name} loss exploded to {value:g} in epoch {each.epoch + 1} at learning rate {self.rate:g}"
        return ""

    def _close(self, k: int, train: float, valid: float) -> None:
        """Move a fold to its next epoch, or give it its outcome."""
        each = self.progress[k]
        reason = self._explosion(each, train, valid)
        if reason:
            self._finish(k, TrainingFailure(self.folds[each.place].name, reason))
            return
        is_kept = self._is_kept(each, train, valid)
        if is_kept:
            each.kept_train, each.kept_valid = train, valid
        each.stale = 0 if is_kept else each.stale + 1
        each.epoch += 1
        patience = self.settings.patience
        if each.epoch == self.settings.epochs or (patience is not None and each.stale >= patience):
            self._finish(k, self._result(k))
        else:
            each.order.shuffle()

    def _finish(self, k: int, outcome: Outcome) -> None:
        self.progress[k].is_done = True
        self.outcomes[self.progress[k].place] = outcome

    def _result(self, k: int) -> Outcome:
        """Return the kept weights; the last step of all may have left some that no loss has seen yet."""
        each, alone = self.progress[k], len(self.progress) == 1
        kept = {name: value if alone else value[k : k + 1] for name, value in self.kept.items()}
        if not all(bool(torch.isfinite(value).all()) for value in kept.values()):
            reason = f"its weights were not finite after epoch {each.epoch} at learning rate {self.rate:g}"
            return TrainingFailure(self.folds[each.place].name, reason)
        state = {name: value.cpu().numpy().copy() for name, value in kept.items()}
        return TrainedModel(state, each.epoch, each.kept_train, each.kept_valid, self.rate)

    def _keep(self, models: Sequence[int]) -> None:
        """Copy the present weights of these models to the kept ones."""
        is_chosen = torch.zeros(len(self.progress), dtype=torch.bool, device=self.device)
        is_chosen[list(models)] = True
        for name, value in self.module.state_dict().items() if models else ():
            if len(self.progress) == 1:
                self.kept[name].copy_(value)
            else:
                mask = is_chosen.view(-1, *[1] * (value.ndim - 1))
                self.kept[name] = torch.where(mask, value, self.kept[name])

    @torch.no_grad()
    def _valid_losses(self, models: Sequence[int]) -> dict[int, float]:
        """Return the validation loss of models whose epoch ended, NaN where none is needed."""
        needed = [
            k
            for k in models
            if len(self.progress[k].valid)
            and (self.settings.patience is not None or self._is_last(self.progress[k]))
        ]
        losses = dict.fromkeys(models, math.nan)
        if needed:
            losses |= dict(zip(needed, self._evaluated(needed).tolist(), strict=True))
        return losses

    def _evaluated(self, models: Sequence[int]) -> torch.Tensor:
        module: Callable[[torch.Tensor], torch.Tensor] = self.module
        data = self.data
        if len(models) < len(self.progress):
            chosen = torch.tensor(models, device=self.device)
            state = {name: value[chosen] for name, value in self.module.state_dict().items()}
            module = partial(functional_call, self.module, state)
            data = data.of(chosen)
        self.module.eval()
        losses = torch.zeros(len(models), device=self.device)
        for rows, shares in validation_chunks([self.progress[k].valid for k in models]):
            inputs, targets = data.batch(rows.to(self.device))
            losses += self.loss(self._output(module, inputs), targets, shares.to(self.device))
        self.module.train()
        return losses

    def _decay(self) -> None:
        """Set the rate of the next epoch: full in the first two, then half of the last (Autoformer's ``type1``)."""
        if self.settings.rate_decay == "half_each_epoch":
            done = max(each.epoch for each in self.progress)
            self.optimizer.set_rate(self.rate * 0.5 ** (done - 1))

    def _let_go(self) -> None:
        """Drop folds that are done once they are half of the group, or all of it."""
        going = [k for k, each in enumerate(self.progress) if not each.is_done]
        if len(going) == len(self.progress) or 2 * len(going) > len(self.progress):
            return
        chosen = torch.tensor(going, dtype=torch.int64, device=self.device)
        self.progress = [self.progress[k] for k in going]
        if not going:
            return
        assert self.first is not None
        self.first, self.summed, self.data = self.first[chosen], self.summed[chosen], self.data.of(chosen)
        self.kept = {name: value[chosen] for name, value in self.kept.items()}
        self.optimizer.keep(chosen)
        for buffer in self.module.buffers():
            buffer.data = buffer.data[chosen]
