"""Swaps over ranges, slow and obvious: exact fractions, the active ranges looked up anew at every step."""

from fractions import Fraction


def step_ends(roots, price, is_down):
    """The root prices at which some range begins or ends, ahead of a price, nearest first; the price itself is ahead downward."""
    if is_down:
        return sorted((root for root in roots if root < price), reverse=True)
    return sorted(root for root in roots if root > price)


def active_on(ranges, one, other):
    """Liquidity of the ranges that hold the whole way between two root prices."""
    low, high = min(one, other), max(one, other)
    return sum(
        (Fraction(liquidity) for lower, upper, liquidity in ranges if lower <= low and high <= upper),
        Fraction(0),
    )


def swapped(ranges, price, amount, is_down, fee, limit=None):
    """(root price, amount0, amount1, fee) after a swap over ranges (lower root, upper root, liquidity), in fractions.

    The amount is an input above 0 or an output below 0. The way is cut at every end of a range; on each piece liquidity L
    pays out L |s' - s| of token1 for L |1/s' - 1/s| of token0, or the other way round.
    """
    s, fee = Fraction(price), Fraction(fee)
    left, paid, received, charged = Fraction(amount), Fraction(0), Fraction(0), Fraction(0)
    roots = {Fraction(root) for lower, upper, _ in ranges for root in (lower, upper)}
    ends = step_ends(roots, s, is_down)
    if limit is not None:
        limit = Fraction(limit)
        ends = [end for end in ends if (end > limit if is_down else end < limit)] + [limit]
    for end in ends:
        liquidity = active_on(ranges, s, end)
        if not liquidity:
            s = end
            continue
        whole0, whole1 = liquidity * abs(1 / s - 1 / end), liquidity * abs(s - end)
        whole_in, whole_out = (whole0, whole1) if is_down else (whole1, whole0)
        share = left * (1 - fee) / whole_in if left > 0 else -left / whole_out
        after = end if share >= 1 else _part(s, liquidity, left, fee, is_down)
        given0, given1 = liquidity * abs(1 / s - 1 / after), liquidity * abs(s - after)
        net, out = (given0, given1) if is_down else (given1, given0)
        cut = net * fee / (1 - fee)
        left = left - net - cut if left > 0 else left + out
        paid, received, charged, s = paid + net + cut, received + out, charged + cut, after
        if share < 1 or left == 0:
            break
    amounts = (paid, -received) if is_down else (-received, paid)
    return float(s), float(amounts[0]), float(amounts[1]), float(charged)


def _part(s, liquidity, left, fee, is_down):
    """Root price after the amount that is left, which ends before the liquidity does."""
    if is_down:
        return 1 / (1 / s + left * (1 - fee) / liquidity) if left > 0 else s + left / liquidity
    return s + left * (1 - fee) / liquidity if left > 0 else 1 / (1 / s + left / liquidity)
