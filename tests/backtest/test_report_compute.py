"""Compute in the report: what each model cost, which ones are efficient, and when the judged one was fitted; old runs too."""

import importlib.util
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backtest.report.blocks import Absent, Chart, Prose, Table
from backtest.report.compute import compute_section
from backtest.report.compute_charts import FAILED, decade_ticks, pareto_chart, reason_kinds, refit_chart
from backtest.report.material import Material
from backtest.report.performance import equity_section

ORACLE = Path(__file__).resolve().parents[1] / "oracles" / "example_run.py"


@pytest.fixture(scope="module")
def run():
    spec = importlib.util.spec_from_file_location("example_run", ORACLE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.example_run(days=400)


def without(run, name, *columns):
    manifest, tables = run
    if not columns:
        return Material(manifest, {key: table for key, table in tables.items() if key != name})
    return Material(manifest, {**tables, name: tables[name].drop(columns=list(columns))})


def table_in(section):
    (table,) = [block for block in section.blocks if isinstance(block, Table)]
    return table


def charts_in(section):
    return [block for block in section.blocks if isinstance(block, Chart)]


def test_every_model_has_a_row_and_the_chart_shows_error_against_compute(run):
    section = compute_section(Material(*run))
    assert [row[0].text for row in table_in(section).rows] == ["ridge", "naive", "drift", "seasonal_naive"]
    assert [chart.name for chart in charts_in(section)] == ["pareto"]
    assert [heading.title for heading in table_in(section).headings][:3] == ["Model", "Error", "over naive"]


def test_the_section_says_what_error_times_compute_would_be_compared_with(run):
    manifest, tables = run
    spec = {**manifest["spec"], "retraining": {"kind": "every", "bars": 21}}
    (said,) = [
        b
        for b in compute_section(Material({**manifest, "spec": spec}, tables)).blocks
        if isinstance(b, Prose)
    ]
    assert "This run retrains by 'every'." in said.paragraphs[0]
    assert "wayfold runs compare" in said.paragraphs[0]


@pytest.mark.parametrize("name", ["fits", "scores"])
def test_a_run_that_stored_no_fits_or_scores_says_so(run, name):
    assert compute_section(without(run, name)).blocks == (Absent(name),)


def test_an_old_run_without_predictions_and_failures_still_shows_its_fits(run):
    manifest, tables = run
    old = tables["fits"][["model", "fold", "cutoff", "reason", "rows", "cpu_seconds", "cost_proxy"]]
    kept = {key: table for key, table in tables.items() if key != "predictions"}
    section = compute_section(Material(manifest, {**kept, "fits": old}))
    titles = [heading.title for heading in table_in(section).headings]
    assert {row[titles.index("of forecasts")].text for row in table_in(section).rows} == {"not stored"}
    assert [chart.name for chart in charts_in(equity_section(Material(manifest, {**kept, "fits": old})))] == [
        "equity",
        "refits",
    ]


def test_the_fits_of_the_judged_model_lie_below_its_curve_on_the_same_axis(run):
    curve, refits = charts_in(equity_section(Material(*run)))
    assert refits.figure.x_range is curve.figure.x_range
    own = run[1]["fits"][run[1]["fits"]["model"] == "ridge"]
    drawn = sum(len(renderer.data_source.data["time"]) for renderer in refits.figure.renderers)
    assert drawn == len(own)
    assert f"{len(own)} in all" in refits.caption


def test_without_fits_the_equity_section_is_the_curve_alone(run):
    assert [chart.name for chart in charts_in(equity_section(without(run, "fits")))] == ["equity"]
    assert [chart.name for chart in charts_in(equity_section(without(run, "fits", "reason")))] == ["equity"]


def test_reasons_differ_by_their_words_not_their_numbers_and_failures_are_a_kind_of_their_own():
    fits = pd.DataFrame(
        {
            "reason": [
                "first fit",
                "63 bars old",
                "64 bars old",
                "loss 1.62e-3 above 1.5 x 0.001",
                "64 bars old",
            ],
            "failure": ["", "", "", "", "loss exploded"],
        }
    )
    assert reason_kinds(fits).tolist() == [
        "first fit",
        "n bars old",
        "n bars old",
        "loss n above n x n",
        FAILED,
    ]
    assert reason_kinds(fits.drop(columns="failure")).tolist()[-1] == "n bars old"


def test_every_kind_of_reason_has_a_key_with_its_count(run):
    fits = run[1]["fits"][run[1]["fits"]["model"] == "ridge"].copy()
    fits["reason"] = ["first fit", *["new fold"] * (len(fits) - 2), "drift"]
    fits.loc[fits.index[-1], "failure"] = "exploded"
    chart = refit_chart(fits, Material(*run).curves, "ridge")
    assert [key.label for key in chart.keys] == [
        "first fit (1)",
        f"new fold ({len(fits) - 2})",
        f"{FAILED} (1)",
    ]
    assert chart.keys[-1].role == "loss"


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.floats(1e-4, 1e4), st.floats(1.0, 1e4))
def test_ticks_lie_around_every_range_of_costs(low, factor):
    ticks = decade_ticks(low, low * factor)
    assert len(ticks) >= 1
    assert all(low / 2 <= tick <= 2 * low * factor for tick in ticks)
    assert (np.diff(ticks) > 0).all()


def test_a_model_whose_skill_is_unknown_is_left_out_of_the_chart(run):
    manifest, tables = run
    scores = tables["scores"].copy()
    scores.loc[scores["model"] == "drift", "skill"] = np.nan
    (chart,) = charts_in(compute_section(Material(manifest, {**tables, "scores": scores})))
    drawn = [
        name for renderer in chart.figure.renderers for name in renderer.data_source.data.get("name", [])
    ]
    assert sorted(drawn) == ["naive", "ridge", "seasonal_naive"]


def test_the_line_joins_efficient_models_from_cheap_to_dear():
    compute = pd.DataFrame(
        {
            "model": ["lstm", "naive", "ridge"], "cpu_seconds": [9.0, 0.1, 0.5], "relative_error": [0.9, 1.0, 1.1],
            "fits": [3, 3, 3], "is_efficient": [True, True, False],
        }
    )  # fmt: skip
    line = pareto_chart(compute, "lstm").figure.renderers[0].data_source.data
    assert line["x"].tolist() == [0.1, 9.0]
    assert line["y"].tolist() == [1.0, 0.9]
