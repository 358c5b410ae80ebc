"""Report: one file, offline, honest about what is missing, and the same bytes for the same run."""

import base64
import gzip
import hashlib
import importlib.util
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from backtest.errors import RunError
from backtest.metrics.selection_tests import COLUMNS
from backtest.report.blocks import Absent, Table
from backtest.report.charts import fold_costs_chart, fold_turnover_chart
from backtest.report.html import MAX_BYTES, render_report, write_report
from backtest.report.luck import luck_section
from backtest.report.material import Material
from backtest.report.overview import MEANINGS, metrics_section, verdict_words
from backtest.report.palette import GROUNDS, PALETTE, diverging, swaps
from backtest.report.performance import calendar_section, drawdown_section, equity_section, folds_section
from backtest.report.records import findings_section, fits_section
from backtest.report.security import chart_library
from backtest.report.skill import skill_section
from backtest.report.trading import costs_section, exposures_section, trades_section

ORACLE = Path(__file__).resolve().parents[1] / "oracles" / "example_run.py"
HOSTILE = "<script>alert(1)</script>\"'&$$x$$"
FETCHING = {"src", "srcset", "data", "poster", "action", "formaction", "background", "href"}
OWN_SECTION = {
    "metrics": metrics_section,
    "equity": equity_section,
    "drawdowns": drawdown_section,
    "monthly": calendar_section,
    "yearly": calendar_section,
    "folds": folds_section,
    "scores": skill_section,
    "calibration": skill_section,
    "pit": skill_section,
    "forecasts": skill_section,
    "costs": costs_section,
    "weights": exposures_section,
    "trades": trades_section,
    "luck": luck_section,
    "findings": findings_section,
    "fits": fits_section,
}
VOID = {"meta", "link", "br", "hr", "img", "input"}


def example(**settings):
    spec = importlib.util.spec_from_file_location("example_run", ORACLE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.example_run(**settings)


class Page(HTMLParser):
    """What a parser sees of a page: scripts, headings, attributes, visible text."""

    def __init__(self, html):
        super().__init__(convert_charrefs=True)
        self.scripts, self.headings, self.attributes, self.open, self.words, self.ids = [], [], [], [], [], []
        self.feed(html)
        self.text = " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag, attrs):
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        self.ids += [value for name, value in attrs if name == "id"]
        if tag not in VOID:
            self.open.append(tag)
        if tag == "script":
            self.scripts.append([dict(attrs), ""])
        if re.fullmatch(r"h[1-6]", tag):
            self.headings.append(int(tag[1]))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] == "script":
            self.scripts[-1][1] += data
        elif "style" not in self.open:
            self.words.append(data)


@pytest.fixture(scope="module")
def run():
    return example()


@pytest.fixture(scope="module")
def short_run():
    return example(days=300)


@pytest.fixture(scope="module")
def html(run):
    return render_report(*run)


@pytest.fixture(scope="module")
def page(html):
    return Page(html)


def test_the_luck_section_tests_above_cash_and_above_the_benchmark_and_defines_each_column(run, page):
    manifest, tables = run
    section = luck_section(Material(manifest, tables))
    shown = [block for block in section.blocks if isinstance(block, Table)]
    assert [len(table.rows) for table in shown[:2]] == [1, 1]
    assert shown[0].caption.startswith("Above cash:")
    assert "held at each account's own volatility" in shown[1].caption
    assert "Not tested" not in [heading.title for heading in shown[0].headings]
    assert {heading.help for heading in shown[0].headings} == {row[1].text for row in shown[2].rows} - {
        COLUMNS["flag"]
    }
    assert "accounts without skill give 8 % to 91 %" in page.text.replace("\u00a0", " ")
    assert "This experiment was not audited" in page.text


def test_an_audit_is_shown_with_what_it_found(run):
    manifest, tables = run
    audit = {"sentences": ["Nothing moved at 8 cuts."], "table": [{"artefact": "fits", "raised": "0 of 8"}]}
    text = Page(render_report({**manifest, "audit": audit}, tables)).text
    assert "Nothing moved at 8 cuts." in text
    assert "0 of 8" in text
    assert "was not audited" not in text


