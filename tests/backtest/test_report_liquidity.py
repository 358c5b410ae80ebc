"""Liquidity in the report: every policy, every window, bounds flagged, and what was not stored is said to be missing."""

import importlib.util
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from backtest.amm.inference import WindowMean, verdict
from backtest.report.blocks import Absent, Chart, Section, Table
from backtest.report.embedding import embedded
from backtest.report.glossary import GLOSSARY, LIQUIDITY_GLOSSARY
from backtest.report.liquidity import BOUND, liquidity_figures, liquidity_sections
from backtest.report.liquidity_charts import edge_chart, profile_chart, waterfall_chart
from backtest.report.liquidity_columns import settings as told_settings
from backtest.report.liquidity_over_time import excess_chart, heat_chart, ranges_chart, time_axis
from backtest.report.material import Material
from backtest.report.overview import MEANINGS, verdict_words
from backtest.report.palette import GROUNDS, swaps

ORACLE = Path(__file__).resolve().parents[1] / "oracles" / "example_liquidity_run.py"
HOSTILE = "<script>alert(1)</script>$$x$$"
CHARTS = ("policy-edges", "waterfall", "excess", "ranges", "heat", "profile-mean", "profile-last")
STORED = {
    "policies": "policies", "paired": "policies", "blocks": "policies", "statements": "statement", "equity": "excess", "ranges": "ranges",
    "prices": "ranges", "actions": "ranges", "heat": "heat", "frontier": "frontier", "forecast_scores": "forecasts",
    "profiles": "forecasts", "placebo": "checks", "slippage": "checks",
}  # fmt: skip


