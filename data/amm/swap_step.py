"""Swap step: how far one stretch of constant liquidity takes a swap, in exact integers.

Root prices are fixed point with 96 fractional bits, amounts raw, the fee in hundredths of a basis point. A token0 input moves
the price down, a token1 input up. Every rounding favours the pool (Adams et al. 2021, Uniswap v3 Core, eq. 6.13 to 6.16).
"""

from typing import NamedTuple

from data.amm.liquidity_amounts import amount0, amount1
from data.errors import PoolError

_WORD = 1 << 256
_PIPS = 1_000_000


class SwapStep(NamedTuple):
    """What one step does.

    Attributes:
        sqrt: root price after it.
        amount_in: raw input without the fee.
        amount_out: raw output.
        fee: raw fee, in the input token.
    """

    sqrt: int
    amount_in: int
    amount_out: int
    fee: int


def swap_step(sqrt: int, target: int, liquidity: int, remaining: int, fee_pips: int) -> SwapStep:
    """Return the step from a root price towards a target.

    Args:
        sqrt: root price before it.
        target: root price not to be passed; below ``sqrt`` when token0 is paid in.
        liquidity: liquidity on the whole way.
        remaining: raw input still to be spent, fee included; below 0: raw output still to be had.
        fee_pips: fee in hundredths of a basis point.

    Raises:
        PoolError: when the output asked for is more than the price can give.
    """
    is_down = sqrt >= target
    if remaining >= 0:
        return _step_of_input(sqrt, target, liquidity, remaining, fee_pips, is_down)
    return _step_of_output(sqrt, target, liquidity, -remaining, fee_pips, is_down)


def _step_of_input(
    sqrt: int, target: int, liquidity: int, remaining: int, fee_pips: int, is_down: bool
) -> SwapStep:
    spendable = remaining * (_PIPS - fee_pips) // _PIPS
    needed = _paid_in(sqrt, target, liquidity, is_down)
    if spendable >= needed:
        fee = -(-needed * fee_pips // (_PIPS - fee_pips))
        return SwapStep(target, needed, _paid_out(sqrt, target, liquidity, is_down), fee)
    after = sqrt_after_input(sqrt, liquidity, spendable, is_down=is_down)
    paid = needed if after == target else _paid_in(sqrt, after, liquidity, is_down)
    fee = -(-paid * fee_pips // (_PIPS - fee_pips)) if after == target else remaining - paid
    return SwapStep(after, paid, _paid_out(sqrt, after, liquidity, is_down), fee)


def _step_of_output(
    sqrt: int, target: int, liquidity: int, wanted: int, fee_pips: int, is_down: bool
) -> SwapStep:
    most = _paid_out(sqrt, target, liquidity, is_down)
    if wanted >= most:
        after, paid_out = target, most
    else:
        after = sqrt_after_output(sqrt, liquidity, wanted, is_down=is_down)
        paid_out = min(_paid_out(sqrt, after, liquidity, is_down), wanted)
    paid = _paid_in(sqrt, after, liquidity, is_down)
    return SwapStep(after, paid, paid_out, -(-paid * fee_pips // (_PIPS - fee_pips)))


def _paid_in(sqrt: int, after: int, liquidity: int, is_down: bool) -> int:
    if is_down:
        return amount0(after, sqrt, liquidity, is_paid_in=True)
    return amount1(sqrt, after, liquidity, is_paid_in=True)


def _paid_out(sqrt: int, after: int, liquidity: int, is_down: bool) -> int:
    if is_down:
        return amount1(after, sqrt, liquidity, is_paid_in=False)
    return amount0(sqrt, after, liquidity, is_paid_in=False)


def sqrt_after_input(sqrt: int, liquidity: int, amount: int, *, is_down: bool) -> int:
    """Return the root price after a net input, rounded so that it never moves too far.

    Token0 (price down): L * s / (L + amount * s), rounded up, or L / (L / s + amount) where a product leaves 256 bits; token1
    (price up): s + amount / L, rounded down.
    """
    if not is_down:
        return sqrt + (amount << 96) // liquidity
    if amount == 0:
        return sqrt
    scaled, product = liquidity << 96, amount * sqrt
    if product < _WORD and scaled + product < _WORD:
        return -(-scaled * sqrt // (scaled + product))
    return -(-scaled // (scaled // sqrt + amount))


def sqrt_after_output(sqrt: int, liquidity: int, amount: int, *, is_down: bool) -> int:
    """Return the root price after an output, rounded so that it moves far enough.

    Token1 out (price down): s - amount / L, the quotient rounded up; token0 out (price up): L * s / (L - amount * s),
    rounded up.

    Raises:
        PoolError: when the liquidity does not hold the amount.
    """
    if is_down:
        after = sqrt - -(-(amount << 96) // liquidity)
        if after > 0:
            return after
    else:
        scaled, product = liquidity << 96, amount * sqrt
        if scaled > product and product < _WORD:
            return -(-scaled * sqrt // (scaled - product))
    raise PoolError(
        f"output of {amount} was asked of liquidity {liquidity} at root price {sqrt}, which holds less"
    )
