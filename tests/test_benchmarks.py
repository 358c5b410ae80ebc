"""Benchmarks: the cases are the ones their golden numbers belong to, and the table says what was measured."""

import importlib.util
import json
import math
from pathlib import Path

import numpy as np
import pytest

FOLDER = Path(__file__).resolve().parents[1] / "benchmarks"


def loaded(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


cases = loaded(FOLDER / "peers" / "cases.py")
driver = loaded(FOLDER / "engine_speed.py")


def printed(engine, case, seconds, cells, **changed):
    line = {
        "engine": engine,
        "case": case,
        "cells": cells,
        "peak_mb": 300.0,
        "golden": cases.GOLDEN.get(case),
    }
    line |= {"first_seconds": 1.0, "seconds": seconds, "least_seconds": seconds, "wall_seconds": seconds}
    line |= {"final": cases.GOLDEN.get(case, 1.0), "import_seconds": 0.5}
    return "a library says hello\n" + json.dumps(line | changed) + "\n"


def everything_met():
    """Return measurements in which every target is met by a little."""
    lines = [printed(f"vectorbt {way}", "a", 0.2, 10**6) for way in ("numba targets", "numba signals")]
    lines += [printed(f"vectorbt {way}", "a", 0.1, 10**6) for way in ("rust targets", "rust signals")]
    lines += [printed(f"vectorbt {way} targets", "b", 0.6, 1_260_000) for way in ("numba", "rust")]
    lines += [printed(f"vectorbt numba {way}", "c", 0.7, 1000) for way in ("targets", "signals", "averages")]
    own = {"prepare_seconds": 0.01}
    lines += [printed("exact", "a", 0.0249, 10**6, **own), printed("exact", "b", 0.055, 1_260_000, **own)]
    lines += [
        printed("realistic", "a", 0.03, 10**6, **own),
        printed("realistic", "b", 0.109, 1_260_000, **own),
    ]
    lines += [
        printed("exact", "b 100 x 252", 0.001, 25_200, **own),
        printed("backtrader", "b 100 x 252", 4.5, 25_200),
    ]
    lines += [
        printed("sweep:1", "c", 0.159, 1000, **own),
        printed("sweep:2", "c", 0.16, 1000, wall_seconds=0.09, **own),
    ]
    return {(each.engine, each.case): each for each in map(driver.parsed, lines)}


def test_case_a_asks_for_the_published_number_of_orders():
    close = cases.prices("a").close[:, 0]
    orders = cases.on_change(cases.is_long(close, 50, 200), 0.95, 199)
    asked = orders[~np.isnan(orders)]
    assert asked[0] == 0.0, "nothing is held yet, so the first target is no order"
    assert len(asked) - 1 == 6_224
    assert set(asked) == {0.0, 0.95}
    assert (asked[1:] != asked[:-1]).all()


def test_case_c_starts_with_the_published_pairs():
    assert cases.pairs(5) == [(143, 391), (24, 56), (57, 134), (44, 49), (189, 383)]
    assert len(set(cases.pairs())) == 1000


def test_weights_of_case_b_are_spread_over_all_assets_and_leave_five_percent_in_cash():
    weights = cases.weights()
    assert weights.shape == (2520, 500)
    np.testing.assert_allclose(weights.sum(axis=1), 0.95, rtol=1e-12)
    assert (weights > 0).all()


def test_a_smaller_case_b_is_the_corner_of_the_whole_one():
    whole, corner = cases.prices("b"), cases.prices("b", 3, 40)
    assert np.array_equal(corner.close, whole.close[:40, :3])
    assert np.array_equal(cases.weights(3, 40), cases.weights()[:40, :3])
    assert len(corner.times) == 40


@pytest.mark.parametrize("case", ["b", "c"])
def test_bars_of_a_case_could_be_real(case):
    bars = cases.prices(case)
    assert (bars.low <= np.minimum(bars.open, bars.close)).all()
    assert (bars.high >= np.maximum(bars.open, bars.close)).all()
    assert (np.diff(bars.times) > np.timedelta64(0)).all()
    assert (bars.open[0] != 100.0).all(), "the first open moves, too"


def test_average_is_the_mean_of_the_window_and_unknown_before_it():
    close = np.random.default_rng(0).normal(100.0, 1.0, 50)
    made = cases.average(close, 7)
    assert np.isnan(made[:6]).all()
    for t in range(6, 50):
        assert made[t] == pytest.approx(math.fsum(close[t - 6 : t + 1]) / 7, rel=1e-12)


def test_orders_are_given_where_the_wish_changes_and_at_the_first_bar():
    held = np.array([False, False, True, True, False])
    np.testing.assert_array_equal(cases.on_change(held, 0.95, 1), [np.nan, 0.0, 0.95, np.nan, 0.0])


def test_a_measurement_is_read_from_the_last_line_and_stated_per_cell():
    found = driver.parsed(printed("exact", "b", 0.063, 1_260_000), load=1.5)
    assert (found.engine, found.load) == ("exact", 1.5)
    assert found.unit == pytest.approx(50.0)
    assert driver.parsed(printed("sweep:1", "c", 0.16, 1000)).unit == pytest.approx(160.0)


def test_every_target_is_met_or_missed_by_what_was_measured():
    found = everything_met()
    assert [each.name for each in driver.targets(found) if not each.is_met] == []
    found["exact", "a"] = driver.parsed(
        printed("exact", "a", 0.041, 10**6, prepare_seconds=0.01, peak_mb=401.0)
    )
    missed = [each for each in driver.targets(found) if not each.is_met]
    assert [each.name for each in missed] == [
        "a exact, ns per bar",
        "a vectorbt numba, the same fills, over exact",
        "a vectorbt numba, its own signals, over exact",
        "a vectorbt rust, the same fills, over exact",
        "a vectorbt rust, its own signals, over exact",
        "peak memory of any engine of ours, MB",
    ]
    assert " ".join(missed[0].line().split()) == "MISSED a exact, ns per bar 41 <= 25"


def test_the_table_says_whether_the_final_equity_is_that_of_backtrader():
    found = everything_met()
    off = driver.parsed(printed("vectorbt numba targets", "a", 0.2, 10**6, final=cases.GOLDEN["a"] * 1.01))
    found["vectorbt numba targets", "a"] = off
    lines = {tuple(line.split()[:2]): line for line in driver.table(found).splitlines()[1:]}
    assert lines["a", "exact"].endswith("1862489.6010056527  = backtrader")
    row = next(
        line
        for line in driver.table(found).splitlines()
        if line.startswith("a           vectorbt numba targets")
    )
    assert row.endswith("+1.0e-02")


def test_peers_are_pinned_and_belong_to_no_requirement_of_the_project():
    pinned = [
        line for line in (FOLDER / "peers" / "requirements.txt").read_text().splitlines() if line[0] != "#"
    ]
    assert all("==" in line for line in pinned)
    project = (FOLDER.parent / "pyproject.toml").read_text() + (
        FOLDER.parent / "requirements.lock"
    ).read_text()
    assert "vectorbt" not in project
