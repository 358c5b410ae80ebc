"""The contract of every feature: causal, exact in its lookback, and without side effects."""

import numpy as np
import pytest

from data.errors import SpecError
from data.features.feature import Feature
from data.features.table import FEATURES
from data.panel import Panel

FIELDS = ("open", "high", "low", "close", "volume", "factor")
ALL = sorted(FEATURES)


def market(rows: int = 420, series: int = 3, seed: int = 0) -> Panel:
    rng = np.random.default_rng(seed)
    closed = 50 * np.exp(np.cumsum(rng.normal(0, 0.01, (rows, series)), axis=0))
    opened = closed * np.exp(rng.normal(0, 0.003, closed.shape))
    high = np.maximum(opened, closed) * (1 + rng.uniform(0, 0.01, closed.shape))
    low = np.minimum(opened, closed) * (1 - rng.uniform(0, 0.01, closed.shape))
    factor = np.ones_like(closed)
    factor[rows // 2 :, 0] = 2.0
    cube = np.stack([opened, high, low, closed, rng.uniform(1e5, 1e6, closed.shape), factor], axis=2)
    times = np.datetime64("2020-01-01") + np.arange(rows)
    return Panel(times, tuple("ABCDEF"[:series]), FIELDS, cube)


def with_future(panel: Panel, cut: int, factor: float) -> Panel:
    rng = np.random.default_rng(cut)
    values = np.array(panel.values)
    later = values[cut:]
    values[cut:] = later * factor * np.exp(0.05 * rng.normal(size=later.shape))
    return Panel(panel.times, panel.series, panel.fields, values)


@pytest.mark.parametrize("name", ALL)
def test_the_future_never_changes_the_past(name: str) -> None:
    panel, feature = market(), FEATURES[name]
    whole = feature(panel)
    for cut in (1, 150, 211, 300, 399, 419):
        for factor in (1.5, 0.6):
            assert feature(with_future(panel, cut, factor))[:cut].tobytes() == whole[:cut].tobytes()
        assert feature(panel.rows(0, cut)).tobytes() == whole[:cut].tobytes()


@pytest.mark.parametrize("name", ALL)
def test_the_declared_lookback_is_enough_and_needed(name: str) -> None:
    panel, feature = market(), FEATURES[name]
    rows = feature.rows()
    assert rows < len(panel)
    exact = feature(panel)[-1]
    assert np.isfinite(exact).all()
    assert feature(panel.last(rows))[-1].tobytes() == exact.tobytes()
    if rows > 1:
        assert np.isnan(feature(panel.last(rows - 1))[-1]).all()
        assert np.isnan(feature(panel)[: rows - 1]).all()


@pytest.mark.parametrize("name", ALL)
def test_a_permutation_of_series_permutes_the_feature(name: str) -> None:
    panel = market()
    turned = FEATURES[name](panel.select(("C", "A", "B")))
    assert turned.tobytes() == np.ascontiguousarray(FEATURES[name](panel)[:, [2, 0, 1]]).tobytes()


@pytest.mark.parametrize("name", ALL)
def test_inputs_are_not_changed(name: str) -> None:
    panel = market()
    before = panel.fingerprint()
    FEATURES[name](panel)
    assert panel.fingerprint() == before


@pytest.mark.parametrize("name", [n for n in ALL if "close" in FEATURES[n].fields])
def test_a_missing_bar_gives_nan_while_it_is_in_the_window(name: str) -> None:
    panel, feature = market(), FEATURES[name]
    values = np.array(panel.values)
    values[300, 1] = np.nan
    gapped = feature(Panel(panel.times, panel.series, panel.fields, values))
    assert np.isnan(gapped[300, 1])
    assert np.isfinite(gapped[300, 0])


def test_prices_are_adjusted_forward_before_use() -> None:
    panel = market()
    jump = FEATURES["log_return"](panel)[len(panel) // 2, 0]
    raw = np.log(panel.field("close")[len(panel) // 2, 0] / panel.field("close")[len(panel) // 2 - 1, 0])
    assert jump == pytest.approx(raw + np.log(2.0))


def test_unknown_settings_and_missing_fields_are_named() -> None:
    with pytest.raises(SpecError, match="no setting 'windw'; did you mean 'window'"):
        FEATURES["rsi"](market(), windw=3)
    with pytest.raises(SpecError, match="was 0"):
        FEATURES["rsi"](market(), window=0)
    closes = market()
    bare = Panel(closes.times, closes.series, ("close",), closes.values[:, :, 3:4])
    with pytest.raises(SpecError, match="needs the field 'open'"):
        FEATURES["yang_zhang_volatility"](bare)


def test_a_feature_that_looks_ahead_is_caught() -> None:
    def leaky(panel: Panel, window: int) -> np.ndarray:
        closes = panel.field("close")
        return np.asarray(closes / closes.max(axis=0) * window)

    feature = Feature("leaky", leaky, lambda window: window, {"window": 1}, ("close",))
    panel = market()
    assert feature(with_future(panel, 300, 1.5))[:300].tobytes() != feature(panel)[:300].tobytes()
