"""Environment kernel: many accounts of one range each, brought from decision to decision in one compiled call.

What an account earns, pays and is worth is what ``backtest.amm.advance`` says of the same swaps and decisions, to rounding.
A bar that stays within a range, or outside it, is one difference of running sums; only a bar that crosses an edge, or in
which something is executed, is walked swap by swap. The slow twin is ``tests/oracles``.
"""

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from data.amm.compiled import compiled
from data.amm.pool import LOG_TICK
from data.panel import Floats

Integers = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

BAR, OPENING, END, LOWER, UPPER, OPENED = range(6)
"""Columns of ``Seats.places``: the bar an account stands at, its first and its last one, the ticks of its range (both 0
without one) and the instant the range was opened."""

LOW, HIGH, LIQUIDITY, FEES0, FEES1, IDLE0, IDLE1, HOLD0, HOLD1, NET = range(10)
"""Columns of ``Seats.money``: root prices of the range, its liquidity and uncollected fees, idle tokens, the basket of the
start, and equity less that basket's worth at the last decision in quote tokens."""

OBSERVED = 11
"""Numbers that ``observe`` writes about an account."""

_DUST = 1e-12
_LEAST_SIGMA = 1e-4
_DAY = 86_400e9


class Tape(NamedTuple):
    """What happened in a pool, as the kernel reads it.

    Attributes:
        times: (N,) instants of the swaps in nanoseconds.
        before: (N,) root price before each.
        after: (N,) root price after it.
        liquidity: (N,) active after it.
        path_up: (N + 1,) running sum of s' - s over the swaps up.
        path_down: (N + 1,) running sum of 1/s' - 1/s over the swaps down.
        ends: (T,) bar ends in nanoseconds.
        stops: (T,) first swap after each bar's end.
        executions: (T,) swap after which a decision made at a bar's end is executed; N when there is none.
        prices: (T,) root price at each bar's end.
        lows: (T,) least root price within each bar.
        highs: (T,) highest one.
        sigmas: (T,) standard deviation of a day's log return, as seen at the bar's end.
    """

    times: Integers
    before: Floats
    after: Floats
    liquidity: Floats
    path_up: Floats
    path_down: Floats
    ends: Integers
    stops: Integers
    executions: Integers
    prices: Floats
    lows: Floats
    highs: Floats
    sigmas: Floats


class Seats(NamedTuple):
    """Accounts in play, changed in place: (B, 6) whole numbers and (B, 10) numbers, columns as named above."""

    places: Integers
    money: Floats


class Rules(NamedTuple):
    """What stays the same for all accounts.

    Attributes:
        rate0: fee per unit of net input in token0.
        rate1: the same in token1.
        in_token1: whether values are counted in token1.
        scale: whole quote tokens per raw one.
        dilutes: whether fees are shared with the account's own liquidity.
        mint_gas: quote tokens for opening a range.
        burn_gas: for closing one.
        swap_gas: for a conversion.
        kept: share of a conversion left after its fee.
        has_impact: whether a conversion moves the price.
        capital: worth of an account at its start.
        every: bars between two regular decisions.
        on_exit: whether the first bar's end out of range is a decision too.
        spacing: ticks between usable ticks.
        last_tick: the outermost usable tick.
    """

    rate0: float
    rate1: float
    in_token1: bool
    scale: float
    dilutes: bool
    mint_gas: float
    burn_gas: float
    swap_gas: float
    kept: float
    has_impact: bool
    capital: float
    every: int
    on_exit: bool
    spacing: int
    last_tick: int


@compiled
def step(
    tape: Tape, seats: Seats, actions: Integers, offsets: Floats, rules: Rules, rewards: Floats, tilts: Floats
) -> None:
    """Carry out one action an account and bring it to its next decision, or to its last bar.

    Args:
        tape: what happened.
        seats: B accounts, changed in place; one at its last bar stays there with a reward of 0.
        actions: (B,) rows of ``offsets``; 0 leaves everything as it is.
        offsets: (A, 2) edges of each action's range in ticks from the price, infinite for the whole pool.
        rules: terms and capital.
        rewards: (B,) written: change of equity less that of the hold basket, in basis points of the capital.
        tilts: (B,) written: the part of it that the move of the price brought to the tokens held other than the basket's, as
            they were at the decision and after the execution; its mean is 0 where the price is a martingale.
    """
    for b in range(len(actions)):
        places, money = seats.places[b], seats.money[b]
        lower, upper = 0, 0
        if actions[b] != 0:
            price = tape.prices[places[BAR]]
            lower, upper = _ticks(price, offsets[actions[b], 0], offsets[actions[b], 1], rules)
        tilt = 0.0
        if places[BAR] < places[END]:
            tilt = _play(tape, places, money, lower, upper, rules)
        tilts[b] = tilt / rules.capital * 1e4
        net = _net(money, tape.prices[places[BAR]], rules)
        rewards[b] = (net - money[NET]) / rules.capital * 1e4
        money[NET] = net


