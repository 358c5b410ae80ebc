"""What a window of a liquidity experiment does, and what it cannot know."""

import importlib.util
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from backtest.amm.account import to_arrays
from backtest.amm.contest import judge_window, make_contest
from backtest.amm.frontier import costs_at, frontier_table, replayed_net
from backtest.amm.means import blocks_table, paired_table, policies_table
from backtest.amm.policies.base import LIQUIDITY_POLICIES
from backtest.amm.tables import window_tables
from backtest.amm.terms import PoolCosts
from backtest.amm.walk import LiquidityLane, decide_if_due, open_account, play, pool_log, step
from backtest.amm.windows import judged_windows
from backtest.errors import EngineError

_SPEC = importlib.util.spec_from_file_location(
    "small_contest", Path(__file__).parents[1] / "oracles" / "small_contest.py"
)
small = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(small)


@pytest.fixture(scope="module")
def contest():
    spec = small.small_spec()
    return make_contest(spec, spec.data.load(Path("unused")))


@pytest.fixture(scope="module")
def windows(contest):
    return judged_windows(contest.history, contest.spec.windows)


@pytest.fixture(scope="module")
def outcome(contest, windows):
    return judge_window(contest, windows[0])


@pytest.fixture(scope="module")
def tables(contest, outcome):
    return window_tables(contest, outcome)


def bits(outcome):
    """Return everything that was decided or earned, bit by bit."""
    return [
        (each.lane, each.chosen, np.array(each.tried).tobytes(), repr(each.played.decisions),
         *(column.tobytes() for column in each.played.marks.values()))
        for each in outcome.judged
    ]  # fmt: skip


def test_what_happens_after_a_test_block_changes_nothing_in_it(contest, windows, outcome) -> None:
    end = contest.history.times[windows[0].test.last]
    other = make_contest(contest.spec, small.with_other_future(contest.history, end))
    assert bits(judge_window(other, windows[0])) == bits(outcome)


def test_what_happens_in_a_test_block_does_not_change_what_was_chosen_before_it(
    contest, windows, outcome
) -> None:
    start = contest.history.times[windows[0].test.first]
    other = judge_window(
        make_contest(contest.spec, small.with_other_future(contest.history, start)), windows[0]
    )
    for one, two in zip(outcome.judged, other.judged, strict=True):
        assert (one.chosen, one.tried) == (two.chosen, two.tried)
        first = one.played.decisions[:1]
        if one.lane != "oracle_width":
            assert first == two.played.decisions[:1] and (not first or first[0].cutoff == start)


def test_the_best_candidate_of_the_validation_block_is_the_one_judged(contest, outcome) -> None:
    static = next(each for each in outcome.judged if each.lane == "static")
    widths = [each.width for each in contest.policies["static"].candidates()]
    assert len(static.tried) == len(widths) == 2
    assert json.loads(static.chosen)["width"] == widths[int(np.argmax(static.tried))]


def test_hold_and_full_range_run_beside_whatever_is_asked(contest, outcome) -> None:
    assert [each.lane for each in outcome.judged] == [
        "static",
        "recentre",
        "oracle_width",
        "hold",
        "full_range",
    ]
    assert contest.asked == ("static", "recentre", "oracle_width")


def test_every_statement_adds_up_to_what_is_left_beyond_holding(tables, outcome) -> None:
    told = tables["statements"]
    net = told["fees"] - told["divergence"] - told["gas"] - told["conversion"]
    np.testing.assert_allclose(net, told["net"], rtol=0, atol=1e-9 * 10_000)
    ends = tables["equity"].groupby("lane").last()
    for row in told.itertuples():
        assert ends.loc[row.lane, "equity"] - ends.loc[row.lane, "hold"] == pytest.approx(row.net, abs=1e-9)


def test_holding_earns_and_costs_nothing(tables) -> None:
    hold = tables["statements"].set_index("lane").loc["hold"]
    assert (hold[["fees", "divergence", "gas", "conversion", "net", "lvr"]] == 0).all()


def test_an_upper_bound_is_never_tested_and_says_what_it_is(contest, tables) -> None:
    policies = policies_table(contest, tables["statements"]).set_index("lane")
    assert policies.loc["oracle_width", "verdict"] == "upper bound, sees the future"
    assert np.isnan(policies.loc[["oracle_width", "hold", "full_range"], "holm_p"]).all()


def test_the_future_is_shown_to_upper_bounds_and_to_nobody_else(contest) -> None:
    swaps = pool_log(contest.history).swaps
    with pytest.raises(EngineError, match="shown to upper bounds, and to nobody else"):
        LiquidityLane("static", contest.policies["static"], None, contest.terms, 0, swaps)
    with pytest.raises(EngineError, match="shown to upper bounds"):
        LiquidityLane("oracle", contest.policies["oracle_width"], None, contest.terms, 0)


