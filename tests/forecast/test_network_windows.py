"""Windows of networks: those of the slow twin, shared by all folds, and never a label across the split."""

import importlib.util
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.errors import PanelError, SpecError
from data.history import History
from data.panel import Panel
from data.sessions import BarClock
from forecast.models.mlp_network import MlpNetwork
from forecast.models.network_training import Task, planned
from forecast.models.network_windows import (
    WindowCut,
    field_rows,
    joined,
    split_rows,
    windows_of,
)
from forecast.windows import carried


def oracle() -> Any:
    path = Path(__file__).resolve().parents[1] / "oracles" / "windows_oracle.py"
    found = importlib.util.spec_from_file_location(path.stem, path)
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


slow = oracle()


def no_marks(times: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return np.empty((len(times), 0))


def cut(context: int, horizon: int, target: Any = "level", *, is_joint: bool = False) -> WindowCut:
    return WindowCut(context, horizon, target, is_joint, no_marks)


def history_of(values: npt.NDArray[Any], fields: tuple[str, ...] = ("close",)) -> History:
    table = np.asarray(values, float).reshape(len(values), -1, len(fields))
    clock = BarClock()
    times = clock.next(np.datetime64("2019-12-31", "ns"), len(table))
    names = tuple(f"S{i}" for i in range(table.shape[1]))[::-1]
    return History(Panel(times, names, fields, table), clock)


def walk(rows: int, series: int = 1, gaps: float = 0.0, seed: int = 0) -> npt.NDArray[Any]:
    rng = np.random.default_rng(seed)
    values = 50 * np.exp(np.cumsum(0.02 * rng.standard_normal((rows, series)), axis=0))
    values[rng.random((rows, series)) < gaps] = np.nan
    return values


def tasks_of(asked: MlpNetwork, history: History) -> list[Task]:
    (plan,) = planned(asked, [history])
    assert isinstance(plan, list)
    return plan


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    rows=st.integers(10, 60),
    context=st.integers(2, 12),
    horizon=st.integers(1, 6),
    target=st.sampled_from(["level", "log_return", "last_value"]),
    gaps=st.sampled_from([0.0, 0.05, 0.3]),
    seed=st.integers(0, 99),
)
def test_windows_are_those_of_the_slow_twin(
    rows: int, context: int, horizon: int, target: Any, gaps: float, seed: int
) -> None:
    values = walk(rows, 1, gaps, seed)
    made = windows_of(field_rows(history_of(values), ("close",), target), cut(context, horizon, target))
    known = slow.windows(values[:, 0], context, horizon, target)
    assert made.decided.tolist() == [decided for decided, _, _ in known]
    for i, (_, inputs, targets) in enumerate(known):
        np.testing.assert_allclose(made.inputs[i, :, 0], inputs, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(made.targets[i], targets, rtol=1e-5, atol=1e-6)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    first=st.integers(0, 30),
    stop=st.integers(30, 80),
    gaps=st.sampled_from([0.0, 0.2]),
    seed=st.integers(0, 99),
)
def test_a_fold_holds_the_windows_of_its_own_rows_alone(
    first: int, stop: int, gaps: float, seed: int
) -> None:
    values, asked = walk(80, 1, gaps, seed), cut(5, 3)
    made = windows_of(field_rows(history_of(values), ("close",), "level"), asked)
    rows = made.fold_rows((first, stop), 0, asked)
    known = slow.windows(values[:stop, 0], 5, 3, "level", first)
    assert made.decided[rows].tolist() == [decided for decided, _, _ in known]
    for i, (_, inputs, _) in zip(rows, known, strict=True):
        np.testing.assert_allclose(made.inputs[i, :, 0], inputs, rtol=1e-6)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    decided=st.lists(st.integers(0, 60), min_size=1, max_size=60),
    horizon=st.integers(1, 10),
    share=st.floats(0.01, 0.5),
)
def test_no_training_label_is_known_after_the_first_held_out_decision(
    decided: list[int], horizon: int, share: float
) -> None:
    rows = np.array(decided)
    train, valid = split_rows(rows, np.arange(len(rows)), horizon, share)
    fitted, held_out = slow.split(decided, horizon, share)
    assert rows[train].tolist() == fitted
    assert rows[valid].tolist() == held_out
    if len(train):
        assert rows[train].max() + horizon <= rows[valid].min()


def test_without_a_share_every_window_trains() -> None:
    train, valid = split_rows(np.arange(9), np.arange(9), 3, 0.0)
    assert train.tolist() == list(range(9))
    assert not len(valid)


