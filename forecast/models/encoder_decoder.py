"""An encoder-decoder of two long short-term memories on windows."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from data.registry import spec
from forecast.base import Count
from forecast.models.network import AbstractNetwork, NetworkShape

if TYPE_CHECKING:
    from torch import nn


@spec
class EncoderDecoder(AbstractNetwork):
    """One LSTM sums the window up, another is shown the summary at each step ahead; see ``AbstractNetwork``.

    LSTM_UNIV_ED_10 and LSTM_MULTV_ED_10 of Mehtab and Sen (2021): 200 units each, dense 100, relu (after Cho and others
    2014). It loses to the last value on prices, at several times the cost of ``lstm``.

    Attributes:
        units: of the encoder.
        decoder_units: of the decoder.
        dense: units of each dense layer before the output, the same at every step.
        activation: of cell inputs, cell outputs and inner dense layers.
    """

    units: Count = 32
    decoder_units: Count = 32
    dense: tuple[Count, ...] = (16,)
    activation: Literal["relu", "tanh"] = "tanh"

    def stacked(self, seeds: Sequence[int], shape: NetworkShape) -> "nn.Module":
        """Return freshly drawn networks, one a seed, as one module."""
        from torch import nn

        from forecast.models.network_layers import decoder_for
        from forecast.training.layers import initialised
        from forecast.training.lstm import StackedLstm

        encoder = StackedLstm(len(seeds), shape.channels, self.units, self.activation)
        decoder = decoder_for(len(seeds), self.units, self.decoder_units, self.dense, shape, self.activation)
        return initialised(nn.Sequential(encoder, decoder), seeds)
