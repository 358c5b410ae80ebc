"""Advancing a liquidity account: its slow twin, pieces and the whole, latency, sharing, and fees collected on a real chain."""

import importlib.util
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backtest.amm.account import PoolAccount, from_arrays, to_arrays
from backtest.amm.advance import advance, place, start, start_with_position
from backtest.amm.policies.base import RangeDecision, WantedRange
from backtest.errors import EngineError
from data.amm.path import fee_growth
from data.amm.pool import Pool, sqrt_of
from data.errors import EventGapError, PoolError, TickError

_ORACLES = Path(__file__).resolve().parents[1] / "oracles"


def _load(name):
    module_spec = importlib.util.spec_from_file_location(name, _ORACLES / f"{name}.py")
    module = importlib.util.module_from_spec(module_spec)
    module_spec.loader.exec_module(module)
    return module


oracle = _load("amm_account_oracle")
lvr_path = _load("amm_path_oracle").lvr_path
worlds = _load("pool_account_worlds")

BEGIN, HOUR, CAPITAL = worlds.BEGIN, worlds.HOUR, worlds.CAPITAL
COLUMNS = ("equity", "hold", "sqrt_price", "in_range", "fees", "divergence", "gas", "conversion", "lvr")
POOL = Pool(token0="A", token1="B", fee_pips=3000)
SECOND = np.timedelta64(1, "s")

seeds = st.integers(0, 2**32 - 1)


def played(world, cuts=None, store=False):
    """Return the account, the columns and the actions of a world, advanced from cut to cut."""
    account = start(world.terms, CAPITAL, world.start, BEGIN)
    stops = sorted({*world.decisions, *(cuts or ()), world.marks[-1]} - {BEGIN})
    columns, actions, now = {name: [] for name in COLUMNS}, [], BEGIN
    for stop in stops:
        if now in world.decisions:
            account = place(account, world.decisions[now])
        if store:
            account = from_arrays({name: array.tolist() for name, array in to_arrays(account).items()})
        marks = world.marks[(world.marks > now) & (world.marks <= stop)]
        done = advance(account, world.swaps, marks, world.terms)
        account, now = done.account, stop
        actions += done.actions
        for name in COLUMNS:
            columns[name].append(getattr(done, name))
    return account, {name: np.concatenate(parts) for name, parts in columns.items()}, actions


def slow(world):
    terms, pool = world.terms, world.terms.pool
    costs = terms.costs
    plain = {
        "quote": pool.quote,
        "decimals0": pool.decimals0,
        "decimals1": pool.decimals1,
        "rates": pool.rates,
        "dilutes": terms.own_dilution,
        "conversion_fee": pool.fee if costs.conversion_fee is None else costs.conversion_fee,
        "impact": costs.impact,
        "mint_gas": costs.mint_gas,
        "burn_gas": costs.burn_gas,
        "swap_gas": costs.swap_gas,
        "latency": costs.latency_seconds,
    }
    path = world.swaps
    rows = zip(path.times.astype(np.int64), path.sqrt_before, path.sqrt_after, path.liquidity, strict=True)
    decisions = {
        int(time.astype(np.int64)): (
            [(each.lower, each.upper, each.share) for each in made.ranges],
            made.converts,
        )
        for time, made in world.decisions.items()
    }
    begin, marks = int(BEGIN.astype(np.int64)), world.marks.astype(np.int64).tolist()
    return oracle.live(plain, CAPITAL, world.start, begin, rows, marks, decisions)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(seeds)
def test_the_account_agrees_with_its_slow_twin(seed):
    world = worlds.drawn_world(seed)
    account, columns, actions = played(world)
    twin = slow(world)
    for name in COLUMNS:
        scale = world.start if name == "sqrt_price" else CAPITAL
        expected = [row[name] for row in twin.rows]
        np.testing.assert_allclose(columns[name], expected, rtol=1e-9, atol=1e-9 * scale, err_msg=name)
    refused = {int(each.executed.astype(np.int64)) for each in actions if each.kind == "refused"}
    assert refused == {when for when, cost in twin.actions if cost is None}
    assert account.gas == pytest.approx(twin.gas, abs=1e-9)


def same_account(one: PoolAccount, other: PoolAccount) -> bool:
    return all(
        np.array_equal(one_part, other_part)
        for (name, one_part), other_part in zip(
            to_arrays(one).items(), to_arrays(other).values(), strict=True
        )
    )


@settings(max_examples=60, deadline=None, derandomize=True)
@given(seeds, st.lists(st.integers(0, 34), max_size=8))
def test_pieces_and_a_store_and_load_between_them_give_the_bits_of_the_whole(seed, cuts):
    world = worlds.drawn_world(seed)
    whole, columns, actions = played(world)
    pieces, columns_too, actions_too = played(world, [world.marks[cut] for cut in cuts], store=True)
    assert same_account(whole, pieces)
    assert all(columns[name].tobytes() == columns_too[name].tobytes() for name in COLUMNS)
    assert actions == actions_too


