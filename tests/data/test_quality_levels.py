"""Checks of price levels: splits, crashes, re-used names and spikes, planted into clean bars."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data.events import CorporateActions
from data.frames import to_long
from data.quality import check_bars, check_panel
from data.sessions import BarClock
from data.sources.base import SOURCES

CLOCK = BarClock("XNYS")
PRICES = ["open", "high", "low", "close"]
AT = 300
WORDS = ("unadjusted_split", "ticker_reuse", "large_move", "price_spike")


def clean(seed=0, bars=600, clock=CLOCK, **options):
    config = {
        "kind": "synthetic",
        "calendar": clock.calendar,
        "bar": clock.bar,
        "bars": bars,
        "count": 1,
        "seed": seed,
    }
    return to_long(SOURCES.build({**config, **options}).load(Path()).panel).drop(
        columns="factor", errors="ignore"
    )


def found(long, clock=CLOCK, **options):
    return [finding for finding in check_bars(long, clock, **options) if finding.kind in WORDS]


def split(long, ratio, at=AT):
    """Bars in which a split of ``ratio`` new units per old one was not adjusted for."""
    changed = long.copy()
    changed.loc[at:, PRICES] /= ratio
    changed.loc[at:, "volume"] *= ratio
    return changed


def crash(long, size, at=AT):
    """Bars with a fall that opens half way, trades through a wide range and many times the usual volume."""
    changed = long.copy()
    changed.loc[at:, PRICES] *= 1 - size
    last = long.loc[at - 1, "close"]
    changed.loc[at, "open"] = last * (1 - size * 0.95)
    changed.loc[at, "high"] = max(last * (1 - size * 0.8), *changed.loc[at, PRICES])
    changed.loc[at, "low"] = changed.loc[at, PRICES].min() * 0.9
    changed.loc[at, "volume"] *= 20 / (1 - size)
    return changed


@pytest.mark.parametrize("ratio", [2, 3, 4, 7, 10, 20, 1 / 2, 1 / 8, 1 / 20, 1.5, 1.25, 5 / 3])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_an_unadjusted_split_is_found_with_its_ratio(ratio, seed):
    long = split(clean(seed), ratio)
    findings = found(long)
    assert [(finding.kind, finding.time) for finding in findings] == [("unadjusted_split", long["ds"][AT])]
    assert findings[0].value == pytest.approx(ratio)
    assert findings[0].severity == "error"


@pytest.mark.parametrize("size", [0.3, 0.5, 0.52, 2 / 3, 0.75])
def test_a_crash_of_a_splits_size_is_a_large_move(size):
    long = crash(clean(), size)
    findings = found(long)
    assert [(finding.kind, finding.severity, finding.time) for finding in findings] == [
        ("large_move", "info", long["ds"][AT])
    ]


@pytest.mark.parametrize("columns", [["volume"], ["volume", "open"], ["volume", "open", "high", "low"]])
def test_a_two_for_one_split_is_found_without_volume_and_opens(columns):
    long = split(clean(), 2).drop(columns=columns)
    assert [finding.kind for finding in found(long)] == ["unadjusted_split"]


def test_a_crash_without_volume_is_told_by_its_range():
    assert [finding.kind for finding in found(crash(clean(), 0.5).drop(columns="volume"))] == ["large_move"]


def test_a_halving_that_is_undone_is_no_split():
    long = clean()
    long.loc[AT : AT + 1, PRICES] /= 2
    assert "unadjusted_split" not in {finding.kind for finding in found(long)}


def test_a_split_in_intraday_bars_is_dated_at_the_first_bar_of_its_session():
    clock = BarClock("XNYS", "1h")
    long = split(clean(bars=7 * 80, clock=clock), 2, at=7 * 40)
    findings = found(long, clock)
    assert [(finding.kind, finding.time) for finding in findings] == [
        ("unadjusted_split", long["ds"][7 * 40])
    ]


def test_a_known_split_is_no_finding():
    long = split(clean(), 2)
    times = long["ds"].to_numpy().astype("datetime64[ns]")[[AT]]
    known = CorporateActions(times, np.array(["S1"]), np.array([2.0]), np.array([0.0]))
    assert found(long, actions=known) == []
    other = CorporateActions(times, np.array(["S2"]), np.array([2.0]), np.array([0.0]))
    assert len(found(long, actions=other)) == 1


def test_adjusted_closes_that_carry_the_split_explain_it():
    long = clean()
    assert found(split(long, 2).assign(adj_close=long["close"])) == []


def test_prices_scaled_by_any_unit_give_the_same_findings():
    long = split(clean(), 3)
    scaled = long.assign(**{name: long[name] * 1e4 for name in PRICES})
    assert [(f.kind, f.time, f.value) for f in found(scaled)] == [
        (f.kind, f.time, f.value) for f in found(long)
    ]


def test_prices_that_alternate_between_two_levels_are_two_instruments():
    long = clean()
    for start in (200, 230, 260):
        long.loc[start : start + 9, PRICES] *= 3.3
    (finding,) = found(long)
    assert (finding.kind, finding.severity, finding.count) == ("ticker_reuse", "error", 6)
    assert finding.time == long["ds"][200]
    assert finding.value == pytest.approx(3.3, rel=0.1)


@pytest.mark.parametrize(
    ("price", "volume", "severity"), [(5.0, 1.0, "error"), (1.0, 500.0, "error"), (1.0, 1.0, "warning")]
)
def test_a_name_that_returns_after_years_is_another_instrument(price, volume, severity):
    long = clean(bars=1200)
    long.loc[700:, PRICES] *= price
    long.loc[700:, "volume"] *= volume
    (finding,) = found(long.drop(index=range(300, 700)))
    assert (finding.kind, finding.severity, finding.time) == ("ticker_reuse", severity, long["ds"][700])


def test_a_pause_of_some_weeks_at_the_same_price_is_only_a_gap():
    long = clean().drop(index=range(300, 340))
    assert found(long) == []


def test_a_price_from_nowhere_is_another_instrument():
    long = clean()
    long.loc[AT:, PRICES] *= 1133.0
    (finding,) = found(long)
    assert (finding.kind, finding.severity, finding.time) == ("ticker_reuse", "error", long["ds"][AT])


def test_a_lone_close_is_a_spike():
    long = clean()
    long.loc[AT, "close"] *= 1.6
    long.loc[AT, "high"] = long.loc[AT, PRICES].max()
    (finding,) = [finding for finding in found(long) if finding.kind == "price_spike"]
    assert (finding.field, finding.time, finding.severity) == ("close", long["ds"][AT], "warning")


@pytest.mark.parametrize(("name", "factor"), [("low", 0.01), ("high", 12.0)])
def test_a_high_or_low_far_out_is_a_spike(name, factor):
    long = clean()
    long.loc[AT, name] *= factor
    (finding,) = found(long)
    assert (finding.kind, finding.field, finding.time) == ("price_spike", name, long["ds"][AT])


def test_prices_of_a_few_ticks_do_not_alternate():
    rng = np.random.default_rng(1)
    close = rng.choice([0.02, 0.03, 0.04], 400)
    ends = CLOCK.ends("2015-01-01", "2017-01-01")[:400]
    long = pd.DataFrame({"unique_id": "A", "ds": ends, "close": close})
    assert {finding.kind for finding in found(long)} <= {"large_move"}


def test_false_splits_are_rare_in_violent_markets():
    kinds = []
    for seed in range(20):
        long = clean(seed, 1500, process="garch_t", degrees=2.5, volatility=1.2)
        kinds += [finding.kind for finding in found(long)]
    assert kinds.count("large_move") >= 15
    assert kinds.count("unadjusted_split") == kinds.count("ticker_reuse") == 0


def test_the_bundled_stocks_splits_are_known_to_the_history_and_found_without_it():
    history = SOURCES.build({"kind": "bundled", "series": ["AAPL", "MSFT", "IBM", "GOOG"]}).load(Path())
    assert "unadjusted_split" not in {finding.kind for finding in check_panel(history)}
    blind = [f for f in check_bars(to_long(history.panel), history.clock) if f.kind == "unadjusted_split"]
    assert [(finding.series, str(finding.time)[:10]) for finding in blind] == [
        ("AAPL", "2000-06-21"),
        ("AAPL", "2005-02-28"),
        ("MSFT", "2003-02-18"),
    ]
