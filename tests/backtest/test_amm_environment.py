"""Environment: what accounts earn in it is what ``advance`` says, and decisions come when they are due."""

import importlib.util
import math
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backtest.amm import environment_kernel as kernel
from backtest.amm.action_grid import HOLD, ActionGrid
from backtest.amm.environment import (
    Due,
    environment_of,
    legal_ranges,
    observed,
    rolling_sums,
    rules_of,
    seat_of,
    tape_of,
)
from backtest.amm.ranges import range_of_width
from backtest.amm.terms import PoolCosts, PoolTerms
from backtest.errors import EngineError
from data.amm.pool_log import PoolLog, SwapPath

ORACLES = Path(__file__).parents[1] / "oracles"
GRID = ActionGrid((0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, math.inf), (-0.5, 0.0, 0.5))
CAPITAL, EVERY, LENGTH = 100.0, 24, 80


def loaded(name):
    spec = importlib.util.spec_from_file_location(name, ORACLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


worlds, oracle, paths = loaded("liquidity_worlds"), loaded("amm_environment_oracle"), loaded("pool_paths")


def drawn_terms(rng, pool):
    gas = rng.choice([0.0, 0.01, 1.0, 40.0], size=3, p=[0.2, 0.4, 0.3, 0.1])
    costs = PoolCosts(
        mint_gas=float(gas[0]),
        burn_gas=float(gas[1]),
        swap_gas=float(gas[2]),
        conversion_fee=None if rng.random() < 0.5 else float(rng.uniform(0, 0.01)),
        impact=bool(rng.random() < 0.7),
        latency_seconds=float(rng.choice([0.0, 12.0, 7000.0])),
    )
    return PoolTerms(pool=pool, costs=costs, own_dilution=bool(rng.random() < 0.4))


def drawn(seed):
    """Return a history, terms, capital, openings and actions, all from a seed."""
    rng = np.random.default_rng(seed)
    pool = worlds.made_pool(str(rng.choice(["token0", "token1"])), int(rng.choice([500, 3000, 10_000])))
    swaps = worlds.made_swaps(
        seed, count=int(rng.choice([100, 300, 1200])), scale=float(rng.choice([0.0005, 0.003]))
    )
    actions = rng.integers(0, len(GRID), (24, 4))
    actions[rng.random(actions.shape) < 0.4] = HOLD
    capital = float(rng.choice([8.0, 100.0, 30_000.0]))
    return (
        worlds.made_history(swaps, pool),
        drawn_terms(rng, pool),
        capital,
        rng.integers(24, 150, 4),
        actions,
    )


def quiet_environment(gas=0.01):
    history = worlds.made_history(worlds.made_swaps(), worlds.made_pool())
    return environment_of(history, GRID, worlds.made_terms(history.pool.pool, gas), CAPITAL, Due())


def number_of(width, shift=0.0):
    return 1 + GRID.choices.index((width, shift))


@pytest.mark.parametrize("seed", range(10))
def test_rewards_and_decision_bars_are_those_of_advance_on_the_same_swaps(seed):
    history, terms, capital, openings, actions = drawn(seed)
    environment = environment_of(history, GRID, terms, capital, Due(EVERY))
    seats = environment.seats(openings, LENGTH)
    rewards = np.array([environment.step(seats, row)[0] for row in actions])
    expected, slow = oracle.played(history, GRID, terms, (capital, EVERY, LENGTH), openings, actions)
    np.testing.assert_allclose(rewards, expected, rtol=1e-9, atol=1e-8)
    np.testing.assert_array_equal(seats.places[:, kernel.BAR], [each.bar for each in slow])
    ticks = [[(p.lower, p.upper) for p in each.account.positions] or [(0, 0)] for each in slow]
    np.testing.assert_array_equal(seats.places[:, [kernel.LOWER, kernel.UPPER]], [each[0] for each in ticks])


def test_the_drawn_worlds_hold_refusals_conversions_and_exits():
    kinds, converted, early = set(), False, False
    for seed in range(10):
        history, terms, capital, openings, actions = drawn(seed)
        _, slow = oracle.played(history, GRID, terms, (capital, EVERY, LENGTH), openings, actions)
        done = [action for each in slow for action in each.actions]
        kinds |= {action.kind for action in done}
        converted |= any(action.conversion > 0 for action in done)
        early |= any(
            (action.decided - history.times[each.opening]) % np.timedelta64(24, "h")
            for each in slow
            for action in each.actions
        )
    assert kinds >= {"open", "move", "refused"}
    assert converted and early


@pytest.mark.parametrize("seed", [1, 4, 6])
def test_rewards_add_up_to_equity_less_hold_at_the_end(seed):
    history, terms, capital, openings, actions = drawn(seed)
    environment = environment_of(history, GRID, terms, capital, Due(EVERY))
    seats = environment.seats(openings, LENGTH)
    total = sum(environment.step(seats, row)[0] for row in np.tile(actions, (4, 1)))
    assert (seats.places[:, kernel.BAR] == seats.places[:, kernel.END]).all()
    np.testing.assert_allclose(total, seats.money[:, kernel.NET] / capital * 1e4, rtol=1e-9, atol=1e-9)


def test_doing_nothing_from_the_start_earns_exactly_nothing():
    environment = quiet_environment()
    seats = environment.seats(np.array([30, 60]), 72)
    for _ in range(3):
        assert (environment.step(seats, np.zeros(2, np.int64))[0] == 0.0).all()
    assert (seats.places[:, kernel.BAR] == [102, 132]).all()


def test_an_account_at_its_last_bar_stays_there():
    environment = quiet_environment()
    seats = environment.seats(np.array([30]), 24)
    environment.step(seats, np.array([number_of(math.inf)]))
    before = [part.copy() for part in seats]
    assert environment.step(seats, np.array([number_of(0.05)])) == (0.0, 0.0)
    for part, kept in zip(seats, before, strict=True):
        np.testing.assert_array_equal(part, kept)


def leaving(on_exit):
    """Return an environment in which the price leaves one per cent at bar 45, comes back at 48 and leaves at 50."""
    log_prices = np.zeros(101)
    log_prices[45:48] = log_prices[50:] = 0.02
    history = paths.history_of(log_prices, 100)
    return environment_of(
        history, GRID, worlds.made_terms(history.pool.pool), CAPITAL, Due(12, on_exit=on_exit)
    )


def test_decisions_come_every_so_many_bars_and_at_the_first_bar_out_of_range():
    environment = leaving(on_exit=True)
    seats, bars = environment.seats(np.array([30]), 50), []
    for action in (number_of(0.01), HOLD, HOLD, HOLD, HOLD, HOLD):
        environment.step(seats, np.array([action]))
        bars.append(int(seats.places[0, kernel.BAR]))
    low, high = seats.money[0, [kernel.LOW, kernel.HIGH]]
    is_in = (low <= environment.tape.prices) & (environment.tape.prices < high)
    exits = 1 + np.flatnonzero(is_in[31:80] & ~is_in[32:81]) + 31
    assert len(exits) == 2
    assert bars == sorted({42, 54, 66, 78, *exits.tolist()})


def test_without_decisions_on_exit_only_regular_ones_are_left():
    environment = leaving(on_exit=False)
    seats, bars = environment.seats(np.array([30]), 50), []
    for action in (number_of(0.01), HOLD, HOLD, HOLD, HOLD):
        environment.step(seats, np.array([action]))
        bars.append(int(seats.places[0, kernel.BAR]))
    assert bars == [42, 54, 66, 78, 80]


def test_without_its_tilt_a_range_that_is_never_reached_earns_its_cost():
    log_prices = 0.0004 * np.arange(101)
    history = paths.history_of(log_prices, 100)
    environment = environment_of(
        history, GRID, worlds.made_terms(history.pool.pool), CAPITAL, Due(24, on_exit=False)
    )
    seats, parts = environment.seats(np.array([30]), 48), []
    for action in (number_of(0.5, -0.5), HOLD):
        parts.append(np.concatenate(environment.step(seats, np.array([action]))))
    (moved, moved_tilt), (left, left_tilt) = parts
    _, (slow,) = oracle.played(
        history, GRID, worlds.made_terms(history.pool.pool), (CAPITAL, 24, 48), [30], [[number_of(0.5, -0.5)]]
    )
    cost = (slow.account.gas + slow.account.conversion) / CAPITAL * 1e4
    assert moved_tilt < -10.0 and left_tilt < -10.0, "the price of the other token rises"
    assert moved - moved_tilt == pytest.approx(-cost, rel=1e-9)
    assert left == pytest.approx(left_tilt, rel=1e-9)


def test_holding_the_basket_has_no_tilt():
    environment = quiet_environment()
    assert environment.step(environment.seats(np.array([40]), 100), np.array([HOLD]))[1] == 0.0


def test_a_swap_cut_in_two_changes_no_reward():
    history, terms, capital, openings, _ = drawn(2)
    terms = replace(terms, own_dilution=False)
    swaps = history.pool.swaps
    # The swap an action is executed after stays whole: its first half would be a price nobody decided at.
    executed = tape_of(history, terms.costs.latency_seconds).executions[openings]
    copies = np.where(np.isin(np.arange(len(swaps)), executed), 1, 2)
    twice = {field.name: np.repeat(getattr(swaps, field.name), copies) for field in fields(swaps)}
    firsts = np.concatenate([[0], np.cumsum(copies)[:-1]])[copies == 2]
    twice["log_indices"][firsts + 1] += 1
    middle = np.sqrt(swaps.sqrt_before * swaps.sqrt_after)[copies == 2]
    twice["sqrt_after"][firsts] = twice["sqrt_before"][firsts + 1] = middle
    cut = replace(history, pool=PoolLog(terms.pool, SwapPath(**twice)))
    for action in (number_of(0.05), number_of(0.5), number_of(math.inf)):
        one, other = (
            environment.step(environment.seats(openings, LENGTH), np.full(4, action))[0]
            for environment in (
                environment_of(each, GRID, terms, capital, Due(EVERY)) for each in (history, cut)
            )
        )
        np.testing.assert_allclose(one, other, rtol=1e-10, atol=1e-9)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    tick=st.floats(-800_000, 800_000),
    fee_pips=st.sampled_from([100, 500, 3000, 10_000]),
)
def test_every_action_means_the_range_that_other_policies_would_open(tick, fee_pips):
    pool = worlds.made_pool(fee_pips=fee_pips)
    price = math.exp(0.5 * math.log(1.0001) * tick)
    rules = rules_of(worlds.made_terms(pool), CAPITAL, Due(EVERY))
    empty = kernel.Seats(np.zeros((1, 6), np.int64), np.ones((1, 10)))
    empty.money[0, kernel.LIQUIDITY] = 0.0
    ticks, _ = legal_ranges(np.array([price]), empty, GRID, rules)
    assert [tuple(each) for each in ticks[0, 1:]] == [
        range_of_width(pool, price, *each) for each in GRID.choices
    ]