@compiled
def _play(tape: Tape, places: Integers, money: Floats, lower: int, upper: int, rules: Rules) -> float:
    """Bring an account to the next bar at which it decides, and return the tilt in quote tokens.

    A range of no width leaves the account's own as it is.
    """
    decided = places[BAR]
    since, tilt = tape.prices[decided], 0.0
    beside0, beside1 = _beside_basket(money, since)
    waits = upper > lower
    execution = tape.executions[decided]
    was_in = _holds(money, tape.prices[decided])
    for bar in range(decided + 1, places[END] + 1):
        first, stop = tape.stops[bar - 1], tape.stops[bar]
        was_opened = False
        if waits and execution < stop:
            _walk(tape, money, first, execution + 1, rules)
            price = tape.after[execution]
            tilt += _value(beside0, beside1, price, rules) - _value(beside0, beside1, since, rules)
            was_opened = _rebalance(tape, places, money, execution, lower, upper, rules)
            since, (beside0, beside1) = price, _beside_basket(money, price)
            _walk(tape, money, execution + 1, stop, rules)
            waits = False
        else:
            _earn(tape, money, bar, rules)
        places[BAR] = bar
        is_in = _holds(money, tape.prices[bar])
        has_left = rules.on_exit and money[LIQUIDITY] > 0.0 and not is_in and (was_in or was_opened)
        was_in = is_in
        if not waits and ((bar - places[OPENING]) % rules.every == 0 or has_left):
            break
    price = tape.prices[places[BAR]]
    return tilt + _value(beside0, beside1, price, rules) - _value(beside0, beside1, since, rules)


@compiled
def _holds(money: Floats, price: float) -> bool:
    return bool(money[LIQUIDITY] > 0.0 and money[LOW] <= price < money[HIGH])


@compiled
def _earn(tape: Tape, money: Floats, bar: int, rules: Rules) -> None:
    """Add the fees of a whole bar."""
    first, stop = tape.stops[bar - 1], tape.stops[bar]
    if money[LIQUIDITY] <= 0.0 or tape.highs[bar] <= money[LOW] or tape.lows[bar] >= money[HIGH]:
        return
    if rules.dilutes or tape.lows[bar] < money[LOW] or tape.highs[bar] > money[HIGH]:
        _walk(tape, money, first, stop, rules)
        return
    money[FEES0] += money[LIQUIDITY] * rules.rate0 * (tape.path_down[stop] - tape.path_down[first])
    money[FEES1] += money[LIQUIDITY] * rules.rate1 * (tape.path_up[stop] - tape.path_up[first])


@compiled
def _walk(tape: Tape, money: Floats, first: int, stop: int, rules: Rules) -> None:
    """Add the fees of swaps ``first`` to ``stop - 1``."""
    liquidity = money[LIQUIDITY]
    if liquidity <= 0.0:
        return
    for i in range(first, stop):
        s, t = tape.before[i], tape.after[i]
        a, b = max(min(s, t), money[LOW]), min(max(s, t), money[HIGH])
        if b <= a:
            continue
        earned = liquidity
        if rules.dilutes:
            earned *= tape.liquidity[i] / (tape.liquidity[i] + liquidity)
        if t > s:
            money[FEES1] += earned * rules.rate1 * (b - a)
        else:
            money[FEES0] += earned * rules.rate0 * ((b - a) / (a * b))


@compiled
def _value(amount0: float, amount1: float, price: float, rules: Rules) -> float:
    if rules.in_token1:
        return (amount0 * (price * price) + amount1) * rules.scale
    return (amount0 + amount1 / (price * price)) * rules.scale


@compiled
def _inside(money: Floats, price: float) -> tuple[float, float]:
    """Return the raw tokens inside the range, fees left out."""
    if money[LIQUIDITY] <= 0.0:
        return 0.0, 0.0
    at = min(max(price, money[LOW]), money[HIGH])
    return money[LIQUIDITY] * (1.0 / at - 1.0 / money[HIGH]), money[LIQUIDITY] * (at - money[LOW])


@compiled
def _held(money: Floats, price: float) -> tuple[float, float]:
    inside0, inside1 = _inside(money, price)
    return money[IDLE0] + inside0 + money[FEES0], money[IDLE1] + inside1 + money[FEES1]


