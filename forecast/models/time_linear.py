"""What DLinear and NLinear share: each series by itself, one field, trained as the LTSF-Linear program does."""

from typing import Annotated, Literal, Self

import annotated_types as at
from pydantic import model_validator

from data.registry import spec
from forecast.base import Count
from forecast.models.network import AbstractNetwork
from forecast.models.network_windows import Target


@spec
class AbstractTimeLinear(AbstractNetwork):
    """A linear map from the window to all steps ahead, the same for every series; all folds are trained as one."""

    context: Count = 96
    horizon: Count = 24
    target: Target = "level"
    epochs: Count = 10
    learning_rate: Annotated[float, at.Gt(0)] = 5e-3
    patience: Count | None = 3
    rate_decay: Literal["none", "half_each_epoch"] = "half_each_epoch"

    @model_validator(mode="after")
    def _check_time_linear(self) -> Self:
        if self.fields:
            raise ValueError(
                f"fields were {', '.join(self.fields)}; it maps the forecast field alone, allowed: none"
            )
        return self