def test_what_was_not_carried_out_is_counted_by_reason(run):
    table = trades_section(Material(*run)).blocks[1]
    assert [[cell.text for cell in row] for row in table.rows] == [
        ["cash", "2", "2003-03-27"],
        ["shortable", "1", "2003-02-27"],
    ]


def test_a_report_is_one_file_below_its_size_limit(run, tmp_path):
    path = write_report(*run, tmp_path / "deep" / "report.html")
    assert path.stat().st_size < MAX_BYTES
    assert [found.name for found in path.parent.iterdir()] == ["report.html"]


def test_a_very_long_run_stays_below_the_size_limit():
    names = tuple(f"SERIES-{i:03d}" for i in range(12))
    manifest, tables = example(days=6000, names=names)
    tables["trades"] = pd.concat([tables["trades"]] * 50, ignore_index=True)
    tables["findings"] = pd.concat([tables["findings"]] * 3000, ignore_index=True)
    html = render_report(manifest, tables)
    assert len(html.encode()) < MAX_BYTES
    assert "The first 500 of 32,000 rows; all of them are in trades.parquet beside this report." in html
    assert "The first 500 of 9,000 rows; all of them are in findings.parquet beside this report." in html
    assert "The 8 largest of 12 series" in html


def test_the_same_run_gives_the_same_bytes(run, html):
    assert render_report(*run) == html


def test_every_script_is_allowed_by_its_hash_and_no_hash_is_spare(page):
    policy = next(v for t, n, v in page.attributes if t == "meta" and n == "content" and "script-src" in v)
    allowed = set(re.findall(r"'sha256-[^']+'", policy))
    run_scripts = [text for attrs, text in page.scripts if attrs.get("type") != "application/json"]
    digests = {base64.b64encode(hashlib.sha256(s.encode()).digest()).decode() for s in run_scripts}
    assert {f"'sha256-{digest}'" for digest in digests} == allowed
    assert policy.startswith("default-src 'none';")
    for risk in ("unsafe-eval", "http", "*", "unsafe-hashes", "script-src 'unsafe-inline'"):
        assert risk not in policy


def test_the_policy_stands_before_anything_it_governs(html):
    assert html.index("Content-Security-Policy") < min(
        html.index("<style"), html.index("<script"), html.index("<link")
    )


def test_nothing_is_loaded_from_anywhere(html, page):
    loads = [(t, n, v) for t, n, v in page.attributes if n in FETCHING]
    assert {v[:5] for t, n, v in loads if not v.startswith("#")} == {"data:"}
    assert not [n for _, n, _ in page.attributes if n.startswith("on")]
    style = re.search(r"<style>(.*?)</style>", html, re.DOTALL).group(1)
    assert "url(" not in style and "@import" not in style


def test_the_chart_library_can_stand_inside_a_script():
    library = chart_library()
    assert not re.search(r"</script|<!--|\r|\0", library)


def test_hostile_names_are_shown_and_never_run():
    manifest, tables = example(names=(HOSTILE, "AAPL"))
    manifest["name"] = manifest["verdict"]["sentences"][0] = manifest["data"]["notes"][0] = HOSTILE
    tables["fits"].loc[0, "reason"] = tables["findings"].loc[0, "message"] = HOSTILE
    html = render_report(manifest, tables)
    page = Page(html)
    assert "<script>alert" not in html
    assert len(page.scripts) == 4
    assert page.text.count(HOSTILE) > 5
    charts = json.loads(page.scripts[0][1])
    assert "$$" not in json.dumps(charts)


def test_the_verdict_comes_first_in_plain_words(run, page):
    manifest, _ = run
    assert page.headings[0] == 1
    start = page.text.index("No skill shown .")
    assert (
        start
        < page.text.index(MEANINGS["no skill shown"])
        < page.text.index("Data and rules What was traded")
    )
    assert manifest["trials"]["sentence"] in page.text
    assert manifest["id"] in page.text


@pytest.mark.parametrize("status", list(MEANINGS))
def test_every_verdict_is_explained(status):
    said = verdict_words(Material({"id": "a", "verdict": {"status": status, "sentences": ["Why."]}}, {}))
    assert said["meaning"] == MEANINGS[status]
    assert said["status"].lower() == status
    assert said["sentences"] == ["Why."]