def test_strides_give_the_bits_of_walking_bar_by_bar(contest, windows) -> None:
    history, span = contest.history, windows[0].test
    for kind in (
        "static",
        "recentre",
        "tau_reset",
        "volatility_band",
        "passive_rebalance",
        "full_range",
        "hold",
    ):
        policy = LIQUIDITY_POLICIES.build({"kind": kind, "every": 5})
        lane = LiquidityLane(kind, policy, None, contest.terms, 0)
        played = play(lane, history, span, 5000.0)
        seen = history.until(history.times[span.first])
        state, decision = decide_if_due(lane, open_account(lane, seen, 5000.0), seen, span.last - span.first)
        decisions, equities = [decision], []
        for bar in range(span.first + 1, span.last + 1):
            state, done = step(lane, state, history.until(history.times[bar]), span.last - bar)
            decisions.append(done.decision)
            equities.append(done.advanced.equity[0])
        assert repr(played.decisions) == repr(tuple(each for each in decisions if each is not None))
        assert played.marks["equity"].tobytes() == np.array(equities).tobytes()
        stored, walked = to_arrays(played.account), to_arrays(state)
        assert all(stored[name].tobytes() == walked[name].tobytes() for name in stored)


def test_a_policy_paired_with_itself_on_the_same_swaps_is_left_out(contest, tables) -> None:
    paired = paired_table(contest, tables["statements"], "full_range")
    assert "full_range" not in set(paired["lane"])
    nets = tables["statements"].set_index("lane")["net_bps"]
    assert paired.set_index("lane").loc["hold", "difference_bps"] == pytest.approx(-nets["full_range"])


def test_intervals_of_every_block_length_are_shown_and_the_one_used_is_that_of_the_verdict(contest) -> None:
    draws = np.random.default_rng(1)
    told = pd.DataFrame(
        [(label, fold, draws.normal(0, 50) if label != "hold" else 0.0) for label in contest.policies for fold in range(30)],
        columns=["lane", "fold", "net_bps"],
    )  # fmt: skip
    blocks = blocks_table(contest, told)
    assert blocks["used"].tolist() == blocks["block"].tolist()
    assert set(zip(blocks["lane"], blocks["against"], strict=True)) == {
        (label, against)
        for against in ("hold", "full_range")
        for label in contest.policies
        if label != against
    }
    at = blocks[blocks["block"] == 4].set_index(["against", "lane"])[["low", "high"]]
    paired = paired_table(contest, told, "full_range").set_index("lane")[["low", "high"]]
    pd.testing.assert_frame_equal(at.loc["full_range"], paired, check_exact=True)
    short = blocks_table(contest, told[told["fold"] < 9])
    assert short.groupby("block")["used"].first().to_dict() == {2: 2, 4: 3, 6: 3, 8: 3}


def test_the_same_decisions_under_the_same_terms_end_where_the_walk_did(contest, outcome) -> None:
    for each in outcome.judged:
        net = replayed_net(contest, outcome, contest.terms, each.played.decisions, contest.spec.capital)
        assert net == each.played.account.net


def test_more_gas_never_leaves_more(contest, outcome) -> None:
    frontier = frontier_table(contest, outcome)
    wide = frontier.pivot_table(index=["lane", "capital"], columns="gas", values="net_bps")
    assert (wide[4.0] <= wide[0.0] + 1e-9).all()
    small_accounts = wide.xs(1000.0, level="capital")
    moved = [label for label in small_accounts.index if label != "hold"]
    assert (small_accounts.loc[moved, 4.0] < small_accounts.loc[moved, 0.0]).any()


def test_a_move_at_other_gas_keeps_the_shares_of_its_parts() -> None:
    costs = PoolCosts(mint_gas=3.0, burn_gas=2.0, swap_gas=1.0)
    dear = costs_at(costs, 60.0)
    assert (dear.mint_gas, dear.burn_gas, dear.swap_gas) == pytest.approx((30, 20, 10))
    free = costs_at(PoolCosts(mint_gas=0.0, burn_gas=0.0, swap_gas=0.0), 6.0)
    assert (free.mint_gas, free.burn_gas, free.swap_gas) == pytest.approx((2, 2, 2))


def test_ranges_are_open_from_their_action_to_the_next_or_the_end(tables) -> None:
    ranges = tables["ranges"]
    assert (ranges["start"] < ranges["end"]).all() and (ranges["lower_price"] < ranges["upper_price"]).all()
    assert pd.api.types.is_datetime64_any_dtype(ranges["start"])