def test_an_action_is_illegal_when_it_is_open_already_or_an_earlier_one_means_the_same():
    environment = quiet_environment()
    seats = environment.seats(np.array([40]), 100)
    first = environment.legal(seats)[0]
    ticks, _ = legal_ranges(environment.tape.prices[[40]], seats, GRID, environment.rules)
    assert first[HOLD]
    names = [tuple(each) for each in ticks[0]]
    assert [bool(each) for each in first[1:]] == [names.index(name) == a for a, name in enumerate(names)][1:]
    whole = number_of(math.inf)
    assert first[whole]
    environment.step(seats, np.array([whole]))
    later = environment.legal(seats)[0]
    assert not later[whole] and later[HOLD] and later[number_of(0.25)]


def test_nothing_but_waiting_is_legal_when_gas_would_take_everything():
    poor = quiet_environment(gas=60.0)
    seats = poor.seats(np.array([40]), 100)
    assert poor.legal(seats)[0].tolist() == [True] + [False] * (len(GRID) - 1)


@pytest.mark.parametrize("action", [HOLD, number_of(0.1), number_of(0.25, 0.5), number_of(math.inf)])
def test_an_account_looks_the_same_from_the_walk_and_from_the_environment(action):
    history = worlds.made_history(worlds.made_swaps(5), worlds.made_pool())
    terms = worlds.made_terms(history.pool.pool)
    environment = environment_of(history, GRID, terms, CAPITAL, Due(EVERY))
    seats = environment.seats(np.array([40]), 100)
    environment.step(seats, np.array([action]))
    _, slow = oracle.played(history, GRID, terms, (CAPITAL, EVERY, 100), [40], [[action]])
    remaining = slow[0].end - slow[0].bar
    seat, bar = seat_of(slow[0].account, remaining), slow[0].bar
    market = tuple(getattr(environment.tape, name)[[bar]] for name in ("prices", "sigmas", "ends"))
    seen = observed(market, np.array([remaining]), seat, environment.rules)
    np.testing.assert_allclose(seen, environment.observe(seats), rtol=1e-9, atol=1e-10)
    np.testing.assert_array_equal(
        legal_ranges(market[0], seat, GRID, environment.rules)[1], environment.legal(seats)
    )