def example(**settings):
    spec = importlib.util.spec_from_file_location("example_liquidity_run", ORACLE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.example_liquidity_run(**settings)


@pytest.fixture(scope="module")
def run():
    return example(windows=6)


@pytest.fixture(scope="module")
def short_run():
    return example(windows=2, lanes=("plan", "full_range", "oracle_width"))


@pytest.fixture(scope="module")
def material(run):
    return Material(*run)


@pytest.fixture(scope="module")
def sections(material):
    return {section.id: section for section in liquidity_sections(material)}


def without(run, *names):
    manifest, tables = run
    return Material(manifest, {key: table for key, table in tables.items() if key not in names})


def tables_in(section: Section):
    return [block for block in section.blocks if isinstance(block, Table)]


def charts_in(section: Section):
    return [block for block in section.blocks if isinstance(block, Chart)]


def column(table, title):
    at = [heading.title for heading in table.headings].index(title)
    return [row[at].text for row in table.rows]


def data_of(figure):
    return [renderer.data_source.data for renderer in figure.renderers]


def test_every_chart_of_a_liquidity_run_is_made_and_can_be_embedded(sections):
    charts = [chart for section in sections.values() for chart in charts_in(section)]
    assert tuple(chart.name for chart in charts) == CHARTS
    assert len(embedded({chart.name: chart.figure for chart in charts})) < 2_000_000
    assert all(chart.caption and chart.title for chart in charts)


def test_no_policy_is_left_out_because_it_lost(run, sections):
    lanes = {lane.replace("_", " ") for lane in run[1]["policies"]["lane"]}
    assert (run[1]["policies"]["net_bps"] < 0).any()
    assert set(column(tables_in(sections["policies"])[0], "Policy")) == lanes
    assert set(column(tables_in(sections["statement"])[0], "Policy")) == lanes
    edge = charts_in(sections["policies"])[0].figure
    assert {name for data in data_of(edge) for name in data["name"]} == lanes


def test_the_judged_policy_stands_first_and_the_passive_one_beside_it(sections):
    for section in ("policies", "statement"):
        assert column(tables_in(sections[section])[0], "Policy")[:2] == ["plan", "full range"]


def test_an_upper_bound_is_flagged_wherever_it_is_shown(sections):
    shown = [
        *tables_in(sections["policies"]),
        *tables_in(sections["statement"])[:3],
        tables_in(sections["checks"])[0],
    ]
    for table in shown:
        at = [heading.title for heading in table.headings].index("Policy")
        flagged = {row[at].text: row[at].detail for row in table.rows}
        assert flagged["oracle width"] == BOUND
        assert [name for name, detail in flagged.items() if detail] == ["oracle width"]
    assert [BOUND in table.caption for table in tables_in(sections["frontier"])] == [False] * 7 + [True]
    keys = [key.label for key in charts_in(sections["policies"])[0].keys]
    assert "upper bounds, which see the future" in keys


def test_settings_chosen_on_validation_are_words_in_a_folded_table(sections):
    statements, chosen = tables_in(sections["statement"])[2:]
    assert chosen.is_folded and not statements.is_folded
    assert chosen.rows[0][2].text == "width 0.22, on exit yes"
    assert "Net, USD" not in [heading.title for heading in statements.headings]
    assert len(statements.rows) == 6 * 8 and len(chosen.rows) == 6 * 6


@pytest.mark.parametrize(
    ("stored", "words"),
    [
        ('{"kind": "static", "tried": [0.1, 0.25], "horizon": null}', "tried 0.1 0.25, horizon none"),
        ("width 5 %", "width 5 %"),
        ("7", "7"),
        (None, "n/a"),
    ],
)
def test_settings_are_told_in_words(stored, words):
    assert told_settings(stored) == words


def test_what_is_known_of_a_mean_stands_beside_it(run, sections):
    table = tables_in(sections["policies"])[0]
    row = run[1]["policies"].set_index("lane").loc["plan"]
    assert column(table, "Interval")[0] == f"[{row['low']:.1f}, {row['high']:.1f}]".replace("-", "−")
    assert column(table, "Detectable")[0] == f"{row['minimum_detectable_bps']:.1f}"
    assert column(table, "Holm p")[1] == "not tested"
    assert column(table, "Windows")[0] == "6"


def test_intervals_stand_side_by_side_by_the_length_of_a_block(run, sections):
    table = tables_in(sections["policies"])[2]
    assert table.is_folded and [heading.title for heading in table.headings][2:] == [
        "Blocks of 2", "Blocks of 4", "Blocks of 6", "Blocks of 8",
    ]  # fmt: skip
    stored = run[1]["blocks"].query("lane == 'plan' and against == 'hold'")
    assert [cell.text for cell in table.rows[0][:2]] == ["plan", "hold"]
    for cell, (_, row) in zip(table.rows[0][2:], stored.iterrows(), strict=True):
        assert cell.text == f"[{row['low']:,.1f}, {row['high']:,.1f}]".replace("-", "−")
    lanes = run[1]["policies"]["lane"]
    assert len(table.rows) == 2 * (len(lanes) - 1)


def test_the_statement_adds_up_in_every_shown_row(run):
    for name, parts in (("statements", ""), ("policies", "_bps")):
        table = run[1][name]
        total = table[f"fees{parts}"] - sum(
            table[f"{part}{parts}"] for part in ("divergence", "gas", "conversion")
        )
        np.testing.assert_allclose(total, table["net_bps" if parts else "net"], atol=1e-9)


def test_the_waterfall_ends_where_the_net_is(run):
    row = run[1]["policies"].set_index("lane", drop=False).loc["recentre"]
    figure = waterfall_chart(row, "recentre").figure
    steps = [data for data in data_of(figure) if "step" in data]
    assert [float(data["step"][0]) for data in steps] == pytest.approx(
        [
            row["fees_bps"],
            -row["divergence_bps"],
            -row["gas_bps"],
            -row["conversion_bps"],
            row["net_bps"],
            -row["lvr_bps"],
        ]
    )
    assert steps[3]["low"][0] == pytest.approx(row["net_bps"])
    assert steps[4]["low"][0] == pytest.approx(row["net_bps"])
    ends = figure.x_range.start, figure.x_range.end
    assert all(ends[0] <= data["low"][0] and data["high"][0] <= ends[1] for data in steps)


def test_a_statement_without_lvr_has_no_bar_for_it(run):
    row = run[1]["policies"].iloc[0].drop("lvr_bps")
    assert sum("step" in data for data in data_of(waterfall_chart(row, "plan").figure)) == 5


def test_excess_over_holding_begins_at_zero_and_ends_at_the_net_of_each_window(run, material):
    chart = excess_chart(run[1]["equity"], material, time_axis(material))
    assert [key.label for key in chart.keys] == ["plan", "full range"]
    drawn = data_of(chart.figure)[-1]["excess"]
    gaps = np.flatnonzero(np.isnan(drawn))
    assert len(gaps) == 6
    starts = np.concatenate([[0], gaps[:-1] + 1])
    np.testing.assert_allclose(drawn[starts], 0, atol=1e-3)
    own = run[1]["statements"]
    np.testing.assert_allclose(drawn[gaps - 1], own[own["lane"] == "plan"]["net_bps"], rtol=1e-4)


def test_ranges_are_bands_over_the_price_cut_at_the_edge_of_the_chart(run, material):
    tables = run[1]
    wide = tables["ranges"][tables["ranges"]["lane"] == "full_range"]
    chart = ranges_chart(tables["prices"], wide, material, time_axis(material))
    bands = next(data for data in data_of(chart.figure) if "bottom" in data)
    low, high = chart.figure.y_range.start, chart.figure.y_range.end
    assert (bands["bottom"] == low).all() and (bands["top"] == high).all()
    assert set(bands["to"]) == {"∞"}
    assert low < tables["prices"]["close"].min() and high > tables["prices"]["close"].max()
    assert len(bands["left"]) == 6


def test_every_cell_of_the_heat_map_lasts_until_the_next_instant(run, material):
    heat = run[1]["heat"]
    chart = heat_chart(heat, run[1]["prices"], material, time_axis(material))
    cells = next(data for data in data_of(chart.figure) if "liquidity" in data)
    assert (cells["until"] > cells["time"]).all()
    instants = np.unique(cells["time"])
    np.testing.assert_allclose(np.unique(cells["until"])[:-1], instants[1:])
    assert (cells["liquidity"] > 0).all()
    assert len(cells["time"]) == 59 * 58
    palette = next(
        r for r in chart.figure.renderers if "liquidity" in r.data_source.data
    ).glyph.fill_color.transform.palette
    assert set(palette) <= set(swaps()) and GROUNDS[0] not in palette


def test_a_heat_map_of_one_liquidity_or_of_none_is_drawn(run, material):
    same = run[1]["heat"].assign(liquidity=5.0)
    none = run[1]["heat"].assign(liquidity=0.0)
    for heat in (same, none):
        assert heat_chart(heat, None, material, time_axis(material)).keys[0].role == "net"


def test_the_frontier_has_a_table_a_policy_the_judged_one_open(run, sections):
    tables = tables_in(sections["frontier"])
    assert [table.is_folded for table in tables] == [False] + [True] * 7
    assert column(tables[0], "Capital, WETH") == ["0.5", "2", "10", "100"]
    cell = tables[0].rows[0][4]
    stored = run[1]["frontier"].query("lane == 'plan' and capital == 0.5 and gas == 0.05").iloc[0]
    assert cell.text == f"{stored['net_bps']:,.1f}".replace("-", "−")
    assert cell.detail == f"± {stored['standard_error']:.1f}"
    assert cell.tone == "loss"


def test_profiles_show_the_mean_of_all_cutoffs_and_the_last_one(run):
    profiles = run[1]["profiles"]
    models = ["har", "lstm", "weekly_mean", "garch_normal", "last_value"]
    mean, last = (profile_chart(profiles, models, is_last=is_last) for is_last in (False, True))
    assert f"mean of {profiles['cutoff'].nunique()} cutoffs" in mean.caption
    assert "at the last cutoff" in last.caption
    assert "Not drawn: last value." in mean.caption
    realised = data_of(mean.figure)[0]
    own = profiles[profiles["model"] == "har"].groupby("low_ticks")["realised_up"].mean()
    np.testing.assert_allclose(realised["up"], own.loc[realised["low"]])
    assert len(realised["up"]) < 61
    steps = [data for data in data_of(mean.figure) if "value" in data]
    assert len(steps) == 8
    assert all(len(data["at"]) == len(realised["up"]) + 1 for data in steps)


def test_the_models_that_forecast_best_are_drawn(run, sections):
    keys = [key.label for key in charts_in(sections["forecasts"])[0].keys]
    assert keys == ["Realised", "lstm", "har", "garch normal", "weekly mean"]
    manifest, tables = run
    unscored = Material(
        manifest, {name: table for name, table in tables.items() if name != "forecast_scores"}
    )
    found = next(s for s in liquidity_sections(unscored) if s.id == "forecasts")
    assert [key.label for key in charts_in(found)[0].keys][1] == "har"


def test_slippage_is_told_by_size_and_side(run, sections):
    table = tables_in(sections["checks"])[1]
    assert column(table, "Size") == ["1", "1", "10", "10", "100", "100"]
    own = run[1]["slippage"].query("size == 10 and side == 'sell'")["slippage_bps"]
    assert table.rows[3][2].text == f"{own.mean():.2f}"
    assert table.rows[3][5].text == str(len(own))


def test_placebo_rows_say_whether_their_interval_holds_zero(sections):
    table = tables_in(sections["checks"])[0]
    assert set(column(table, "World")) == {"random signs, 2 worlds", "reversed time"}
    assert set(column(table, "Holds 0")) == {"yes"}
    assert column(table, "Net, bp")[0] == "−34.1"


@pytest.mark.parametrize("missing", [list(STORED)[::2], list(STORED)[1::2]])
def test_a_missing_table_is_said_to_be_missing_in_its_section_and_no_other_is(short_run, missing):
    found = {section.id: section.blocks for section in liquidity_sections(without(short_run, *missing))}
    for table, section in STORED.items():
        assert (Absent(table) in found[section]) == (table in missing), table


def test_nothing_is_said_to_be_missing_where_all_is_stored(sections):
    blocks = [block for section in sections.values() for block in section.blocks]
    assert not [block for block in blocks if isinstance(block, Absent)]


def test_a_run_with_nothing_but_an_id_still_has_every_section():
    empty = Material({"id": "ab" * 32, "experiment": "liquidity"}, {})
    found = liquidity_sections(empty)
    assert [chart for section in found for chart in charts_in(section)] == []
    assert liquidity_figures(empty) == []
    assert {block.table for section in found for block in section.blocks if isinstance(block, Absent)} >= set(
        STORED
    )


def test_what_is_not_a_number_is_shown_as_not_available(short_run):
    manifest, tables = short_run
    blank = {
        name: table.assign(
            **{n: np.nan for n in table.select_dtypes("floating") if n not in ("capital", "gas")}
        )
        if name in ("statements", "policies", "paired", "frontier", "forecast_scores")
        else table
        for name, table in tables.items()
    }
    cells = [
        cell.text
        for section in liquidity_sections(Material(manifest, blank))
        for table in tables_in(section)
        for row in table.rows
        for cell in row
    ]
    assert "n/a" in cells
    assert not [text for text in cells if re.search(r"\bnan\b|\bNaT\b|\bNone\b", text)]


def test_a_single_window_is_reported():
    manifest, tables = example(windows=1)
    found = {section.id: section for section in liquidity_sections(Material(manifest, tables))}
    assert [chart.name for chart in charts_in(found["excess"])] == ["excess"]
    assert column(tables_in(found["policies"])[0], "Interval")[0] == ""


def test_a_run_judged_by_the_passive_policy_draws_it_once():
    manifest, tables = example(windows=2, lanes=("full_range", "hold"))
    material = Material(manifest, tables)
    assert [key.label for key in excess_chart(tables["equity"], material, time_axis(material)).keys] == [
        "full range"
    ]


def test_hostile_names_never_start_a_formula_in_a_chart(short_run):
    manifest, tables = short_run
    ranges = tables["ranges"].assign(reason=HOSTILE)
    material = Material(manifest, {**tables, "ranges": ranges})
    charts = [chart for section in liquidity_sections(material) for chart in charts_in(section)]
    dumped = embedded({chart.name: chart.figure for chart in charts})
    assert "<script" not in dumped and "$$" not in dumped
    policies = tables["policies"].assign(lane=HOSTILE)
    assert "$$" not in embedded({"edge": edge_chart(policies, HOSTILE).figure})


def test_the_large_figures_are_those_of_the_judged_policy(run, material):
    figures = liquidity_figures(material)
    row = run[1]["policies"].set_index("lane").loc["plan"]
    assert [figure["title"] for figure in figures] == [
        "Net versus hold, bp",
        "Fees, bp",
        "Divergence loss, bp",
    ]
    assert figures[0]["value"] == f"{row['net_bps']:.1f}".replace("-", "−")
    assert figures[0]["interval"].startswith("[")
    assert figures[1]["beside"].startswith("full range ")


@pytest.mark.parametrize(
    ("mean", "low", "high", "windows", "holm_p"),
    [(5, 1, 9, 20, 0.01), (-5, -9, -1, 20, 1.0), (1, -4, 6, 20, 0.5), (5, 1, 9, 3, 0.01)],
)
def test_every_verdict_a_liquidity_run_can_store_is_explained(mean, low, high, windows, holm_p):
    status = verdict(WindowMean(windows, mean, 1.0, low, high, holm_p, 3.0), holm_p)
    said = verdict_words(Material({"id": "a", "verdict": {"status": status}}, {}))
    assert said["meaning"] == MEANINGS[status]
    assert "," not in said["tone"] and said["tone"] != "unknown"


def test_terms_of_liquidity_are_defined_once():
    own, usual = ({term for term, _ in glossary} for glossary in (LIQUIDITY_GLOSSARY, GLOSSARY))
    assert not own & usual
    assert len(own) == len(LIQUIDITY_GLOSSARY)


def test_charts_over_time_share_one_axis(sections):
    ranges = [charts_in(sections[name])[0].figure.x_range for name in ("excess", "ranges", "heat")]
    assert ranges[0] is ranges[1] is ranges[2]


def test_two_reports_of_a_run_are_the_same_bytes(short_run):
    def dumped():
        charts = [c for section in liquidity_sections(Material(*short_run)) for c in charts_in(section)]
        return embedded({chart.name: chart.figure for chart in charts})

    assert dumped() == dumped()


def test_long_runs_stay_thin():
    manifest, tables = example(windows=24)
    equity = pd.concat([tables["equity"]], ignore_index=True)
    material = Material(manifest, tables)
    drawn = data_of(excess_chart(equity, material, time_axis(material)).figure)
    assert max(len(data["time"]) for data in drawn) <= 1600
