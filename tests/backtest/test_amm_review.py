"""Claims about the review of one position: the sums of its swaps, the identity of its statement, and honest suggestions."""

import importlib.util
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from backtest.amm.review import HeldPosition, review, ticks_between, todays_suggestion
from backtest.amm.spec import build_liquidity_spec
from backtest.errors import EngineError
from data.amm.pool import sqrt_of
from data.errors import TickError

_PATH = Path(__file__).parents[1] / "oracles" / "pool_tables.py"
_SPEC = importlib.util.spec_from_file_location("pool_tables", _PATH)
made = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(made)

TICKS = (255_000, 259_020)


@pytest.fixture(scope="module")
def spec(tmp_path_factory):
    folder = tmp_path_factory.mktemp("review")
    made.swap_table(count=4000).to_parquet(folder / "swaps.parquet")
    pool = {"token0": "WBTC", "token1": "WETH", "decimals0": 8, "decimals1": 18, "fee_pips": 3000}
    return build_liquidity_spec(
        {
            "experiment": "liquidity",
            "data": {"kind": "pool_swaps", "folder": str(folder), "swaps": "swaps.parquet", "pool": pool},
            "policies": [{"kind": "oracle_width"}, {"kind": "recentre"}, {"kind": "static"}],
            "capital": 50,
            "costs": {"mint_gas": 0.01, "burn_gas": 0.01, "swap_gas": 0.01},
        }
    )


@pytest.fixture(scope="module")
def history(spec):
    return spec.data.load(Path("unused"))


def held_at(history, row=0, **changed):
    return replace(HeldPosition(TICKS, history.times[row], 50.0), **changed)


def test_the_statement_is_that_of_a_plain_sum_over_the_swaps(spec, history):
    found = review(spec, history, held_at(history))
    (position,) = found.account.positions
    low, high = sqrt_of(TICKS[0]), sqrt_of(TICKS[1])
    fees0 = fees1 = 0.0
    swaps = history.pool.swaps.between(history.times[0], history.times[-1])
    for before, after in zip(swaps.sqrt_before, swaps.sqrt_after, strict=True):
        a, b = (min(max(root, low), high) for root in (before, after))
        fees1 += 0.003 / 0.997 * max(b - a, 0.0) * position.liquidity
        fees0 += 0.003 / 0.997 * max(1 / b - 1 / a, 0.0) * position.liquidity
    root = float(swaps.sqrt_after[-1])
    made_here = found.statement
    assert made_here.fees == pytest.approx((fees0 * root**2 + fees1) / 1e18, rel=1e-9)
    inside = min(max(root, low), high)
    amount0, amount1 = position.liquidity * (1 / inside - 1 / high), position.liquidity * (inside - low)
    worth = (amount0 * root**2 + amount1) / 1e18
    assert made_here.equity == pytest.approx(worth + made_here.fees, rel=1e-9)
    then = float(history.panel.field("sqrt_price")[0, 0])
    hold0, hold1 = position.liquidity * (1 / then - 1 / high), position.liquidity * (then - low)
    assert made_here.hold_value == pytest.approx((hold0 * root**2 + hold1) / 1e18 + 0.01, rel=1e-9)


def test_fees_less_losses_and_gas_is_the_net_against_holding(spec, history):
    made_here = review(spec, history, held_at(history)).statement
    parts = made_here.fees - made_here.divergence - made_here.gas - made_here.conversion
    assert parts == pytest.approx(made_here.equity - made_here.hold_value, rel=1e-9)
    assert made_here.net == pytest.approx(parts, rel=1e-9)
    assert (made_here.gas, made_here.conversion) == (0.01, 0.0)


def test_the_deposit_is_worth_what_was_said(spec, history):
    assert review(spec, history, held_at(history)).statement.capital == pytest.approx(50.01)


def test_swaps_before_the_mint_pay_nothing(spec, history):
    early, late = (
        review(spec, history, held_at(history, row)).statement.fees for row in (0, len(history.times) - 2)
    )
    assert 0 < late < early


