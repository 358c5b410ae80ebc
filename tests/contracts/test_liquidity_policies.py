"""What every registered liquidity policy must do, whatever it decides."""

import importlib.util
import subprocess
import sys
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backtest.amm.account import to_arrays
from backtest.amm.policies.base import LIQUIDITY_POLICIES
from backtest.amm.rebalance import check_decision, rebalance
from backtest.amm.walk import LiquidityLane, decide_if_due, open_account, step
from backtest.errors import EngineError
from backtest.yaml12 import dump_yaml, load_yaml
from forecast.randomness import RandomStreams

ROOT = Path(__file__).resolve().parents[2]
_PATH = ROOT / "tests" / "oracles" / "liquidity_worlds.py"
_MODULE = importlib.util.spec_from_file_location("liquidity_worlds", _PATH)
worlds = importlib.util.module_from_spec(_MODULE)
_MODULE.loader.exec_module(worlds)

KINDS = LIQUIDITY_POLICIES.names()
BOUNDS = ["oracle_width"]
ORDINARY = [kind for kind in KINDS if kind not in BOUNDS]
OPENS_NOTHING = {"hold"}
LEARNS = {"learned"}
QUICK = {"kind": "learned", "hidden": 4, "members": 1, "pretrain_steps": 1, "train_steps": 1, "device": "cpu"}

every_policy = pytest.mark.parametrize("kind", KINDS)
ordinary_policy = pytest.mark.parametrize("kind", ORDINARY)
any_quote = pytest.mark.parametrize("quote", ["token0", "token1"])
scenes = given(
    seed=st.integers(0, 10_000),
    quote=st.sampled_from(["token0", "token1"]),
    state=st.sampled_from(worlds.STATES),
    fee_pips=st.sampled_from([500, 3000]),
)
few = settings(max_examples=8, deadline=None, derandomize=True)


def scene(kind, seed, quote, state, fee_pips=3000, **others):
    """Return a view at the end of a made history; an upper bound also sees the swaps to come."""
    pool = worlds.made_pool(quote, fee_pips)
    whole = worlds.made_history(worlds.made_swaps(seed), pool, seed)
    history = whole.until(worlds.BEGIN + worlds.CUT * worlds.HOUR)
    view = worlds.made_view(history, state, forecast=worlds.made_forecast(history, seed), **others)
    if kind in BOUNDS:
        view = replace(view, future=whole.pool.swaps.between(history.cutoff, whole.cutoff))
    return view


@lru_cache
def fitted(kind, quote="token1", fee_pips=3000):
    """Return a policy fitted to the bars before those it decides at; one that learns learns little, and at once."""
    pool = worlds.made_pool(quote, fee_pips)
    train = worlds.made_history(worlds.made_swaps(4), pool).until(worlds.BEGIN + worlds.TRAIN * worlds.HOUR)
    policy = LIQUIDITY_POLICIES.build(QUICK if kind in LEARNS else kind)
    return policy.fit(train, worlds.made_terms(pool), 100.0, RandomStreams(1, train.cutoff))


def decide(kind, view, seed=7):
    pool = view.terms.pool
    return fitted(kind, pool.quote, pool.fee_pips).decide(view, RandomStreams(seed, view.history.cutoff))


def bits(decision):
    shares = [np.float64(each.share).view(np.int64) for each in decision.ranges or ()]
    ticks = None if decision.ranges is None else [(each.lower, each.upper) for each in decision.ranges]
    entropy = np.float64(decision.entropy).view(np.int64)
    return decision.cutoff, ticks, shares, decision.converts, decision.reason, entropy


def frozen(view):
    account = {name: array.tolist() for name, array in to_arrays(view.account).items()}
    forecast = view.forecast.profile.values.tobytes() + view.forecast.offset.values.tobytes()
    return view.history.fingerprint(), repr(account), forecast, view.terms, view.remaining_bars


@pytest.mark.parametrize("how", ["other", "crash", "gone"])
@any_quote
@ordinary_policy
def test_an_altered_future_changes_no_decision_by_a_bit(kind, quote, how):
    cut = worlds.BEGIN + worlds.CUT * worlds.HOUR
    honest = worlds.made_history(worlds.made_swaps(4), worlds.made_pool(quote))
    first = decisions_until(kind, honest, cut)
    second = decisions_until(kind, worlds.altered_after(honest, cut, how), cut)
    assert [bits(each) for each in first] == [bits(each) for each in second]
    assert first[-1].cutoff == cut


def decisions_until(kind, history, cut):
    """Return what an account decides in the four days and an hour before the cut, walking a history that may go on."""
    lane = LiquidityLane(
        kind, fitted(kind, history.pool.pool.quote), reading_forecast, worlds.made_terms(history.pool.pool), 3
    )
    times = history.times[worlds.TRAIN - 1 :]
    seen = history.until(times[0])
    state, first = decide_if_due(lane, open_account(lane, seen, 100.0), seen, worlds.BARS)
    decisions = [first]
    for passed, time in enumerate(times[times <= cut][1:], 1):
        state, done = step(lane, state, history.until(time), worlds.BARS - passed)
        decisions.append(done.decision)
    return [each for each in decisions if each is not None]


