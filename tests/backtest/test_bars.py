"""Bars: what a history becomes when it is traded."""

import numpy as np
import pytest

from backtest.engine.bars import bars_from
from backtest.errors import EngineError
from data.events import CorporateActions
from data.history import History
from data.panel import Panel
from data.sessions import BarClock

TIMES = np.datetime64("2024-01-01", "ns") + np.arange(6) * np.timedelta64(1, "D")


def history(closes, actions=(), fields=("open", "close"), untradable=()):
    closes = np.asarray(closes, float)
    values = np.stack([closes] * len(fields), axis=2)
    panel = Panel(TIMES[: len(closes)], ("a", "b"), fields, values)
    rows = sorted(actions, key=lambda row: row[0])
    table = CorporateActions(
        np.array([TIMES[row[0]] for row in rows], "datetime64[ns]"),
        np.array([row[1] for row in rows], str),
        np.array([row[2] for row in rows], float),
        np.array([row[3] for row in rows], float),
    )
    return History(panel, BarClock(), table, untradable=frozenset(untradable))


def test_an_action_stands_on_its_bar_and_on_the_next_where_the_bar_is_absent():
    closes = [[1, 1], [1, 1], [np.nan, 1], [np.nan, 1], [1, 1], [1, 1]]
    bars = bars_from(history(closes, [(1, "b", 2.0, 0.0), (2, "a", 3.0, 0.0), (3, "a", 1.0, 0.5)]))
    assert np.argwhere(bars.splits != 1).tolist() == [[1, 1], [4, 0]]
    assert bars.splits[4, 0] == 3
    # 0.5 a unit after the 3-for-1 split is 1.5 a unit held before it.
    assert bars.dividends[4, 0] == 1.5


def test_a_dividend_counts_before_a_split_of_the_same_stamp_in_either_order():
    for rows in ([(1, "a", 2.0, 0.0), (1, "a", 1.0, 0.5)], [(1, "a", 1.0, 0.5), (1, "a", 2.0, 0.0)]):
        bars = bars_from(history(np.ones((3, 2)), rows))
        assert (bars.splits[1, 0], bars.dividends[1, 0]) == (2.0, 0.5)


def test_a_cut_at_any_bar_gives_the_same_bars_even_across_a_delayed_action():
    closes = np.ones((6, 2))
    closes[2:4, 0] = np.nan
    whole = bars_from(history(closes, [(2, "a", 2.0, 0.25), (5, "b", 0.5, 0.0)]))
    for row in range(6):
        known = history(closes, [(2, "a", 2.0, 0.25), (5, "b", 0.5, 0.0)]).until(TIMES[row])
        newest = bars_from(known, after=TIMES[row - 1] if row else None)
        assert newest.times.tolist() == TIMES[row : row + 1].tolist()
        for name in ("close", "splits", "dividends"):
            assert np.array_equal(getattr(newest, name)[0], getattr(whole, name)[row], equal_nan=True)


def test_actions_before_the_first_row_or_of_unknown_series_are_not_booked():
    late = history(np.ones((6, 2)), [(0, "a", 2.0, 0.0), (4, "zzz", 2.0, 0.0)])
    assert (bars_from(late.last(3)).splits == 1).all()


def test_fields_the_panel_lacks_are_unknown_and_untradable_series_are_marked():
    bars = bars_from(history(np.ones((3, 2)), untradable=("b",)))
    assert np.isnan(bars.volume).all() and np.isnan(bars.high).all()
    assert bars.tradable.tolist() == [True, False]


def test_a_panel_without_opens_is_refused_unless_orders_fill_at_the_close():
    bare = history(np.ones((3, 2)), fields=("close",))
    with pytest.raises(EngineError, match=r"no field 'open'.*fill: close"):
        bars_from(bare)
    assert np.isnan(bars_from(bare, fill="close").open).all()


