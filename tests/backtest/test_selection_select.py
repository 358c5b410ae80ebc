"""Selecting: nothing known is later than the deployment, outcomes are later than it, and luck is not promoted."""

import importlib.util
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backtest.errors import MetricError
from backtest.selection.conventions import TRADING
from backtest.selection.deployments import deployments, outcomes
from backtest.selection.judgement import draw_luck
from backtest.selection.pool import accounts, known_at
from backtest.selection.promotion import promote
from backtest.selection.select import Selection, select
from backtest.selection.settings import SelectionSettings, parse_ks
from backtest.selection.sharpe_at_k import Outcome, top_k
from backtest.selection.utility import annual_value, utilities
from data.errors import SpecError


def _load(name: str) -> Any:
    path = Path(__file__).resolve().parents[1] / "oracles" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


made = _load("made_pool")
CHEAP = ("walk_forward", "lower_bound", "shrinkage", "deflated_sharpe", "single_walk_forward")


def chosen(**changes: Any) -> SelectionSettings:
    base: dict[str, Any] = {
        "ks": (2, 3, 4),
        "estimators": CHEAP,
        "permutations": 400,
        "resamples": 200,
        "baseline": "cash",
    }
    return SelectionSettings(**{**base, **changes})


def quiet(*_: Any) -> None:
    """Say nothing."""


def skilled(seed: int) -> np.ndarray:
    """Six candidates that know nothing and two that do."""
    returns = made.noise(seed)
    returns[:, [2, 5]] += 0.004
    return returns


@pytest.fixture(scope="module")
def done() -> Selection:
    return select(made.made_pool(skilled(0)), chosen(), quiet)


def test_skill_is_found_and_promoted(done: Selection) -> None:
    assert set(done.ranking_now[:2]) == {"c02", "c05"}
    assert done.promotion.is_promoted
    assert done.promotion.p_value <= 0.05
    assert set(done.promotion.candidates) >= {"c02", "c05"}
    assert "corrected for the search over 3 k" in done.promotion.reason


def test_luck_is_not_promoted_more_often_than_promised() -> None:
    worlds = 60
    promoted = sum(
        select(
            made.made_pool(made.noise(seed)), chosen(estimators=("lower_bound",)), quiet
        ).promotion.is_promoted
        for seed in range(worlds)
    )
    # 5 % of 60 is 3; eight or more happen once in 100 times.
    assert promoted <= 7


def test_the_table_is_the_median_over_closed_deployments(done: Selection) -> None:
    pool = made.made_pool(skilled(0))
    begun = accounts(pool)
    closed = [each for each in deployments(pool, begun, chosen()) if each.is_closed]
    worth = utilities(np.column_stack([each.returns for each in pool.candidates]), made.Q)
    ranks = done.rankings[done.rankings["estimator"] == "walk_forward"]
    ratios = []
    for date in closed:
        known = worth[begun.start : date.row + 1].mean(axis=0)
        values = annual_value(worth[date.row + 2 : date.row + 41], made.Q)
        order = np.argsort(-known)
        variances = outcomes(pool, begun, (date,))["cash"][0].variances
        ratios.append(top_k(order, Outcome(values, 0.0, variances), 3, convention=TRADING).sharpe_ratio)
        rows = ranks[ranks["deployed_at"] == date.at]
        assert rows["value"].to_numpy() == pytest.approx(values)
        assert np.argsort(rows["rank"].to_numpy()).tolist() == order.tolist()
    table = done.table
    row = table[
        (table["estimator"] == "walk_forward") & (table["baseline"] == "cash") & (table["k"] == 3)
    ].iloc[0]
    assert row["sharpe_ratio_at_k"] == pytest.approx(np.median(ratios))
    assert row["deployments"] == len(closed) == 12
    assert row["low"] <= row["sharpe_ratio_at_k"] <= row["high"]


