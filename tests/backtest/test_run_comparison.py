"""Runs side by side: every setting that differs, and what forbids a comparison."""

from typing import Any

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from backtest.comparison import compare_runs, flattened
from backtest.run import Run

SPEC: dict[str, Any] = {
    "name": "run",
    "data": {"kind": "synthetic", "series": ["S1", "S2"], "end": None},
    "forecaster": [{"kind": "ridge", "horizon": 5}],
    "costs": {"kind": "us_equities", "slippage_bps": 3.0},
    "seed": 0,
}
METRICS = ("total_return", "cagr", "volatility", "sharpe", "max_drawdown")
TREES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text("abc", max_size=3)),
    lambda inner: st.one_of(
        st.dictionaries(st.text("xyz", min_size=1, max_size=2), inner, max_size=3),
        st.lists(
            st.dictionaries(st.text("xyz", min_size=1, max_size=2), inner, min_size=1, max_size=2), max_size=3
        ),
    ),
    max_leaves=8,
)


def run(name: str, value: float = 0.1, data: str = "one", code: str = "one", **sections: Any) -> Run:
    rows = [
        {"lane": lane, "metric": m, "value": value if lane == "ridge" else 9.0}
        for lane in ("ridge", "cash")
        for m in METRICS
    ]
    manifest = {
        "id": name * 8, "name": "run", "primary": "ridge", "spec": {**SPEC, **sections}, "code_version": code,
        "data": {"fingerprint": data}, "verdict": {"status": "no skill shown"},
    }  # fmt: skip
    return Run(manifest, {"metrics": pd.DataFrame(rows)})


def test_only_settings_that_differ_are_listed_with_each_runs_value() -> None:
    found = compare_runs(
        [
            run("a"),
            run("b", forecaster=[{"kind": "ridge", "horizon": 3}, {"kind": "ar", "horizon": 3}]),
            run("c", costs={"kind": "none"}, data="one"),
        ]
    )
    assert found.settings == [
        {"setting": "costs.kind", "aaaaaaaa": "us_equities", "bbbbbbbb": "us_equities", "cccccccc": "none"},
        {"setting": "costs.slippage_bps", "aaaaaaaa": "3.0", "bbbbbbbb": "3.0", "cccccccc": "-"},
        {"setting": "forecaster.0.horizon", "aaaaaaaa": "5", "bbbbbbbb": "3", "cccccccc": "5"},
        {"setting": "forecaster.1.horizon", "aaaaaaaa": "-", "bbbbbbbb": "3", "cccccccc": "-"},
        {"setting": "forecaster.1.kind", "aaaaaaaa": "-", "bbbbbbbb": "ar", "cccccccc": "-"},
    ]
    assert found.notes == []


def test_the_primary_account_of_each_run_is_shown() -> None:
    found = compare_runs([run("a", 0.25), run("b", np.nan)])
    assert [row["run"] for row in found.accounts] == ["aaaaaaaa", "bbbbbbbb"]
    assert found.accounts[0]["model"] == "ridge"
    assert {found.accounts[0][name.replace("_", " ")] for name in METRICS} == {0.25}
    assert np.isnan(found.accounts[1]["sharpe"])
    assert found.accounts[0]["forecast skill"] == "no skill shown"


def test_equal_runs_differ_in_nothing_and_other_data_or_code_is_noted() -> None:
    assert compare_runs([run("a"), run("b")]).settings == []
    assert compare_runs([run("a"), run("b", data="two")]).notes == [
        "The runs saw different data, so their numbers are not comparable one to one."
    ]
    assert compare_runs([run("a"), run("b", code="two")]).notes == [
        "The runs were made by different versions of the code."
    ]
    assert len(compare_runs([run("a"), run("b", data="two", code="two")]).notes) == 2


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.dictionaries(st.text("xyz", min_size=1, max_size=2), TREES, min_size=1, max_size=3))
def test_flattening_names_every_value_by_its_path(tree: dict[str, Any]) -> None:
    for path, value in flattened(tree).items():
        found: Any = tree
        for key in path.split("."):
            found = found[int(key)] if isinstance(found, list) else found[key]
        assert found == value
        assert not isinstance(value, dict) or not value
