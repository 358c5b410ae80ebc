"""The slow, obvious twin of ``backtest.engine.kernel``: one account, plain Python floats, one bar at a time.

It is written from the description of ``backtest.engine.advance`` and shares nothing with the kernel but the order in
which numbers are added. Every result must agree to the last bit.
"""

import math

NONE = float("nan")


def missing(value):
    return math.isnan(value)


def whole(units):
    nearest = float(round(units))
    if abs(units - nearest) <= 1e-9 * abs(units):
        return nearest + 0.0
    return float(math.trunc(units)) + 0.0


class SlowAccount:
    def __init__(self, names, spec, costs, periods_per_year):
        self.names = names
        self.integer = spec.units == "integer"
        self.at_open = spec.fill == "open"
        self.participation = spec.participation
        self.commission = costs.commission_bps * 1e-4
        self.spread = costs.half_spread_bps * 1e-4
        self.slip = costs.slippage_bps * 1e-4
        self.borrow = costs.borrow_bps_per_year * 1e-4 / periods_per_year
        self.cash = float(spec.capital)
        self.units = dict.fromkeys(names, 0.0)
        self.marks = dict.fromkeys(names, NONE)
        self.goals = {}
        self.bankrupt = False
        self.fills = []
        self.curve = []

    def equity(self):
        total = self.cash
        for name in self.names:
            if self.units[name] != 0:
                total += self.units[name] * self.marks[name]
        return total

    def order(self, weights):
        if self.bankrupt:
            return
        equity = self.equity()
        for name in self.names:
            weight = weights[name]
            if missing(weight):
                continue
            goal = 0.0 if weight == 0 else weight * equity / self.marks[name]
            if self.integer:
                goal = float(math.trunc(goal))
            self.goals.pop(name, None)
            if goal != self.units[name]:
                self.goals[name] = goal

    def dividends_and_splits(self, bar):
        received = 0.0
        for name in self.names:
            if bar[name]["dividend"] and self.units[name]:
                received += self.units[name] * bar[name]["dividend"]
            if bar[name]["split"] != 1:
                self.split(name, bar[name])
        self.cash += received
        return received

    def split(self, name, quote):
        ratio = quote["split"]
        self.marks[name] = self.marks[name] / ratio
        if name in self.goals:
            goal = self.goals[name] * ratio
            self.goals[name] = whole(goal) if self.integer else goal
        held = self.units[name]
        if held:
            after = held * ratio
            kept = whole(after) if self.integer else after
            self.note(name, "split", after - held, 0.0)
            if abs(after - kept) > 1e-9 * abs(after):
                candidates = [
                    quote["open"] if self.at_open else quote["close"],
                    quote["close"],
                    self.marks[name],
                ]
                price = next(price for price in candidates if not missing(price))
                self.cash += (after - kept) * price
                self.note(name, "cash_in_lieu", -(after - kept), price)
            self.units[name] = kept
        if self.goals.get(name) == self.units[name]:
            del self.goals[name]

    def pay_borrow(self):
        short = 0.0
        for name in self.names:
            if self.units[name] < 0:
                short -= self.units[name] * self.marks[name]
        self.cash -= short * self.borrow
        return short * self.borrow

    def change(self, name, quote):
        price = quote["open"] if self.at_open else quote["close"]
        if name not in self.goals or missing(price):
            return 0.0
        change = self.goals[name] - self.units[name]
        if self.participation is not None and not missing(quote["volume"]):
            cap = self.participation * quote["volume"]
            if self.integer:
                cap = float(math.floor(cap))
            change = max(-cap, min(cap, change))
        return change

    def fill(self, name, quote, change):
        price = quote["open"] if self.at_open else quote["close"]
        side = 1 if change > 0 else -1
        paid = price * (1.0 + side * (self.spread + self.slip))
        fee = abs(change) * paid * self.commission
        self.cash -= change * paid + fee
        if change == self.goals[name] - self.units[name]:
            self.units[name] = self.goals.pop(name)
        else:
            self.units[name] += change
        spread, slip = abs(change) * price * self.spread, abs(change) * price * self.slip
        self.note(name, "target", change, paid, fee, spread, slip)
        return abs(change) * paid, fee + spread + slip

    def trade(self, bar):
        sold, sell_costs = 0.0, 0.0
        for name in self.names:
            change = self.change(name, bar[name])
            if change < 0:
                value, cost = self.fill(name, bar[name], change)
                sold, sell_costs = sold + value, sell_costs + cost
        waiting = any(self.goals[name] < self.units[name] for name in self.goals)
        buys = {name: self.change(name, bar[name]) for name in self.names}
        buys = {name: change for name, change in buys.items() if change > 0}
        needed = 0.0
        for name, change in buys.items():
            paid = (bar[name]["open"] if self.at_open else bar[name]["close"]) * (
                1.0 + (self.spread + self.slip)
            )
            needed += change * paid + change * paid * self.commission
        short_of_cash = needed > max(self.cash, 0.0)
        share = max(self.cash, 0.0) / needed * (1 - 2**-40) if short_of_cash else 1.0
        bought, buy_costs = 0.0, 0.0
        for name, whole_change in buys.items():
            change = whole_change
            if short_of_cash:
                change = float(math.floor(change * share)) if self.integer else change * share
            if change > 0:
                value, cost = self.fill(name, bar[name], change)
                bought, buy_costs = bought + value, buy_costs + cost
            if short_of_cash and not waiting:
                self.goals.pop(name, None)
        return sold + bought, sell_costs + buy_costs

    def step(self, bar):
        before = self.equity()
        received = self.dividends_and_splits(bar)
        fee = self.pay_borrow()
        traded, costs = self.trade(bar)
        for name in self.names:
            if not missing(bar[name]["close"]):
                self.marks[name] = bar[name]["close"]
        equity = self.equity()
        if equity <= 0 and not self.bankrupt:
            for name in self.names:
                if self.units[name]:
                    self.note(name, "liquidation", -self.units[name], self.marks[name])
                    self.cash += self.units[name] * self.marks[name]
                self.units[name] = 0.0
            self.goals = {}
            self.bankrupt = True
            equity = self.cash
        weights = [self.units[n] * self.marks[n] / equity if self.units[n] else 0.0 for n in self.names]
        gross, net = 0.0, 0.0
        for weight in weights:
            gross, net = gross + abs(weight), net + weight
        turnover = traded / before if before > 0 else 0.0
        self.curve.append((equity, self.cash, gross, net, turnover, costs + fee, received, *weights))

    def note(self, name, reason, units, price, *costs):
        self.fills.append((len(self.curve), name, reason, units, price, *(costs or (0.0, 0.0, 0.0))))


def run_slowly(bars, spec, costs, periods_per_year, targets):
    """Return the account after all bars; row t of the targets is ordered at close t."""
    account = SlowAccount(bars.series, spec, costs, periods_per_year)
    fields = {"open": bars.open, "close": bars.close, "volume": bars.volume, "split": bars.splits}
    fields["dividend"] = bars.dividends
    for t in range(len(bars.times)):
        quotes = {
            name: {field: float(array[t, s]) for field, array in fields.items()}
            for s, name in enumerate(bars.series)
        }
        account.step(quotes)
        account.order({name: float(targets[t, s]) for s, name in enumerate(bars.series)})
    return account