def reading_forecast(history, rng):
    """Return a forecast that depends on the last day of the history it is given, as a forecaster's would."""
    day = history.panel.last(24)
    travelled, variance = float(day.field("path_up").sum()), float(day.field("variance").sum())
    seed = int(1e6 * travelled)
    return worlds.made_forecast(history, seed, intensity=3 * travelled, variance=variance)


@ordinary_policy
@few
@scenes
def test_a_future_that_is_shown_to_an_ordinary_policy_is_not_read(kind, seed, quote, state, fee_pips):
    view = scene(kind, seed, quote, state, fee_pips)
    shown = replace(view, future=worlds.made_swaps(seed + 1))
    assert bits(decide(kind, view)) == bits(decide(kind, shown))


@every_policy
@few
@scenes
def test_a_decision_is_repeatable_and_changes_no_input(kind, seed, quote, state, fee_pips):
    view = scene(kind, seed, quote, state, fee_pips)
    before = frozen(view)
    first = bits(decide(kind, view))
    assert frozen(view) == before
    assert bits(decide(kind, scene(kind, seed, quote, state, fee_pips))) == first


@every_policy
@few
@scenes
def test_ranges_lie_on_the_spacing_inside_the_pool_and_share_one_account(kind, seed, quote, state, fee_pips):
    view = scene(kind, seed, quote, state, fee_pips)
    decision = decide(kind, view)
    check_decision(decision, view.terms.pool)
    assert decision.cutoff == view.history.cutoff == view.account.time
    assert sum(each.share for each in decision.ranges or ()) <= 1.0
    assert decision.reason


@any_quote
@every_policy
def test_what_is_decided_can_be_carried_out(kind, quote):
    for state in worlds.STATES:
        view = scene(kind, 2, quote, state)
        decision = decide(kind, view)
        after, done = rebalance(view.account, decision, view.history.cutoff, worlds.LIQUIDITY, view.terms)
        assert done.kind != "refused"
        assert after.equity == pytest.approx(view.account.equity - done.gas - done.conversion, rel=1e-12)


@any_quote
@pytest.mark.parametrize("kind", [kind for kind in ORDINARY if kind not in LEARNS])
def test_a_rule_holds_when_there_is_nothing_to_gain(kind, quote):
    view = scene(kind, 3, quote, "empty")
    quiet = worlds.made_forecast(view.history, 1, intensity=0.0, variance=0.0)
    first = decide(kind, replace(view, forecast=quiet))
    opened, _ = rebalance(view.account, first, view.history.cutoff, worlds.LIQUIDITY, view.terms)
    again = decide(kind, replace(view, forecast=quiet, account=opened))
    assert again.ranges is None
    if kind in OPENS_NOTHING or LIQUIDITY_POLICIES.build(kind).forecaster is not None:
        assert first.ranges is None


@every_policy
def test_the_spec_round_trips_through_a_file(kind):
    spec = LIQUIDITY_POLICIES.build(kind)
    for each in spec.candidates():
        text = dump_yaml(LIQUIDITY_POLICIES.describe(each))
        assert LIQUIDITY_POLICIES.build(load_yaml(text)) == each
        assert hash(LIQUIDITY_POLICIES.build(load_yaml(text))) == hash(each)


@every_policy
def test_candidates_are_few_distinct_and_hold_the_policy_itself(kind):
    spec = LIQUIDITY_POLICIES.build(kind)
    tried = spec.candidates()
    assert spec in tried and len(set(tried)) == len(tried)
    assert len(tried) in (1, 4)


@every_policy
def test_only_an_upper_bound_is_called_one_and_it_decides_nothing_without_the_future(kind):
    spec = LIQUIDITY_POLICIES.build(kind)
    view = scene(kind, 1, "token1", "empty")
    assert spec.is_upper_bound == (kind in BOUNDS)
    if spec.is_upper_bound:
        with pytest.raises(EngineError, match="upper bound"):
            decide(kind, replace(view, future=None))


@every_policy
def test_a_lane_shows_the_future_to_upper_bounds_and_to_nobody_else(kind):
    spec = LIQUIDITY_POLICIES.build(kind)
    view = scene(kind, 1, "token1", "empty")
    wrong = None if spec.is_upper_bound else worlds.made_swaps(1)
    with pytest.raises(EngineError, match="future"):
        LiquidityLane(kind, spec, None, view.terms, 0, wrong)


def test_reading_every_policy_from_a_file_loads_nothing_heavy():
    code = """
import sys
from backtest.amm.policies.base import LIQUIDITY_POLICIES
for kind in LIQUIDITY_POLICIES.names():
    LIQUIDITY_POLICIES.build(kind)
print([name for name in ("numba", "torch", "sklearn", "pandas") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"