@compiled
def _beside_basket(money: Floats, price: float) -> tuple[float, float]:
    """Return the raw tokens held more than the basket's."""
    held0, held1 = _held(money, price)
    return held0 - money[HOLD0], held1 - money[HOLD1]


@compiled
def _net(money: Floats, price: float, rules: Rules) -> float:
    beside0, beside1 = _beside_basket(money, price)
    return _value(beside0, beside1, price, rules)


@compiled
def _ticks(price: float, low: float, high: float, rules: Rules) -> tuple[int, int]:
    """Return the usable range nearest to two offsets from a root price, as ``ranges.range_of_width`` does."""
    if math.isinf(low):
        return -rules.last_tick, rules.last_tick
    tick = 2.0 * math.log(price) / LOG_TICK
    lower = int(np.rint((tick + low) / rules.spacing)) * rules.spacing
    upper = int(np.rint((tick + high) / rules.spacing)) * rules.spacing
    if low == -high:
        below = math.floor(tick / rules.spacing) * rules.spacing
        lower, upper = min(lower, below), max(upper, below + rules.spacing)
    lower = min(max(lower, -rules.last_tick), rules.last_tick - rules.spacing)
    return lower, min(max(upper, lower + rules.spacing), rules.last_tick)


@compiled
def _rebalance(
    tape: Tape, places: Integers, money: Floats, swap: int, lower: int, upper: int, rules: Rules
) -> bool:
    """Put everything into one range at the price after a swap; return False where the account cannot and nothing changes."""
    price = tape.after[swap]
    low, high = math.exp(0.5 * LOG_TICK * lower), math.exp(0.5 * LOG_TICK * upper)
    at = min(max(price, low), high)
    unit0, unit1 = 1.0 / at - 1.0 / high, at - low
    price0, price1 = _value(1.0, 0.0, price, rules), _value(0.0, 1.0, price, rules)
    share0 = unit0 * price0 / (unit0 * price0 + unit1 * price1)
    held0, held1 = _held(money, price)
    gas = rules.mint_gas + (rules.burn_gas if money[LIQUIDITY] > 0.0 else 0.0)
    depth = tape.liquidity[swap] * price * price1
    worth0, worth1, is_done = _converted(held0 * price0, held1 * price1, share0, gas, depth, rules)
    if not is_done:
        return False
    idle0, idle1 = worth0 / price0, worth1 / price1
    liquidity = (worth0 + worth1) / (unit0 * price0 + unit1 * price1)
    if unit0 > 0.0:
        liquidity = min(liquidity, idle0 / unit0)
    if unit1 > 0.0:
        liquidity = min(liquidity, idle1 / unit1)
    is_dust = liquidity * (unit0 * price0 + unit1 * price1) <= _DUST * (worth0 + worth1)
    money[LIQUIDITY] = 0.0 if is_dust else liquidity
    money[IDLE0] = max(idle0 - money[LIQUIDITY] * unit0, 0.0)
    money[IDLE1] = max(idle1 - money[LIQUIDITY] * unit1, 0.0)
    money[FEES0], money[FEES1], money[LOW], money[HIGH] = 0.0, 0.0, low, high
    places[LOWER], places[UPPER] = (0, 0) if is_dust else (lower, upper)
    places[OPENED] = tape.times[swap]
    return True


@compiled
def _converted(
    worth0: float, worth1: float, share0: float, gas: float, depth: float, rules: Rules
) -> tuple[float, float, bool]:
    """Return the worth of both tokens after the conversion and all gas that a range with this share of token0 needs.

    The rules and the quadratic equation are those of ``backtest.amm.conversion``. The last value is False where the account or
    the pool's liquidity cannot do it.
    """
    total = worth0 + worth1
    quote0, quote1 = (0.0, 1.0) if rules.in_token1 else (1.0, 0.0)
    gap0 = share0 * (total - gas) + gas * quote0 - worth0
    gap1 = (1.0 - share0) * (total - gas) + gas * quote1 - worth1
    is_short = (worth1 if rules.in_token1 else worth0) < gas
    if not is_short and max(gap0, gap1) <= max(rules.swap_gas, 1e-12 * total):
        return max(worth0 - gas * quote0, 0.0), max(worth1 - gas * quote1, 0.0), gas < total
    buys0 = (not rules.in_token1) if is_short else gap0 >= gap1
    paid = gas + rules.swap_gas
    share = share0 if buys0 else 1.0 - share0
    is_quote = buys0 != rules.in_token1
    gap = share * (total - paid) + (paid if is_quote else 0.0) - (worth0 if buys0 else worth1)
    bend = 0.0
    if rules.has_impact:
        if depth <= 0.0:
            return worth0, worth1, False
        bend = rules.kept / depth
    square = share * bend
    slope = share + (1.0 - share) * rules.kept - gap * bend
    reach = slope + math.sqrt(slope * slope + 4.0 * square * gap)
    if reach <= 0.0:
        return worth0, worth1, False
    given = 2.0 * gap / reach
    received = rules.kept * given / (1.0 + bend * given)
    if paid + given - received >= total:
        return worth0, worth1, False
    new0 = worth0 + (received if buys0 else -given) - paid * quote0
    new1 = worth1 + (-given if buys0 else received) - paid * quote1
    return max(new0, 0.0), max(new1, 0.0), True


