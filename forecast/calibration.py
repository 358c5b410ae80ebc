"""Calibration: the role, and the table of its kinds; what past forecasts missed corrects the next one.

Feedback arrives only when the truth is known: the caller passes a forecast to ``learn`` once its last time has passed,
oldest first, and calibrates a forecast with the state of that moment.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from data.panel import Floats
from data.registry import Registry, spec
from forecast.distribution import QuantileForecast

Arrays = Mapping[str, npt.NDArray[Any]]


class CalibrationState(ABC):
    """What a calibration remembers; frozen."""

    @abstractmethod
    def to_arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return plain arrays from which ``AbstractCalibration.from_arrays`` makes the same state, to the bit."""


@spec
class AbstractCalibration(ABC):
    """Settings of a calibration; its state is a separate value that every call returns anew."""

    @abstractmethod
    def start(self) -> CalibrationState:
        """Return the state before any feedback."""

    @abstractmethod
    def calibrate(self, state: Any, forecast: QuantileForecast) -> QuantileForecast:
        """Return the calibrated forecast: non-crossing, same median, flagged where the calibrated set is infinite."""

    @abstractmethod
    def learn(
        self, state: Any, raw: QuantileForecast, issued: QuantileForecast, truth: Floats
    ) -> CalibrationState:
        """Return the state after feedback on one forecast.

        Args:
            state: of this calibration.
            raw: the forecast as the model made it.
            issued: the same forecast as ``calibrate`` returned it.
            truth: (S, H) what happened; NaN where not known, from which nothing is learnt.
        """

    @abstractmethod
    def from_arrays(self, arrays: Arrays) -> CalibrationState:
        """Return the state that ``CalibrationState.to_arrays`` wrote."""


class Nothing(CalibrationState):
    """The state of no calibration."""

    def to_arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return one empty array."""
        return {"nothing": np.zeros(0)}


@spec
class NoCalibration(AbstractCalibration):
    """Forecasts are issued as the model made them."""

    def start(self) -> Nothing:
        """Return the empty state."""
        return Nothing()

    def calibrate(self, state: Nothing, forecast: QuantileForecast) -> QuantileForecast:
        """Return the forecast itself."""
        return forecast

    def learn(
        self, state: Nothing, raw: QuantileForecast, issued: QuantileForecast, truth: Floats
    ) -> Nothing:
        """Return the empty state."""
        return state

    def from_arrays(self, arrays: Arrays) -> Nothing:
        """Return the empty state."""
        return Nothing()


CALIBRATIONS: Registry[AbstractCalibration] = Registry(
    "calibration",
    {
        "none": "forecast.calibration:NoCalibration",
        "split_conformal": "forecast.split_conformal:SplitConformal",
        "aci": "forecast.adaptive_conformal:AdaptiveConformal",
    },
    "wayfold.calibrations",
)
