"""Today's suggestion: ranges and triggers in prices, and triggers that are true."""

import importlib.util
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from backtest.amm.policies.base import LIQUIDITY_POLICIES
from backtest.amm.rebalance import rebalance
from backtest.amm.suggestion import suggest
from backtest.errors import EngineError
from forecast.randomness import RandomStreams

_PATH = Path(__file__).parents[1] / "oracles" / "liquidity_worlds.py"
_MODULE = importlib.util.spec_from_file_location("liquidity_worlds", _PATH)
worlds = importlib.util.module_from_spec(_MODULE)
_MODULE.loader.exec_module(worlds)

RNG = RandomStreams(0, worlds.BEGIN)
MOVERS = ("recentre", "volatility_band", "tau_reset")


def suggestion(config, view):
    return suggest(LIQUIDITY_POLICIES.build(config), view, RNG)


def view_of(quote="token1", state="empty"):
    return worlds.made_view(worlds.cut_history(2, quote), state)


@pytest.mark.parametrize("quote", ["token0", "token1"])
@pytest.mark.parametrize("kind", MOVERS)
def test_the_policy_acts_beyond_its_trigger_prices_and_not_before(kind, quote):
    view = view_of(quote)
    pool, policy = view.terms.pool, LIQUIDITY_POLICIES.build(kind)
    found = suggest(policy, view, RNG)
    assert found.act_below < found.price < found.act_above
    account, _ = rebalance(view.account, found.decision, view.history.cutoff, worlds.LIQUIDITY, view.terms)
    opened = replace(view, account=account)
    for price, acts in (
        (found.act_below * 0.9999, True),
        (found.act_below * 1.0001, False),
        (found.act_above * 0.9999, False),
        (found.act_above * 1.0001, True),
    ):
        decision = policy.decide(worlds.at(opened, pool.sqrt_price(price)), RNG)
        assert (decision.ranges is not None) == acts, price


@pytest.mark.parametrize("quote", ["token0", "token1"])
def test_ranges_are_told_in_prices_the_lower_first(quote):
    view = view_of(quote)
    found = suggestion({"kind": "static", "width": 0.21}, view)
    (one,) = found.ranges
    assert found.moves and found.price == pytest.approx(view.account.marks[0])
    assert one.upper_price / one.lower_price == pytest.approx(1.21, rel=0.013)
    assert one.lower_price == pytest.approx(found.price / 1.1, rel=0.007) and one.share == 1.0


def test_a_policy_that_never_moves_has_no_trigger():
    for kind in ("hold", "full_range", "static"):
        found = suggestion(kind, view_of())
        assert found.act_below is None and found.act_above is None


def test_open_ranges_are_told_with_their_share_when_nothing_changes():
    found = suggestion("static", view_of(state="two"))
    assert not found.moves and len(found.ranges) == 2
    assert sum(each.share for each in found.ranges) == pytest.approx(1.0, abs=1e-9)


def test_the_next_regular_decision_is_so_many_bars_away():
    view = view_of()
    found = suggestion({"kind": "recentre", "every": 5}, view)
    assert found.next_decision == view.history.cutoff + np.timedelta64(5, "h")


def test_a_bound_has_no_suggestion():
    with pytest.raises(EngineError, match="upper bound"):
        suggestion("oracle_width", view_of())