def test_headings_skip_no_level_and_identities_are_unique(page):
    assert page.headings.count(1) == 1
    assert max(np.diff(page.headings)) <= 1
    assert len(page.ids) == len(set(page.ids))


def test_every_chart_has_a_place_and_an_alternative_in_words(page):
    charts = json.loads(page.scripts[0][1])
    targets = set(charts["items"][0]["roots"].values())
    assert targets <= set(page.ids)
    labelled = {v for t, n, v in page.attributes if n == "aria-label"}
    assert len(targets) == 14 and len(labelled) >= len(targets)


def test_curves_of_one_time_axis_share_one_thinned_source(page):
    content = next(iter(json.loads(page.scripts[0][1])["documents"].values()))
    sources = list(sources_of(content))
    shared = [data for data in sources if {"net", "gross", "benchmark", "naive", "net_exposure"} <= set(data)]
    assert len(shared) == 1
    assert shared[0]["net"]["dtype"] == "float32"
    assert max(len(column_of(data)) for data in sources) <= 1500


def test_the_deepest_drawdown_reaches_the_chart(run, page):
    content = next(iter(json.loads(page.scripts[0][1])["documents"].values()))
    drawn = next(data for data in sources_of(content) if "net_drawdown" in data)
    equity = run[1]["equity"]
    curve = equity.loc[equity["lane"] == "ridge", "equity"]
    deepest = (curve / curve.cummax() - 1).min()
    assert decoded(drawn["net_drawdown"]).min() == pytest.approx(deepest, rel=1e-6)


def test_naive_rows_stand_beside_the_model_in_every_comparison(page):
    for caption in ("Metrics of each account", "Scores of every model", "Total return at multiples"):
        start = page.text.index(caption, page.text.index("Headline The judged"))
        assert "naive" in page.text[start : start + 1200], caption
    assert "ridge: no skill shown." in page.text


@pytest.mark.parametrize(("table", "section"), OWN_SECTION.items())
def test_a_missing_table_is_said_to_be_missing(short_run, table, section):
    manifest, tables = short_run
    without = {name: frame for name, frame in tables.items() if name != table}
    assert Absent(table) not in section(Material(manifest, tables)).blocks
    assert Absent(table) in section(Material(manifest, without)).blocks


def test_a_run_with_nothing_but_an_id_still_claims_nothing():
    shown = Page(render_report({"id": "ab" * 32}, {})).text
    assert "This run stored no verdict, so nothing is claimed." in shown
    assert "nan" not in shown.lower().split()


def test_a_run_without_an_id_is_refused():
    with pytest.raises(RunError, match="the id of a run was None"):
        render_report({}, {})


def test_what_is_not_a_number_is_shown_as_not_available():
    manifest, tables = example(days=300)
    for name in ("metrics", "scores", "folds", "costs", "monthly", "yearly", "drawdowns"):
        numbers = tables[name].select_dtypes("floating").columns
        tables[name].loc[:, numbers] = np.nan
    tables["costs"]["multiplier"] = [0.0, 1.0, 2.0, 4.0] * 5
    shown = Page(render_report(manifest, tables)).text
    assert shown.count("n/a") > 100
    assert not re.search(r"\bnan\b|\bNaT\b|\bNone\b", shown)


def test_an_account_that_never_traded_is_reported():
    manifest, tables = example(days=300)
    tables["trades"], tables["drawdowns"] = tables["trades"].iloc[:0], tables["drawdowns"].iloc[:0]
    tables["weights"]["weight"] = 0.0
    equity = tables["equity"]
    equity[["equity", "equity_gross"]] = 100_000.0
    equity[["gross_exposure", "net_exposure", "turnover", "costs"]] = 0.0
    assert "n/a" in Page(render_report(manifest, tables)).text


def test_times_of_day_are_shown_only_where_bars_are_shorter_than_days(short_run):
    manifest, tables = short_run
    hourly = {**manifest, "data": {**manifest["data"], "bar": "1h"}}
    daily_cell, hourly_cell = (
        trades_section(Material(m, tables)).blocks[0].rows[0][2].text for m in (manifest, hourly)
    )
    assert hourly_cell == f"{daily_cell} 21:00"