@settings(derandomize=True, deadline=None, max_examples=6)
@given(st.integers(0, 10), st.integers(0, 99))
def test_no_ranking_moves_when_only_the_future_does(which: int, seed: int) -> None:
    names = (*CHEAP, "regime_weighted")
    pool = made.made_pool(made.noise(seed))
    given_settings = chosen(estimators=names, permutations=200)
    row = deployments(pool, accounts(pool), given_settings)[which].row
    future = np.random.default_rng(seed).normal(0, 0.03, (len(pool.times) - row - 1, 8))
    changed = [
        replace(each, returns=np.concatenate([each.returns[: row + 1], future[:, i]]))
        for i, each in enumerate(pool.candidates)
    ]
    regime = pool.regime.copy()
    regime[row + 1 :] += 5.0
    other = replace(pool, candidates=tuple(changed), regime=regime)
    before = select(pool, given_settings, quiet).rankings
    after = select(other, given_settings, quiet).rankings
    at = pool.times[row]
    columns = ["estimator", "deployed_at", "candidate", "estimate", "flag", "rank", "is_distinct"]
    known = before["deployed_at"] <= at
    pd.testing.assert_frame_equal(before.loc[known, columns], after.loc[known, columns], check_exact=True)
    assert not before["value"].equals(after["value"])


def test_an_outcome_begins_after_the_orders_have_filled_and_never_overlaps(done: Selection) -> None:
    frame = done.deployments
    day = np.timedelta64(1, "D")
    assert ((frame["outcome_from"] - frame["deployed_at"]) == 2 * day).all()
    closed = frame[frame["is_closed"]]
    later = frame["deployed_at"].to_numpy()[1:][: len(closed)]
    assert (closed["outcome_until"].to_numpy()[: len(later)] <= later).all()


def test_only_closed_windows_count() -> None:
    pool = made.made_pool(skilled(1))
    longer = select(pool, chosen(), quiet)
    assert longer.deployments["is_closed"].tolist() == [True] * 11 + [True]
    short = select(cut(pool, 630), chosen(), quiet)
    assert short.deployments["is_closed"].tolist() == [True] * 11 + [False]
    assert short.table["deployments"].max() == 11
    open_values = short.rankings[short.rankings["deployed_at"] == short.deployments["deployed_at"].iloc[-1]][
        "value"
    ]
    assert open_values.isna().all()


def cut(pool: Any, rows: int) -> Any:
    candidates = tuple(replace(each, returns=each.returns[:rows]) for each in pool.candidates)
    return replace(
        pool,
        times=pool.times[:rows],
        candidates=candidates,
        benchmark=pool.benchmark[:rows],
        folds=pool.folds[:rows],
        dates=pool.dates[pool.dates < pool.times[rows - 1]],
        regime=pool.regime[:rows],
    )


def test_the_order_of_candidates_decides_nothing() -> None:
    pool = made.made_pool(skilled(2))
    turned = replace(pool, candidates=pool.candidates[::-1])
    one, other = (select(each, chosen(), quiet) for each in (pool, turned))
    assert one.ranking_now == other.ranking_now
    names = ["estimator", "baseline", "k", "sharpe_ratio_at_k", "best", "regret", "violation_rate"]
    pd.testing.assert_frame_equal(one.table[names], other.table[names])


def test_copies_are_one_bet() -> None:
    returns = skilled(3)
    copies = np.column_stack([returns, returns[:, 2], returns[:, 2] * 0.5])
    found = select(made.made_pool(copies), chosen(), quiet)
    assert (found.deployments["distinct_candidates"] == 8).all()
    assert sum(name in ("c02", "c08", "c09") for name in found.ranking_now) == 1
    with_all = select(made.made_pool(copies), chosen(ks=(9,)), quiet)
    row = with_all.table.iloc[0]
    assert math.isnan(row["sharpe_ratio_at_k"])
    assert row["flag"] == "n/a (fewer than k candidates have an estimate)"


