"""Account: tokens and open positions in one pool, beside the basket it began with.

How fees are valued: they accrue in tokens. Until a position is closed its fees are worth what those tokens fetch at the
present price; when it is closed they become ordinary tokens, and the worth they had at that price is kept for good. So

    principal = idle tokens + tokens inside positions,  equity = principal + uncollected fees,
    fees = worth of what was collected when it was + worth of the uncollected now,
    divergence = sum over all price moves of (change of the hold basket - change of the principal),
    equity - hold_value = fees - divergence - gas - conversion,

exactly. The basket of the entry is never re-based, so divergence goes on through every rebalance; without one it is the
textbook's divergence loss of a position, fees left out.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from backtest.amm.policies.base import RangeDecision, WantedRange
from backtest.book import book
from backtest.errors import EngineError
from data.amm.pool import Pool, sqrt_of
from data.panel import Floats, as_time, read_only
from data.registry import plain, validated

Amount = TypeVar("Amount", float, Floats)

VERSION = 1
"""Layout of a stored account; a reader refuses any other."""


@dataclass(frozen=True)
class PoolPosition:
    """Liquidity in one range.

    Attributes:
        lower: lower tick, on the pool's spacing.
        upper: upper tick.
        liquidity: raw units, above 0.
        fees0: token0 earned and not collected, raw.
        fees1: token1 earned and not collected, raw.
        opened: instant of the swap after which it was opened.
    """

    lower: int
    upper: int
    liquidity: float
    fees0: float
    fees1: float
    opened: np.datetime64

    def amounts(self, sqrt_price: float) -> tuple[float, float]:
        """Return raw token0 and token1 inside the range at a root price, fees left out (Adams et al. 2021, eq. 6.29, 6.30)."""
        low, high = sqrt_of(self.lower), sqrt_of(self.upper)
        inside = min(max(sqrt_price, low), high)
        return self.liquidity * ((high - inside) / (inside * high)), self.liquidity * (inside - low)

    def holds(self, sqrt_price: float) -> bool:
        """Whether a root price is inside the range, so that the next swap from there pays it."""
        return sqrt_of(self.lower) <= sqrt_price < sqrt_of(self.upper)


@dataclass(frozen=True, eq=False)
class PoolAccount:
    """An account at the end of a bar; money in whole quote tokens, token amounts raw.

    Attributes:
        pool: tokens, fee and numeraire.
        time: what has happened up to this instant is in it.
        sqrt_price: root price of the pool at that time.
        idle0: token0 outside positions.
        idle1: token1 outside positions.
        positions: open ranges.
        hold0: token0 of the basket at the start, never re-based.
        hold1: token1 of it.
        capital: worth of that basket at the start.
        start_time: when the account began.
        start_sqrt_price: root price of the pool then.
        reference: root price that the last step of ``lvr`` ended at.
        pending: decision that waits for its execution.
        collected: fees of closed positions, at the prices at which they were closed.
        divergence: what the hold basket gained more than the principal; below 0 where it gained less.
        gas: paid so far.
        conversion: lost to fees and impact of conversions so far.
        lvr: loss versus rebalancing at the reference prices (Milionis et al. 2022, eq. 1), in exact steps.
        lvr_closed_form: the same by liquidity * variance * s / 4, variance from squared log returns of the reference.
        actions: decisions executed.
        bars: bar ends passed.
        bars_in_range: of them, those with the price inside an open range.
        invested: sum over bar ends of the worth inside positions.
        concentration: sum over bar ends of the liquidity at work, as a multiple of what the equity would be over the full
            range.
        path_up: sum of s' - s over the up swaps since the start, raw.
        path_down: sum of 1/s' - 1/s over the down swaps.
        version: layout of the stored form.
    """

    pool: Pool
    time: np.datetime64
    sqrt_price: float
    idle0: float
    idle1: float
    positions: tuple[PoolPosition, ...]
    hold0: float
    hold1: float
    capital: float
    start_time: np.datetime64
    start_sqrt_price: float
    reference: float
    pending: RangeDecision | None = None
    collected: float = 0.0
    divergence: float = 0.0
    gas: float = 0.0
    conversion: float = 0.0
    lvr: float = 0.0
    lvr_closed_form: float = 0.0
    actions: int = 0
    bars: int = 0
    bars_in_range: int = 0
    invested: float = 0.0
    concentration: float = 0.0
    path_up: float = 0.0
    path_down: float = 0.0
    version: int = VERSION

    def __post_init__(self) -> None:
        if self.version != VERSION:
            raise EngineError(f"account has version {self.version}; this engine reads version {VERSION}")
        object.__setattr__(self, "time", as_time(self.time))
        object.__setattr__(self, "start_time", as_time(self.start_time))
        for name in ("idle0", "idle1", "hold0", "hold1"):
            if not 0 <= getattr(self, name) < math.inf:
                raise EngineError(f"{name} was {getattr(self, name)}; holdings are finite and 0 or more")
        if not 0 < self.sqrt_price < math.inf:
            raise EngineError(f"sqrt_price was {self.sqrt_price}; it must be finite and above 0")

    @property
    def series(self) -> tuple[str, ...]:
        """The base token."""
        return (self.pool.base,)

    @property
    def marks(self) -> Floats:
        """(1,) quote tokens per base token."""
        return read_only(self.pool.prices(np.array([self.sqrt_price])))

    @property
    def cash(self) -> float:
        """Quote tokens held: idle, inside positions and uncollected."""
        return whole_tokens(self.pool, *self.amounts())[0]

    @property
    def units(self) -> Floats:
        """(1,) base tokens held: idle, inside positions and uncollected."""
        return read_only(np.array([whole_tokens(self.pool, *self.amounts())[1]]))

    @property
    def equity(self) -> float:
        """Worth of everything held at the present price."""
        return book(self).equity

    @property
    def hold_value(self) -> float:
        """Worth of the basket of the start at the present price."""
        return self.value(self.hold0, self.hold1)

    @property
    def net(self) -> float:
        """Equity less the hold value: what providing liquidity has made or lost against holding."""
        return self.equity - self.hold_value

    @property
    def fees(self) -> float:
        """Fees earned: the collected at the prices of then, the uncollected at the present price."""
        return self.collected + self.value(*self.uncollected())

    @property
    def in_range(self) -> bool:
        """Whether the price is inside an open range."""
        return any(position.holds(self.sqrt_price) for position in self.positions)

    def amounts(self) -> tuple[float, float]:
        """Return raw token0 and token1 held in all: idle, inside positions and uncollected."""
        inside0, inside1 = self.principal()
        fees0, fees1 = self.uncollected()
        return inside0 + fees0, inside1 + fees1

    def principal(self) -> tuple[float, float]:
        """Return raw token0 and token1 idle and inside positions."""
        total0, total1 = self.idle0, self.idle1
        for position in self.positions:
            amount0, amount1 = position.amounts(self.sqrt_price)
            total0, total1 = total0 + amount0, total1 + amount1
        return total0, total1

    def uncollected(self) -> tuple[float, float]:
        """Return raw token0 and token1 of fees that open positions have earned."""
        total0, total1 = 0.0, 0.0
        for position in self.positions:
            total0, total1 = total0 + position.fees0, total1 + position.fees1
        return total0, total1

    def value(self, amount0: float, amount1: float) -> float:
        """Return the worth of raw amounts at the present price, in whole quote tokens."""
        cash, units = whole_tokens(self.pool, amount0, amount1)
        return float(cash + units * self.marks[0])


def whole_tokens(pool: Pool, amount0: Amount, amount1: Amount) -> tuple[Amount, Amount]:
    """Return raw amounts as whole quote and whole base tokens."""
    whole0, whole1 = amount0 * 10.0**-pool.decimals0, amount1 * 10.0**-pool.decimals1
    return (whole1, whole0) if pool.quote == "token1" else (whole0, whole1)


_NUMBERS = (
    "sqrt_price",
    "idle0",
    "idle1",
    "hold0",
    "hold1",
    "capital",
    "start_sqrt_price",
    "reference",
    "collected",
    "divergence",
    "gas",
    "conversion",
    "lvr",
    "lvr_closed_form",
    "invested",
    "concentration",
    "path_up",
    "path_down",
)
_COUNTS = ("actions", "bars", "bars_in_range")
_OPEN_TICKS = ("lower", "upper")
_OPEN_NUMBERS = ("liquidity", "fees0", "fees1")


def to_arrays(account: PoolAccount) -> dict[str, npt.NDArray[Any]]:
    """Return the account as plain arrays, for npz or (through ``tolist``) JSON; ``from_arrays`` restores every bit."""
    rows = account.positions
    stamps = [row.opened.astype("datetime64[ns]").astype(np.int64) for row in rows]
    return {
        "version": np.asarray(account.version, np.int64),
        "pool": np.asarray(json.dumps(plain(account.pool))),
        "times": np.array([account.time, account.start_time]).astype(np.int64),
        "numbers": np.array([getattr(account, name) for name in _NUMBERS], np.float64),
        "counts": np.array([getattr(account, name) for name in _COUNTS], np.int64),
        "ticks": np.array([[getattr(row, name) for name in _OPEN_TICKS] for row in rows], np.int64),
        "open": np.array([[getattr(row, name) for name in _OPEN_NUMBERS] for row in rows], np.float64),
        "opened": np.array(stamps, np.int64),
        "pending": np.asarray(_decision_text(account.pending)),
    }


def from_arrays(arrays: Mapping[str, Any]) -> PoolAccount:
    """Return the account that ``to_arrays`` wrote; arrays or plain lists.

    Raises:
        EngineError: when an array is missing or the version is another one.
    """
    needed = {"version", "pool", "times", "numbers", "counts", "ticks", "open", "opened", "pending"}
    if missing := needed - set(arrays):
        raise EngineError(
            f"stored account has no '{min(missing)}'; it has {', '.join(sorted(arrays)) or 'nothing'}"
        )
    if int(arrays["version"]) != VERSION:
        raise EngineError(
            f"stored account has version {int(arrays['version'])}; this engine reads version {VERSION}"
        )
    numbers = np.asarray(arrays["numbers"], np.float64).tolist()
    counts = np.asarray(arrays["counts"], np.int64).tolist()
    now, start = np.asarray(arrays["times"], np.int64).tolist()
    return PoolAccount(
        pool=validated(Pool, json.loads(str(arrays["pool"])), "pool"),
        time=np.datetime64(now, "ns"),
        start_time=np.datetime64(start, "ns"),
        positions=_stored_positions(arrays),
        pending=_stored_decision(str(arrays["pending"])),
        **dict(zip(_NUMBERS, numbers, strict=True)),
        **dict(zip(_COUNTS, counts, strict=True)),
    )


def _stored_positions(arrays: Mapping[str, Any]) -> tuple[PoolPosition, ...]:
    ticks = np.asarray(arrays["ticks"], np.int64).reshape(-1, 2).tolist()
    numbers = np.asarray(arrays["open"], np.float64).reshape(-1, 3).tolist()
    stamps = np.asarray(arrays["opened"], np.int64).tolist()
    return tuple(
        PoolPosition(lower, upper, liquidity, fees0, fees1, np.datetime64(stamp, "ns"))
        for (lower, upper), (liquidity, fees0, fees1), stamp in zip(ticks, numbers, stamps, strict=True)
    )


def _decision_text(decision: RangeDecision | None) -> str:
    if decision is None:
        return ""
    stamp = int(as_time(decision.cutoff).astype(np.int64))
    return json.dumps({**asdict(decision), "cutoff": stamp})


def _stored_decision(text: str) -> RangeDecision | None:
    if not text:
        return None
    stored = json.loads(text)
    ranges = tuple(WantedRange(**wanted) for wanted in stored["ranges"])
    return RangeDecision(**{**stored, "cutoff": np.datetime64(stored["cutoff"], "ns"), "ranges": ranges})
