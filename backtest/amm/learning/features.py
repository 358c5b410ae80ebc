"""Features of a pool that a learned policy reads: one row a bar, each known at that bar's end."""

import numpy as np

from backtest.amm.environment import DAY_BARS, rolling_sums
from backtest.amm.environment_kernel import Flags
from backtest.errors import EngineError
from data.history import History
from data.panel import Floats, Panel
from forecast.models.scaling import Scaler, scaler_of

CONTEXT = 168
"""Hourly bars a network reads."""

NEEDED = CONTEXT + DAY_BARS - 1
"""Bars a decision needs: the first rows of its context look back a day."""

FEATURES: tuple[str, ...] = (
    "return",
    "variance_1",
    "variance_6",
    "variance_24",
    "intensity",
    "imbalance",
    "liquidity",
    "income",
)

ABSOLUTE: tuple[str, ...] = ("income",)
"""Features that mean the same in every pool, and are read as they are."""

_LIMIT = 5.0
"""Standard deviations beyond which a feature is cut off."""

_LEAST_MOVE, _LEAST_GROWTH, _LEAST_INCOME = 1e-4, 1e-7, 1e-6


def pool_features(panel: Panel) -> Floats:
    """Return the features of a pool's bars, (T, 8); a row is NaN while there is no day of bars before it.

    Log return of the close; logs of the root of the realised variance of the last 1, 6 and 24 bars; log of the fee growth of
    a bar per root price; signed over whole volume, 0 without any; log of the active liquidity; log of what the last
    24 bars paid to liquidity over the full range, half the fee growth per root price, over its loss versus rebalancing, an eighth
    of the variance (Milionis et al. 2022): above 0 where the pool paid for its risk. No row looks ahead, and none depends on where
    the panel begins.
    """
    columns = {name: panel.field(name)[:, 0] for name in ("close", "variance", "fee_growth", "sqrt_price")}
    flow, volume, liquidity = (panel.field(name)[:, 0] for name in ("flow", "volume", "liquidity"))
    returns = np.diff(np.log(columns["close"]), prepend=np.nan)
    moves = [
        np.log(np.sqrt(rolling_sums(columns["variance"], bars)) + _LEAST_MOVE) for bars in (1, 6, DAY_BARS)
    ]
    growth = columns["fee_growth"] / columns["sqrt_price"]
    intensity = np.log(growth + _LEAST_GROWTH)
    paid, lost = rolling_sums(growth, DAY_BARS) / 2.0, rolling_sums(columns["variance"], DAY_BARS) / 8.0
    income = np.log((paid + _LEAST_INCOME) / (lost + _LEAST_INCOME))
    imbalance = np.divide(flow, volume, out=np.zeros_like(flow), where=volume > 0)
    rows = np.column_stack(
        [returns, *moves, intensity, imbalance, np.log(np.maximum(liquidity, 1.0)), income]
    )
    rows[np.isnan(moves[-1])] = np.nan
    return np.asarray(rows)


def feature_scaler(features: Floats) -> Scaler:
    """Return the scaler of the rows of features (T, 8) from the first context on; what is absolute stays as it is."""
    found = scaler_of(features[first_context(features) - CONTEXT + 1 :])
    fixed = np.isin(FEATURES, ABSOLUTE)
    return Scaler(np.where(fixed, 0.0, found.centre), np.where(fixed, 1.0, found.scale))


def scaled_rows(features: Floats, scaler: Scaler) -> Floats:
    """Return standardised features (T, 8), cut off at five standard deviations; rows without a value stay NaN."""
    return np.clip(scaler.apply(features), -_LIMIT, _LIMIT)


def first_context(features: Floats) -> int:
    """Return the first bar whose whole context has values.

    Raises:
        EngineError: when there is none.
    """
    known: Flags = np.asarray(np.isfinite(features).all(axis=1))
    first = int(np.argmax(known)) + CONTEXT - 1
    if not known.any() or first >= len(features) or not known[first - CONTEXT + 1 :].all():
        raise EngineError(
            f"learning reads {CONTEXT} bars without a gap, each with a day before it; the {len(features)} bars have "
            f"{int(known.sum())} such rows"
        )
    return first


def last_context(history: History) -> Floats:
    """Return the features of the last 168 bars, (168, 8); nothing before the last 191 bars is read.

    Raises:
        EngineError: when there are too few bars with a price.
    """
    features = pool_features(history.panel.last(NEEDED))[-CONTEXT:]
    if len(features) < CONTEXT or not np.isfinite(features).all():
        raise EngineError(
            f"policy 'learned' reads {NEEDED} bars with a price; the history has {len(history.times)} bars, some without"
        )
    return features