def test_a_range_is_the_usable_one_nearest_to_two_prices():
    for quote in ("token1", "token0"):
        pool = replace(made.WBTC, quote=quote)
        low, high = (13.0, 16.0) if quote == "token1" else (1 / 16, 1 / 13)
        lower, upper = ticks_between(pool, low, high)
        assert (lower % 60, upper % 60) == (0, 0)
        prices = sorted(pool.price(sqrt_of(tick)) for tick in (lower, upper))
        assert prices == pytest.approx([low, high], rel=0.004)
    assert ticks_between(made.WBTC, 13.0, 16.0) == ticks_between(
        replace(made.WBTC, quote="token0"), 1 / 16, 1 / 13
    )


def test_prices_that_do_not_rise_are_no_range():
    with pytest.raises(EngineError, match="range was 16 to 13"):
        ticks_between(made.WBTC, 16.0, 13.0)


@pytest.mark.parametrize(
    ("changed", "error", "words"),
    [
        ({"opened": np.datetime64("1970-01-01")}, EngineError, "no swap is known at 1970-01-01"),
        ({"opened": np.datetime64("2030-01-01", "ns")}, EngineError, "no bar ends after 2030-01-01"),
        ({"ticks": (255_001, 259_020)}, TickError, "tick 255001 is off the spacing"),
    ],
)
def test_a_position_that_cannot_have_been_is_refused(spec, history, changed, error, words):
    with pytest.raises(error, match=words):
        review(spec, history, held_at(history, **changed))


def test_dollars_stand_beside_where_their_price_is_known(spec, history):
    panel = history.panel.with_field("usd", np.full((len(history.panel), 1), 1800.0))
    found = review(spec, replace(history, panel=panel), held_at(history))
    assert found.in_usd.currency == "USD"
    assert found.in_usd.net == pytest.approx(1800.0 * found.statement.net)
    assert review(spec, history, held_at(history)).in_usd is None


def test_today_is_suggested_by_the_first_policy_that_sees_no_future(spec, history):
    account = review(spec, history, held_at(history)).account
    name, suggested = todays_suggestion(spec, history, account)
    assert name == "recentre"
    assert suggested.next_decision == history.cutoff + np.timedelta64(24, "h")
    if suggested.act_below is not None:
        assert suggested.act_below < suggested.price < suggested.act_above


def test_a_price_outside_the_range_is_a_reason_to_move(spec, history):
    far = (TICKS[0] + 12_000, TICKS[1] + 12_000)
    account = review(spec, history, held_at(history, ticks=far)).account
    _, suggested = todays_suggestion(spec, history, account, "recentre")
    assert suggested.moves
    assert suggested.ranges[0].lower_price < suggested.price < suggested.ranges[0].upper_price
    assert suggested.act_below == pytest.approx(suggested.ranges[0].lower_price)


@pytest.mark.parametrize("kind", ["oracle_width", "tau_reset"])
def test_only_policies_of_the_experiment_that_see_no_future_suggest(spec, history, kind):
    account = review(spec, history, held_at(history)).account
    with pytest.raises(
        EngineError, match=f"policy '{kind}' cannot suggest anything here; allowed: recentre, static"
    ):
        todays_suggestion(spec, history, account, kind)


def test_a_later_swap_changes_no_review_of_today(spec, history):
    now = history.times[4]
    first = review(spec, history.until(now), held_at(history)).statement
    swaps = history.pool.swaps
    scale = np.where(swaps.times > now, 1.05, 1.0)
    after = swaps.sqrt_after * scale
    altered = replace(swaps, sqrt_after=after, sqrt_before=np.append(swaps.sqrt_before[0], after[:-1]))
    other = replace(history, pool=replace(history.pool, swaps=altered)).until(now)
    assert review(spec, other, held_at(history)).statement == first
    assert math.isfinite(first.net)