def test_a_ruined_account_has_no_logarithmic_twin(short_run):
    manifest, tables = short_run
    ruined = tables["equity"].assign(equity=lambda t: t["equity"].where(t["lane"] != "naive", 0.0))
    assert equity_section(Material(manifest, tables)).blocks[0].alternative is not None
    assert equity_section(Material(manifest, {**tables, "equity": ruined})).blocks[0].alternative is None


def test_curves_far_apart_begin_on_a_logarithmic_scale(short_run):
    manifest, tables = short_run
    apart = tables["equity"].assign(
        equity=lambda t: t["equity"].where(t["lane"] != "benchmark", t["equity"] * 20)
    )
    assert not equity_section(Material(manifest, tables)).blocks[0].begins_alternative
    assert equity_section(Material(manifest, {**tables, "equity": apart})).blocks[0].begins_alternative


def test_rare_metrics_and_conventions_are_folded_away(short_run):
    manifest, tables = short_run
    first, rest, conventions = metrics_section(Material(manifest, tables)).blocks[:3]
    assert [table.is_folded for table in (first, rest, conventions)] == [False, True, True]
    assert [heading.title for heading in first.headings[:4]] == ["Metric", "ridge", "buy and hold", "naive"]
    assert "Hit rate" in {row[0].text for row in rest.rows}
    assert len(conventions.rows) == len(first.rows) + len(rest.rows)


def test_unbounded_bands_are_told(short_run):
    manifest, tables = short_run
    forecasts = tables["forecasts"].assign(unbounded=True)
    fan = skill_section(Material(manifest, {**tables, "forecasts": forecasts})).blocks[-1]
    assert "the calibrated band is infinite" in fan.caption


def test_variance_forecasts_are_drawn_too():
    manifest, tables = example(days=400)
    manifest["spec"]["forecaster"][0]["quantity"] = "variance"
    tables["forecasts"] = tables["forecasts"][tables["forecasts"]["step"] == 1]
    assert "chart-fan" in Page(render_report(manifest, tables)).ids


def test_light_and_dark_colours_pair_up():
    light, dark = zip(*PALETTE.values(), strict=True)
    assert len(set(light)) == len(light)
    assert not set(swaps()) & set(swaps().values())
    assert {**swaps(), **dict(zip(light, dark, strict=True))} == swaps()


def test_weights_fade_from_short_through_nothing_to_held():
    for scheme, ramp in enumerate(diverging()):
        assert len(set(ramp)) == len(ramp) == 41
        assert (ramp[0], ramp[20], ramp[40]) == (
            PALETTE["benchmark"][scheme],
            GROUNDS[scheme],
            PALETTE["net"][scheme],
        )


@pytest.mark.parametrize("which", [0, 1])
def test_text_and_lines_stand_out_from_their_ground(which):
    for role in ("ink", "muted", "net", "benchmark", "loss"):
        least = 4.5 if role in ("ink", "muted", "loss") else 3.0
        assert contrast(PALETTE[role][which], GROUNDS[which]) >= least, role


def contrast(one, other):
    """WCAG 2.2 contrast ratio of two sRGB colours."""
    light = sorted((luminance(one), luminance(other)))
    return (light[1] + 0.05) / (light[0] + 0.05)


def luminance(color):
    parts = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return float(np.dot(linear, (0.2126, 0.7152, 0.0722)))


def sources_of(node):
    """Yield the data of every column source in a document."""
    if isinstance(node, dict):
        if node.get("name") == "ColumnDataSource":
            yield dict(node["attributes"]["data"]["entries"])
        for value in node.values():
            yield from sources_of(value)
    elif isinstance(node, list):
        for value in node:
            yield from sources_of(value)


def decoded(column):
    return np.frombuffer(gzip.decompress(base64.b64decode(column["array"]["data"])), column["dtype"])


def column_of(data):
    first = next(iter(data.values()))
    return decoded(first) if isinstance(first, dict) else first


def test_axes_show_the_decimals_that_tell_their_ticks_apart() -> None:
    folds = pd.DataFrame(
        {"fold": [0], "gross_return": [0.0], "net_return": [0.0], "turnover": [0.002], "costs": [0.0005]}
    )
    charts = (fold_costs_chart(folds), fold_turnover_chart(folds))
    assert [chart.figure.yaxis[0].formatter.format for chart in charts] == ["0.[000]%", "0.[000]"]