def test_what_is_seen_of_an_account_is_what_its_description_says():
    environment = quiet_environment()
    seats = environment.seats(np.array([40]), 72)
    np.testing.assert_allclose(
        environment.observe(seats)[0], [0, 0, 0, 0, 0, 0, 0, 0.03e4 / 100 / 50, 0, 0, 0.1], atol=1e-12
    )
    environment.step(seats, np.array([number_of(1.0)]))
    seen = environment.observe(seats)[0]
    sigma, price = environment.tape.sigmas[64], environment.tape.prices[64]
    above = 2 * np.log(price / seats.money[0, kernel.LOW]) / sigma
    assert seen[:2].tolist() == [1.0, 1.0]
    assert seen[2] == pytest.approx(above / (1 + above / 4), rel=1e-12)
    assert 0 < seen[5] <= 1 / 30, "opened within the day"
    assert seen[6] > 0 and seen[10] == pytest.approx(48 / 720)


def test_rolling_sums_are_those_of_the_last_bars_and_depend_on_no_other():
    values = np.random.default_rng(0).uniform(0, 1e-4, 40)
    found = rolling_sums(values, 24)
    assert np.isnan(found[:23]).all()
    assert found[30] == pytest.approx(values[7:31].sum(), rel=1e-12)
    np.testing.assert_array_equal(rolling_sums(values[9:], 24)[23:], found[32:])
    assert np.isnan(rolling_sums(values[:5], 24)).all()


def test_names_of_actions_are_plain_and_distinct():
    assert len(set(GRID.labels)) == len(GRID) == 1 + 7 * 3 + 1
    assert GRID.labels[number_of(0.05, -0.5)] == "5 % below the price"
    assert ActionGrid((0.1,), (0.25,)).labels == ("leave as it is", "10 % +0.25 widths from the price")


def test_a_history_without_swaps_or_without_their_liquidity_is_refused():
    history = worlds.made_history(worlds.made_swaps(), worlds.made_pool())
    with pytest.raises(EngineError, match="no pool"):
        tape_of(replace(history, pool=None), 12.0)
    swaps = history.pool.swaps
    columns = {field.name: getattr(swaps, field.name).copy() for field in fields(swaps)}
    columns["liquidity"][7] = np.nan
    broken = replace(history, pool=PoolLog(history.pool.pool, SwapPath(**columns)))
    with pytest.raises(EngineError, match="block .*, log 0 was nan"):
        tape_of(broken, 12.0)