def test_estimators_that_cannot_tell_say_so_and_promote_nothing() -> None:
    found = select(
        made.made_pool(skilled(4)),
        chosen(estimators=("in_sample", "cpcv_mean"), promote_by="in_sample"),
        quiet,
    )
    assert found.table["sharpe_ratio_at_k"].isna().all()
    assert set(found.rankings["flag"]) == {
        "n/a (this candidate has no in_sample returns)",
        "n/a (this candidate has no cross_validated returns)",
    }
    assert not found.promotion.is_promoted
    assert found.ranking_now == ()
    assert "no k has a SharpeRatio@k" in found.promotion.reason


def test_equal_estimates_rank_by_name_and_are_still_a_guess() -> None:
    found = select(
        made.made_pool(made.noise(5), refits=made.Constant(1e-4)),
        chosen(estimators=("in_sample",), promote_by="in_sample"),
        quiet,
    )
    assert found.ranking_now == tuple(f"c{i:02d}" for i in range(8))


def test_the_noise_floor_only_lowers_a_ratio_and_the_text_of_the_paper_defines_one_strategy() -> None:
    pool = made.made_pool(skilled(0))
    tables = {
        name: select(pool, chosen(convention=name, ks=(1, 2, 3)), quiet).table
        for name in ("code", "trading", "paper_text")
    }
    ratios = {name: table["sharpe_ratio_at_k"] for name, table in tables.items()}
    later = tables["code"]["k"] > 1
    assert (ratios["trading"][later] <= ratios["code"][later]).all()
    assert ratios["code"][~later].isna().all()
    assert ratios["paper_text"].notna().all()
    assert set(tables["code"]["flag"][~later]) == {"undefined for k = 1"}


def test_one_k_is_fixed_beforehand_and_needs_no_correction() -> None:
    found = select(made.made_pool(skilled(0)), chosen(ks=(2,)), quiet)
    assert found.table["p_value"].to_numpy() == pytest.approx(
        found.table["p_value_over_k"].to_numpy(), abs=0.01
    )
    assert "k was fixed beforehand" in found.promotion.reason


def test_too_many_losers_are_not_promoted_however_small_the_p_value() -> None:
    returns = skilled(0) - 0.006
    found = select(made.made_pool(returns), chosen(violation_limit=0.0), quiet)
    assert not found.promotion.is_promoted


def test_few_deployments_promote_nothing_and_have_no_interval() -> None:
    found = select(made.made_pool(skilled(0)), chosen(every=3), quiet)
    assert found.table["deployments"].max() == 4
    assert found.table["low"].isna().all()
    assert not found.promotion.is_promoted
    assert "on 5 deployments" in found.promotion.reason


def test_differences_are_paired_and_an_estimator_does_not_differ_from_itself(done: Selection) -> None:
    assert set(done.differences["estimator"]) == set(CHEAP) - {"lower_bound"}
    assert (done.differences["low"] <= done.differences["high"]).all()
    twin = select(made.made_pool(skilled(0)), chosen(estimators=("walk_forward", "lower_bound")), quiet)
    both = [each.differences.query("estimator == 'walk_forward'")["low"].tolist() for each in (done, twin)]
    assert both[0] == both[1]


def test_a_sealed_period_is_judged_alone() -> None:
    pool = made.made_pool(skilled(0))
    since = pool.times[400]
    found = select(pool, chosen(), quiet, since=since)
    assert (found.deployments["deployed_at"] >= since).all()
    assert len(found.deployments) == 6


def test_the_same_seed_gives_the_same_bits_and_another_the_same_verdict(done: Selection) -> None:
    again = select(made.made_pool(skilled(0)), chosen(), quiet)
    pd.testing.assert_frame_equal(done.table, again.table, check_exact=True)
    other = select(made.made_pool(skilled(0)), chosen(seed=1), quiet)
    assert other.promotion.candidates == done.promotion.candidates


