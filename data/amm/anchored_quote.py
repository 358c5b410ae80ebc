"""Anchored quote: one simulated world under the plain curve and under a quote anchored to the reference price, by three goals.

The source paper (Lim 2022, arXiv 2211.01346, abstract) wants "market equilibrium pricing" in place of the curve and names its
goals: divergence loss, slippage and capital efficiency. Its formula is not public to us. **Our interpretation**: before each
trade the pool's price is set to a reference price, seen some looks late; from there the trader meets the same liquidity and
pays the same fee; afterwards the price is set anew. No trade moves it there, so arbitrageurs earn only where the reference
ran away further than the fee while it was on its way.

An anchored pool does not keep its providers on the curve: what they hold is what traders left them, and they can run out of
a token. Its log would be no path of swaps, so it exists in this comparison alone and never as a ``PoolLog``.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from data.amm.path import fee_growth
from data.amm.pool import Pool, sqrt_of
from data.amm.simulator import Simulation
from data.errors import PoolError
from data.panel import Floats, Times

Quote = Literal["curve", "anchored"]


@dataclass(frozen=True)
class QuoteGoals:
    """The paper's three goals for a passive range under one quote, and what explains them; the range is vanishingly small.

    Attributes:
        quote: ``curve``, or ``anchored`` as the module says.
        divergence_loss: worth of the range at the end over that of its tokens held, less 1, fees left out; at the reference.
        slippage_bps: mean distance of noise traders' prices from the reference at their last look, fee left out, weighted by
            worth.
        capital_efficiency: fees over capital, as a multiple of those of the full range under the same quote.
        fees: fees over capital.
        loss: loss versus rebalancing at every look at the reference price, over capital (Milionis et al. 2022).
        trader_cost_bps: what noise traders paid above the reference, fee included, weighted by worth.
        unfilled: share of the volume meant for the range that it could not serve; 0 on the curve.
    """

    quote: Quote
    divergence_loss: float
    slippage_bps: float
    capital_efficiency: float
    fees: float
    loss: float
    trader_cost_bps: float
    unfilled: float


class _Moves(NamedTuple):
    """Moves of the quoted root price that traders pay for, (N,) each, in order."""

    times: Times
    start: Floats
    end: Floats


class _Orders(NamedTuple):
    """Orders of noise traders, (N,) each: instant, side, raw amounts paid with the fee and got, liquidity of the pool."""

    times: Times
    is_up: npt.NDArray[np.bool_]
    paid: Floats
    got: Floats
    liquidity: Floats


class _Holding(NamedTuple):
    """What a range of liquidity 1 holds at each look, (M,) raw, what it earned, and how much of its volume it missed."""

    held0: Floats
    held1: Floats
    fee0: float
    fee1: float
    unfilled: float


def compare_quotes(made: Simulation, ticks: tuple[int, int], late: int = 1) -> tuple[QuoteGoals, QuoteGoals]:
    """Return the goals of a passive range under the curve and under the anchored quote, on the same orders and reference.

    Noise traders pay the same raw amounts in both. The range is opened at the first look and left alone.

    Args:
        made: a simulated world.
        ticks: lower and upper tick of the range.
        late: looks by which the anchored quote sees the reference late, 0 or more.

    Raises:
        TickError: when the pool has no such range.
        PoolError: when no noise trader came, the range does not hold the first reference price, or ``late`` is below 0.
    """
    _check(made, ticks, late)
    fee = made.log.pool.fee
    anchors = made.look_roots[np.maximum(np.arange(len(made.look_roots)) - late, 0)]
    orders = _noise(made)
    quoted = anchors[_look(made, orders.times)]
    reached = _after(quoted, orders, fee)
    moves = _in_order(_chases(made, anchors), _Moves(orders.times, quoted, reached))
    on_curve, anchored = partial(_on_curve, made), partial(_anchored, made, moves)
    return (
        _goals("curve", made, ticks, on_curve, _trader_bps(made, orders, _average_prices(orders, fee))),
        _goals("anchored", made, ticks, anchored, _trader_bps(made, orders, quoted * reached)),
    )


def _check(made: Simulation, ticks: tuple[int, int], late: int) -> None:
    made.log.pool.check_range(*ticks)
    if late < 0:
        raise PoolError(f"late was {late} looks; it must be 0 or more")
    if not made.is_noise.any():
        raise PoolError("no noise trader came; slippage needs at least one")
    if not sqrt_of(ticks[0]) < made.look_roots[0] < sqrt_of(ticks[1]):
        raise PoolError(f"range {ticks[0]} to {ticks[1]} does not hold the first reference price")


def _goals(
    quote: Quote,
    made: Simulation,
    ticks: tuple[int, int],
    held: Callable[[int, int], _Holding],
    bps: tuple[float, float],
) -> QuoteGoals:
    """Return the goals of a range from what ranges hold under a quote, and traders' slippage and cost."""
    own, full = held(*ticks), held(*made.log.pool.full_range)
    roots, worth = made.look_roots, made.log.pool.value
    capital = worth(own.held0[0], own.held1[0], roots[0])
    fees = worth(own.fee0, own.fee1, roots[-1]) / capital
    of_full = worth(full.fee0, full.fee1, roots[-1]) / worth(full.held0[0], full.held1[0], roots[0])
    end, hold = (worth(own.held0[at], own.held1[at], roots[-1]) for at in (-1, 0))
    return QuoteGoals(
        quote=quote,
        divergence_loss=float(end / hold - 1.0),
        slippage_bps=bps[0],
        capital_efficiency=float(fees / of_full),
        fees=float(fees),
        loss=float(_loss(made.log.pool, own, roots) / capital),
        trader_cost_bps=bps[1],
        unfilled=own.unfilled,
    )


