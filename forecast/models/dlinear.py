"""DLinear: season and trend of the window, each mapped linearly to all steps ahead."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Self

from pydantic import model_validator

from data.registry import spec
from forecast.base import Count
from forecast.models.network import NetworkShape
from forecast.models.time_linear import AbstractTimeLinear

if TYPE_CHECKING:
    from torch import nn


@spec
class DLinear(AbstractTimeLinear):
    """DLinear (Zeng, Chen, Zhang and Xu 2023, section 4): moving average and rest of the window, mapped linearly and added.

    It loses to the last value on prices, which it does not see as such, and to ridge wherever a linear map is all there is
    to learn: it is the same map, found by gradient steps and not in closed form (Toner and Darlow 2024).

    Attributes:
        kernel: steps of the moving average, odd.
    """

    kernel: Count = 25

    @model_validator(mode="after")
    def _check_kernel(self) -> Self:
        if self.kernel % 2 == 0:
            raise ValueError(
                f"kernel {self.kernel} is even, so the moving average has no centre; allowed: odd numbers"
            )
        return self

    def stacked(self, seeds: Sequence[int], shape: NetworkShape) -> "nn.Module":
        """Return freshly drawn maps, one a seed."""
        from forecast.models.architectures.linear import DLinearModule
        from forecast.training.layers import initialised

        sizes = (shape.series, shape.horizon, shape.per_step)
        return initialised(DLinearModule(len(seeds), shape.length, sizes, self.kernel), seeds)