def test_histories_cut_from_one_panel_share_one_table() -> None:
    whole = history_of(walk(100, 2, 0.1))
    parts = [
        field_rows(replace(whole, panel=whole.panel.rows(a, b)), ("close",), "level")
        for a, b in ((30, 90), (0, 60), (10, 70), (40, 100))
    ]
    tables, places = joined(parts)
    assert len(tables) == 1
    assert [first for _, first in places] == [30, 0, 10, 40]
    np.testing.assert_array_equal(tables[0].values, field_rows(whole, ("close",), "level").values)


def test_histories_that_disagree_or_do_not_touch_stay_apart() -> None:
    whole = history_of(walk(100))
    changed = history_of(walk(100) + 1.0)
    rows = [
        field_rows(whole, ("close",), "level"),
        field_rows(changed, ("close",), "level"),
    ]
    assert len(joined(rows)[0]) == 2
    early, late = (replace(whole, panel=whole.panel.rows(*span)) for span in ((0, 40), (60, 100)))
    assert len(joined([field_rows(part, ("close",), "level") for part in (early, late)])[0]) == 2


def test_series_are_pooled_by_name_and_fields_come_in_the_order_asked() -> None:
    values = np.arange(120.0).reshape(20, 3, 2)
    rows = field_rows(history_of(values.reshape(20, 6), ("close", "volume")), ("volume", "close"), "level")
    assert rows.series == ("S0", "S1", "S2")
    np.testing.assert_array_equal(rows.values[:, 0, 0], values[:, 2, 1])
    np.testing.assert_array_equal(rows.values[:, 2, 1], values[:, 0, 0])


def test_a_joint_window_holds_all_series_of_the_forecast_field_first() -> None:
    values = 1.0 + np.arange(160.0).reshape(40, 4)
    rows = field_rows(history_of(values, ("close", "volume")), ("close", "volume"), "level")
    made = windows_of(rows, cut(4, 2, is_joint=True))
    np.testing.assert_array_equal(made.inputs[0, 0], [values[0, 2], values[0, 0], values[0, 3], values[0, 1]])
    np.testing.assert_array_equal(made.targets[0], values[[4, 4, 5, 5], [2, 0, 2, 0]])
    np.testing.assert_array_equal(made.last[0], values[3, [2, 0]])


def test_truths_are_missing_where_no_bar_was_observed() -> None:
    values = walk(40)
    values[20] = np.nan
    made = windows_of(field_rows(history_of(values), ("close",), "level"), cut(5, 5))
    row = np.flatnonzero(made.decided == 18)
    np.testing.assert_array_equal(made.truths(row, 5)[0, :, 0], values[19:24, 0])
    np.testing.assert_allclose(made.targets[row[0]], carried(values)[19:24, 0], rtol=1e-6)


@pytest.mark.parametrize("target", ["level", "log_return", "last_value"])
def test_scales_come_from_the_training_windows_alone(target: Any) -> None:
    values = walk(200)
    asked = MlpNetwork(context=8, horizon=3, target=target)
    (task,) = tasks_of(asked, history_of(values))
    first_held_out = task.windows.decided[task.valid].min()
    changed = values.copy()
    changed[first_held_out + 1 :] *= 3.0
    (other,) = tasks_of(asked, history_of(changed))
    for name, array in task.scaling.arrays().items():
        assert array.tobytes() == other.scaling.arrays()[name].tobytes()
    assert task.windows.inputs[task.train].tobytes() == other.windows.inputs[other.train].tobytes()


def test_folds_planned_together_are_those_planned_alone() -> None:
    whole = history_of(walk(160, 2, 0.05))
    asked = MlpNetwork(context=8, horizon=3)
    trains = [replace(whole, panel=whole.panel.rows(a, b)) for a, b in ((0, 100), (25, 140), (10, 160))]
    for together, train in zip(planned(asked, trains), trains, strict=True):
        (alone,) = tasks_of(asked, train)
        assert isinstance(together, list)
        for rows in ("train", "valid"):
            one, other = getattr(together[0], rows), getattr(alone, rows)
            assert together[0].windows.inputs[one].tobytes() == alone.windows.inputs[other].tobytes()
            assert together[0].windows.targets[one].tobytes() == alone.windows.targets[other].tobytes()
        for name, array in alone.scaling.arrays().items():
            assert array.tobytes() == together[0].scaling.arrays()[name].tobytes()


def test_a_log_return_of_a_value_below_zero_is_refused_with_its_row() -> None:
    values = walk(50)
    values[7] = -2.0
    with pytest.raises(SpecError, match=r"close of S0 is -2 at row 7; log returns need values above 0"):
        field_rows(history_of(values), ("close",), "log_return")


def test_a_field_that_is_not_there_is_named() -> None:
    with pytest.raises(PanelError, match="field 'volume' is not in the panel"):
        field_rows(history_of(walk(50)), ("close", "volume"), "level")
