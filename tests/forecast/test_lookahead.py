"""Changed futures keep the past and stay bars; the first thing that moved is named with its place and time."""

from dataclasses import replace

import numpy as np
import pytest

from data.history import History
from data.panel import Panel
from data.sources.synthetic import SyntheticSource
from forecast.lookahead import (
    PERTURBATIONS,
    Movement,
    first_of,
    movements,
    perturbed,
    row_moved,
    same_bits,
)

HISTORY = SyntheticSource(count=2, bars=60, seed=4).load(None)
CUT = np.datetime64(HISTORY.times[29])
DAY = [np.datetime64(f"2020-01-0{day}", "ns") for day in range(1, 6)]


def with_values(history: History, values: np.ndarray) -> History:
    return replace(history, panel=replace(history.panel, values=values))


@pytest.mark.parametrize("how", PERTURBATIONS)
def test_a_changed_future_keeps_the_past_and_is_still_made_of_bars(how: str) -> None:
    changed = perturbed(HISTORY, CUT, how)
    assert changed.until(CUT).fingerprint() == HISTORY.until(CUT).fingerprint()
    later = changed.panel.values[30:]
    opened, high, low, closed = (later[:, :, f] for f in range(4))
    missing = np.isnan(closed)
    assert (missing | (high >= np.maximum(opened, closed) * (1 - 1e-12))).all()
    assert (missing | (low <= np.minimum(opened, closed) * (1 + 1e-12))).all()


def test_mirrored_returns_are_the_old_ones_with_their_sign_flipped() -> None:
    before, after = (h.panel.field("close") for h in (HISTORY, perturbed(HISTORY, CUT, "mirrored")))
    old, new = np.diff(np.log(before), axis=0)[29:], np.diff(np.log(after), axis=0)[29:]
    np.testing.assert_allclose(new, -old, rtol=1e-9)
    volume = perturbed(HISTORY, CUT, "mirrored").panel.field("volume")
    assert volume.tobytes() == HISTORY.panel.field("volume").tobytes()


def test_a_series_that_is_not_positive_is_mirrored_about_its_last_value() -> None:
    values = HISTORY.panel.values.copy()
    values[:, 0, :4] -= 200.0
    history = with_values(HISTORY, values)
    before, after = (h.panel.field("close")[:, 0] for h in (history, perturbed(history, CUT, "mirrored")))
    np.testing.assert_allclose(after[30:] - before[29], before[29] - before[30:])


def test_other_fields_change_their_sign_when_mirrored() -> None:
    signal = np.random.default_rng(0).normal(size=(60, 2))
    history = replace(HISTORY, panel=HISTORY.panel.with_field("signal", signal))
    after = perturbed(history, CUT, "mirrored").panel.field("signal")
    np.testing.assert_array_equal(after[30:], -signal[30:])
    np.testing.assert_array_equal(after[:30], signal[:30])


def test_actions_after_the_cut_are_gone() -> None:
    from data.events import CorporateActions

    actions = CorporateActions(
        HISTORY.times[[20, 40]], np.array(["S1", "S1"]), np.array([2.0, 2.0]), np.zeros(2)
    )
    for how in PERTURBATIONS:
        assert len(perturbed(replace(HISTORY, actions=actions), CUT, how).actions) == 1


def test_each_artefact_is_named_with_its_earliest_place_and_time() -> None:
    before = {"features": {DAY[2]: {"A": 1.0}}, "fits": {DAY[0]: {"m": 1}, DAY[1]: {"m": 2, "n": 3}}}
    after = {"features": {DAY[2]: {"A": 2.0}}, "fits": {DAY[0]: {"m": 1}, DAY[1]: {"m": 2}}}
    moved = movements(before, after, DAY[4])
    assert moved == (Movement("features", "A", DAY[2]), Movement("fits", "n", DAY[1]))
    assert first_of(moved) == moved[1]
    assert str(moved[1]) == "fits of n at 2020-01-02T00:00:00.000000000"


def test_at_one_time_the_artefact_that_is_made_first_is_named() -> None:
    before, after = ({name: {DAY[0]: value} for name in ("targets", "equity")} for value in (1.0, 2.0))
    assert first_of(movements(before, after, DAY[0])).artefact == "targets"


def test_what_moves_after_the_cut_is_no_movement() -> None:
    assert movements({"fits": {DAY[3]: 1}}, {"fits": {DAY[3]: 2}}, DAY[2]) == ()


def test_the_first_row_that_moved_is_named_with_series_and_field() -> None:
    values = HISTORY.panel.values.copy()
    values[[12, 20], [1, 0], [2, 0]] += 1e-13
    moved = row_moved("features", HISTORY.panel, with_values(HISTORY, values).panel, CUT)
    assert moved == Movement("features", "S2 low", HISTORY.times[12])
    assert row_moved("features", HISTORY.panel, HISTORY.panel, CUT) is None


def test_a_missing_row_a_moved_stamp_and_a_renamed_field_are_movements() -> None:
    panel = HISTORY.panel
    shorter = row_moved("features", panel, panel.rows(0, 25), CUT)
    assert shorter == Movement("features", "", panel.times[25])
    renamed = replace(panel, fields=("a", *panel.fields[1:]))
    assert row_moved("features", panel, renamed, CUT) == Movement("features", "", panel.times[0])
    times = panel.times.copy()
    times[7] += np.timedelta64(1, "s")
    assert row_moved("features", panel, replace(panel, times=times), CUT) is not None


def test_missing_values_are_equal_whatever_their_bits_and_signed_zeros_are_not() -> None:
    def panel(value: float) -> Panel:
        return Panel(DAY[:1], ("A",), ("f",), np.full((1, 1, 1), value))

    assert row_moved("features", panel(np.nan), panel(-np.nan), DAY[0]) is None
    assert row_moved("features", panel(0.0), panel(-0.0), DAY[0]) is not None


def test_bits_tell_types_shapes_and_signed_zeros_apart() -> None:
    assert same_bits(np.array([np.nan]), np.array([np.nan]))
    for first, second in ((0.0, -0.0), (1, 1.0), ([1.0, 2.0], [[1.0, 2.0]])):
        assert not same_bits(np.asarray(first), np.asarray(second)), (first, second)
