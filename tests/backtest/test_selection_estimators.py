"""Estimators of a strategy's future value: each formula, each refusal, and none that sees anything but what it is given."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from backtest.errors import MetricError
from backtest.metrics.returns import Returns
from backtest.metrics.significance import deflated_sharpe
from backtest.selection.estimators.base import (
    ANCHORED,
    CROSS_VALIDATED,
    ESTIMATORS,
    IN_SAMPLE,
    ROLLING,
    Estimate,
    Known,
    Record,
    Replay,
)
from backtest.selection.estimators.regime_weighted import density_ratio, effective_sample, logistic
from backtest.selection.estimators.shrinkage import shrunk
from backtest.selection.settings import MANY
from backtest.selection.utility import value_variance
from data.errors import SpecError

Q = 252.0
RNG = np.random.default_rng(0)
WORTH = RNG.normal(0.0004, 0.006, (200, 3)) * np.array([1.0, 1.0, 3.0])


def known(worth: np.ndarray = WORTH, **changes: Any) -> Known:
    rng = np.random.default_rng(1)
    records = tuple(Record(f"c{i}", worth[:, i], worth[:, i]) for i in range(worth.shape[1]))
    regime = rng.normal(size=(len(worth), 2))
    base = Known(
        np.datetime64("2020-01-01", "ns"),
        Q,
        records,
        np.arange(len(worth)) // 50,
        regime,
        rng.normal(size=(63, 2)),
    )
    return replace(base, **changes)


def values(name: str, given: Known, **settings: Any) -> list[float]:
    return [each.value for each in ESTIMATORS.build({"kind": name, **settings}).estimate(given)]


def test_every_estimator_is_registered_and_compared_by_default() -> None:
    assert set(MANY) == set(ESTIMATORS.names())


def test_walk_forward_is_the_annual_mean_and_the_single_one_that_of_the_last_fold() -> None:
    assert values("walk_forward", known()) == pytest.approx(Q * WORTH.mean(axis=0))
    assert values("single_walk_forward", known()) == pytest.approx(Q * WORTH[150:].mean(axis=0))


@pytest.mark.parametrize(
    ("name", "need"),
    [
        ("in_sample", IN_SAMPLE),
        ("anchored_walk_forward", ANCHORED),
        ("rolling_walk_forward", ROLLING),
        ("cpcv_mean", CROSS_VALIDATED),
        ("cpcv_lower_quantile", CROSS_VALIDATED),
    ],
)
def test_what_a_model_cannot_give_is_flagged_and_what_it_can_is_read(name: str, need: str) -> None:
    given = known()
    refused = Replay(np.empty((0, 0)), "n/a (too short)")
    paths = Replay(np.tile(WORTH[:, 0], (4, 1)) * np.arange(1, 5)[:, None])
    records = (
        replace(given.records[0], extras={need: paths}),
        replace(given.records[1], extras={need: refused}),
        given.records[2],
    )
    found = ESTIMATORS.build(name).estimate(replace(given, records=records))
    base = Q * WORTH[:, 0].mean()
    share = {"cpcv_mean": 2.5, "cpcv_lower_quantile": 1.75}.get(name, 1.0)
    assert found[0].value == pytest.approx(share * base)
    assert (found[1].flag, math.isnan(found[1].value)) == ("n/a (too short)", True)
    assert found[2].flag == f"n/a (no {need} returns were made)"


def test_the_lower_bound_takes_off_the_error() -> None:
    found = values("lower_bound", known(), z=2.0)
    wanted = [Q * x.mean() - 2 * math.sqrt(value_variance(x, Q)) for x in WORTH.T]
    assert found == pytest.approx(wanted)
    assert values("lower_bound", known(), z=0.0) == pytest.approx(values("walk_forward", known()))


def test_shrinkage_draws_the_noisiest_most_and_all_when_nothing_differs() -> None:
    drawn = shrunk(np.array([0.0, 1.0, 2.0]), np.array([0.01, 0.01, 4.0]))
    assert drawn == pytest.approx([1.0, 1.0, 1.0])
    drawn = shrunk(np.array([0.0, 3.0, 6.0]), np.array([1.0, 1.0, 4.0]))
    spread = 9.0 - 2.0
    assert drawn == pytest.approx([3 - 3 * spread / (spread + 1), 3.0, 3 + 3 * spread / (spread + 4)])
    assert shrunk(np.array([0.0, 2.0]), np.zeros(2)).tolist() == [0.0, 2.0]
    assert shrunk(np.array([5.0]), np.array([1.0])).tolist() == [5.0]


def test_the_deflated_rank_counts_every_candidate() -> None:
    ratios = [x.mean() / x.std(ddof=1) for x in WORTH.T]
    wanted = [deflated_sharpe(Returns(x, Q), 3, float(np.std(ratios, ddof=1))).value for x in WORTH.T]
    assert values("deflated_sharpe", known()) == pytest.approx(wanted)


def test_a_strategy_that_never_traded_has_no_deflated_rank() -> None:
    worth = WORTH.copy()
    worth[:, 1] = 0.0
    found = ESTIMATORS.build("deflated_sharpe").estimate(known(worth))
    assert found[1].flag == "returns are constant"
    assert not found[0].flag


def test_equal_regimes_give_the_plain_mean() -> None:
    regime = np.tile(np.array([[0.0, 1.0], [1.0, 0.0]]), (100, 1))
    given = known(regime=regime, regime_now=regime[:50])
    assert values("regime_weighted", given) == pytest.approx(values("walk_forward", given), rel=1e-6)


def test_the_regime_now_decides_which_periods_count() -> None:
    calm = np.arange(200) < 100
    regime = np.column_stack([np.where(calm, -1.0, 1.0), np.zeros(200)])
    regime += 0.5 * np.random.default_rng(3).normal(size=(200, 2))
    worth = np.where(calm, 0.001, -0.001)[:, None] + np.zeros((200, 2))
    now = np.array([-1.0, 0.0]) + 0.5 * np.random.default_rng(4).normal(size=(60, 2))
    assert values("walk_forward", known(worth)) == pytest.approx([0.0, 0.0], abs=1e-12)
    assert min(values("regime_weighted", known(worth, regime=regime, regime_now=now))) > 0.8 * Q * 0.001


def test_a_market_without_its_like_is_refused() -> None:
    regime = np.random.default_rng(5).normal(size=(200, 2))
    found = ESTIMATORS.build("regime_weighted").estimate(known(regime=regime, regime_now=regime[:60] + 4.0))
    assert all(each.flag.startswith("refused: effective sample") for each in found)
    unknown = np.full((200, 2), np.nan)
    found = ESTIMATORS.build("regime_weighted").estimate(known(regime=unknown))
    assert found[0].flag == "n/a (the regime of 0 past and 63 present periods is known)"


def test_the_density_ratio_is_that_of_two_normals() -> None:
    rng = np.random.default_rng(6)
    past, now = rng.normal(0, 1, (20_000, 1)), rng.normal(0.5, 1, (20_000, 1))
    wanted = np.exp(0.5 * past[:, 0] - 0.125)
    assert np.median(np.abs(np.log(density_ratio(past, now) / wanted))) < 0.03
    assert density_ratio(past, now).mean() == pytest.approx(1.0, abs=0.03)


def test_samples_that_do_not_overlap_give_finite_weights() -> None:
    past, now = np.zeros((50, 1)), np.ones((50, 1)) * 1e6
    assert np.isfinite(density_ratio(past, now)).all()
    assert np.isfinite(density_ratio(np.ones((40, 2)), np.ones((40, 2)))).all()


def test_the_logistic_regression_meets_its_first_order_condition() -> None:
    rng = np.random.default_rng(7)
    design = np.column_stack([np.ones(300), rng.normal(size=(300, 2))])
    label = (rng.random(300) < 1 / (1 + np.exp(-design @ np.array([0.3, 1.0, -0.5])))).astype(float)
    slopes = logistic(design, label)
    gradient = design.T @ (label - 1 / (1 + np.exp(-design @ slopes))) - np.array([0, 1, 1]) * slopes
    assert np.abs(gradient).max() < 1e-8


def test_the_effective_sample_counts_equal_weights_fully() -> None:
    assert effective_sample(np.full(40, 3.0)) == pytest.approx(40)
    assert effective_sample(np.array([1.0, 0, 0])) == 1.0
    assert effective_sample(np.zeros(3)) == 0.0


@pytest.mark.parametrize("name", ["walk_forward", "single_walk_forward", "lower_bound", "shrinkage"])
def test_too_short_a_record_is_no_estimate(name: str) -> None:
    found = ESTIMATORS.build(name).estimate(known(WORTH[:15], folds=np.zeros(15, int)))
    assert [each.flag for each in found] == ["n/a (15 < 20 periods)"] * 3


def test_an_estimate_is_finite_or_says_why_not() -> None:
    with pytest.raises(MetricError, match="estimate was inf"):
        Estimate(math.inf, "flag")
    with pytest.raises(MetricError, match="estimate was nan"):
        Estimate(math.nan)
    with pytest.raises(MetricError, match="record of 'a'"):
        Record("a", np.zeros(3), np.array([0.0, np.nan, 0.0]))


def test_unknown_estimators_and_settings_are_named() -> None:
    with pytest.raises(SpecError, match="did you mean 'lower_bound'"):
        ESTIMATORS.build("lower_bond")
    with pytest.raises(SpecError, match="level"):
        ESTIMATORS.build({"kind": "cpcv_lower_quantile", "level": 1.5})
