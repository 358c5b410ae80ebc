"""Overrides: ``a.b=c`` sets exactly one value of a file, and says why where it cannot."""

from pathlib import Path
from typing import Any

import pytest

from backtest.configuration import apply_overrides, read_config
from data.errors import SpecError

CONFIG: dict[str, Any] = {
    "data": {"kind": "synthetic", "series": ["S1", "S2"]},
    "forecaster": [{"kind": "ridge", "horizon": 5}, "naive"],
    "costs": "us_equities",
    "seed": 1,
}


@pytest.mark.parametrize(
    ("override", "path", "value"),
    [
        ("seed=7", ["seed"], 7),
        ("costs=none", ["costs"], "none"),
        ("costs.slippage_bps=5", ["costs"], {"kind": "us_equities", "slippage_bps": 5}),
        ("forecaster.0.horizon=3", ["forecaster", 0, "horizon"], 3),
        ("forecaster.1.horizon=3", ["forecaster", 1], {"kind": "naive", "horizon": 3}),
        ("forecaster.1=drift", ["forecaster", 1], "drift"),
        ("data.series.1=S9", ["data", "series", 1], "S9"),
        ("data.series=[A, B]", ["data", "series"], ["A", "B"]),
        ("limits.max_gross=1e-1", ["limits", "max_gross"], 0.1),
        ("limits={long_only: true}", ["limits"], {"long_only": True}),
        ("name=a=b", ["name"], "a=b"),
        ("data.start=", ["data", "start"], None),
        ("data.start=2020-01-31", ["data", "start"], "2020-01-31"),
    ],
)
def test_an_override_sets_one_value_and_nothing_else(override: str, path: list[Any], value: Any) -> None:
    changed = apply_overrides(CONFIG, [override])
    found: Any = changed
    for key in path:
        found = found[key]
    assert found == value
    untouched = {key for key in CONFIG if key != path[0]}
    assert {key: changed[key] for key in untouched} == {key: CONFIG[key] for key in untouched}


def test_overrides_apply_in_order_and_leave_the_file_as_it_was() -> None:
    changed = apply_overrides(CONFIG, ["seed=2", "costs=crypto", "costs.slippage_bps=1", "seed=3"])
    assert changed["seed"] == 3
    assert changed["costs"] == {"kind": "crypto", "slippage_bps": 1}
    assert CONFIG["seed"] == 1
    assert CONFIG["costs"] == "us_equities"


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("seed", "override was 'seed'; 'section.key=value' is needed"),
        ("=1", "'section.key=value' is needed"),
        ("forecaster.2.horizon=1", "'2' is no position in a list of 2"),
        ("forecaster.-1.horizon=1", "'-1' is no position in a list of 2"),
        ("forecaster.².horizon=1", "'²' is no position in a list of 2"),
        ("data.series.7=S9", "names nothing that can be set"),
        ("seed.a=1", "names nothing that can be set"),
        ("seed.a.b=1", "'a' is inside a plain value"),
        ("seed=[1", "the value of 'seed', line 1 is not YAML"),
    ],
)
def test_an_override_that_names_nothing_says_why(override: str, message: str) -> None:
    with pytest.raises(SpecError) as caught:
        apply_overrides(CONFIG, [override])
    assert message in str(caught.value)


def test_a_file_that_holds_no_mapping_is_refused(tmp_path: Path) -> None:
    (tmp_path / "list.yaml").write_text("- 1\n")
    (tmp_path / "latin.yaml").write_bytes(b"name: \xff\n")
    with pytest.raises(SpecError, match="holds list; a mapping is needed"):
        read_config(tmp_path / "list.yaml")
    with pytest.raises(SpecError, match="is not UTF-8 text"):
        read_config(tmp_path / "latin.yaml")
    with pytest.raises(SpecError, match="cannot be read: No such file"):
        read_config(tmp_path / "none.yaml")
    (tmp_path / "good.yaml").write_text("costs: no\n")
    assert read_config(tmp_path / "good.yaml") == {"costs": "no"}
