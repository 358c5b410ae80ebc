"""Null worlds look like the bars they come from, hold together across series, and pay nobody on average."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from backtest.audit.worlds import BLIND, KINDS, make_world
from data.errors import SpecError
from data.events import CorporateActions
from data.history import History
from data.sources.bundled import BundledSource
from data.sources.synthetic import SyntheticSource

WORLDS = 60


def stocks() -> History:
    return BundledSource(series=("AAPL", "FB", "IBM", "SP500"), start="2009-01-01", end="2013-02-01").load(
        Path()
    )


@pytest.fixture(scope="module")
def history() -> History:
    return stocks()


def moves(history: History) -> np.ndarray:
    return np.diff(np.log(history.panel.field("close")), axis=0)


@pytest.mark.parametrize("kind", KINDS)
def test_a_world_has_the_same_bars_at_the_same_times_and_each_is_a_bar(history: History, kind: str) -> None:
    world = make_world(history, kind, 0, 1)
    panel = world.panel
    assert panel.series == history.panel.series
    assert panel.fields == history.panel.fields
    assert (panel.times == history.times).all()
    absent = np.isnan(history.panel.field("close"))
    assert (np.isnan(panel.field("close")) == absent).all()
    opened, high, low, closed = (panel.field(name) for name in ("open", "high", "low", "close"))
    ok = ~np.isnan(opened) & ~np.isnan(high)
    assert ok.sum() > 3000
    assert (high[ok] >= np.maximum(opened, closed)[ok]).all()
    assert (low[ok] <= np.minimum(opened, closed)[ok]).all()
    assert (closed[~absent] > 0).all()
    assert len(world.actions) == 0
    assert (panel.field("factor")[~absent] == 1).all()
    first = np.argmax(~absent[:, 0])
    adjusted = history.panel.field("close") * history.panel.field("factor")
    assert closed[first, 0] == adjusted[first, 0]


@pytest.mark.parametrize("kind", KINDS)
def test_the_expected_next_price_is_the_last_one(history: History, kind: str) -> None:
    """The mean simple return over all worlds and bars is 0 within three standard errors, for every series."""
    simple = np.stack([np.expm1(moves(make_world(history, kind, n, 2))) for n in range(WORLDS)])
    for s in range(simple.shape[2]):
        drawn = simple[:, :, s][~np.isnan(simple[:, :, s])]
        assert abs(drawn.mean()) < 3 * drawn.std() / np.sqrt(len(drawn)), history.panel.series[s]


@pytest.mark.parametrize("kind", KINDS)
def test_volatility_and_correlation_are_those_of_the_bars(history: History, kind: str) -> None:
    names = ("AAPL", "IBM", "SP500")
    own = moves(history.select(names))
    drawn = np.concatenate([moves(make_world(history.select(names), kind, n, 3)) for n in range(10)])
    np.testing.assert_allclose(drawn.std(axis=0), own.std(axis=0), rtol=0.12)
    np.testing.assert_allclose(np.corrcoef(drawn.T), np.corrcoef(own.T), atol=0.1)


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_linear_can_be_known_of_the_next_move(kind: str) -> None:
    trending = SyntheticSource(process="ar", autocorrelation=0.4, bars=1500, count=1, seed=3).load(Path())
    drawn = [moves(make_world(trending, kind, n, 1))[:, 0] for n in range(10)]
    after = np.mean([np.corrcoef(each[1:], each[:-1])[0, 1] for each in drawn])
    assert abs(after) < 3 / np.sqrt(15_000)


def test_blocks_and_signs_keep_clusters_of_volatility_that_a_random_walk_lacks(history: History) -> None:
    def clustering(kind: str) -> float:
        sizes = [np.abs(moves(make_world(history.select(("SP500",)), kind, n, 1))[:, 0]) for n in range(8)]
        return float(np.mean([np.corrcoef(each[1:], each[:-1])[0, 1] for each in sizes]))

    assert min(clustering("bootstrapped"), clustering("sign_randomised")) > 0.07
    assert abs(clustering("random_walk")) < 0.05


def test_signs_are_shared_by_all_series_and_keep_every_size() -> None:
    two = SyntheticSource(count=2, bars=400, seed=2).load(Path())
    own, drawn = moves(two), moves(make_world(two, "sign_randomised", 0, 1))
    centred = own - own.mean(axis=0)
    shift = np.log(np.cosh(centred))
    signs = (drawn + shift) / centred
    np.testing.assert_allclose(np.abs(signs), 1.0, rtol=1e-6)
    np.testing.assert_array_equal(np.sign(signs[:, 0]), np.sign(signs[:, 1]))
    assert 0.4 < (signs[:, 0] > 0).mean() < 0.6


def test_a_bar_that_is_turned_round_is_its_mirror_image(history: History) -> None:
    one = history.select(("IBM",))
    drawn = make_world(one, "sign_randomised", 0, 1)
    before, after = (
        {n: h.panel.field(n)[:, 0] for n in ("open", "high", "low", "close")} for h in (one, drawn)
    )
    turned = ~np.isclose(after["high"] / after["close"], before["high"] / before["close"])
    assert 0.3 < turned.mean() < 0.7
    np.testing.assert_allclose(
        (after["high"] / after["close"])[turned], (before["close"] / before["low"])[turned]
    )


def test_shocks_of_a_garch_world_have_fat_tails_and_those_of_a_random_walk_have_not(history: History) -> None:
    one = history.select(("SP500",))
    fat, thin = (
        stats.kurtosis(np.concatenate([moves(make_world(one, kind, n, 1))[:, 0] for n in range(10)]))
        for kind in ("garch_t", "random_walk")
    )
    assert fat > 1.5
    assert abs(thin) < 0.3


def test_volumes_and_other_fields_come_with_the_bars_they_belong_to() -> None:
    made = SyntheticSource(count=2, bars=1000, seed=1, process="regime").load(Path())
    row = np.tile(np.arange(1000.0)[:, None], (1, 2))
    tagged = replace(made, panel=made.panel.with_field("row", row))
    world = make_world(tagged, "bootstrapped", 0, 1).panel
    rows = world.field("row").astype(int)
    assert (rows[:, 0] == rows[:, 1]).all()
    np.testing.assert_array_equal(world.field("volume")[:, 0], made.panel.field("volume")[rows[:, 0], 0])
    steps = np.diff(rows[1:, 0])
    assert 0.5 < (steps == 1).mean() < 0.99


def test_a_world_depends_on_its_number_kind_and_seed_and_on_nothing_else(history: History) -> None:
    made = {
        (kind, number, seed): make_world(history, kind, number, seed).fingerprint()
        for kind in KINDS
        for number in (0, 1)
        for seed in (0, 1)
    }
    assert len(set(made.values())) == len(made)
    assert made["garch_t", 1, 0] == make_world(stocks(), "garch_t", 1, 0).fingerprint()


def test_dividends_and_splits_are_folded_into_the_prices() -> None:
    made = SyntheticSource(count=1, bars=100, seed=1).load(Path())
    values, factor = made.panel.values.copy(), np.ones((100, 1))
    values[50:, :, :4] /= 2
    factor[50:] = 2.0
    panel = replace(made.panel, values=values).with_field("factor", factor)
    actions = CorporateActions(made.times[[50]], np.array(["S1"]), np.array([2.0]), np.zeros(1))
    split = replace(made, panel=panel, actions=actions)
    for kind in KINDS:
        world, plain = (make_world(each, kind, 0, 1).panel for each in (split, made))
        np.testing.assert_allclose(world.field("close"), plain.field("close"), rtol=1e-12)


def test_blind_worlds_are_all_kinds_but_blocks() -> None:
    assert set(KINDS) - set(BLIND) == {"bootstrapped"}


def test_what_allows_no_world_is_refused(history: History) -> None:
    made = SyntheticSource(count=1, bars=50).load(Path())
    below = made.panel.values.copy()
    below[3, 0, 3] = -1.0
    with pytest.raises(SpecError, match="kind was 'lucky'; allowed: bootstrapped"):
        make_world(made, "lucky", 0, 0)
    with pytest.raises(SpecError, match="close holds -1; null worlds need prices above 0"):
        make_world(replace(made, panel=replace(made.panel, values=below)), "garch_t", 0, 0)
    with pytest.raises(SpecError, match="series 'S1' has fewer than 3 bars"):
        make_world(made.last(2), "garch_t", 0, 0)
    bare = replace(made.panel, fields=("price", *made.panel.fields[1:3], "last", "volume"))
    with pytest.raises(SpecError, match="need the field 'close'"):
        make_world(replace(made, panel=bare), "garch_t", 0, 0)