@pytest.mark.parametrize(("value", "name"), [(0.0, "0.0"), (-1.0, "-1.0")])
def test_a_price_that_cannot_be_is_named_by_series_time_and_value(value, name):
    closes = np.ones((3, 2))
    closes[1, 1] = value
    with pytest.raises(EngineError, match=rf"open of b at 2024-01-02.* was {name}"):
        bars_from(history(closes))
    assert bars_from(history(closes, untradable=("b",))).close[1, 1] == value


def test_a_high_below_its_low_is_refused():
    panel = Panel(TIMES[:1], ("a",), ("open", "high", "low", "close"), np.array([[[2.0, 1.0, 3.0, 2.0]]]))
    with pytest.raises(EngineError, match=r"high of a at 2024-01-01.* was 1.0 with low 3.0"):
        bars_from(History(panel, BarClock()))


def test_bars_refuse_shapes_times_and_values_that_do_not_fit():
    good = bars_from(history(np.ones((3, 2))))
    wrong = [
        ({"close": np.ones((2, 3))}, r"bars.close has shape \(2, 3\)"),
        ({"tradable": np.ones(3, bool)}, "bars.tradable has shape"),
        ({"times": TIMES[[0, 2, 1]]}, "times must increase; row 2"),
        ({"open": np.full((3, 2), np.inf)}, "open of a .* was inf"),
        ({"volume": np.full((3, 2), -1.0)}, "volume of a .* was -1.0"),
        ({"splits": np.zeros((3, 2))}, "splits of a .* was 0.0"),
        ({"dividends": np.full((3, 2), np.nan)}, "dividends of a .* was nan"),
    ]
    for change, message in wrong:
        with pytest.raises(EngineError, match=message):
            type(good)(**{**vars(good), **change})


def test_rows_are_read_only_views():
    bars = bars_from(history(np.ones((6, 2))))
    part = bars.rows(2, 4)
    assert np.shares_memory(part.close, bars.close) and len(part) == 2
    with pytest.raises(ValueError, match="read-only"):
        part.close[0, 0] = 5.0


def test_borrow_limits_and_funding_come_from_the_panel_and_a_delisting_from_the_actions():
    closes = np.ones((6, 2))
    closes[3:, 1] = np.nan
    known = history(closes, fields=("open", "close", "shortable", "funding"))
    assert bars_from(known).delistings is None
    action = CorporateActions(
        TIMES[[2]] + np.timedelta64(1, "h"), np.array(["b"]), np.ones(1), np.zeros(1), np.array([0.5])
    )
    bars = bars_from(History(known.panel, known.clock, action))
    assert np.argwhere(~np.isnan(bars.delistings)).tolist() == [[3, 1]]
    assert (bars.shortable[:, 0] == 1).all() and (bars.funding[:, 0] == 1).all()
    newest = bars_from(History(known.panel, known.clock, action), after=TIMES[2])
    assert newest.delistings[0, 1] == 0.5
    assert bars.rows(3, 4).delistings[0, 1] == 0.5 and bars_from(history(closes)).rows(0, 2).shortable is None


@pytest.mark.parametrize(
    ("name", "value"),
    [("shortable", -1.0), ("funding", np.inf), ("delistings", -1.0), ("delistings", np.inf)],
)
def test_what_stands_beside_the_prices_is_checked_by_name(name, value):
    good = bars_from(history(np.ones((3, 2))))
    with pytest.raises(EngineError, match=rf"{name} of a at .* was {value}"):
        type(good)(**{**vars(good), name: np.full((3, 2), value)})


@pytest.mark.parametrize("field", ["open", "close"])
@pytest.mark.parametrize("value", [np.inf, -np.inf, -5.0, 0.0])
def test_prices_that_cannot_be_are_refused_and_missing_ones_are_not(field, value):
    good = bars_from(history(np.ones((3, 2))))
    prices = np.array(getattr(good, field))
    prices[1, 0] = value
    with pytest.raises(EngineError, match=rf"{field} of a at 2024-01-02.* was {value}"):
        type(good)(**{**vars(good), field: prices})
    prices[1, 0] = np.nan
    assert np.isnan(getattr(type(good)(**{**vars(good), field: prices}), field)[1, 0])
