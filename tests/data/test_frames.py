"""Claims about tables becoming panels: every usual spelling, honest stamps, and nothing repaired."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.errors import DataError
from data.frames import canonical, to_long, to_panel, to_wide
from data.panel import Panel
from data.sessions import BarClock

NEW_YORK = BarClock("XNYS")


def table(**columns):
    return pd.DataFrame(columns)


def stamps(frame, **options):
    options.setdefault("default_series", "A")
    return [str(t)[:19] for t in canonical(frame, **options)["ds"].to_numpy().astype("datetime64[s]")]


@pytest.mark.parametrize(
    "names",
    [
        ("Date", "Symbol", "Open", "High", "Low", "Close", "Volume", "Adj Close"),
        ("timestamp", "ticker", "open", "high", "low", "close", "volume", "adj_close"),
        ("DS", "unique_id", "OPEN", "HIGH", "LOW", "CLOSE", "Vol", "AdjClose"),
        ("time", "series", "o", "h", "l", "c", "v", "Adjusted Close"),
        ("ts", "Name", " Open ", "High", "Low", "Close", "VOLUME", "adj-close"),
    ],
)
def test_every_usual_spelling_gives_the_same_frame(names):
    row = [["2020-01-06", "A", 1, 2, 0.5, 1.5, 10, 1.4], ["2020-01-07", "A", 1, 2, 0.5, 1.5, 10, 1.4]]
    long = canonical(pd.DataFrame(row, columns=list(names)))
    assert list(long.columns) == ["unique_id", "ds", "open", "high", "low", "close", "volume", "adj_close"]
    assert str(long["ds"].dtype) == "datetime64[ns]"
    assert all(str(long[name].dtype) == "float64" for name in long.columns[2:])
    assert long["adj_close"].tolist() == [1.4, 1.4]


def test_row_order_repeated_rows_and_gaps_pass_through():
    raw = table(ds=["2020-01-07", "2020-01-06", "2020-01-06", None], close=[3.0, np.nan, 1.0, 2.0])
    long = canonical(raw, default_series="A")
    np.testing.assert_array_equal(long["close"], [3.0, np.nan, 1.0, 2.0])
    assert long["ds"].isna().tolist() == [False, False, False, True]


def test_other_numeric_columns_keep_their_lower_case_name_and_text_and_flags_are_left_out():
    raw = table(Date=["2020-01-06"], close=[1.0], Spread=[2], comment=["x"], off_grid=[True])
    assert list(canonical(raw, default_series="A").columns) == ["unique_id", "ds", "close", "spread"]


def test_a_symbol_wins_over_a_company_name():
    raw = table(Date=["2020-01-06"], Name=["Apple Inc"], Symbol=["AAPL"], close=[1.0])
    assert canonical(raw)["unique_id"].tolist() == ["AAPL"]


def test_overrides_name_unusual_columns():
    raw = table(when=["2020-01-06"], px=[1.0], code=["A"])
    long = canonical(raw, columns={"ds": "when", "close": "px", "unique_id": "code"})
    assert list(long.columns) == ["unique_id", "ds", "close"]


@pytest.mark.parametrize("place", ["index", "column"])
def test_a_wide_table_becomes_one_series_a_column(place):
    wide = pd.DataFrame(
        {"when": pd.to_datetime(["2020-01-06", "2020-01-07"]), "C": [1.0, 2.0], "V": [3.0, 4.0]}
    )
    long = canonical(wide.set_index("when") if place == "index" else wide)
    assert long["unique_id"].tolist() == ["C", "C", "V", "V"]
    assert long["y"].tolist() == [1, 2, 3, 4]
    assert to_wide(to_panel(long), "y").to_dict("list") == {"C": [1, 2], "V": [3, 4]}


def test_time_and_series_may_be_in_the_index():
    raw = table(Date=["2020-01-06", "2020-01-06"], Symbol=["A", "B"], close=[1.0, 2.0]).set_index(
        ["Symbol", "Date"]
    )
    assert canonical(raw)["unique_id"].tolist() == ["A", "B"]


@pytest.mark.parametrize(
    ("given_stamp", "meant"),
    [
        ("2020-01-06 15:30", "2020-01-06T15:30:00"),
        ("2020-01-06T15:30:00Z", "2020-01-06T15:30:00"),
        ("2020-01-06 15:30:00-05:00", "2020-01-06T20:30:00"),
        ("2020-01-06 15:30:00 UTC", "2020-01-06T15:30:00"),
        ("2020-01-06 15:30:00 +0530", "2020-01-06T10:00:00"),
        ("2020/1/6 15:30", "2020-01-06T15:30:00"),
        (1578324600, "2020-01-06T15:30:00"),
        (1578324600_000, "2020-01-06T15:30:00"),
        (1578324600_000_000_000, "2020-01-06T15:30:00"),
        (20200106, "2020-01-06T00:00:00"),
        (pd.Timestamp("2020-01-06 15:30", tz="America/New_York"), "2020-01-06T20:30:00"),
    ],
)
def test_stamps_are_read_as_utc(given_stamp, meant):
    assert stamps(table(time=[given_stamp], close=[1.0])) == [meant]


def test_offsets_that_change_with_the_season_are_each_converted():
    raw = table(time=["2020-01-06 09:30:00-05:00", "2020-07-06 09:30:00-04:00"], close=[1.0, 2.0])
    assert stamps(raw) == ["2020-01-06T14:30:00", "2020-07-06T13:30:00"]


def test_dates_on_a_session_clock_are_stamped_with_that_sessions_close():
    # 3 July 2019 closed early; 4 July was a holiday and is kept, off the grid, at the midnight that ends it.
    raw = table(Date=["2019-07-02", "2019-07-03", "2019-07-04", "2019-12-02"], close=[1.0, 2.0, 3.0, 4.0])
    assert stamps(raw, clock=NEW_YORK) == [
        "2019-07-02T20:00:00", "2019-07-03T17:00:00", "2019-07-05T00:00:00", "2019-12-02T21:00:00"
    ]  # fmt: skip


def test_local_midnights_with_a_zone_are_dates_too():
    raw = table(Date=["2019-07-02 00:00:00-04:00", "2019-12-02 00:00:00-05:00"], close=[1.0, 2.0])
    assert stamps(raw, clock=NEW_YORK) == ["2019-07-02T20:00:00", "2019-12-02T21:00:00"]


def test_a_day_that_never_closes_ends_at_midnight():
    assert stamps(table(Date=["2020-01-06"], close=[1.0]), clock=BarClock()) == ["2020-01-07T00:00:00"]


def test_starts_become_ends_but_not_after_the_close():
    raw = table(ts=["2020-01-06 09:30", "2020-01-06 15:30", "2020-01-07 09:30"], close=[1.0, 2.0, 3.0])
    ends = stamps(raw, clock=BarClock("XNYS", "1h"), stamps="start", zone="America/New_York")
    assert ends == ["2020-01-06T15:30:00", "2020-01-06T21:00:00", "2020-01-07T15:30:00"]


@pytest.mark.parametrize("calendar", ["24/7", "weekdays"])
def test_starts_run_on_over_midnight_where_no_exchange_closes(calendar):
    raw = table(ts=["2024-01-16 23:30", "2024-01-17 00:30"], close=[1.0, 2.0])
    ends = stamps(raw, clock=BarClock(calendar, "1h"), stamps="start")
    assert ends == ["2024-01-17T00:30:00", "2024-01-17T01:30:00"]


@pytest.mark.parametrize(
    ("frame", "options", "words"),
    [
        (table(Date=[], close=[]), {}, "no rows"),
        (table(Date=["2020-01-06"], Time=["09:30"], close=[1.0]), {}, "'Date' and 'Time' both look like ds"),
        (table(Date=["2020-01-06"], close=[1.0]), {"default_series": None}, "no column names the series"),
        (table(Date=["2020-01-06"], close=["n/a."]), {}, "column 'close' holds 'n/a.' at row 0"),
        (table(Date=["03/04/2020"], close=[1.0]), {}, "stamp '03/04/2020' at row 0 cannot be read; allowed"),
        (table(Date=[12.5], close=[1.0]), {}, "stamps are the numbers 12.5 to 12.5"),
        (table(Date=["2500-01-01"], close=[1.0]), {}, "2500-01-01.*; allowed: "),
        (table(Date=["2020-01-06 10:00+99:00"], close=[1.0]), {}, "stamps with a zone must be ISO 8601"),
        (
            pd.DataFrame([["2020-01-06", 1, 2]], columns=["Date", "y", "y"]),
            {},
            "column 'y' appears more than once",
        ),
        (table(close=[1.0]), {}, "no column holds the time"),
        (table(Date=["2020-01-06"], note=["x"]), {}, "no column beside 'Date' holds numbers"),
        (table(Date=["2020-01-06"], Symbol=[None], close=[1.0]), {}, "series name .* missing at row 0"),
        (table(Date=["2020-01-06"], close=[1.0]), {"columns": {"close": "clos"}}, "did you mean 'close'"),
        (
            table(Date=["2020-03-08 02:30"], close=[1.0]),
            {"zone": "America/New_York"},
            "02:30:00 does not exist or is ambiguous in zone 'America/New_York'",
        ),
        (
            table(Date=["2020-01-06 10:00Z", "2020-01-06 11:00"], close=[1.0, 2.0]),
            {},
            "no zone, others have one",
        ),
        (table(Date=["2020-01-06 10:00"], close=[1.0]), {"stamps": "start"}, "without a clock"),
        (table(Date=["2020-01-06"], close=[1.0]), {"stamps": "middle"}, "allowed: 'end', 'start'"),
        (table(Date=["2020-01-06"], y=[1.0], Y=[2.0]), {}, "rename or drop|both look like y"),
    ],
)
def test_what_cannot_be_read_is_named(frame, options, words):
    with pytest.raises(DataError, match=words):
        canonical(frame, **{"default_series": "A", **options})


def test_repeated_and_unsorted_stamps_are_refused_with_a_remedy():
    repeated = canonical(table(Date=["2020-01-06", "2020-01-06"], close=[1.0, 2.0]), default_series="A")
    with pytest.raises(
        DataError, match=r"series 'A' has more than one row at 2020-01-06.*repairs: \{duplicates: keep"
    ):
        to_panel(repeated)
    with pytest.raises(DataError, match="series 'A' is out of order: 2020-01-06"):
        to_panel(canonical(table(Date=["2020-01-07", "2020-01-06"], close=[1.0, 2.0]), default_series="A"))


def test_interleaved_series_are_no_disorder_and_absent_bars_are_nan():
    raw = table(
        Date=["2020-01-06", "2020-01-06", "2020-01-07"], Symbol=["B", "A", "A"], close=[1.0, 2.0, 3.0]
    )
    panel = to_panel(canonical(raw))
    assert panel.series == ("B", "A")
    np.testing.assert_array_equal(panel.field("close"), [[1.0, 2.0], [np.nan, 3.0]])


def test_fields_are_chosen_in_the_order_asked_and_unknown_ones_named():
    long = canonical(table(Date=["2020-01-06"], open=[1.0], close=[2.0]), default_series="A")
    assert to_panel(long, ["close", "open"]).fields == ("close", "open")
    with pytest.raises(DataError, match="field 'clos' is not in the frame; did you mean 'close'"):
        to_panel(long, ["clos"])


@settings(max_examples=40, deadline=None)
@given(
    st.integers(1, 6), st.integers(1, 4), st.integers(1, 3), st.integers(0, 2**32 - 1)
)  # fmt: skip
def test_panel_to_long_and_back_is_the_same_panel(rows, count, fields, seed):
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(rows, count, fields))
    values[rng.random(values.shape) < 0.3] = np.nan
    values[0, :, 0] = 1.0
    values[:, 0, 0] = 1.0
    times = np.datetime64("2020-01-01", "ns") + np.cumsum(rng.integers(1, 99, rows)).astype("timedelta64[m]")
    panel = Panel(times, tuple("ABCD"[:count]), tuple("xyz"[:fields]), values)
    assert to_panel(to_long(panel)).fingerprint() == panel.fingerprint()


def test_the_given_frame_is_left_alone():
    raw = table(Date=["2020-01-06", "2020-01-07"], Close=[1, 2])
    before = raw.copy()
    canonical(raw, default_series="A", clock=NEW_YORK)
    pd.testing.assert_frame_equal(raw, before)


def test_the_time_column_under_another_name_is_explained() -> None:
    frame = pd.DataFrame({"ts": pd.date_range("2020-01-01", periods=3), "close": [1.0, 2.0, 3.0]})
    with pytest.raises(
        DataError, match="columns: time was 'ts', which holds the time; the time's own name is 'ds'"
    ):
        canonical(frame, default_series="A", columns={"time": "ts"})
