"""Claims about the user's own files: what is read, and the one-line error for each way a file can be broken."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data.errors import SourceError, SpecError
from data.sources.base import SOURCES
from data.sources.files import CsvSource, ParquetSource

NOWHERE = Path("unused")


def bars(days=5, start="2020-01-06", close=100.0):
    dates = pd.bdate_range(start, periods=days)
    close = close + np.arange(days, dtype=float)
    return pd.DataFrame(
        {
            "Date": dates.strftime("%Y-%m-%d"),
            "Open": close - 1,
            "High": close + 1,
            "Low": close - 2,
            "Close": close,
        }
    )


def csv(folder, frame, name="AAA.csv"):
    frame.to_csv(folder / name, index=False)
    return CsvSource(files=str(folder / "*.csv"), calendar="XNYS")


def test_one_file_a_series_is_named_by_its_stem_and_stamped_at_the_close(tmp_path):
    bars().to_csv(tmp_path / "BBB.csv", index=False)
    history = csv(tmp_path, bars(3)).load(NOWHERE)
    assert history.panel.series == ("AAA", "BBB")
    assert history.panel.fields == ("open", "high", "low", "close")
    assert str(history.times[0]) == "2020-01-06T21:00:00.000000000"


def test_series_may_end_at_different_times(tmp_path):
    bars(5).to_csv(tmp_path / "BBB.csv", index=False)
    close = csv(tmp_path, bars(3)).load(NOWHERE).panel.field("close")
    np.testing.assert_array_equal(np.isnan(close), [[False, False]] * 3 + [[True, False]] * 2)


def test_long_parquet_and_one_csv_a_series_give_the_same_history(tmp_path):
    first, second = bars(), bars(close=50)
    both = pd.concat([first.assign(Symbol="AAA"), second.assign(Symbol="BBB")])
    both.assign(Date=pd.to_datetime(both["Date"])).to_parquet(tmp_path / "all.parquet")
    second.to_csv(tmp_path / "BBB.csv", index=False)
    parquet = ParquetSource(files=str(tmp_path / "all.parquet"), calendar="XNYS")
    assert parquet.load(NOWHERE).fingerprint() == csv(tmp_path, first).load(NOWHERE).fingerprint()


def test_series_fields_and_period_are_chosen_in_the_order_asked(tmp_path):
    bars().to_csv(tmp_path / "BBB.csv", index=False)
    csv(tmp_path, bars())
    source = CsvSource(
        files=(str(tmp_path / "*.csv"),),
        calendar="XNYS",
        series=("BBB", "AAA"),
        fields=("close", "open"),
        start="2020-01-07",
        end="2020-01-09",
        untradable=("AAA",),
    )
    history = source.load(NOWHERE)
    assert history.panel.series == ("BBB", "AAA")
    assert history.panel.fields == ("close", "open")
    assert [str(t)[:10] for t in history.times] == ["2020-01-07", "2020-01-08", "2020-01-09"]
    assert history.untradable == {"AAA"}


def test_intraday_starts_in_a_local_zone_become_ends_in_utc(tmp_path):
    frame = pd.DataFrame({"ts": ["2024-01-02 09:15", "2024-01-02 09:20"], "close": [1.0, 2.0]})
    frame.to_csv(tmp_path / "N.csv", index=False)
    source = CsvSource(
        files=str(tmp_path / "N.csv"), calendar="XBOM", bar="5min", stamps="start", zone="Asia/Kolkata"
    )
    assert [str(t)[:16] for t in source.load(NOWHERE).times] == ["2024-01-02T03:50", "2024-01-02T03:55"]


def test_adjusted_closes_become_dated_actions_and_a_factor(tmp_path):
    frame = bars(4).assign(Close=[100.0, 102.0, 50.0, 51.0])
    frame["Adj Close"] = [49.0, 49.98, 49.0, 51.0 * 0.98]
    source = csv(tmp_path, frame)
    plain = source.load(NOWHERE)
    adjusted = CsvSource(files=source.files, calendar="XNYS", adjusted="adj_close").load(NOWHERE)
    assert "adj_close" not in plain.panel.fields
    assert not len(plain.actions)
    assert adjusted.panel.fields[-1] == "factor"
    np.testing.assert_allclose(adjusted.panel.field("factor")[:, 0], [1, 1, 2, 2])
    assert adjusted.actions.splits.tolist() == [2.0]
    assert "later actions" in adjusted.notes[0]


def _dated(frame, row, day):
    return frame.assign(Date=[day if i == row else d for i, d in enumerate(frame["Date"])])


@pytest.mark.parametrize(
    ("frame", "words"),
    [
        (bars(0), "AAA.csv: the frame has no rows"),
        (bars(1), "AAA.csv: series 'AAA' has 1 row; at least 2 are needed"),
        (
            bars().assign(Close=[1, 2, -3, 4, 5]),
            "close of series 'AAA' is -3 at 2020-01-08.*allowed: 0 or above",
        ),
        (bars().assign(Close=np.nan), "column 'close' holds no value"),
        (bars().assign(Close=[1, 2, np.inf, 4, 5]), "close of series 'AAA' is inf at 2020-01-08"),
        (bars().assign(Close=["1", "2", "robots", "4", "5"]), "column 'Close' holds 'robots' at row 2"),
        (_dated(bars(), 2, "2020-01-07"), "more than one row at 2020-01-07.*duplicates: keep_first"),
        (_dated(bars(), 2, "2020-01-02"), "series 'AAA' is out of order at 2020-01-02.*unsorted: sort"),
        (_dated(bars(), 2, "01/02/2020"), "stamp '01/02/2020' at row 2 cannot be read; allowed: YYYY-MM-DD"),
        (bars().drop(columns="Date"), "no column holds the time"),
    ],
)
def test_a_broken_file_is_explained_in_one_line(tmp_path, frame, words):
    with pytest.raises(SourceError, match=words) as caught:
        csv(tmp_path, frame).load(NOWHERE)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("frame", "repairs", "note", "closes"),
    [
        (
            _dated(bars(), 2, "2020-01-07"),
            {"duplicates": "keep_last"},
            "(duplicate): 1 row of AAA",
            [100, 102, 103, 104],
        ),
        (bars().iloc[::-1], {"unsorted": "sort"}, "(unsorted): 4 rows of AAA", [100, 101, 102, 103, 104]),
        (
            bars().assign(Close=[100, 101, -3, 103, 104]),
            {"bad_bars": "mask"},
            "(bad_bar): 1 row of AAA",
            [100, 101, np.nan, 103, 104],
        ),
    ],
)
def test_what_is_repaired_is_only_what_was_asked_for_and_is_told(tmp_path, frame, repairs, note, closes):
    source = csv(tmp_path, frame)
    with pytest.raises(SourceError, match="remedy: repairs|allowed with repairs"):
        source.load(NOWHERE)
    config = {"kind": "csv", "files": source.files, "calendar": "XNYS", "repairs": repairs}
    history = SOURCES.build(config).load(NOWHERE)
    np.testing.assert_array_equal(history.panel.field("close")[:, 0], closes)
    assert note in history.notes[0]


def test_an_empty_or_foreign_file_is_named(tmp_path):
    (tmp_path / "AAA.csv").write_text("")
    with pytest.raises(SourceError, match=r"AAA.csv cannot be read as CSV: No columns"):
        CsvSource(files=str(tmp_path / "AAA.csv"), calendar="XNYS").load(NOWHERE)
    with pytest.raises(SourceError, match=r"AAA.csv cannot be read as Parquet"):
        ParquetSource(files=str(tmp_path / "AAA.csv"), calendar="XNYS").load(NOWHERE)


def test_a_series_without_any_close_is_named(tmp_path):
    both = pd.concat([bars().assign(Symbol="AAA"), bars().assign(Symbol="BBB", Close=np.nan)])
    with pytest.raises(SourceError, match="series 'BBB' has no value of 'close'"):
        csv(tmp_path, both).load(NOWHERE)


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"files": "nowhere/*.csv"}, r"no file matches 'nowhere/\*.csv'"),
        ({"series": ("ZZZ",)}, "series 'ZZZ' is in none of .*; allowed: AAA"),
        ({"untradable": ("ZZZ",)}, "series 'ZZZ' is in none of"),
        ({"fields": ("close", "volume")}, "field 'volume' is not there; found: open, high, low, close"),
        ({"columns": {"close": "px"}}, "column 'px' .asked for as close. is not in the frame"),
        ({"adjusted": "adj_close"}, "field 'adj_close' is not there"),
        ({"start": "2021-01-01"}, "no bar ends between 2021-01-01 and the end; the data covers 2020-01-06"),
        ({"zone": "Asia/Nowhere", "bar": "1h"}, "zone 'Asia/Nowhere'"),
    ],
)
def test_what_the_files_do_not_hold_is_named(tmp_path, asked, words):
    csv(tmp_path, bars())
    base = {"files": str(tmp_path / "*.csv"), "calendar": "XNYS"}
    with pytest.raises(SourceError, match=words):
        CsvSource(**{**base, **asked}).load(NOWHERE)


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"kind": "csv", "calendar": "XNYS"}, "missing key 'data source.files'"),
        ({"kind": "csv", "files": "a.csv"}, "missing key 'data source.calendar'"),
        ({"kind": "csv", "files": "a.csv", "calendar": "XNYC"}, "calendar 'XNYC' is unknown; did you mean"),
        (
            {"kind": "csv", "files": "a.csv", "calendar": "XNYS", "colums": {}},
            "unknown key.*did you mean 'columns'",
        ),
        ({"kind": "csv", "files": "a.csv", "calendar": "XNYS", "stamps": "middle"}, "'end' or 'start'"),
        ({"kind": "csv", "files": [], "calendar": "XNYS"}, "files is empty"),
        ({"kind": "csv", "files": "a.csv", "calendar": "XNYS", "end": "never"}, "time was 'never'"),
    ],
)
def test_a_wrong_section_is_explained_before_any_file_is_opened(config, words):
    with pytest.raises(SpecError, match=words):
        SOURCES.build(config)


def test_a_section_survives_the_round_trip_and_can_be_hashed():
    config = {
        "kind": "parquet",
        "files": "bars/*.parquet",
        "calendar": "24/7",
        "bar": "1h",
        "columns": {"close": "px"},
    }
    source = SOURCES.build(config)
    assert SOURCES.build(SOURCES.describe(source)) == source
    assert len({source, SOURCES.build(config)}) == 1
    assert source.identity()["files"] == ["bars/*.parquet"]


@pytest.mark.shared_data
def test_real_files_load_or_name_their_defect(shared_data):
    nifty = CsvSource(
        files=str(shared_data / "equities/nifty50_daily_merged_2007_2023.csv"),
        calendar="XBOM",
        fields=("open", "close"),
    )
    assert len(nifty.load(NOWHERE).panel) == 3894
    index = ParquetSource(
        files=str(shared_data / "intraday/nifty50_5min_2013_2016.parquet"),
        calendar="XBOM",
        bar="5min",
        zone="Asia/Kolkata",
    )
    assert len(index.load(NOWHERE).panel) == 69_166
    crowd = ParquetSource(files=str(shared_data / "equities/sp500_daily_2015_2020.parquet"), calendar="XNYS")
    with pytest.raises(SourceError, match="series 'CBS' has more than one row at 2019-12-04"):
        crowd.load(NOWHERE)
