"""Swap steps: no step leaves the pool worse off, none passes its target, and every case of the formula is met."""

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from data.amm.liquidity_amounts import amount0, amount1
from data.amm.swap_step import sqrt_after_input, sqrt_after_output, swap_step
from data.amm.tick_math import Q96, sqrt_at_tick
from data.errors import PoolError

roots = st.integers(-300_000, 300_000).map(sqrt_at_tick)
liquidities = st.integers(1, 10**28)
amounts = st.integers(1, 10**30)
fees = st.sampled_from([100, 500, 3000, 10_000])
directions = st.booleans()


@settings(derandomize=True, deadline=None)
@given(roots, roots, st.integers(0, 10**28), amounts, st.booleans(), fees)
def test_step_stays_within_its_target_and_its_amount(sqrt, target, liquidity, amount, is_input, fee):
    step = swap_step(sqrt, target, liquidity, amount if is_input else -amount, fee)
    assert min(sqrt, target) <= step.sqrt <= max(sqrt, target)
    assert min(step.amount_in, step.amount_out, step.fee) >= 0
    if is_input:
        assert step.amount_in + step.fee <= amount
    else:
        assert step.amount_out <= amount
    if step.sqrt != target:
        assert (step.amount_in + step.fee if is_input else step.amount_out) == amount


@settings(derandomize=True, deadline=None)
@given(roots, roots, st.integers(0, 10**28), amounts, st.booleans(), fees)
def test_step_keeps_at_least_what_the_curve_asks_for(sqrt, target, liquidity, amount, is_input, fee):
    is_down = sqrt >= target
    step = swap_step(sqrt, target, liquidity, amount if is_input else -amount, fee)
    asked, given_ = (amount0, amount1) if is_down else (amount1, amount0)
    assert step.amount_in >= asked(sqrt, step.sqrt, liquidity, is_paid_in=True)
    assert step.amount_out <= given_(sqrt, step.sqrt, liquidity, is_paid_in=False)
    assert step.fee * (1_000_000 - fee) >= step.amount_in * fee


@settings(derandomize=True, deadline=None)
@given(roots, liquidities, amounts, directions)
def test_price_after_an_input_is_paid_for(sqrt, liquidity, amount, is_down):
    after = sqrt_after_input(sqrt, liquidity, amount, is_down=is_down)
    assert after <= sqrt if is_down else after >= sqrt
    cost = (amount0 if is_down else amount1)(sqrt, after, liquidity, is_paid_in=True)
    assert cost <= amount


@settings(derandomize=True, deadline=None)
@given(roots, liquidities, amounts, directions)
def test_price_after_an_output_has_given_it(sqrt, liquidity, amount, is_down):
    try:
        after = sqrt_after_output(sqrt, liquidity, amount, is_down=is_down)
    except PoolError:
        held = liquidity * sqrt // Q96 if is_down else liquidity * Q96 // sqrt
        assert amount >= held or amount * sqrt >= 1 << 256
        return
    assert (amount1 if is_down else amount0)(sqrt, after, liquidity, is_paid_in=False) >= amount


@settings(derandomize=True, deadline=None)
@given(roots, liquidities, st.integers(1, 10**24), directions, fees)
def test_there_and_back_never_pays(sqrt, liquidity, amount, is_down, fee):
    near, far = sqrt_at_tick(-500_000), sqrt_at_tick(500_000)
    first = swap_step(sqrt, near if is_down else far, liquidity, amount, fee)
    assume(first.amount_out)
    back = swap_step(first.sqrt, far if is_down else near, liquidity, first.amount_out, fee)
    assert back.amount_out <= first.amount_in + first.fee


@settings(derandomize=True, deadline=None)
@given(roots, liquidities, st.integers(2, 10**24), directions, fees, st.floats(0.01, 0.99))
@example(Q96, 10**18, 2, True, 3000, 0.5)
def test_an_input_in_two_parts_gets_no_more_than_in_one(sqrt, liquidity, amount, is_down, fee, share):
    target = sqrt_at_tick(-600_000 if is_down else 600_000)
    part = min(max(int(amount * share), 1), amount - 1)
    whole = swap_step(sqrt, target, liquidity, amount, fee)
    one = swap_step(sqrt, target, liquidity, part, fee)
    two = swap_step(one.sqrt, target, liquidity, amount - part, fee)
    assert one.amount_out + two.amount_out <= whole.amount_out
    assert abs(one.fee + two.fee - whole.fee) <= 2 + whole.fee // 10**6 + 3 * _unit(
        sqrt, whole.sqrt, liquidity, is_down
    )


def _unit(sqrt, after, liquidity, is_down):
    """Raw input that moves the root price by its last bit: what one rounding of the price may cost."""
    low = min(sqrt, after)
    return liquidity * Q96 // low // low + 1 if is_down else liquidity // Q96 + 1


def test_whole_input_may_be_the_fee():
    step = swap_step(sqrt_at_tick(0), sqrt_at_tick(-1), 10**18, 1, 500)
    assert step == (sqrt_at_tick(0), 0, 0, 1)


def test_without_liquidity_the_price_goes_to_the_target_for_nothing():
    assert swap_step(Q96, sqrt_at_tick(50), 0, 1000, 500) == (sqrt_at_tick(50), 0, 0, 0)


def test_output_is_cut_to_what_was_asked():
    step = swap_step(sqrt_at_tick(0), sqrt_at_tick(-100), 10**20, -1, 500)
    assert step.amount_out == 1
    assert step.sqrt < Q96


def test_large_products_are_divided_first():
    sqrt, liquidity, amount = sqrt_at_tick(880_000), 1 << 100, 1 << 120
    after = sqrt_after_input(sqrt, liquidity, amount, is_down=True)
    assert after == -(-(liquidity << 96) // ((liquidity << 96) // sqrt + amount))


@pytest.mark.parametrize("is_down", [True, False])
def test_more_output_than_there_is_is_refused(is_down):
    with pytest.raises(PoolError, match=r"output of \d+ was asked of liquidity 1000 at root price"):
        sqrt_after_output(Q96, 1000, 1001, is_down=is_down)


def test_no_input_moves_nothing():
    assert sqrt_after_input(Q96, 7, 0, is_down=True) == sqrt_after_input(Q96, 7, 0, is_down=False) == Q96
