"""A point of a grid trades the account that a run of the point alone trades, to the last bit, under the same trial."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from backtest.experiment import Places, run_spec
from backtest.metrics.trial_correlation import trial_family
from backtest.policies import base
from backtest.policies.base import AbstractPolicy, Decision
from backtest.spec import build_spec
from backtest.sweep import experiment
from backtest.sweep.experiment import by_sharpe, require_sweepable, trade_points
from backtest.sweep.grid import grid_points
from backtest.sweep.kernel import COLUMNS
from backtest.trials import read_trials
from data.errors import SpecError
from data.registry import spec as as_spec

_PATH = Path(__file__).resolve().parents[1] / "oracles" / "small_walk.py"
_SPEC = importlib.util.spec_from_file_location("small_walk", _PATH)
small_walk = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(small_walk)

RIDGE = {"kind": "ridge", "context": 8, "horizon": 3, "levels": small_walk.LEVELS}
EVERY_POLICY = [
    {"kind": "kelly", "fraction": 1.0},
    {"kind": "kelly", "fraction": 0.25, "long_only": True},
    "long_flat",
    "long_short",
    {"kind": "top_k", "k": 1, "long_short": True},
    {"kind": "volatility_target", "target": 0.2},
    "buy_and_hold",
    "equal_weight",
    "cash",
]


@as_spec
class Momentum(AbstractPolicy):
    """Buys more of what it holds: a policy that reads the account."""

    def decide(self, forecast, book, market, rng):
        return Decision(forecast.cutoff, book.series, book.weights * 1.1)


@pytest.fixture(scope="module")
def history():
    return small_walk.small_history()


def points_of(grid, **sections):
    return grid_points(small_walk.small_config(forecaster=RIDGE, **sections, grid=grid))


def swept(points, history, known=frozenset(), **options):
    return trade_points(points, history, known, small_walk.quiet, run="sweep", **options)


def assert_same_as_runs(points, history, folder):
    found = swept(points, history, keep=len(points), threads=2)
    for row, point in enumerate(points):
        run = run_spec(
            point.spec, history, Places(folder / "runs", folder / "trials.jsonl"), small_walk.quiet
        )
        table = run.tables["equity"]
        curve = table.loc[table["lane"] == run.manifest["primary"], "equity"].to_numpy()
        assert curve.tobytes() == found.equity[row].tobytes(), point.label
        assert curve[-1] == found.rows[row, COLUMNS.index("final_equity")]
        trial = read_trials(folder / "trials.jsonl")[-1]
        assert trial.id == found.ids[row]
        [batch] = found.batches
        assert (trial.key, trial.span) == (batch.key, batch.span)
        ratio = found.rows[row, COLUMNS.index("sharpe")]
        assert ratio == pytest.approx(trial.sharpe, rel=1e-9, nan_ok=True)


def test_every_policy_is_swept_to_the_bits_of_a_run(history, tmp_path):
    assert_same_as_runs(points_of({"policy": EVERY_POLICY}), history, tmp_path)


def test_models_limits_costs_and_engine_are_swept_to_the_bits_of_a_run(history, tmp_path):
    grid = {
        "forecaster.context": [8, 12],
        "limits": [{"max_gross": 1.5, "min_trade": 0.03}, {"max_weight": 0.2, "long_only": True}],
        "costs.half_spread_bps": [9.0],
        "engine": [{"kind": "realistic", "units": "fractional", "fill": "close", "participation": 0.01}],
    }
    calibrated = {"kind": "split_conformal", "window": 20, "pooled": True}
    assert_same_as_runs(points_of(grid, calibration=calibrated), history, tmp_path)


def test_points_with_the_same_model_share_one_walk(history, monkeypatch):
    made = []
    original = experiment.make_forecasts
    monkeypatch.setattr(experiment, "make_forecasts", lambda *given: made.append(1) or original(*given))
    swept(
        points_of({"policy.fraction": [0.1, 0.5], "forecaster.context": [8, 12], "limits.max_gross": [1, 2]}),
        history,
    )
    assert len(made) == 2


def test_neither_threads_nor_order_change_a_point(history):
    points = points_of({"policy.fraction": [0.1, 0.25, 0.5, 1.0], "forecaster.context": [8, 12]})
    one, three = swept(points, history), swept(points, history, threads=3)
    assert one.rows.tobytes() == three.rows.tobytes()
    assert one.batches[0].correlation.total.tobytes() == three.batches[0].correlation.total.tobytes()
    backwards = swept(points[::-1], history, threads=2)
    assert one.rows.tobytes() == np.ascontiguousarray(backwards.rows[::-1]).tobytes()


def test_the_correlation_is_of_the_points_that_are_new(history):
    points = points_of({"policy.fraction": [0.1, 0.25, 0.5, 1.0]})
    whole = swept(points, history, keep=4)
    returns = np.array([whole.equity[row][1:] / whole.equity[row][:-1] - 1.0 for row in range(4)])
    [batch] = swept(points, history, known=frozenset(whole.ids[:2])).batches
    assert batch.correlation.count == 2 and batch.ids == whole.ids
    expected = trial_family(returns[2:].T).mean_correlation
    assert batch.correlation.mean_correlation == pytest.approx(expected, rel=1e-9)


def test_only_the_best_curves_are_kept(history):
    points = points_of({"policy": EVERY_POLICY})
    found = swept(points, history, keep=3)
    assert sorted(found.equity) == sorted(by_sharpe(found.rows, range(len(points)))[:3])
    assert not swept(points, history).equity


def test_rows_without_a_ratio_are_last_and_equal_ones_in_order():
    rows = np.zeros((4, len(COLUMNS)))
    rows[:, COLUMNS.index("sharpe")] = [np.nan, 0.1, 0.2, 0.1]
    assert by_sharpe(rows, range(4)) == [2, 1, 3, 0]


def test_a_policy_that_reads_the_account_is_refused_in_words(monkeypatch):
    monkeypatch.setitem(base.POLICIES.kinds, "momentum", f"{__name__}:Momentum")
    monkeypatch.setattr(
        type(base.POLICIES), "load", lambda self, kind: Momentum if kind == "momentum" else _load(self, kind)
    )
    with pytest.raises(
        SpecError, match="policy 'momentum' reads the account; sweeps take buy_and_hold, cash, .*kelly"
    ):
        require_sweepable(points_of({"limits.max_gross": [1, 2]}, policy="momentum"))


_load = type(base.POLICIES).load


def test_points_that_trade_the_same_are_refused():
    many = [RIDGE, {**RIDGE, "context": 9}]
    points = grid_points(small_walk.small_config(forecaster=many, grid={"forecaster.1.context": [9, 10]}))
    with pytest.raises(SpecError, match="are the same strategy: a sweep trades the first forecaster"):
        require_sweepable(points)


def test_another_engine_is_refused():
    points = points_of({"engine": ["realistic", "backtrader"]})
    with pytest.raises(SpecError, match="grid point engine=backtrader does not trade on engine 'realistic'"):
        require_sweepable(points)


def test_no_thread_is_refused(history):
    from backtest.errors import EngineError

    with pytest.raises(EngineError, match="threads was 0"):
        swept(points_of({"policy.fraction": [0.1]}), history, threads=0)
    assert build_spec(small_walk.small_config()).grid == ()
