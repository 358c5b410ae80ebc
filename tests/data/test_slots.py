"""Slots: five-minute bars gathered into morning, afternoon and evening, against a slow twin and the real files."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.errors import DataError, SpecError
from data.panel import Panel
from data.slots import NSE_SLOTS, Slot, SlotPlan, SlotTable, minute_of, slot_table

FIELDS = ("open", "high", "low", "close", "volume")
EDGES = {"morning": ("09:00", "11:30"), "afternoon": ("11:30", "13:30"), "evening": ("13:30", "15:30")}


def trading_day(day: str) -> pd.DatetimeIndex:
    """Return the ends of the 75 bars of an NSE day, UTC."""
    local = pd.date_range(f"{day} 09:20", f"{day} 15:30", freq="5min", tz="Asia/Kolkata")
    return local.tz_convert("UTC").tz_localize(None)


def bars(days: list[str], seed: int = 0, missing: float = 0.0) -> Panel:
    rng = np.random.default_rng(seed)
    times = np.concatenate([trading_day(day).to_numpy() for day in days]).astype("datetime64[ns]")
    values = rng.uniform(90, 110, (len(times), 2, 5))
    values[rng.random(values.shape[:2]) < missing] = np.nan
    return Panel(times, ("a", "b"), FIELDS, values)


def slowly(panel: Panel, plan: SlotPlan) -> dict[tuple[str, str, str], list[float]]:
    """Return open, high, low, close, volume and count by series, date and slot, one bar at a time."""
    found: dict[tuple[str, str, str], list[float]] = {}
    for t, stamp in enumerate(panel.times):
        local = pd.Timestamp(stamp, tz="UTC").tz_convert(plan.zone)
        for name, (start, end) in EDGES.items():
            if not start < local.strftime("%H:%M") <= end:
                continue
            for s, series in enumerate(panel.series):
                o, h, low, c, v = panel.values[t, s].tolist()
                if np.isnan(c):
                    continue
                place = (series, local.strftime("%Y-%m-%d"), name)
                seen = found.get(place, [o, h, low, c, 0.0, 0.0])
                found[place] = [seen[0], max(seen[1], h), min(seen[2], low), c, seen[4] + v, seen[5] + 1]
    return found


def by_place(table: SlotTable) -> dict[tuple[str, str, str], list[float]]:
    return {
        (series, str(table.days[t]), NSE_SLOTS.slots[table.slots[t]].name): [
            *table.panel.values[t, s].tolist(),
            float(table.bars[t, s]),
        ]
        for t in range(len(table.panel))
        for s, series in enumerate(table.panel.series)
        if not np.isnan(table.panel.values[t, s, 3])
    }


@settings(derandomize=True, deadline=None, max_examples=15)
@given(seed=st.integers(0, 1000), missing=st.sampled_from([0.0, 0.05, 0.25]))
def test_slots_are_what_one_bar_at_a_time_gives(seed: int, missing: float) -> None:
    panel = bars(["2015-03-02", "2015-03-03", "2015-03-05"], seed, missing)
    made = by_place(slot_table(panel, NSE_SLOTS))
    need = {slot.name: NSE_SLOTS.least_share * slot.bars for slot in NSE_SLOTS.slots}
    wanted = {place: row for place, row in slowly(panel, NSE_SLOTS).items() if row[-1] >= need[place[2]]}
    assert made.keys() == wanted.keys()
    for place, row in wanted.items():
        np.testing.assert_allclose(made[place], row, rtol=1e-12)


def test_a_full_day_is_three_slots_of_27_24_and_24_bars_stamped_at_their_ends() -> None:
    table = slot_table(bars(["2015-03-02"]), NSE_SLOTS)
    assert table.bars.tolist() == [[27, 27], [24, 24], [24, 24]]
    ends = [str(t) for t in table.panel.times.astype("datetime64[m]")]
    assert ends == ["2015-03-02T06:00", "2015-03-02T08:00", "2015-03-02T10:00"]
    assert table.findings == ()


def test_a_slot_does_not_move_when_later_bars_do() -> None:
    panel = bars(["2015-03-02", "2015-03-03"])
    whole = slot_table(panel, NSE_SLOTS)
    for row, end in enumerate(whole.panel.times):
        past = slot_table(panel.until(end), NSE_SLOTS)
        np.testing.assert_array_equal(past.panel.values[row], whole.panel.values[row])


def test_incomplete_slots_are_left_out_and_reported() -> None:
    panel = bars(["2015-03-02", "2015-03-03"])
    values = panel.values.copy()
    values[:10, 0] = np.nan
    table = slot_table(Panel(panel.times, panel.series, FIELDS, values), NSE_SLOTS)
    assert np.isnan(table.panel.values[0, 0]).all()
    assert not np.isnan(table.panel.values[0, 1]).any()
    (found,) = table.findings
    assert (found.series, found.kind, found.count) == ("a", "incomplete_slot", 1)
    assert found.value == pytest.approx(17 / 27)
    assert found.time == table.panel.times[0]


def test_bars_outside_every_slot_are_reported() -> None:
    panel = bars(["2015-03-02"])
    late = np.append(panel.times, panel.times[-1] + np.timedelta64(3, "h"))
    values = np.concatenate([panel.values, panel.values[-1:]])
    table = slot_table(Panel(late, panel.series, FIELDS, values), NSE_SLOTS)
    assert [(each.kind, each.count) for each in table.findings] == [("outside_slots", 1)] * 2
    assert len(table.panel) == 3


def test_what_cannot_be_gathered_is_named() -> None:
    panel = bars(["2015-03-02"])
    with pytest.raises(DataError, match="field 'rsi' cannot be gathered into slots; allowed: open, high"):
        slot_table(panel.with_field("rsi", panel.field("close")), NSE_SLOTS)
    with pytest.raises(DataError, match="slots need close"):
        slot_table(Panel(panel.times, panel.series, ("open",), panel.values[:, :, :1]), NSE_SLOTS)
    with pytest.raises(DataError, match="none of 3 bars ends in a slot; the slots are morning 09:00-11:30"):
        slot_table(
            Panel(panel.times[:3] + np.timedelta64(12, "h"), panel.series, FIELDS, panel.values[:3]),
            NSE_SLOTS,
        )
    with pytest.raises(DataError, match="no slot has 80% of its bars"):
        slot_table(panel.rows(0, 3), NSE_SLOTS)


def test_plans_that_cannot_be_are_refused() -> None:
    with pytest.raises(SpecError, match="late 12:00-11:00'; each must end after it starts"):
        SlotPlan((Slot("late", "12:00", "11:00", 3),), "UTC")
    with pytest.raises(SpecError, match="before the next starts"):
        SlotPlan((Slot("one", "09:00", "11:00", 3), Slot("two", "10:00", "12:00", 3)), "UTC")
    with pytest.raises(SpecError, match="least_share was 0 "):
        SlotPlan((Slot("one", "09:00", "11:00", 3),), "UTC", 0.0)
    with pytest.raises(SpecError, match="zone 'Mars/Base' is unknown"):
        SlotPlan((Slot("one", "09:00", "11:00", 3),), "Mars/Base")
    with pytest.raises(SpecError, match="time was '25:00'; allowed: HH:MM"):
        minute_of("25:00")


@pytest.mark.shared_data
def test_the_real_index_has_three_slots_on_nearly_every_day(shared_data: Path) -> None:
    frame = pd.read_parquet(shared_data / "intraday" / "nifty50_5min_2013_2016.parquet")
    times = frame.index.tz_localize("Asia/Kolkata").tz_convert("UTC").tz_localize(None)
    fields = ("open", "high", "low", "close")
    panel = Panel(
        times.to_numpy().astype("datetime64[ns]"), ("NIFTY",), fields, frame[list(fields)].to_numpy()[:, None]
    )
    table = slot_table(panel, NSE_SLOTS)
    days, count = np.unique(table.days, return_counts=True)
    assert (count == 3).sum() >= 0.99 * len(days)
    kinds = {found.kind: found.count for found in table.findings}
    assert kinds["outside_slots"] == 13
    closing = table.panel.field("close")[table.slots == 2, 0][:1]
    assert closing[0] == frame["close"].loc["2013-01-01 15:30:00"]
