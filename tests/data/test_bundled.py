"""Claims about the bundled sample: what ships, that it is rebuilt alike, and what its source says about it."""

import importlib.machinery
import importlib.util
import time
from pathlib import Path

import numpy as np
import pytest
from pyarrow import parquet

from data.errors import SourceError, SpecError
from data.sources.base import SOURCES
from data.sources.bundled import FIELDS, INDICES, STOCKS, BundledSource

ROOT = Path(__file__).resolve().parents[2]
SAMPLES = ROOT / "data" / "samples"
NOWHERE = Path("unused")


@pytest.fixture(scope="module")
def everything():
    return BundledSource(series=STOCKS + INDICES).load(NOWHERE)


def test_only_the_listed_files_ship_and_they_stay_small():
    files = {path.name: path.stat().st_size for path in SAMPLES.iterdir() if path.is_file()}
    assert set(files) == {"README.md", *(f"{name}.parquet" for name in STOCKS + INDICES)}
    assert sum(files.values()) < 1_500_000


def test_the_readme_lists_rows_range_and_licence_of_every_file():
    lines = (SAMPLES / "README.md").read_text().splitlines()
    for path in SAMPLES.glob("*.parquet"):
        times = parquet.read_table(path)["time"].to_numpy()
        (line,) = [line for line in lines if line.startswith(f"| `{path.name}`")]
        days = times.astype("datetime64[D]")
        assert f"| {len(times):,} | {days[0]}..{days[-1]} |" in line
        assert ("Public domain" if path.stem in STOCKS else "NCSA") in line


def test_building_the_samples_again_gives_the_same_content(tmp_path):
    loader = importlib.machinery.SourceFileLoader("build_samples", str(ROOT / "scripts" / "build_samples"))
    script = importlib.util.module_from_spec(importlib.util.spec_from_loader("build_samples", loader))
    loader.exec_module(script)
    script.main(tmp_path)
    assert {p.name for p in tmp_path.iterdir()} == {p.name for p in SAMPLES.glob("*.parquet")}
    for path in tmp_path.iterdir():
        assert parquet.read_table(path).equals(parquet.read_table(SAMPLES / path.name)), path.name


def test_the_default_is_the_five_stocks_with_raw_prices_and_a_factor():
    history = BundledSource().load(NOWHERE)
    assert history.panel.series == ("AAPL", "FB", "GOOG", "IBM", "MSFT")
    assert history.panel.fields == FIELDS == ("open", "high", "low", "close", "volume", "factor")
    assert history.panel.field("close")[0, 0] == 130.31
    assert not history.untradable


def test_every_row_is_the_close_of_a_session_and_no_session_is_missing(everything):
    sessions = everything.clock.ends(everything.times[0], everything.times[-1])
    np.testing.assert_array_equal(everything.times, sessions)


def test_rows_are_the_union_of_the_chosen_series(everything):
    narrow = BundledSource(series=("FB",)).load(NOWHERE)
    assert len(narrow.panel) == 196
    assert everything.times[0] < narrow.times[0]
    assert np.isnan(everything.panel.select(["FB"]).values[0]).all()


def test_published_splits_and_dividends_are_found(everything):
    actions = everything.actions
    splits = {
        (str(t)[:10], str(s)): r
        for t, s, r in zip(actions.times, actions.series, actions.splits, strict=True)
        if r != 1
    }
    assert splits == {
        ("2000-06-21", "AAPL"): 2.0,
        ("2003-02-18", "MSFT"): 2.0,
        ("2005-02-28", "AAPL"): 2.0,
    }
    cents = actions.dividends * 100
    np.testing.assert_allclose(cents, np.round(cents), atol=1e-6)
    assert np.isclose(actions.dividends.max(), 3.08)
    np.testing.assert_allclose(actions.dividends[(actions.series == "AAPL") & (actions.dividends > 0)], 2.65)


def test_no_action_is_invented_for_google_facebook_or_an_index(everything):
    assert set(everything.actions.series.tolist()) == {"AAPL", "IBM", "MSFT"}


def test_the_factor_is_one_for_indices_and_one_at_every_first_bar(everything):
    factor = everything.panel.field("factor")
    for s, name in enumerate(everything.panel.series):
        seen = factor[~np.isnan(factor[:, s]), s]
        assert seen[0] == 1
        assert name in STOCKS or (seen == 1).all()


def test_an_earlier_end_changes_no_earlier_bar():
    whole = BundledSource().load(NOWHERE)
    cut = BundledSource(end="2004-12-31").load(NOWHERE)
    assert cut.fingerprint() == whole.until("2004-12-31T23:59").fingerprint()
    assert str(cut.times[-1])[:10] == "2004-12-31"


def test_indices_can_be_forecast_but_not_traded(everything):
    assert everything.untradable == frozenset(INDICES)
    vix = everything.panel.select(["VIX"])
    assert np.isnan(vix.field("open")).all()
    assert (~np.isnan(vix.field("close"))).sum() == 1259


@pytest.mark.parametrize(
    ("series", "said", "unsaid"),
    [
        ((), ("hindsight", "196 rows", "2004-08-19"), ("VIX", "SP500")),
        (("AAPL",), ("hindsight",), ("FB has", "GOOG starts", "VIX", "SP500")),
        (("SP500", "VIX"), ("previous close", "2014-01-03 to 2019-01-03"), ("hindsight", "FB")),
    ],
)
def test_the_notes_say_what_matters_for_the_chosen_series(series, said, unsaid):
    notes = " ".join(BundledSource(series=series).load(NOWHERE).notes)
    assert all(words in notes for words in said)
    assert not any(words in notes for words in unsaid)


def test_stale_opens_of_the_index_are_what_the_note_says(everything):
    index = everything.panel.select(["SP500"]).until("2006-01-01")
    same = index.field("open")[1:, 0] == index.field("close")[:-1, 0]
    assert 0.94 < same.mean() < 0.98


def test_the_identity_names_the_data_and_never_its_bytes():
    explicit, default = BundledSource(series=STOCKS), BundledSource()
    assert explicit.identity() == default.identity()
    assert BundledSource(end="2010-01-01").identity()["end"] == "2010-01-01"
    assert SOURCES.build({"kind": "bundled"}) == default


@pytest.mark.parametrize(
    ("asked", "error", "words"),
    [
        ({"series": ("APPL",)}, SpecError, "'APPL' is not bundled; did you mean 'AAPL'"),
        ({"start": "2030-01-01"}, SourceError, "covers 2000-03-01 to 2013-03-01"),
        ({"start": "soon"}, SpecError, "time was 'soon'"),
        ({"start": "2012-01-01", "end": "2011-01-01"}, SpecError, "before start 2012-01-01"),
    ],
)
def test_wrong_requests_are_explained(asked, error, words):
    with pytest.raises(error, match=words):
        BundledSource(**asked).load(NOWHERE)


def test_loading_the_five_stocks_is_quick():
    from data.sources import bundled

    bundled._adjusted.cache_clear()
    started = time.process_time()
    BundledSource().load(NOWHERE)
    assert time.process_time() - started < 0.5
