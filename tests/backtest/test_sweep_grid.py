"""A grid is every combination of its values, each an experiment of its own, and says what is wrong with it."""

from typing import Any

import pytest

from backtest.configuration import apply_overrides
from backtest.spec import build_spec
from backtest.sweep import axes
from backtest.sweep.axes import grid_axes
from backtest.sweep.grid import grid_points, require_single
from data.errors import SpecError

CONFIG: dict[str, Any] = {
    "data": {"kind": "synthetic", "bars": 100},
    "forecaster": {"kind": "bootstrap", "context": 20, "horizon": 3},
    "folds": {"kind": "rolling", "train": 50, "test": 20},
    "policy": "kelly",
    "costs": "us_equities",
}


def with_grid(**axes: list[Any]) -> dict[str, Any]:
    return {**CONFIG, "grid": {path.replace("__", "."): values for path, values in axes.items()}}


def test_points_are_all_combinations_with_the_last_axis_fastest() -> None:
    points = grid_points(with_grid(policy__fraction=[0.1, 0.25], limits__max_gross=[1, 0.5, 0.3]))
    assert [list(point.assignment.values()) for point in points] == [
        [0.1, 1], [0.1, 0.5], [0.1, 0.3], [0.25, 1], [0.25, 0.5], [0.25, 0.3],
    ]  # fmt: skip
    assert points[1].label == "policy.fraction=0.1, limits.max_gross=0.5"


def test_a_point_is_the_file_with_the_same_overrides() -> None:
    many = {**CONFIG, "forecaster": [CONFIG["forecaster"], "ridge"]}
    many["forecaster"][1] = {"kind": "ridge", "context": 20, "horizon": 3}
    config = {**many, "grid": {"forecaster.0.context": [20, 30], "costs.slippage_bps": [1, 7]}}
    for point in grid_points(config):
        overrides = [f"{path}={value}" for path, value in point.assignment.items()]
        assert point.spec == build_spec(apply_overrides(many, overrides))
        assert not point.spec.grid


def test_a_path_names_the_only_forecaster_with_and_without_its_position() -> None:
    for path in ("forecaster.context", "forecaster.0.context"):
        points = grid_points({**CONFIG, "grid": {path: [20, 30]}})
        assert [point.spec.forecaster[0].context for point in points] == [20, 30]
    swapped = grid_points(with_grid(forecaster=[CONFIG["forecaster"], "ridge"]))
    assert [type(point.spec.forecaster[0]).__name__ for point in swapped] == ["HistoricalBootstrap", "Ridge"]


def test_whole_sections_vary_too() -> None:
    points = grid_points(with_grid(policy=["cash", {"kind": "top_k", "k": 1}], costs=["crypto", "none"]))
    assert [(type(p.spec.policy).__name__, type(p.spec.costs).__name__) for p in points] == [
        ("Cash", "Crypto"), ("Cash", "NoCosts"), ("TopK", "Crypto"), ("TopK", "NoCosts"),
    ]  # fmt: skip


def test_a_configuration_without_a_grid_is_one_point() -> None:
    [point] = grid_points(CONFIG)
    assert point.spec == build_spec(CONFIG)
    assert point.label == "the configuration itself"


@pytest.mark.parametrize(
    ("grid", "message"),
    [
        (3, "grid was 3; a mapping of dotted paths to lists of values is needed"),
        ({"policy.fraction": []}, r"grid.policy.fraction was \[\]; a list of at least one value is needed"),
        ({"policy.fraction": 0.1}, "grid.policy.fraction was 0.1; a list"),
        ({"policy.fraction": [0.1, 0.2, 0.1]}, "grid.policy.fraction lists 0.1 more than once"),
        ({"polcy.fraction": [0.1]}, "grid.polcy.fraction: 'polcy' cannot vary in a sweep; did you mean 'policy'"),
        ({"data.start": ["2020-01-01"]}, "'data' cannot vary in a sweep; allowed: calibration, costs, engine"),
        ({"seed": [1, 2], "folds.train": [5]}, "'seed' cannot vary.*'folds' cannot vary"),
        ({"policy.fractoin": [0.1]}, "grid point policy.fractoin=0.1: unknown key 'policy.fractoin'; did you mean 'fraction'"),
        ({"policy.fraction": [0.1, 7]}, "grid point policy.fraction=7: policy.fraction was 7"),
        ({"policy.fraction.x": [1]}, "grid point policy.fraction.x=1: "),
        ({"policy.fraction": [2, 3, 4, 5, 6]}, "fraction=4.*; 2 more points are not valid"),
        ({"limits.max_gross": [1, 1.0]}, "'limits.max_gross=1' and 'limits.max_gross=1.0' are the same experiment"),
        ({"policy.fraction": [0.1], "policy": ["cash"]}, None),
        ({"policy.fraction": [0.1, 0.2], "policy": ["cash"]}, "are the same experiment"),
    ],
)  # fmt: skip
def test_a_wrong_grid_is_refused_in_words(grid: Any, message: str | None) -> None:
    if message is None:
        assert len(grid_points({**CONFIG, "grid": grid})) == 1
        return
    with pytest.raises(SpecError, match=message):
        grid_points({**CONFIG, "grid": grid})


def test_a_grid_too_large_to_mean_anything_is_refused_before_it_is_made(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(axes, "MOST_POINTS", 5)
    with pytest.raises(SpecError, match="grid has 6 points; at most 5 are allowed"):
        grid_axes({"policy.k": [1, 2, 3], "limits.max_gross": [1, 2]})


def test_where_one_experiment_is_needed_a_grid_is_refused() -> None:
    require_single(build_spec(CONFIG))
    with pytest.raises(SpecError, match="'run' has a grid of 2 points; 'wayfold sweep' runs them"):
        require_single(build_spec(with_grid(policy__fraction=[0.1, 0.2])))