def _on_curve(made: Simulation, lower: int, upper: int) -> _Holding:
    """Return what a range holds where the pool's price moves by swaps alone."""
    low, high, swaps = sqrt_of(lower), sqrt_of(upper), made.log.swaps
    seen = np.searchsorted(swaps.times, made.look_times, side="right")
    inside = np.clip(np.concatenate([swaps.sqrt_before[:1], swaps.sqrt_after])[seen], low, high)
    later = swaps.rows(int(seen[0]), len(swaps))
    ((fee0, fee1),) = fee_growth(later, np.array([low]), np.array([high]), made.log.pool.rates)
    return _Holding(1.0 / inside - 1.0 / high, inside - low, float(fee0), float(fee1), 0.0)


def _anchored(made: Simulation, moves: _Moves, lower: int, upper: int) -> _Holding:
    """Return what a range holds that gives traders what the moves ask for, as long as it has it."""
    low, high = sqrt_of(lower), sqrt_of(upper)
    start, end = np.clip(moves.start, low, high), np.clip(moves.end, low, high)
    opening = made.look_roots[0]
    wanted = np.column_stack([1.0 / end - 1.0 / start, end - start])
    held = np.empty((len(wanted) + 1, 2))
    held[0] = 1.0 / opening - 1.0 / high, opening - low
    filled = np.ones(len(wanted))
    for i, change in enumerate(wanted):
        out = int(change[1] > 0) ^ 1
        if -change[out] > held[i, out]:
            filled[i] = held[i, out] / -change[out]
        held[i + 1] = np.maximum(held[i] + filled[i] * change, 0.0)
    paid = np.maximum(wanted, 0.0)
    fees = (filled[:, None] * paid).sum(axis=0) * made.log.pool.rates
    seen = np.searchsorted(moves.times, made.look_times, side="right")
    asked, lost = paid.sum(axis=0), ((1 - filled)[:, None] * paid).sum(axis=0)
    worth = partial(made.log.pool.value, sqrt_price=float(opening))
    unfilled = worth(*lost.tolist()) / worth(*asked.tolist()) if asked.any() else 0.0
    return _Holding(held[seen, 0], held[seen, 1], float(fees[0]), float(fees[1]), unfilled)


def _chases(made: Simulation, anchors: Floats) -> _Moves:
    """Return the moves of arbitrageurs at looks where the reference is further from the anchor than the fee."""
    band = np.sqrt(1.0 - made.log.pool.fee)
    end = np.clip(anchors, made.look_roots * band, made.look_roots / band)
    away = (end != anchors) & (made.look_times > made.look_times[0])
    return _Moves(made.look_times[away], anchors[away], end[away])


def _noise(made: Simulation) -> _Orders:
    """Return what noise traders paid and got after the first look."""
    swaps = made.log.swaps
    kept = made.is_noise & (swaps.times > made.look_times[0])
    is_up = swaps.amount1[kept] > 0
    paid = np.where(is_up, swaps.amount1[kept], swaps.amount0[kept])
    got = -np.where(is_up, swaps.amount0[kept], swaps.amount1[kept])
    return _Orders(swaps.times[kept], is_up, paid, got, swaps.liquidity[kept])


def _look(made: Simulation, times: Times) -> npt.NDArray[np.intp]:
    """Return the last look at or before each instant."""
    return np.searchsorted(made.look_times, times, side="right") - 1


def _after(start: Floats, orders: _Orders, fee: float) -> Floats:
    """Return the root prices that orders reach from others, in one range of their liquidity."""
    move = orders.paid * (1.0 - fee) / orders.liquidity
    return np.where(orders.is_up, start + move, 1.0 / (1.0 / start + move))


def _in_order(first: _Moves, second: _Moves) -> _Moves:
    """Return both kinds of moves by their instant, the first kind before the second within one."""
    times = np.concatenate([first.times, second.times])
    order = np.argsort(times, kind="stable")
    start, end = (np.concatenate(pair)[order] for pair in zip(first[1:], second[1:], strict=True))
    return _Moves(times[order], start, end)


def _average_prices(orders: _Orders, fee: float) -> Floats:
    """Return token1 per token0 of each order on the curve, fee left out."""
    net = orders.paid * (1.0 - fee)
    return np.where(orders.is_up, net / orders.got, orders.got / net)


def _trader_bps(made: Simulation, orders: _Orders, prices: Floats) -> tuple[float, float]:
    """Return distance from the reference without the fee, and cost above it with the fee, both weighted by worth."""
    fee = made.log.pool.fee
    reference = made.look_roots[_look(made, orders.times)] ** 2
    worth = np.where(orders.is_up, orders.paid, orders.paid * reference)
    cost = np.where(
        orders.is_up, prices / (1.0 - fee) / reference - 1.0, 1.0 - prices * (1.0 - fee) / reference
    )
    slippage, paid = (
        float(np.average(part, weights=worth)) for part in (np.abs(prices / reference - 1.0), cost)
    )
    return slippage * 1e4, paid * 1e4


def _loss(pool: Pool, own: _Holding, roots: Floats) -> float:
    """Return what rebalancing to the range's tokens at every look would have earned more than the range, fees left out."""
    worth = pool.value(own.held0, own.held1, roots)
    moved = pool.value(own.held0[:-1], own.held1[:-1], roots[1:]) - worth[:-1]
    return float(moved.sum() - (worth[-1] - worth[0]))
