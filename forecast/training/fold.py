"""What is trained and what comes of it: a fold, the settings, a trained model or the failure of one."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import annotated_types as at
import numpy as np
import numpy.typing as npt

from data.registry import spec
from forecast.base import Count
from forecast.errors import TrainingError
from forecast.training.windows import WindowTable

Rows = npt.NDArray[np.int64]
Rate = Annotated[float, at.Gt(0)]


@dataclass(frozen=True, eq=False)
class TrainingFold:
    """One model to be trained: which windows, how they are scaled, and the seed.

    Attributes:
        table: the windows, shared by all folds that can.
        train: (n,) rows that are fitted.
        valid: (m,) rows that decide when to stop; may be empty without early stopping.
        input_centre: (C,) or scalar, subtracted from the inputs.
        input_scale: (C,) or scalar above 0, then divided by.
        target_centre: (O,) or scalar, subtracted from the targets.
        target_scale: (O,) or scalar above 0, then divided by.
        seed: of first weights and order, at or above 0.
        name: for error messages.
    """

    table: WindowTable
    train: Rows
    valid: Rows
    input_centre: Any
    input_scale: Any
    target_centre: Any
    target_scale: Any
    seed: int
    name: str


@spec
class TrainingSettings:
    """How every fold is trained: Adam (Kingma and Ba 2015) on shuffled batches, a fold's last batch of an epoch smaller.

    Attributes:
        epochs: passes over the training rows, at most.
        batch: samples a step.
        learning_rate: of Adam.
        patience: epochs without a smaller validation loss after which a fold stops with its best weights; None: all
            epochs are run and the last weights are kept.
        rate_decay: ``half_each_epoch`` halves the rate after each epoch.
        retry_rate: rate used once more, from the start, when a loss explodes; None: the fold fails at once.
        device: ``auto`` is CUDA where there is one.
        precision: of the matrix products; ``auto`` is bfloat16 on CUDA devices that have it, else float32.
    """

    epochs: Count = 20
    batch: Count = 32
    learning_rate: Rate = 1e-3
    patience: Count | None = None
    rate_decay: Literal["none", "half_each_epoch"] = "none"
    retry_rate: Rate | None = None
    device: Literal["auto", "cpu", "cuda"] = "auto"
    precision: Literal["auto", "float32", "bfloat16"] = "auto"


@dataclass(frozen=True, eq=False)
class TrainedModel:
    """The weights of one fold.

    Attributes:
        state: name -> array, what ``build([seed]).load_state_dict`` takes: a stacked module's arrays have a leading axis 1.
        epochs_run: epochs trained, those after the best one included.
        train_loss: mean loss over the batches of the kept epoch.
        valid_loss: loss of the kept weights on the validation rows, NaN without any.
        learning_rate: the one it was trained with, ``retry_rate`` after an explosion.
    """

    state: Mapping[str, npt.NDArray[Any]]
    epochs_run: int
    train_loss: float
    valid_loss: float
    learning_rate: float


@dataclass(frozen=True)
class TrainingFailure:
    """Why one fold has no model; the other folds of the call have theirs."""

    name: str
    reason: str

    @property
    def error(self) -> TrainingError:
        """The error to raise when this fold is needed."""
        return TrainingError(f"training of {self.name} failed: {self.reason}")


Outcome = TrainedModel | TrainingFailure
"""What training one fold comes to."""
