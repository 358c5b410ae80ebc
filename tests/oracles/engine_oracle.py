"""The slow, obvious twin of ``backtest.engine.kernel``: one account, plain Python floats, one bar at a time.

It is written from the description of ``backtest.engine.advance`` and ``backtest.engine.orders`` and shares nothing with
the kernel but the order in which numbers are added. Every result must agree to the last bit.
"""

import math

NONE = float("nan")
DAY = 86_400_000_000_000
ALMOST = 1 - 2**-40


def missing(value):
    return math.isnan(value)


def whole(units):
    nearest = float(round(units))
    if abs(units - nearest) <= 1e-9 * abs(units):
        return nearest + 0.0
    return float(math.trunc(units)) + 0.0


def in_lots(units, lot):
    if lot == 0:
        return units
    if lot == 1:
        return units if math.isinf(units) or missing(units) else float(math.trunc(units)) + 0.0
    if missing(units) or math.isinf(units):
        return units
    return whole(units / lot) * lot + 0.0


def divided(a, b):
    return math.inf if b == 0 else a / b


class Resting:
    """An order, what of it was filled, and how much of it may be: all, or what its parent was filled."""

    def __init__(self, order, mark):
        self.id, self.series, self.kind = order.id, order.series, order.kind
        self.units, self.filled, self.fees = float(order.units), 0.0, None
        self.limit, self.stop = order.limit, order.stop
        self.fraction, self.amount = order.trail_fraction, order.trail_amount
        self.best = mark
        self.group, self.parent = order.group, order.parent
        self.awake = 0.0 if order.parent else abs(self.units)
        self.expires = order.expires
        self.triggered = False
        self.ended = False
        self.new_bar()

    def new_bar(self):
        self.begun, self.moment, self.tried = None, "open", False

    @property
    def buys(self):
        return self.units > 0

    @property
    def left(self):
        return self.awake - abs(self.filled)

    @property
    def at_limit(self):
        return self.kind == "limit" or (self.kind == "stop_limit" and self.triggered)

    def may_fill(self):
        return not self.ended and not self.tried and self.left > 0

    def stop_price(self):
        if self.kind != "trailing_stop":
            return self.stop
        distance = self.best * self.fraction if self.fraction is not None else self.amount
        return self.best + distance if self.buys else self.best - distance

    def hits_stop(self, price):
        return price >= self.stop_price() if self.buys else price <= self.stop_price()

    def limit_allows(self, price):
        return price <= self.limit if self.buys else price >= self.limit

    def through_limit(self, price):
        return price < self.limit if self.buys else price > self.limit


