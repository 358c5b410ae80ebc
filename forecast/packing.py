"""Forecasts as plain arrays, for npz files that bring back every bit."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from forecast.distribution import QuantileForecast


def pack_forecasts(forecasts: Sequence[QuantileForecast]) -> dict[str, npt.NDArray[Any]]:
    """Return the arrays of a sequence of forecasts, each name prefixed by the position."""
    packed: dict[str, npt.NDArray[Any]] = {"count": np.asarray(len(forecasts))}
    for i, forecast in enumerate(forecasts):
        packed[f"{i}.cutoff"] = np.asarray(forecast.cutoff.astype(np.int64))
        packed[f"{i}.times"] = forecast.times.astype(np.int64)
        packed[f"{i}.series"] = np.asarray(forecast.series, np.str_)
        packed[f"{i}.quantity"] = np.asarray(forecast.quantity, np.str_)
        for name in ("levels", "values", "last", "unbounded"):
            packed[f"{i}.{name}"] = np.asarray(getattr(forecast, name))
    return packed


def unpack_forecasts(packed: Mapping[str, npt.NDArray[Any]]) -> list[QuantileForecast]:
    """Return the forecasts that ``pack_forecasts`` packed."""
    return [_unpack(packed, str(i)) for i in range(int(packed["count"]))]


def _unpack(packed: Mapping[str, npt.NDArray[Any]], i: str) -> QuantileForecast:
    quantity: Any = str(packed[f"{i}.quantity"])
    return QuantileForecast(
        cutoff=np.datetime64(int(packed[f"{i}.cutoff"]), "ns"),
        times=packed[f"{i}.times"].astype("datetime64[ns]"),
        series=tuple(packed[f"{i}.series"].tolist()),
        levels=packed[f"{i}.levels"],
        values=packed[f"{i}.values"],
        quantity=quantity,
        last=packed[f"{i}.last"],
        unbounded=packed[f"{i}.unbounded"],
    )