def test_the_benchmark_is_held_at_the_same_volatility() -> None:
    returns = made.noise(6)
    pool = made.made_pool(returns, benchmark=3.0 * returns[:, 0])
    begun = accounts(pool)
    closed = tuple(each for each in deployments(pool, begun, chosen()) if each.is_closed)
    for cash, benchmark in zip(*outcomes(pool, begun, closed).values(), strict=True):
        assert cash.baseline == 0.0
        assert benchmark.baseline == pytest.approx(cash.values[0])


def test_what_does_not_fit_is_refused_with_its_value() -> None:
    pool = made.made_pool(made.noise(7))
    cases: list[tuple[type[Exception], str, dict[str, Any]]] = [
        (MetricError, "k was 9; 8 candidates", {"ks": (2, 9)}),
        (SpecError, "outcome was 60 bars; the next deployment comes after 40", {"outcome": 60}),
        (SpecError, "16 folds leave no deployment after a warm-up of 30", {"warm_up": 30}),
        (SpecError, "the outcome window is 20 bars; at least 21", {"outcome": 20}),
    ]
    for error, message, changes in cases:
        with pytest.raises(error, match=message):
            select(pool, chosen(**changes), quiet)
    with pytest.raises(SpecError, match="none of 1 deployments has an outcome window"):
        select(cut(pool, 195), chosen(warm_up=4, outcome=40), quiet)
    with pytest.raises(MetricError, match="distinct ids"):
        replace(pool, candidates=())
    with pytest.raises(MetricError, match="benchmark has 3 rows"):
        replace(pool, benchmark=np.zeros(3))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"convention": "papr_text"}, "did you mean 'paper_text'"),
        ({"estimators": ("walk_forwards",)}, "did you mean 'walk_forward'"),
        ({"promote_by": "in_sample"}, "promote_by was 'in_sample'; it must be one of"),
        ({"ks": (3, 2)}, r"ks were \[3, 2\]"),
    ],
)
def test_settings_that_contradict_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        chosen(**changes)


def test_k_is_read_as_a_number_a_list_or_a_range() -> None:
    assert parse_ks("3") == (3,)
    assert parse_ks("5,2,3") == (2, 3, 5)
    assert parse_ks("1..4") == (1, 2, 3, 4)
    for text in ("", "x", "0", "4..1", "1..", "0..3"):
        with pytest.raises(SpecError, match="a number, a list or a range"):
            parse_ks(text)


def test_luck_is_drawn_once_for_all() -> None:
    pool = made.made_pool(made.noise(8))
    luck = draw_luck(pool, 11, chosen())
    assert luck.orders.shape == (400, 8)
    assert luck.resampled.shape == (200, 11)
    assert not draw_luck(pool, 4, chosen()).resampled.size


def test_known_at_ends_with_its_date() -> None:
    pool = made.made_pool(made.noise(9))
    known = known_at(pool, accounts(pool), 200)
    assert known.at == pool.times[200]
    assert len(known.records[0].utilities) == len(known.folds) == len(known.regime) == 200 - 21 + 1
    assert np.array_equal(known.regime_now, pool.regime[138:201])
    assert np.array_equal(known.regime[-1], pool.regime[199])


def test_nothing_is_promoted_without_candidates_enough_now(done: Selection) -> None:
    from backtest.selection.judgement import Case, judge
    from backtest.selection.rankings import rankings

    pool = made.made_pool(skilled(0))
    begun, asked = accounts(pool), chosen(estimators=("lower_bound",))
    closed = tuple(each for each in deployments(pool, begun, asked) if each.is_closed)
    found = rankings(pool, begun, [each.row for each in closed], asked.estimators, quiet)["lower_bound"]
    case = Case(pool, begun, closed, "cash", outcomes(pool, begun, closed)["cash"])
    judged = judge(case, "lower_bound", found, draw_luck(pool, len(closed), asked), asked)
    assert promote(judged, done.ranking_now, asked).is_promoted
    assert not promote(judged, done.ranking_now[:1], asked).is_promoted