class SlowAccount:
    def __init__(self, names, spec, costs, periods_per_year):
        self.names = names
        self.integer = spec.units == "integer"
        self.at_open = spec.fill == "open"
        self.participation = spec.participation
        if costs.impact_bps:
            self.participation = min(1.0, math.inf if spec.participation is None else spec.participation)
        self.lot = spec.lot or (1.0 if self.integer else 0.0)
        self.margin = spec.margin
        self.rate_series = spec.cash_rate
        self.periods = periods_per_year
        self.base_commission = self.commission = costs.commission_bps * 1e-4
        self.tiers = [(tier.traded_value, tier.commission_bps * 1e-4) for tier in costs.commission_tiers]
        self.per_unit, self.minimum = costs.commission_per_unit, costs.commission_minimum
        self.impact = costs.impact_bps * 1e-4
        self.spread = costs.half_spread_bps * 1e-4
        self.slip = costs.slippage_bps * 1e-4
        self.borrow = costs.borrow_bps_per_year * 1e-4 / periods_per_year
        self.cash = float(spec.capital)
        self.units = dict.fromkeys(names, 0.0)
        self.marks = dict.fromkeys(names, NONE)
        self.goals = {}
        self.fees = {}
        self.called = set()
        self.delisted = set()
        self.orders = []
        self.month, self.traded = None, 0.0
        self.bankrupt = False
        self.fills = []
        self.rejections = []
        self.curve = []

    # Decisions at a close

    def equity(self):
        total = self.cash
        for name in self.names:
            if self.units[name] != 0:
                total += self.units[name] * self.marks[name]
        return total

    def target(self, weights):
        if self.bankrupt:
            return
        equity = self.equity()
        for name in self.names:
            weight = weights[name]
            if missing(weight):
                continue
            if weight == -math.inf:
                goal = self.units[name]
            elif weight == 0:
                goal = 0.0
            else:
                goal = in_lots(weight * equity / self.marks[name], self.lot)
            if name in self.called and abs(goal) >= abs(self.goals[name]):
                continue
            self.called.discard(name)
            self.fees.pop(name, None)
            self.goals.pop(name, None)
            if goal != self.units[name]:
                self.goals[name] = goal

    def place(self, orders):
        if not self.bankrupt:
            self.orders += [Resting(order, self.marks[order.series]) for order in orders]

    # Prices and costs

    def price(self, name):
        return self.bar[name]["open"] if self.at_open else self.bar[name]["close"]

    def move(self, name, units):
        move = self.spread + self.slip
        volume = self.bar[name]["volume"]
        if self.impact and not missing(volume) and units != 0:
            move += self.impact * math.sqrt(abs(units) / volume)
        return move

    def paid(self, name, units, price, bound=None):
        if units > 0:
            paid = price * (1.0 + self.move(name, units))
            return paid if bound is None else min(paid, bound)
        paid = price * (1.0 - self.move(name, units))
        return paid if bound is None else max(paid, bound)

    def raw_fee(self, value, units):
        fee = value * self.commission
        return fee + units * self.per_unit if self.per_unit else fee

    def owed(self, before, fee):
        if before is None:
            return max(fee, self.minimum)
        return max(before + fee, self.minimum) - max(before, self.minimum)

    def deal(self, name, reason, units, price, before, order=0, bound=None, waited=False):  # noqa: PLR0917
        paid = price if waited else self.paid(name, units, price, bound)
        size = abs(units)
        fee, after = self.raw_fee(size * paid, size), before
        if self.minimum:
            fee, after = self.owed(before, fee), (before or 0.0) + fee
        self.cash -= units * paid + fee
        spread, slip = size * price * self.spread, size * price * self.slip
        if waited:
            spread, slip = 0.0, 0.0
        elif self.impact or bound == paid:
            total = size * abs(paid - price)
            spread = min(spread, total)
            slip = total - spread
        self.note(name, reason, units, paid, fee, spread, slip, order=order)
        self.used[name] += size
        return size * paid, fee + spread + slip, after

    def in_volume(self, name, units):
        volume = self.bar[name]["volume"]
        if self.participation is None or missing(volume):
            return units
        cap = self.participation * volume
        if self.orders_rest:
            cap -= self.used[name]
        cap = max(in_lots(cap, self.lot), 0.0)
        return max(-cap, min(cap, units))

    def in_shortable(self, name, units):
        limit, held = self.bar[name]["shortable"], self.units[name]
        if missing(limit) or units >= 0 or held + units >= -limit:
            return units
        sale = max(held, 0.0) + max(limit + min(held, 0.0), 0.0)
        return min(0.0, -in_lots(sale, self.lot))

    def closing(self, name, units):
        held = self.units[name]
        if held * units >= 0:
            return 0.0
        return -held if abs(units) > abs(held) else units

    def room(self, at_close=False):
        equity, gross = self.cash, 0.0
        for name in self.names:
            if self.units[name] != 0:
                price = self.price(name)
                if at_close or missing(price):
                    price = self.marks[name]
                equity += self.units[name] * price
                gross += abs(self.units[name]) * price
        return equity / self.margin.initial - gross

    def need(self, name, units, price):
        size = abs(units)
        moved = size * price * self.move(name, units)
        return size * price + (moved + self.raw_fee(size * price + moved, size)) / self.margin.initial

    @staticmethod
    def share(room, needed, fixed):
        if needed == 0 or needed + fixed <= room:
            return 1.0
        return max(room - fixed, 0.0) / needed * ALMOST

    # A bar, in the order of its events

    def step(self, bar, now=0, month=0):
        before = self.equity()
        self.bar, self.used = bar, dict.fromkeys(self.names, 0.0)
        interest = self.interest()
        received = self.dividends_and_splits()
        self.delistings()
        fee = self.pay_borrow()
        self.set_commission(month)
        self.orders_rest = bool(self.orders)
        self.order_value, self.order_costs = 0.0, 0.0
        self.expire(now)
        traded, costs = self.trade()
        self.on_the_way()
        for name in self.names:
            if not missing(bar[name]["close"]):
                self.marks[name] = bar[name]["close"]
        costs += fee
        self.at_the_close()
        traded += self.order_value
        costs += self.order_costs
        self.traded += traded
        funding = self.pay_funding()
        equity = self.equity()
        if equity <= 0 and not self.bankrupt:
            self.liquidate()
            equity = self.cash
        elif self.margin and not self.bankrupt:
            self.call(equity)
        self.write(equity, before, traded, costs, (received, fee, funding, interest))

    def write(self, equity, before, traded, costs, flows):
        weights = [self.units[n] * self.marks[n] / equity if self.units[n] else 0.0 for n in self.names]
        gross, net = 0.0, 0.0
        for weight in weights:
            gross, net = gross + abs(weight), net + weight
        turnover = traded / before if before > 0 else 0.0
        self.curve.append((equity, self.cash, gross, net, turnover, costs, *flows, *weights))

    def interest(self):
        rate = NONE if self.rate_series is None or self.bankrupt else self.marks[self.rate_series]
        if missing(rate):
            return 0.0
        interest = self.cash * rate / self.periods
        self.cash += interest
        return interest

    def dividends_and_splits(self):
        received = 0.0
        for name in self.names:
            if self.bar[name]["dividend"] and self.units[name]:
                received += self.units[name] * self.bar[name]["dividend"]
            if self.bar[name]["split"] != 1:
                self.split(name)
        self.cash += received
        return received

    def split(self, name):
        quote, ratio = self.bar[name], self.bar[name]["split"]
        self.marks[name] = self.marks[name] / ratio
        for order in self.orders:
            if order.series == name:
                self.split_order(order, ratio)
        if name in self.goals:
            goal = self.goals[name] * ratio
            self.goals[name] = whole(goal) if self.integer else goal
        held = self.units[name]
        if held:
            after = held * ratio
            kept = whole(after) if self.integer else after
            self.note(name, "split", after - held, 0.0)
            if abs(after - kept) > 1e-9 * abs(after):
                candidates = [self.price(name), quote["close"], self.marks[name]]
                price = next(price for price in candidates if not missing(price))
                self.cash += (after - kept) * price
                self.note(name, "cash_in_lieu", -(after - kept), price)
            self.units[name] = kept
        if self.goals.get(name) == self.units[name]:
            del self.goals[name]
            self.called.discard(name)

    def split_order(self, order, ratio):
        for field in ("units", "filled", "awake"):
            units = getattr(order, field) * ratio
            setattr(order, field, whole(units) if self.integer else units)
        for field in ("limit", "stop", "amount", "best"):
            if getattr(order, field) is not None:
                setattr(order, field, getattr(order, field) / ratio)

    def delistings(self):
        for name in self.names:
            paid = self.bar[name]["delisting"]
            if missing(paid) or name in self.delisted:
                continue
            if self.units[name]:
                self.note(name, "delisting", -self.units[name], paid)
                self.cash += self.units[name] * paid
            self.units[name] = 0.0
            self.goals.pop(name, None)
            self.called.discard(name)
            self.delisted.add(name)
            for order in self.orders:
                if order.series == name and not order.ended:
                    self.end(order, "delisted")

    def pay_borrow(self):
        short = 0.0
        for name in self.names:
            if self.units[name] < 0:
                short -= self.units[name] * self.marks[name]
        self.cash -= short * self.borrow
        return short * self.borrow

    def pay_funding(self):
        received = 0.0
        for name in self.names:
            rate = self.bar[name]["funding"]
            if self.units[name] and not missing(rate):
                received -= self.units[name] * self.marks[name] * rate
        self.cash += received
        return received

    def set_commission(self, month):
        if self.tiers and month != self.month:
            self.month, self.traded = month, 0.0
        self.commission = self.base_commission
        for least, rate in self.tiers:
            if self.traded >= least:
                self.commission = rate

    def liquidate(self):
        for name in self.names:
            if self.units[name]:
                self.note(name, "liquidation", -self.units[name], self.marks[name])
                self.cash += self.units[name] * self.marks[name]
            self.units[name] = 0.0
        self.goals, self.called, self.orders = {}, set(), []
        self.bankrupt = True

    def call(self, equity):
        gross = 0.0
        for name in self.names:
            if self.units[name]:
                gross += abs(self.units[name]) * self.marks[name]
        if equity >= self.margin.maintenance * gross:
            return
        share = equity / self.margin.initial / gross
        self.goals, self.called = {}, set()
        for name in self.names:
            goal = in_lots(self.units[name] * share, self.lot)
            if abs(goal) < abs(self.units[name]):
                self.goals[name] = goal
                self.fees.pop(name, None)
                self.called.add(name)
        for order in self.orders:
            if not order.ended:
                self.end(order, "margin_call")
        self.orders = []

    # Targets

    def change(self, name):
        if name not in self.goals or missing(self.price(name)):
            return 0.0
        return self.in_volume(name, self.goals[name] - self.units[name])

    def within_borrow(self, name, change):
        allowed = self.in_shortable(name, change)
        if allowed != change:
            wished, goal = self.goals[name], self.units[name] + allowed
            self.refuse(name, "shortable", 0, wished - goal)
            self.goals[name] = goal
            if allowed == 0:
                del self.goals[name]
        return allowed

    def fill(self, name, change):
        reason = "margin_call" if name in self.called else "target"
        value, cost, after = self.deal(name, reason, change, self.price(name), self.fees.get(name))
        if self.minimum:
            self.fees[name] = after
        if change == self.goals[name] - self.units[name]:
            self.units[name] = self.goals.pop(name)
            self.called.discard(name)
        else:
            self.units[name] += change
        return value, cost

    def trade(self):
        sold, sell_costs, second = 0.0, 0.0, {}
        for name in self.names:
            change = self.change(name)
            if change < 0:
                change = self.within_borrow(name, change)
            first = self.closing(name, change) if self.margin else min(change, 0.0)
            second[name] = change - first if self.margin else max(change, 0.0)
            if first:
                value, cost = self.fill(name, first)
                sold, sell_costs = sold + value, sell_costs + cost
        waiting = any(self.frees_something(name) for name in self.goals)
        waiting = self.at_the_open(buys=False) or waiting
        share = self.share_of(second)
        bought, buy_costs = 0.0, 0.0
        for name, all_of_it in second.items():
            if not all_of_it:
                continue
            change = all_of_it if share == 1 else in_lots(all_of_it * share, self.lot)
            if share == 1 and self.margin:
                rest = self.goals[name] - self.units[name]
                change = rest if abs(rest - change) <= 1e-9 * abs(change) else change
            if change:
                value, cost = self.fill(name, change)
                bought, buy_costs = bought + value, buy_costs + cost
            if share < 1 and not waiting and name in self.goals:
                rest = self.goals.pop(name) - self.units[name]
                if rest:
                    self.refuse(name, "margin" if self.margin else "cash", 0, rest)
        self.at_the_open(buys=True)
        return sold + bought, sell_costs + buy_costs

    def frees_something(self, name):
        if self.margin:
            return self.closing(name, self.goals[name] - self.units[name]) != 0
        return self.goals[name] < self.units[name]

    def share_of(self, second):
        needed, fixed = 0.0, 0.0
        for name, change in second.items():
            if not change:
                continue
            price = self.price(name)
            if self.margin:
                needed += self.need(name, change, price)
                fixed += self.minimum / self.margin.initial
            else:
                paid = self.paid(name, change, price)
                needed += change * paid + self.raw_fee(change * paid, change)
                fixed += self.owed(self.fees.get(name), 0.0) if self.minimum else 0.0
        return self.share(self.room() if self.margin else max(self.cash, 0.0), needed, fixed)

    # Orders

    def expire(self, now):
        for order in self.orders:
            order.new_bar()
            if order.expires == "day":
                order.expires = (now - 1) // DAY * DAY + DAY
            last = order.expires
            if last is not None and now > (
                last if isinstance(last, int) else last.astype("M8[ns]").astype(int)
            ):
                self.end_if_alive(order, "expired")

    def end_if_alive(self, order, reason):
        if not order.ended:
            self.end(order, reason)

    def end(self, order, reason):
        order.ended = True
        self.refuse(order.series, reason, order.id, order.units - order.filled)

    def first_price(self, order, price):
        """Return whether an order is filled by a price that is known to come first."""
        if order.kind == "market":
            return True
        if order.kind == "market_on_close":
            return False
        if not order.at_limit:
            if not order.triggered and not order.hits_stop(price):
                return False
            order.triggered = True
            if order.kind != "stop_limit":
                return True
        return order.limit_allows(price)

    def at_the_open(self, buys):
        waiting = False
        for order in self.orders:
            if order.buys != buys or not order.may_fill():
                continue
            price = self.price(order.series)
            if order.begun is None and not missing(price) and self.first_price(order, price):
                self.fill_order(order, price, "open")
            waiting = waiting or (order.kind == "market" and not order.ended and order.left > 0)
        return waiting

    def extremes(self, name):
        quote = self.bar[name]
        ends = [price for price in (self.price(name), quote["close"]) if not missing(price)] or [NONE]
        low = min(ends) if missing(quote["low"]) else quote["low"]
        high = max(ends) if missing(quote["high"]) else quote["high"]
        return low, high

    def on_the_way(self):
        while True:
            for at_limit in (False, True):
                if any(order.at_limit == at_limit and self.touched(order) for order in self.orders):
                    break
            else:
                return

    def touched(self, order):
        """Fill an order if the bar touched it after its open; return whether it was filled."""
        if not order.may_fill() or missing(self.price(order.series)):
            return False
        if order.begun is not None and self.first_price(order, order.begun):
            return self.fill_order(order, order.begun, "way")
        if order.kind in ("market", "market_on_close"):
            return False
        low, high = self.extremes(order.series)
        if order.at_limit:
            seen = low if order.buys else high
            if order.moment == "way":
                seen = self.bar[order.series]["close"]
            return order.through_limit(seen) and self.fill_order(order, order.limit, "way", waited=True)
        stop = order.stop_price()
        if not order.hits_stop(high if order.buys else low):
            return False
        order.triggered = True
        if order.kind == "stop_limit":
            order.moment = "way"
            if not order.limit_allows(stop):
                return False
        return self.fill_order(order, stop, "way")

    def at_the_close(self):
        for order in self.orders:
            close = self.bar[order.series]["close"]
            tradable = not missing(close) and not missing(self.price(order.series))
            if order.kind == "market_on_close" and order.may_fill() and tradable:
                self.fill_order(order, close, "close")
        for order in self.orders:
            order.ended = order.ended or not self.still_rests(order)
        self.orders = [order for order in self.orders if not order.ended]
        for order in self.orders:
            if order.kind == "trailing_stop" and order.awake and order.moment != "close":
                low, high = self.extremes(order.series)
                if order.moment == "way":
                    low = high = self.bar[order.series]["close"]
                self.follow(order, low if order.buys else high)

    def follow(self, order, price):
        if missing(order.best):
            order.best = price
        elif not missing(price):
            order.best = min(order.best, price) if order.buys else max(order.best, price)

    def still_rests(self, order):
        if order.parent and any(other.id == order.parent and not other.ended for other in self.orders):
            return True
        order.parent = None
        return order.left > 0

    def fill_order(self, order, price, moment, waited=False):
        name, order.tried = order.series, True
        wanted = order.left if order.buys else -order.left
        units = self.in_volume(name, wanted)
        if not units:
            return False
        bound = None if waited else order.limit
        allowed, reason = self.permitted(order, units, price, bound, waited, moment)
        if allowed:
            value, cost, order.fees = self.deal(
                name, order.kind, allowed, price, order.fees, order.id, bound, waited
            )
            self.units[name] += allowed
            self.order_value += value
            self.order_costs += cost
            everything = order.awake if order.buys else -order.awake
            order.filled = everything if allowed == wanted else order.filled + allowed
            self.wake_and_end(order, price, moment)
        if allowed != units:
            self.end(order, reason)
        return bool(allowed)

    def permitted(self, order, units, price, bound, waited, moment):
        name = order.series
        paid = price if waited else self.paid(name, units, price, bound)
        units = self.in_shortable(name, units)
        if not units:
            return units, "shortable"
        if self.margin:
            less = self.closing(name, units)
            more = units - less
            share = 1.0
            if more:
                room = self.room(moment == "close") + abs(less) * paid
                share = self.share(room, self.need(name, more, paid), self.minimum / self.margin.initial)
            allowed = units if share == 1 else less + in_lots(more * share, self.lot)
            return allowed, "shortable" if allowed == units else "margin"
        if units < 0:
            return units, "shortable"
        needed = units * paid + self.raw_fee(units * paid, units)
        fixed = self.owed(order.fees, 0.0) if self.minimum else 0.0
        share = self.share(max(self.cash, 0.0), needed, fixed)
        allowed = units if share == 1 else in_lots(units * share, self.lot)
        return allowed, "shortable" if allowed == units else "cash"

    def wake_and_end(self, order, price, moment):
        for other in self.orders:
            if other is order:
                continue
            if (order.group and other.group == order.group) or (order.parent and other.id == order.parent):
                other.ended = True
            if other.parent == order.id:
                if other.awake == 0:
                    other.begun, other.best, other.moment = price, price, moment
                other.awake = min(abs(other.units), abs(order.filled))

    # Lines

    def note(self, name, reason, units, price, *costs, order=0):
        self.fills.append((len(self.curve), name, reason, units, price, *(costs or (0.0, 0.0, 0.0)), order))

    def refuse(self, name, reason, order, units):
        self.rejections.append((len(self.curve), name, reason, units, order))


def quotes_of(bars, t):
    """Return what bar t says of each series."""
    fields = {"open": bars.open, "high": bars.high, "low": bars.low, "close": bars.close}
    fields |= {"volume": bars.volume, "split": bars.splits, "dividend": bars.dividends}
    beside = {"shortable": bars.shortable, "funding": bars.funding, "delisting": bars.delistings}
    fields |= {name: array for name, array in beside.items() if array is not None}
    nothing = dict.fromkeys(beside, NONE)
    return {
        name: nothing | {field: float(array[t, s]) for field, array in fields.items()}
        for s, name in enumerate(bars.series)
    }


def run_slowly(bars, spec, costs, periods_per_year, targets, orders=()):
    """Return the account after all bars; row t of the targets, and the orders stamped with it, are placed at close t."""
    account = SlowAccount(bars.series, spec, costs, periods_per_year)
    for t, stamp in enumerate(bars.times):
        now = int(stamp.astype("datetime64[ns]").astype(int))
        month = int((stamp - 1).astype("datetime64[M]").astype(int))
        account.step(quotes_of(bars, t), now, month)
        account.target({name: float(targets[t, s]) for s, name in enumerate(bars.series)})
        account.place([order for placed, order in orders if placed == stamp])
    return account
