"""The slow, obvious twin of ``backtest.amm``: one account, plain Python floats, swap by swap, from the definitions.

It shares nothing with the package but the meaning of a decision. Fees are found by cutting a swap's way at every edge of the
account's ranges; a conversion is found by bisection on what is given; divergence is what the hold basket gained more than
the principal between two changes of the ranges; loss versus rebalancing is the worth of the replicating portfolio's moves.
"""

import math
from itertools import pairwise

NANO = 1_000_000_000


def root(tick):
    return 1.0001 ** (tick / 2)


def inside(position, s):
    low, high = root(position["lower"]), root(position["upper"])
    if s <= low:
        return position["liquidity"] * (1 / low - 1 / high), 0.0
    if s >= high:
        return 0.0, position["liquidity"] * (high - low)
    return position["liquidity"] * (1 / s - 1 / high), position["liquidity"] * (s - low)


class Account:
    """Money in whole quote tokens, amounts raw; ``terms`` is a plain dict of pool and costs."""

    def __init__(self, terms, capital, s, time):
        self.terms, self.s, self.time = terms, s, time
        self.positions = []
        self.idle = [capital / 2 / self.worth(1.0, 0.0), capital / 2 / self.worth(0.0, 1.0)]
        self.hold = tuple(self.idle)
        self.collected = self.gas = self.conversion = 0.0
        self.divergence_before = self.lvr = 0.0
        self.since = self.gap()
        self.reference = s
        self.rows, self.actions = [], []

    def worth(self, amount0, amount1):
        if self.terms["quote"] == "token1":
            return (amount0 * self.s**2 + amount1) / 10 ** self.terms["decimals1"]
        return (amount0 + amount1 / self.s**2) / 10 ** self.terms["decimals0"]

    def principal(self):
        pairs = [inside(each, self.s) for each in self.positions]
        return self.idle[0] + sum(x for x, _ in pairs), self.idle[1] + sum(y for _, y in pairs)

    def uncollected(self):
        return sum(each["fees"][0] for each in self.positions), sum(
            each["fees"][1] for each in self.positions
        )

    def gap(self):
        return self.worth(*self.hold) - self.worth(*self.principal())

    @property
    def equity(self):
        return self.worth(*self.principal()) + self.worth(*self.uncollected())

    @property
    def fees(self):
        return self.collected + self.worth(*self.uncollected())

    @property
    def divergence(self):
        return self.divergence_before + self.gap() - self.since

    def active(self, s):
        return [each for each in self.positions if root(each["lower"]) <= s < root(each["upper"])]

    def swap(self, before, after, pool_liquidity):
        """Pay fees piece by piece: between two neighbouring edges the account's own liquidity does not change."""
        low, high = min(before, after), max(before, after)
        edges = {root(each[end]) for each in self.positions for end in ("lower", "upper")}
        cuts = [low, *sorted(edge for edge in edges if low < edge < high), high]
        for a, b in pairwise(cuts):
            owners = self.active(math.sqrt(a * b))
            own = sum(each["liquidity"] for each in owners)
            share = pool_liquidity / (pool_liquidity + own) if self.terms["dilutes"] and own else 1.0
            for each in owners:
                if after > before:
                    each["fees"][1] += each["liquidity"] * self.terms["rates"][1] * (b - a) * share
                else:
                    each["fees"][0] += each["liquidity"] * self.terms["rates"][0] * (1 / a - 1 / b) * share
        self.s = after

    def lose(self, reference):
        """Hold what each range held at the last reference price, leg by leg between its ends, and compare."""
        for each in self.positions:
            ends = [
                min(max(x, root(each["lower"])), root(each["upper"])) for x in (self.reference, reference)
            ]
            held, left = inside(each, ends[0]), inside(each, ends[1])
            kept, now = self.s, ends[1]
            self.s = now
            self.lvr += self.worth(*held) - self.worth(*left)
            self.s = kept
        self.reference = reference

    def mark(self, time):
        self.lose(self.s)
        self.time = time
        self.rows.append(
            {
                "equity": self.equity,
                "hold": self.worth(*self.hold),
                "sqrt_price": self.s,
                "in_range": bool(self.active(self.s)),
                "fees": self.fees,
                "divergence": self.divergence,
                "gas": self.gas,
                "conversion": self.conversion,
                "lvr": self.lvr,
            }
        )

    def convert(self, side, given, pool_liquidity):
        """Return the tokens received for ``given`` raw tokens of a side, swapped along the curve of constant liquidity."""
        net = given * (1 - self.terms["conversion_fee"])
        if not self.terms["impact"]:
            return net * self.s**2 if side == 0 else net / self.s**2
        if side == 0:
            end = 1 / (1 / self.s + net / pool_liquidity)
            return pool_liquidity * (self.s - end)
        end = self.s + net / pool_liquidity
        return pool_liquidity * (1 / self.s - 1 / end)

    def after_conversion(self, tokens, side, given, gas, pool_liquidity):
        tokens = list(tokens)
        tokens[side] -= given
        tokens[1 - side] += self.convert(side, given, pool_liquidity)
        quote = 1 if self.terms["quote"] == "token1" else 0
        tokens[quote] -= gas / self.worth(*((1.0, 0.0) if quote == 0 else (0.0, 1.0)))
        return tokens

    def needed(self, ranges, tokens):
        """Return the tokens that the ranges need when they share what these tokens are worth."""
        value, need = self.worth(*tokens), [0.0, 0.0]
        for lower, upper, share in ranges:
            x, y = inside({"lower": lower, "upper": upper, "liquidity": 1.0}, self.s)
            liquidity = share * value / self.worth(x, y)
            need[0], need[1] = need[0] + liquidity * x, need[1] + liquidity * y
        return need

    def act(self, ranges, converts, pool_liquidity):
        """Close everything, convert, pay and open; return what it cost or None when that cannot be done."""
        terms = self.terms
        uncollected, principal = self.uncollected(), self.principal()
        tokens = [principal[0] + uncollected[0], principal[1] + uncollected[1]]
        fees, divergence, worth = self.fees, self.divergence, self.worth(*tokens)
        taking = [each for each in ranges if converts or self.takes_some(each, tokens)]
        if ranges and not taking:
            return None
        gas = len(taking) * terms["mint_gas"] + len(self.positions) * terms["burn_gas"]
        wanted = taking if converts else []
        side, gas = self.direction(tokens, wanted, gas)
        given = 0.0 if side is None else self.bisect(tokens, side, wanted, gas, pool_liquidity)
        if given is None:
            return None
        left = self.after_conversion(tokens, 0 if side is None else side, given, gas, pool_liquidity or 1.0)
        if self.worth(*left) <= 0:
            return None
        loss = worth - gas - self.worth(*left)
        self.collected, self.divergence_before = fees, divergence
        self.gas, self.conversion = self.gas + gas, self.conversion + loss
        self.open(taking, [max(each, 0.0) for each in left], converts)
        self.since = self.gap()
        return gas, loss

    def direction(self, tokens, wanted, gas):
        """Return the side to give from, if any, and all the gas."""
        quote = 1 if self.terms["quote"] == "token1" else 0
        values = [self.worth(tokens[0], 0.0), self.worth(0.0, tokens[1])]
        with_gas = gas + self.terms["swap_gas"]
        if values[quote] < gas:
            return 1 - quote, with_gas
        left = self.after_conversion(tokens, 0, 0.0, gas, 1.0)
        need = self.needed(wanted, left)
        for side in (0, 1):
            lacking = [0.0, 0.0]
            lacking[1 - side] = need[1 - side] - left[1 - side]
            if self.worth(*lacking) > max(self.terms["swap_gas"], 1e-12 * sum(values)):
                return side, with_gas
        return None, gas

    def bisect(self, tokens, side, wanted, gas, pool_liquidity):
        """Return the smallest gift after which nothing is lacking on the other side, or None when no gift suffices."""
        if self.terms["impact"] and not pool_liquidity:
            return None

        def lacks(given, almost=0.0):
            left = self.after_conversion(tokens, side, given, gas, pool_liquidity)
            need = self.needed(wanted, left)[1 - side]
            return need - left[1 - side] > almost * need

        low, high = 0.0, tokens[side]
        if lacks(high, almost=1e-12):
            return None
        for _ in range(200):
            middle = (low + high) / 2
            low, high = (middle, high) if lacks(middle) else (low, middle)
        return high

    def room(self, wanted, tokens):
        need = inside({"lower": wanted[0], "upper": wanted[1], "liquidity": 1.0}, self.s)
        return min(have / each for have, each in zip(tokens, need, strict=True) if each > 0)

    def takes_some(self, wanted, tokens):
        each = self.worth(*inside({"lower": wanted[0], "upper": wanted[1], "liquidity": 1.0}, self.s))
        return self.room(wanted, tokens) * each > 1e-12 * self.worth(*tokens)

    def open(self, ranges, tokens, converts):
        value, self.positions = self.worth(*tokens), []
        for wanted in ranges:
            unit = {"lower": wanted[0], "upper": wanted[1], "liquidity": 1.0}
            each = self.worth(*inside(unit, self.s))
            liquidity = self.room(wanted, tokens)
            if converts:
                liquidity = min(liquidity, wanted[2] * value / each)
            if liquidity * each <= 1e-12 * value:
                continue
            position = {**unit, "liquidity": liquidity, "fees": [0.0, 0.0]}
            tokens = [max(have - x, 0.0) for have, x in zip(tokens, inside(position, self.s), strict=True)]
            self.positions.append(position)
        self.idle = tokens


def live(terms, capital, s, time, swaps, marks, decisions):
    """Return the account after all marks.

    Args:
        swaps: (time in nanoseconds, before, after, liquidity), in order.
        marks: bar ends in nanoseconds.
        decisions: bar end -> (ranges as (lower, upper, share), converts).
    """
    account, queue, pending = Account(terms, capital, s, time), list(swaps), None
    if time in decisions:
        pending = (time + int(terms["latency"] * NANO), decisions[time])
    for mark in marks:
        while queue and queue[0][0] <= mark:
            when, before, after, liquidity = queue.pop(0)
            account.swap(before, after, liquidity)
            if pending is not None and when >= pending[0]:
                account.lose(account.s)
                account.actions.append((when, account.act(*pending[1], liquidity)))
                pending = None
        account.mark(mark)
        if mark in decisions:
            pending = (mark + int(terms["latency"] * NANO), decisions[mark])
    return account
