"""What fits, forecasts and decisions of a whole experiment are shown: every swap and bar they see is older than they may know."""

import importlib.util
from dataclasses import replace
from pathlib import Path

import pytest

from backtest.amm.contest import judge_window, make_contest
from backtest.amm.policies.base import LIQUIDITY_POLICIES, AbstractLiquidityPolicy
from backtest.amm.windows import judged_windows
from forecast.liquidity_scores import liquidity_losses
from forecast.models.liquidity.base import AbstractPoolModel, PoolFitted


def _oracle(name):
    spec = importlib.util.spec_from_file_location(name, Path(__file__).parents[1] / "oracles" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


small, worlds = _oracle("small_contest"), _oracle("liquidity_worlds")

POLICIES = [
    {"kind": "plan", "forecaster": "har", "tried": [0.0], "every": 6},
    {"kind": "volatility_band", "forecaster": "last_value", "tried": [2.0], "horizon": 6, "lookback": 48},
    {"kind": "recentre", "width": 0.03, "tried": [0.06], "every": 6},
    {"kind": "oracle_width", "every": 12},
]
FORECASTERS = [
    {"kind": "har", "horizon": 6, "context": 48, "lags": [6, 24, 48]},
    {"kind": "last_value", "horizon": 6, "context": 12},
]


@pytest.fixture(scope="module")
def spec():
    return small.small_spec(
        policies=POLICIES, forecasters=FORECASTERS, capital=100.0, windows={"bars": 72, "train": 2, "embargo": 6},
        costs={"mint_gas": 0.01, "burn_gas": 0.01, "swap_gas": 0.01},
    )  # fmt: skip


@pytest.fixture(scope="module")
def history():
    return worlds.made_history(worlds.made_swaps(scale=0.0015), worlds.made_pool(fee_pips=10_000))


def latest(history):
    """The latest instant anything in a history knows of."""
    log = history.pool
    known = [history.panel.times[-1:], log.swaps.times[-1:], log.changes.times[-1:]]
    return max(stamp for stamps in known for stamp in stamps)


def watch(patch, cls, name, noted):
    """Note the first thing a method is given at each call, beside whose it is, without changing what it does."""
    honest = getattr(cls, name)

    def watched(self, given, *others):
        noted.append((type(self).__name__, given))
        return honest(self, given, *others)

    patch.setattr(cls, name, watched)


@pytest.fixture(scope="module")
def seen(spec, history):
    """What was shown in each window, (window, fits, forecasts, decisions), and what came of it."""
    fits, forecasts, decisions, found = [], [], [], []
    with pytest.MonkeyPatch.context() as patch:
        for cls in (AbstractLiquidityPolicy, AbstractPoolModel):
            watch(patch, cls, "fit", fits)
        watch(patch, PoolFitted, "predict", forecasts)
        for cls in {type(LIQUIDITY_POLICIES.build(each)) for each in (*POLICIES, "hold", "full_range")}:
            watch(patch, cls, "decide", decisions)
        contest = make_contest(spec, history)
        for window in judged_windows(history, spec.windows):
            outcome = judge_window(contest, window)
            found.append((outcome, tuple(fits), tuple(forecasts), tuple(decisions)))
            for each in (fits, forecasts, decisions):
                each.clear()
    return contest, found


def test_every_fit_ends_an_embargo_before_the_block_it_is_used_on(seen, spec, history) -> None:
    embargo = spec.windows.embargo * worlds.HOUR
    for outcome, fits, _, _ in seen[1]:
        window = outcome.window
        allowed = {history.times[span.first] - embargo for span in (window.validation, window.test)}
        assert {train.cutoff for _, train in fits} == allowed
        assert {name for name, _ in fits} >= {"HarProfile", "LastValue", "Plan", "RecentreWhenOut"}
        for _, train in fits:
            assert train.times[0] == history.times[window.first] and latest(train) <= train.cutoff


def test_every_forecast_and_decision_sees_nothing_later_than_its_cutoff(seen, history) -> None:
    for outcome, _, forecasts, decisions in seen[1]:
        first, last = (
            history.times[at] for at in (outcome.window.validation.first, outcome.window.test.last)
        )
        assert forecasts and all(latest(past) <= past.cutoff < last for _, past in forecasts)
        for _, view in decisions:
            assert latest(view.history) <= view.history.cutoff == view.account.time
            assert first <= view.history.cutoff < last
            assert view.forecast is None or view.forecast.cutoff == view.history.cutoff
        assert any(view.forecast is not None for _, view in decisions)


def test_only_the_upper_bound_is_shown_later_swaps_and_only_those_of_its_block(seen, history) -> None:
    for outcome, _, _, decisions in seen[1]:
        block = outcome.window.test
        shown = [(name, view) for name, view in decisions if view.future is not None]
        assert {name for name, _ in shown} == {"OracleWidth"}
        for _, view in shown:
            assert history.times[block.first] <= view.history.cutoff < view.future.times[0]
            assert view.future.times[-1] <= history.times[block.last]


def test_what_a_forecast_is_scored_on_lies_in_the_test_block(seen, history) -> None:
    for outcome, *_ in seen[1]:
        losses = liquidity_losses(outcome.forecasts, history)
        assert set(losses["model"]) == set(seen[0].forecasters)
        assert (losses["cutoff"] >= history.times[outcome.window.test.first]).all()
        assert (losses["end"] <= history.times[outcome.window.test.last]).all()


def test_no_policy_is_changed_by_those_that_run_beside_it(seen, spec, history) -> None:
    found = seen[1]
    together = {each.lane: each for each in found[0][0].judged}
    for policy in spec.policies:
        alone = judge_window(make_contest(replace(spec, policies=(policy,)), history), found[0][0].window)
        for each in alone.judged:
            other = together[each.lane]
            assert (each.chosen, each.tried) == (other.chosen, other.tried)
            assert repr(each.played.decisions) == repr(other.played.decisions)
            assert each.played.marks["equity"].tobytes() == other.played.marks["equity"].tobytes()
