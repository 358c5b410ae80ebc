"""The p-value of a whole search: right by hand, uniform without an edge, small with one, and loud about impossible gains."""

import importlib.util
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from backtest.audit.null_test import (
    NullTest,
    excess_over_matched,
    net_returns,
    p_value,
    run_null_test,
    searched,
)
from backtest.audit.span import Span, make_span
from backtest.audit.worlds import make_world
from backtest.metrics.returns import Returns
from backtest.metrics.significance import deflated_sharpe
from backtest.spec import build_spec
from data.errors import SpecError

_PATH = Path(__file__).resolve().parents[1] / "oracles" / "leaks.py"
_SPEC = importlib.util.spec_from_file_location("wayfold_leaks", _PATH)
leaks = importlib.util.module_from_spec(_SPEC)
sys.modules[_SPEC.name] = leaks
_SPEC.loader.exec_module(leaks)

LEVELS = [0.1, 0.5, 0.9]


def quiet(*_: Any) -> None:
    """Say nothing."""


@pytest.fixture(autouse=True, scope="module")
def known() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        leaks.register(patch.setitem)
        yield


def span_of(models: list[str], **sections: Any) -> Span:
    forecasters = [{"kind": kind, "context": 8, "horizon": 5, "levels": LEVELS} for kind in models]
    config = {
        "data": {"kind": "synthetic", "process": "gbm", "count": 1, "bars": 100, "drift": 0.0, "calendar": "XNYS"},
        "forecaster": forecasters,
        "folds": {"kind": "rolling", "train": 40, "test": 40},
        "policy": "long_short",
        "costs": {"kind": "custom", "half_spread_bps": 1.0},
        **sections,
    }  # fmt: skip
    return make_span(build_spec(config), Path(), 1)


def best_deflated(span: Span) -> float:
    """The deflated Sharpe ratio of the best account, all accounts counted; NaN where it never traded."""
    returns = [each.returns for each in searched(span, span.raw)]
    ratios = [float(r.mean() / r.std(ddof=1)) if r.std() > 0 else 0.0 for r in returns]
    best = Returns(returns[int(np.argmax(ratios))], 252.0)
    return deflated_sharpe(best, len(ratios), float(np.std(ratios))).value


def test_p_is_one_more_than_the_worlds_as_good_over_one_more_than_all() -> None:
    assert p_value(2.0, [1.0, 2.0, 3.0]) == 3 / 4
    assert p_value(4.0, [1.0] * 99) == 0.01
    assert p_value(0.0, [0.0] * 19) == 1.0


def test_all_worlds_count_in_the_one_p_value_and_each_kind_is_told_apart() -> None:
    test = NullTest(0.1, "ridge", 2, 0.03, 100, {"garch_t": (0.0, 0.2), "random_walk": (0.0, 0.05)})
    assert (test.count, test.p_value, test.least_p_value) == (4, 2 / 5, 1 / 5)
    assert (test.reached("garch_t"), test.reached("random_walk")) == (1, 0)
    assert "in 1 of 4 worlds: p = 0.400 (smallest possible 0.200)" in test.sentences()[0]
    assert "luck is not ruled out" in test.sentences()[0]
    assert "the best of 2 accounts (ridge): net of costs +3.0% a year" in test.sentences()[1]
    sure = replace(test, worlds={"garch_t": (0.0,) * 19})
    assert "luck alone is unlikely" in sure.sentences()[0]


def test_the_matched_holding_has_the_accounts_volatility() -> None:
    rng = np.random.default_rng(0)
    held, own = rng.normal(0, 0.01, 500), rng.normal(0, 0.03, 500)
    excess = excess_over_matched(own, held)
    assert (own - excess).std() == pytest.approx(own.std())
    np.testing.assert_allclose(own - excess, 0.03 / 0.01 * held, rtol=0.15)
    assert excess_over_matched(0.5 * held, held) == pytest.approx(0, abs=1e-15)
    np.testing.assert_array_equal(excess_over_matched(own, np.zeros(500)), own)


def test_an_account_that_is_ruined_earns_nothing_more() -> None:
    np.testing.assert_allclose(net_returns(np.array([100.0, 110.0, 0.0, 0.0])), [0.1, -1.0, 0.0])


def test_buying_and_holding_is_its_own_match() -> None:
    span = span_of(["naive"], policy="buy_and_hold", limits={"max_weight": 1.0})
    done = searched(span, span.raw)[0]
    assert abs(done.excess_growth) < 0.02


def test_an_account_that_never_trades_is_as_good_as_every_other_that_does_not() -> None:
    span = span_of(["naive"])
    test = run_null_test(span, 2, quiet)
    assert (test.statistic, test.p_value) == (0.0, 1.0)


def test_more_worlds_leave_the_first_ones_as_they_were() -> None:
    span = span_of(["drift"])
    few, more = run_null_test(span, 1, quiet), run_null_test(span, 3, quiet)
    assert {kind: values[:1] for kind, values in more.worlds.items()} == few.worlds
    assert few.statistic == more.statistic


def test_no_world_is_refused() -> None:
    with pytest.raises(SpecError, match="worlds was 0; at least 1"):
        run_null_test(span_of(["drift"]), 0, quiet)


def test_without_an_edge_the_whole_search_is_promoted_no_more_often_than_the_level_says() -> None:
    """Twenty worlds, each audited with 19 of its own; scripts/studies/audit.py has the large version."""
    span, p_values, promoted = span_of(["drift"]), [], 0
    for number in range(20):
        world = make_world(span.raw, "random_walk", 1000 + number, 8)
        outer = replace(span, spec=replace(span.spec, seed=number), raw=world)
        test = run_null_test(outer, 19, quiet, kinds=("random_walk",))
        p_values.append(test.p_value)
        promoted += test.p_value <= 0.05 and best_deflated(outer) > 0.95
        assert not test.earns_from_nothing
    assert np.mean(np.array(p_values) <= 0.05) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 20)
    assert 0.5 - 3 / np.sqrt(12 * 20) < np.mean(p_values) < 0.5 + 3 / np.sqrt(12 * 20) + 1 / 20
    assert promoted / 20 <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 20)


def test_a_real_edge_has_the_smallest_p_value() -> None:
    trending = {
        "kind": "synthetic", "process": "ar", "autocorrelation": 0.6, "count": 2, "bars": 300, "drift": 0.0,
        "calendar": "XNYS", "seed": 1,
    }  # fmt: skip
    span = span_of(
        ["ar"], data=trending, folds={"kind": "rolling", "train": 100, "test": 150, "decide_every": 1}
    )
    test = run_null_test(span, 5, quiet)
    assert test.p_value == test.least_p_value
    assert test.excess_growth > 0
    assert not test.earns_from_nothing


def test_an_experiment_that_earns_where_nothing_can_be_known_is_called_a_leak() -> None:
    config = leaks.config(
        "shift(-1)",
        policy="long_short",
        folds={"kind": "rolling", "train": 100, "test": 60, "decide_every": 1},
    )
    config["forecaster"]["horizon"] = 1
    test = run_null_test(make_span(build_spec(config), Path(), 1), 1, quiet)
    assert test.earns_from_nothing
    assert "LEAK: the experiment earns money in worlds in which nothing can be known" in test.sentences()[0]