@settings(max_examples=60, deadline=None, derandomize=True)
@given(seeds)
def test_the_last_mark_is_the_account_to_the_bit(seed):
    account, columns, _ = played(worlds.drawn_world(seed))
    assert columns["equity"][-1] == account.equity
    assert columns["hold"][-1] == account.hold_value
    assert columns["fees"][-1] == account.fees
    assert columns["in_range"][-1] == account.in_range


@settings(max_examples=60, deadline=None, derandomize=True)
@given(seeds)
def test_a_future_that_is_altered_leaves_the_past_as_it_was(seed):
    world = worlds.drawn_world(seed)
    rows = int(np.searchsorted(world.swaps.times, world.marks[17], side="right"))
    roots = np.r_[world.swaps.sqrt_before[0], world.swaps.sqrt_after]
    roots[rows + 1 :] *= 1.7
    seconds = (world.swaps.times - BEGIN) // SECOND
    altered = replace(world, swaps=worlds.path_of(roots, seconds, world.swaps.liquidity))
    _, columns, _ = played(world)
    _, columns_too, _ = played(altered)
    assert all(columns[name][:18].tobytes() == columns_too[name][:18].tobytes() for name in COLUMNS)


def opened(ticks, liquidity=1e18, start_at=1.0, pool=POOL):
    return start_with_position(pool, ticks, liquidity, start_at, BEGIN)


def test_fees_are_those_of_the_path_formula():
    roots = np.exp(np.r_[0, np.cumsum(np.random.default_rng(3).normal(0, 0.01, 500))])
    swaps = worlds.path_of(roots)
    account = advance(opened((-600, 300)), swaps, swaps.times[-1:], worlds.terms_of(POOL)).account
    growth = fee_growth(swaps, np.array([sqrt_of(-600)]), np.array([sqrt_of(300)]), POOL.rates)
    assert account.uncollected() == pytest.approx(tuple(1e18 * growth[0]), rel=1e-13)


def test_lvr_is_the_exact_step_of_the_hourly_price_split_at_the_edges():
    roots = np.exp(np.r_[0, np.cumsum(np.random.default_rng(4).normal(0, 0.01, 300))])
    swaps, marks = worlds.path_of(roots), BEGIN + HOUR * np.arange(1, 6)
    done = advance(opened((-600, 300)), swaps, marks, worlds.terms_of(POOL))
    at = np.r_[1.0, done.sqrt_price]
    lost = lvr_path(at, sqrt_of(-600), sqrt_of(300))
    assert done.lvr[-1] == pytest.approx(lost, rel=1e-12)


def test_lvr_follows_an_external_price_when_one_is_given():
    swaps, marks = worlds.path_of([1.0, 1.01]), BEGIN + HOUR * np.arange(1, 4)
    outside = np.array([1.001, 0.999, 1.002])
    done = advance(opened(POOL.full_range), swaps, marks, worlds.terms_of(POOL), outside)
    steps = np.diff(np.r_[1.0, outside]) ** 2 / np.r_[1.0, outside[:-1]]
    np.testing.assert_allclose(done.lvr, np.cumsum(steps), rtol=1e-12)


def test_lvr_in_closed_form_is_that_of_small_steps():
    roots = np.exp(np.r_[0, np.cumsum(np.random.default_rng(5).normal(0, 1e-4, 2000))])
    swaps = worlds.path_of(roots)
    account = advance(opened(POOL.full_range), swaps, swaps.times, worlds.terms_of(POOL)).account
    assert account.lvr_closed_form == pytest.approx(account.lvr, rel=1e-4)


def test_lvr_in_the_other_token_is_worth_the_same():
    roots = np.exp(np.r_[0, np.cumsum(np.random.default_rng(6).normal(0, 0.01, 50))])
    swaps = worlds.path_of(roots)
    lost = {}
    for quote in ("token0", "token1"):
        pool = replace(POOL, quote=quote)
        account = opened((-60_000, 60_000), pool=pool)
        lost[quote] = advance(account, swaps, swaps.times[-1:], worlds.terms_of(pool)).account.lvr
    assert lost["token1"] == pytest.approx(lost["token0"] * roots[-1] ** 2, rel=1e-12)


