"""NLinear: the window less its last value, mapped linearly to all steps ahead."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from data.registry import spec
from forecast.models.network import NetworkShape
from forecast.models.time_linear import AbstractTimeLinear

if TYPE_CHECKING:
    from torch import nn


@spec
class NLinear(AbstractTimeLinear):
    """NLinear (Zeng, Chen, Zhang and Xu 2023, section 4): the window less its last value, mapped, and the value added again.

    It loses where ridge does, and to ridge, which finds the same map in closed form with a penalty (Toner and Darlow 2024).
    """

    def stacked(self, seeds: Sequence[int], shape: NetworkShape) -> "nn.Module":
        """Return freshly drawn maps, one a seed."""
        from forecast.models.architectures.linear import NLinearModule
        from forecast.training.layers import initialised

        sizes = (shape.series, shape.horizon, shape.per_step)
        made = NLinearModule(len(seeds), shape.length, sizes, is_density=self.loss == "student_t")
        return initialised(made, seeds)
