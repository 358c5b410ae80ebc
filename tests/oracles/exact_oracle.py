"""The slow, obvious twin of ``backtest.engine.exact_kernel``: one account in plain Python, one bar at a time.

It is written from the description of backtrader's behaviour and shares nothing with the kernel but the order in which
numbers are added. Python's own ``//`` truncates. Every result must agree to the last bit.
"""

import math


class Order:
    def __init__(self, column, units, price, stamp):
        self.column, self.units, self.price, self.stamp = column, units, price, stamp
        self.buys = units > 0


class SlowExact:
    def __init__(self, bars, rules, commission, slippage):
        self.bars, self.rules, self.commission = bars, rules, commission
        self.slippage = slippage if rules.slip_open else 0.0
        self.cash = float(rules.capital)
        self.units, self.average = {}, {}  # in the order of first touch
        self.last = {}  # column -> row of its last bar
        self.here = []  # series with a bar in this row
        self.submitted, self.pending = [], []
        self.fills, self.rejections, self.curve = [], [], []

    def present(self, t):
        names = range(len(self.bars.series))
        return [s for s in names if self.bars.tradable[s] and not math.isnan(self.bars.close[t, s])]

    def close_of(self, s):
        return float(self.bars.close[self.last[s], s])

    def touch(self, s):
        self.units.setdefault(s, 0.0)
        self.average.setdefault(s, 0.0)

    def value(self):
        total = 0.0
        for s, units in self.units.items():
            worth = units * self.close_of(s)
            if worth > 0:
                gain = units * (self.close_of(s) - self.average[s])
                worth -= gain
                total += worth
                total += gain
            else:
                total += worth
        return self.cash + total

    def parts(self, old, units):
        """Return what of an order closes a position and what opens one."""
        new = old + units
        if old == 0 or (old > 0) == (units > 0):
            return 0.0, units
        if new == 0 or (old > 0) == (new > 0):
            return units, 0.0
        return -old, new

    def check(self, t):
        cash, clones = self.cash, dict(self.units)
        for order in self.submitted:
            closed, opened = self.parts(clones[order.column], order.units)
            if closed:
                cash += -closed * order.price
                cash -= abs(closed) * self.commission * order.price
            if opened:
                cash -= opened * order.price
                cash -= abs(opened) * self.commission * order.price
            clones[order.column] += order.units
            if cash >= 0:
                self.pending.append(order)
            else:
                self.rejections.append((t, order.column, order.units, "cash_at_submission"))
        self.submitted = []

    def slipped(self, price, buys, row, s):
        if not self.slippage:
            return price
        moved = price * (1 + self.slippage) if buys else price * (1 - self.slippage)
        bound = self.bars.high[row, s] if buys else self.bars.low[row, s]
        if moved <= bound if buys else moved >= bound:
            return moved
        if not self.rules.slip_match:
            return None
        return moved if self.rules.slip_out else float(bound)

    def match(self, t):
        waiting = []
        for order in self.pending:
            s = order.column
            row = t if s in self.here else self.last[s]
            if not self.rules.cheat_on_close and row <= order.stamp:
                waiting.append(order)
                continue
            base = order.price if self.rules.cheat_on_close else float(self.bars.open[row, s])
            price = self.slipped(base, order.buys, row, s)
            if price is None:
                waiting.append(order)
                continue
            order.units = self.execute(order, price, t, order.stamp if self.rules.cheat_on_close else row)
            if order.units:
                waiting.append(order)
        self.pending = waiting

    def execute(self, order, price, t, dated):
        """Book an order; return the units that are left of it."""
        s = order.column
        closed, opened = self.parts(self.units[s], order.units)
        done, fees, rest = 0.0, 0.0, None
        if closed:
            self.cash = self.cash + (-closed * self.average[s] + -closed * (price - self.average[s]))
            fee = abs(closed) * self.commission * price
            self.cash -= fee
            self.units[s] += closed
            if self.units[s] == 0:
                self.average[s] = 0.0
            done, fees = closed, fee
        if opened:
            cash = self.cash - opened * price
            fee = abs(opened) * self.commission * price
            cash -= fee
            if cash < 0:
                self.rejections.append((t, s, order.units - closed, "cash_at_fill"))
                rest = 0.0
            else:
                self.cash = cash
                old = self.units[s]
                self.units[s] = old + opened
                weighted = self.average[s] * old + opened * price
                self.average[s] = weighted / self.units[s] if old else price
                done, fees = done + opened, fees + fee
        if done:
            self.fills.append((dated, s, done, price, fees))
        return order.units - done if rest is None else rest

    def order_units(self, s, target, value):
        held, price = self.units[s], self.close_of(s)
        if self.rules.target == "percent":
            target = target * value
        if target == 0:
            return -held
        if self.rules.target == "size":
            return target - held
        worth = held * price
        if target > worth:
            return float(int((target - worth) // price))
        return -float(int((worth - target) // price))

    def decide(self, targets):
        value = self.value()
        for s, target in enumerate(targets):
            if math.isnan(target) or s not in self.last:
                continue
            self.touch(s)
            units = self.order_units(s, float(target), value)
            if units:
                self.submitted.append(Order(s, units, self.close_of(s), self.last[s]))

    def step(self, t, targets):
        self.here = self.present(t)
        if self.here:
            self.check(t)
            self.match(t)
            self.last.update(dict.fromkeys(self.here, t))
        self.curve.append((self.value(), self.cash))
        has_all = len(self.last) == self.bars.tradable.sum()
        if self.here and (has_all or not self.rules.waits_for_all):
            self.decide(targets)


def run_slowly(bars, rules, commission, slippage, targets):
    account = SlowExact(bars, rules, commission, slippage)
    for t in range(len(bars)):
        account.step(t, targets[t])
    return account