def test_positions_of_one_account_share_what_dilution_leaves():
    swaps = worlds.path_of([1.0, 1.02, 1.0], liquidity=3e18)
    terms = worlds.terms_of(POOL, own_dilution=True)
    one = advance(opened((-600, 600)), swaps, swaps.times[-1:], terms).account
    split = opened((-600, 600))
    halves = tuple(replace(each, liquidity=each.liquidity / 2) for each in split.positions * 2)
    two = advance(replace(split, positions=halves), swaps, swaps.times[-1:], terms).account
    assert two.uncollected() == pytest.approx(one.uncollected(), rel=1e-13)
    undiluted = advance(opened((-600, 600)), swaps, swaps.times[-1:], worlds.terms_of(POOL)).account
    assert one.uncollected() == pytest.approx(
        tuple(0.75 * each for each in undiluted.uncollected()), rel=1e-13
    )


def test_liquidity_out_of_the_way_dilutes_nothing():
    swaps = worlds.path_of([1.0, 1.02, 1.0], liquidity=3e18)
    terms = worlds.terms_of(POOL, own_dilution=True)
    alone = opened((-600, 600))
    beside = replace(alone, positions=alone.positions + opened((6000, 6600), 5e20).positions)
    fees = [
        advance(each, swaps, swaps.times[-1:], terms).account.positions[0].fees1 for each in (alone, beside)
    ]
    assert fees[0] == fees[1]


def test_nobody_is_paid_where_the_pool_has_no_liquidity():
    swaps = worlds.path_of([1.0, 1.02], liquidity=0.0)
    account = advance(
        opened((-600, 600)), swaps, swaps.times, worlds.terms_of(POOL, own_dilution=True)
    ).account
    assert account.uncollected() == (0.0, 0.0)


@settings(max_examples=50, deadline=None, derandomize=True)
@given(seeds, st.floats(0.01, 0.99))
def test_splitting_every_swap_in_two_leaves_the_fees(seed, share):
    rng = np.random.default_rng(seed)
    roots = np.exp(np.r_[0, np.cumsum(rng.normal(0, 0.01, 40))])
    depth = rng.uniform(1e17, 1e19, 40)
    between = roots[:-1] + share * np.diff(roots)
    finer = np.r_[np.stack([roots[:-1], between], axis=1).ravel(), roots[-1]]
    terms = worlds.terms_of(POOL, own_dilution=True)
    both = [
        advance(opened((-300, 420)), swaps, swaps.times[-1:], terms).account.uncollected()
        for swaps in (
            worlds.path_of(roots, liquidity=depth),
            worlds.path_of(finer, liquidity=np.repeat(depth, 2)),
        )
    ]
    assert both[0] == pytest.approx(both[1], rel=1e-12)


def decided(ranges, cutoff=BEGIN, **others):
    return RangeDecision(cutoff, ranges, **others)


@pytest.mark.parametrize(("latency", "row"), [(0.0, 0), (60.0, 0), (61.0, 1), (120.0, 1), (121.0, 2)])
def test_a_decision_is_executed_after_the_first_swap_past_the_latency(latency, row):
    swaps = worlds.path_of([1.0, 1.01, 1.02, 1.015])
    terms = worlds.terms_of(POOL, latency_seconds=latency)
    account = place(start(terms, CAPITAL, 1.0, BEGIN), decided((WantedRange(-600, 600),)))
    done = advance(account, swaps, BEGIN + HOUR * np.arange(1, 2), terms)
    assert [(each.executed, each.sqrt_price) for each in done.actions] == [
        (swaps.times[row], swaps.sqrt_after[row])
    ]


def test_new_ranges_earn_nothing_of_the_swap_they_wait_for_and_old_ones_do():
    swaps = worlds.path_of([1.0, 1.01])
    terms = worlds.terms_of(POOL)
    fresh = place(start(terms, CAPITAL, 1.0, BEGIN), decided((WantedRange(-600, 600),)))
    assert advance(fresh, swaps, swaps.times, terms).account.fees == 0.0
    old = place(opened((-600, 600)), decided((WantedRange(-1200, 1200),)))
    assert advance(old, swaps, swaps.times, terms).account.collected > 0.0


def test_a_decision_waits_until_somebody_swaps():
    terms, marks = worlds.terms_of(POOL), BEGIN + HOUR * np.arange(1, 4)
    account = place(start(terms, CAPITAL, 1.0, BEGIN), decided((WantedRange(-600, 600),)))
    quiet = advance(account, worlds.path_of([1.0]), marks, terms)
    assert quiet.account.pending is not None and quiet.actions == ()
    later = worlds.path_of([1.0, 1.01], seconds=[3600 * 5])
    assert advance(quiet.account, later, marks[-1:] + 3 * HOUR, terms).account.pending is None