@compiled
def legal(
    prices: Floats, seats: Seats, offsets: Floats, rules: Rules, ticks: Integers, allowed: Flags
) -> None:
    """Write the range of every action and whether each account may take it.

    Leaving everything as it is is always allowed. Another action is not when an earlier one means the same usable range, when
    that range is already open, or when its gas would take all the account is worth.

    Args:
        prices: (B,) root prices the accounts stand at.
        seats: the accounts.
        offsets: (A, 2) as in ``step``.
        rules: terms and capital.
        ticks: (B, A, 2) written; 0 and 0 for action 0.
        allowed: (B, A) written.
    """
    for b in range(len(prices)):
        money = seats.money[b]
        held0, held1 = _held(money, prices[b])
        gas = rules.mint_gas + rules.swap_gas + (rules.burn_gas if money[LIQUIDITY] > 0.0 else 0.0)
        can_pay = gas < _value(held0, held1, prices[b], rules)
        ticks[b, 0, 0], ticks[b, 0, 1], allowed[b, 0] = 0, 0, True
        for a in range(1, len(offsets)):
            lower, upper = _ticks(prices[b], offsets[a, 0], offsets[a, 1], rules)
            ticks[b, a, 0], ticks[b, a, 1] = lower, upper
            is_open = money[LIQUIDITY] > 0.0 and (
                lower == seats.places[b, LOWER] and upper == seats.places[b, UPPER]
            )
            is_new = can_pay and not is_open
            for other in range(1, a):
                is_new = is_new and not (lower == ticks[b, other, 0] and upper == ticks[b, other, 1])
            allowed[b, a] = is_new


@compiled
def observe(
    prices: Floats,
    sigmas: Floats,
    ends: Integers,
    remaining: Integers,
    seats: Seats,
    rules: Rules,
    seen: Floats,
) -> None:
    """Write what a policy sees of each account beside the market: 11 numbers of order one.

    In order: whether a range is open; whether it holds the price; log price above its lower and below its upper edge in
    standard deviations of a day, each x as x / (1 + |x| / 4); share of the equity in token0, less a half; age of the range in 30
    days; uncollected fees in 100 basis points of the capital; gas of a move in 50 of them; share of the hold basket's worth in
    token0, less a half; net versus hold in 500 of them; and bars left in 720.

    Args:
        prices: (B,) root prices.
        sigmas: (B,) standard deviation of a day's log return.
        ends: (B,) the present instant in nanoseconds.
        remaining: (B,) bars left.
        seats: the accounts.
        rules: terms and capital.
        seen: (B, 11) written.
    """
    for b in range(len(prices)):
        money, price = seats.money[b], prices[b]
        is_open = money[LIQUIDITY] > 0.0
        sigma = max(sigmas[b], _LEAST_SIGMA)
        held0, held1 = _held(money, price)
        equity = _value(held0, held1, price, rules)
        hold = _value(money[HOLD0], money[HOLD1], price, rules)
        unit = 1e4 / rules.capital
        seen[b, 0] = 1.0 if is_open else 0.0
        seen[b, 1] = 1.0 if _holds(money, price) else 0.0
        seen[b, 2] = _bent(2.0 * math.log(price / money[LOW]) / sigma) if is_open else 0.0
        seen[b, 3] = _bent(2.0 * math.log(money[HIGH] / price) / sigma) if is_open else 0.0
        seen[b, 4] = _value(held0, 0.0, price, rules) / equity - 0.5
        seen[b, 5] = (ends[b] - seats.places[b, OPENED]) / (30.0 * _DAY) if is_open else 0.0
        seen[b, 6] = _value(money[FEES0], money[FEES1], price, rules) * unit / 100.0
        seen[b, 7] = (rules.mint_gas + rules.burn_gas + rules.swap_gas) * unit / 50.0
        seen[b, 8] = _value(money[HOLD0], 0.0, price, rules) / hold - 0.5
        seen[b, 9] = (equity - hold) * unit / 500.0
        seen[b, 10] = remaining[b] / 720.0


@compiled
def _bent(value: float) -> float:
    return value / (1.0 + abs(value) / 4.0)
