"""The slow, obvious twin of the exact pool: a list of ranges, one fee counter each, and a walk over every usable tick.

It knows no tick table, no bitmap, no growth outside of ticks and no wrap-around: whoever is in range when a step pays is paid
per unit of liquidity, in fractions where the pool rounds down only once. Prices come from 60-digit decimals.
"""

from decimal import Decimal, getcontext
from fractions import Fraction

Q96, Q128, PIPS = 1 << 96, 1 << 128, 1_000_000
LIMITS = -887_272, 887_272


def slow_sqrt_at(tick):
    """The root price at a tick, from the product the pool defines, its factors computed anew."""
    getcontext().prec = 120
    product = Q128
    for bit in range(20):
        if abs(tick) >> bit & 1:
            factor = (Decimal(Q128) / Decimal("1.0001") ** (Decimal(1 << bit) / 2)).to_integral_value()
            product = product * int(factor) // Q128
    if tick > 0:
        product = ((1 << 256) - 1) // product
    return product // (1 << 32) + (product % (1 << 32) > 0)


class Prices(dict):
    """Root prices by tick, computed once."""

    def __missing__(self, tick):
        self[tick] = slow_sqrt_at(tick)
        return self[tick]


PRICES = Prices()


def slow_tick_at(sqrt, low=LIMITS[0], high=LIMITS[1] - 1):
    """The greatest tick whose root price is not above ``sqrt``, by halving."""
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if PRICES[middle] <= sqrt else (low, middle - 1)
    return low


def up(fraction):
    return -(-fraction.numerator // fraction.denominator)


def down(fraction):
    return fraction.numerator // fraction.denominator


class SlowPool:
    """Ranges are [lower, upper, liquidity, growth0, growth1]; growths are whole numbers of 2**-128, never wrapped."""

    def __init__(self, fee_pips, spacing, sqrt):
        self.fee_pips, self.spacing, self.sqrt = fee_pips, spacing, sqrt
        self.tick = slow_tick_at(sqrt)
        self.ranges = []

    def mint(self, lower, upper, liquidity):
        self.ranges.append([lower, upper, liquidity, 0, 0])
        return self.amounts(lower, upper, liquidity, up)

    def burn(self, index, liquidity):
        lower, upper, held, *_ = self.ranges[index]
        self.ranges[index][2] = held - liquidity
        return self.amounts(lower, upper, liquidity, down)

    def amounts(self, lower, upper, liquidity, rounded):
        low, high = PRICES[lower], PRICES[upper]
        here = min(max(self.sqrt, low), high)
        first = rounded(Fraction(liquidity * Q96 * (high - here), high))
        return rounded(Fraction(first, here)), rounded(Fraction(liquidity * (here - low), Q96))

    def active(self):
        return [each for each in self.ranges if each[0] <= self.tick < each[1]]

    def is_used(self, tick):
        return any(tick in each[:2] and each[2] for each in self.ranges)

    def next_tick(self, is_down):
        """Walk one usable tick at a time to the first used one, or to the end of the 256 that share a word."""
        place = self.tick // self.spacing + (0 if is_down else 1)
        while not self.is_used(place * self.spacing) and place % 256 != (0 if is_down else 255):
            place += -1 if is_down else 1
        return min(max(place * self.spacing, LIMITS[0]), LIMITS[1])

    def swap(self, amount, is_down, limit):
        paid = received = 0
        left = abs(amount)
        while left and self.sqrt != limit:
            ahead = self.next_tick(is_down)
            target = (max if is_down else min)(PRICES[ahead], limit)
            after, taken, given, fee = self.step(target, left, amount > 0, is_down)
            paid, received = paid + taken + fee, received + given
            left -= taken + fee if amount > 0 else given
            liquidity = sum(each[2] for each in self.active())
            for each in self.active():
                each[3 if is_down else 4] += fee * Q128 // liquidity if liquidity else 0
            if after == PRICES[ahead]:
                self.tick = ahead - 1 if is_down else ahead
            elif after != self.sqrt:
                self.tick = slow_tick_at(after)
            self.sqrt = after
        return (paid, -received) if is_down else (-received, paid)

    def step(self, target, left, is_input, is_down):
        liquidity = sum(each[2] for each in self.active())
        if is_input:
            net = left * (PIPS - self.fee_pips) // PIPS
            after = (
                target
                if net >= self.flow(target, liquidity, is_down, up)
                else self.moved(net, liquidity, is_down)
            )
        elif left >= self.flow(target, liquidity, not is_down, down):
            after = target
        else:
            after = self.moved_out(left, liquidity, is_down)
        taken = self.flow(after, liquidity, is_down, up)
        given = self.flow(after, liquidity, not is_down, down)
        if not is_input:
            given = min(given, left)
        if is_input and after != target:
            return after, taken, given, left - taken
        return after, taken, given, up(Fraction(taken * self.fee_pips, PIPS - self.fee_pips))

    def flow(self, after, liquidity, is_token0, rounded):
        low, high = sorted((self.sqrt, after))
        if is_token0:
            return rounded(Fraction(rounded(Fraction(liquidity * Q96 * (high - low), high)), low))
        return rounded(Fraction(liquidity * (high - low), Q96))

    def moved(self, net, liquidity, is_down):
        if is_down:
            return up(Fraction(liquidity * Q96 * self.sqrt, liquidity * Q96 + net * self.sqrt))
        return self.sqrt + down(Fraction(net * Q96, liquidity))

    def moved_out(self, wanted, liquidity, is_down):
        if is_down:
            return self.sqrt - up(Fraction(wanted * Q96, liquidity))
        return up(Fraction(liquidity * Q96 * self.sqrt, liquidity * Q96 - wanted * self.sqrt))
