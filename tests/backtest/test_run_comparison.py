"""Runs side by side: every setting that differs, and what forbids a comparison."""

from typing import Any

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from backtest.comparison import compare_runs, flattened
from backtest.compute import ALONE, UNSKILLED
from backtest.run import Run
from forecast.skill import NO_SKILL, SKILL

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


def spent(name: str, fits: int, verdict: str = SKILL, code: str = "one", **retraining: Any) -> Run:
    """A run whose judged model was fitted so often, one CPU second a fit, beside a naive model."""
    made = run(name, code=code, retraining={"kind": "every", "latency": 0, **retraining})
    count = {"ridge": fits, "naive": 1}
    rows = [
        {"model": model, "cutoff": i, "rows": 10, "cpu_seconds": 1.0, "cost_proxy": 20.0, "failure": ""}
        for model, total in count.items()
        for i in range(total)
    ]
    scores = [
        {"model": model, "step": 0, "crps": 0.5, "skill": 0.1, "verdict": verdict}
        for model in ("ridge", "naive")
    ]
    predictions = [{"model": model, "cpu_seconds": 1.0} for model in count]
    tables = {
        "fits": pd.DataFrame(rows),
        "scores": pd.DataFrame(scores),
        "predictions": pd.DataFrame(predictions),
    }
    return Run(made.manifest, {**made.tables, **tables})


def test_error_times_compute_is_compared_with_the_run_that_fits_most_often() -> None:
    found = compare_runs([spent("a", 3, bars=20), spent("b", 9, bars=5)]).compute
    assert [row["note"] for row in found] == ["", "baseline"]
    assert [row["retraining"] for row in found] == ["every, bars 20", "every, bars 5"]
    assert [row["error x CPU"] for row in found] == [0.5 * 4, 0.5 * 10]
    assert [row["of baseline"] for row in found] == [0.4, 1.0]
    assert [row["proxy of baseline"] for row in found] == [3 / 9, 1.0]


def test_runs_without_skill_or_of_other_code_have_no_product() -> None:
    worse = compare_runs([spent("a", 3, NO_SKILL), spent("b", 9, bars=5)]).compute
    assert worse[0]["note"] == UNSKILLED
    assert np.isnan(worse[0]["error x CPU"])
    apart = compare_runs([spent("a", 3, code="two"), spent("b", 9, bars=5)]).compute
    assert [row["note"] for row in apart] == [ALONE, ALONE]


def test_old_runs_that_stored_no_costs_are_left_out_of_the_compute_rows() -> None:
    assert compare_runs([run("a"), run("b")]).compute == []
    assert [row["run"] for row in compare_runs([run("a"), spent("b", 9)]).compute] == ["bbbbbbbb"]