def test_a_later_decision_replaces_one_that_waits_and_leaving_things_alone_does_not():
    account = place(start(worlds.terms_of(POOL), CAPITAL, 1.0, BEGIN), decided((WantedRange(-600, 600),)))
    assert place(account, decided(None)).pending == account.pending
    other = place(account, decided((WantedRange(-60, 60),)))
    assert other.pending is not None and other.pending.ranges == (WantedRange(-60, 60),)
    assert place(account, decided(())).pending is None


def test_holding_costs_nothing_and_loses_nothing():
    world = worlds.drawn_world(8)
    account = start(world.terms, CAPITAL, world.start, BEGIN)
    done = advance(place(account, decided(None)), world.swaps, world.marks, world.terms)
    np.testing.assert_array_equal(done.equity, done.hold)
    for name in ("fees", "divergence", "gas", "conversion", "lvr"):
        assert not getattr(done, name).any()
    assert done.account.bars == len(world.marks) and done.account.bars_in_range == 0


def test_nothing_is_advanced_without_a_mark():
    account = opened((-600, 600))
    done = advance(account, worlds.path_of([1.0, 1.1]), np.array([], "datetime64[ns]"), worlds.terms_of(POOL))
    assert same_account(done.account, account) and len(done.equity) == 0


def test_a_gap_before_the_first_swap_is_named_with_block_and_log():
    with pytest.raises(
        EventGapError, match="block 0, log 0 begins at root price 1.1, the account stands at 1"
    ):
        advance(
            opened((-600, 600)),
            worlds.path_of([1.1, 1.2]),
            BEGIN + HOUR * np.arange(1, 2),
            worlds.terms_of(POOL),
        )


@pytest.mark.parametrize("liquidity", [np.nan, -1.0])
def test_unknown_liquidity_is_refused_where_it_is_needed_and_only_there(liquidity):
    swaps = worlds.path_of([1.0, 1.01], liquidity=liquidity)
    assert advance(opened((-600, 600)), swaps, swaps.times, worlds.terms_of(POOL)).account.fees > 0
    with pytest.raises(PoolError, match="block 0, log 0"):
        advance(opened((-600, 600)), swaps, swaps.times, worlds.terms_of(POOL, own_dilution=True))
    with pytest.raises(PoolError, match="block 0, log 0"):
        moving = place(opened((-600, 600)), decided((WantedRange(-60, 60),)))
        advance(moving, swaps, swaps.times, worlds.terms_of(POOL))


def test_what_does_not_fit_the_account_is_refused():
    account, swaps, terms = opened((-600, 600)), worlds.path_of([1.0, 1.01]), worlds.terms_of(POOL)
    marks = BEGIN + HOUR * np.arange(1, 3)
    with pytest.raises(EngineError, match="must rise and come after"):
        advance(account, swaps, marks[::-1], terms)
    with pytest.raises(EngineError, match="must rise and come after"):
        advance(account, swaps, BEGIN + HOUR * np.arange(0, 2), terms)
    with pytest.raises(EngineError, match="terms are for"):
        advance(account, swaps, marks, worlds.terms_of(replace(POOL, fee_pips=500)))
    with pytest.raises(EngineError, match="one root price for each of 2 marks"):
        advance(account, swaps, marks, terms, np.ones(3))
    with pytest.raises(EngineError, match="reference at 2022-01-01T02.* was 0.0"):
        advance(account, swaps, marks, terms, np.array([1.0, 0.0]))
    with pytest.raises(EngineError, match="advance it first"):
        place(account, decided((WantedRange(-60, 60),), cutoff=BEGIN + HOUR))
    with pytest.raises(EngineError, match="capital was 0"):
        start(terms, 0.0, 1.0, BEGIN)
    with pytest.raises(EngineError, match="liquidity was nan"):
        opened((-600, 600), np.nan)


@pytest.mark.parametrize("ticks", [(-601, 600), (600, -600), (60, 60), (-887_280, 0)])
def test_a_range_off_the_spacing_inverted_or_outside_is_a_tick_error(ticks):
    with pytest.raises(TickError):
        opened(ticks)
    with pytest.raises(TickError):
        place(start(worlds.terms_of(POOL), CAPITAL, 1.0, BEGIN), decided((WantedRange(*ticks),)))


@pytest.mark.parametrize("shares", [(0.0,), (-0.5,), (np.nan,), (0.7, 0.4)])
def test_impossible_shares_are_refused(shares):
    ranges = tuple(WantedRange(-600, 600, share) for share in shares)
    with pytest.raises(EngineError, match="share"):
        place(start(worlds.terms_of(POOL), CAPITAL, 1.0, BEGIN), decided(ranges))


def test_every_field_of_an_account_survives_storage():
    named = {field.name for field in fields(PoolAccount)}
    account, _, _ = played(worlds.drawn_world(11))
    back = from_arrays(to_arrays(account))
    assert all(repr(getattr(account, name)) == repr(getattr(back, name)) for name in named)
