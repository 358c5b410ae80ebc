"""Variance horizon reproduction: the four configurations take the walk of every run, and products need skill."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from backtest.configuration import read_config
from backtest.reproductions.base import REPRODUCTIONS
from backtest.reproductions.variance_horizon import (
    Outcome,
    VarianceHorizonCosts,
    hourly_history,
    joined,
    ratio_rows,
    verdict_of,
    walked_from,
)
from data.errors import DataError
from data.registry import validated

CONFIG = Path(__file__).resolve().parents[2] / "configs" / "reproduce" / "variance_horizon.yaml"
RIDGE = {"kind": "ridge", "context": 24, "horizon": 3}
HOURLY, FALLING = {"kind": "every", "bars": 1}, {"kind": "performance", "window": 3, "k": 0.5}


def shipped(**changed):
    settings = {key: value for key, value in read_config(CONFIG).items() if key != "kind"}
    return validated(VarianceHorizonCosts, {**settings, **changed}, "reproduction")


@pytest.fixture(scope="module")
def history(tmp_path_factory):
    """Six hundred made hours with a daily cycle, some below zero, as a file in the shape of the real one."""
    rng, hours = np.random.default_rng(0), np.arange(600)
    column = 3 * np.sin(hours / 24 * 2 * np.pi) + np.cumsum(rng.normal(0, 0.1, 600))
    stamps = np.datetime64("2020-01-01T00", "s") + hours * np.timedelta64(3600, "s")
    lines = [
        f"{str(stamp).replace('T', ' ')},{a:.6f},{b:.6f}"
        for stamp, a, b in zip(stamps, rng.normal(size=600), column, strict=True)
    ]
    file = tmp_path_factory.mktemp("hours") / "hours.csv"
    file.write_text("\n".join(["date,LOAD,OT", *lines]))
    return hourly_history(file, "OT", 273.15)


def made(history, retraining, starts=(300, 400), steps=12, model=RIDGE):
    return walked_from(history, model, retraining, 200, starts, steps, 0)


def outcome(errors, compute=100.0, naive=1.0):
    return Outcome({"model": np.array(errors), "naive": np.full(len(errors), naive)}, 4, 50.0, compute, 2.0)


def test_a_file_becomes_a_series_in_kelvin_with_every_column_as_a_field(history):
    assert history.panel.series == ("OT",)
    assert history.panel.fields == ("open", "close", "LOAD", "OT")
    close, column = history.panel.field("close"), history.panel.field("OT")
    np.testing.assert_allclose(close - column, 273.15)
    assert (close > 0).all()
    assert history.times[1] - history.times[0] == np.timedelta64(1, "h")


def test_hourly_refits_are_one_a_decision_on_all_rows(history):
    found = made(history, HOURLY)
    assert (found.fits, found.rows, found.compute) == (24, 200.0, 24 * 200.0)
    assert list(found.errors) == ["ridge", "naive", "seasonal_naive"]
    assert all(errors.shape == (24,) for errors in found.errors.values())


def test_a_window_and_rarer_refits_cost_less(history):
    window = {"variance_horizon": {"tolerance": 0.01, "fields": ["LOAD", "OT"]}}
    hourly, shorter = made(history, HOURLY), made(history, {**HOURLY, **window})
    rarer, both = made(history, FALLING), made(history, {**FALLING, **window})
    assert shorter.fits == hourly.fits
    assert shorter.rows < hourly.rows
    assert rarer.fits < hourly.fits
    assert both.compute < min(shorter.compute, rarer.compute)


def test_naive_errors_are_those_of_the_last_value_whatever_the_retraining(history):
    close = history.panel.field("close")[:, 0]
    found = made(history, FALLING, starts=(300,))
    expected = [np.abs(close[row + 1 : row + 4] - close[row]).mean() for row in range(300, 312)]
    np.testing.assert_allclose(found.errors["naive"], expected)
    assert np.array_equal(found.errors["naive"], made(history, HOURLY, starts=(300,)).errors["naive"])


def test_walks_are_joined_decision_by_decision(history):
    parts = [made(history, FALLING, starts=(first,)) for first in (300, 400)]
    whole = made(history, FALLING)
    assert np.array_equal(whole.own, np.concatenate([each.own for each in parts]))
    assert whole.fits == sum(each.fits for each in parts)
    assert whole.compute == pytest.approx(sum(each.compute for each in parts))
    assert joined([parts[0]]).rows == parts[0].rows


def test_rows_are_ratios_to_the_first_configuration():
    rng = np.random.default_rng(1)
    base = outcome(rng.uniform(0.5, 0.9, 60))
    less = outcome(1.1 * base.own, compute=10.0)
    rows = {row.name: row for row in ratio_rows({"all": base, "less": less}, rng, {"compute, less": 0.2})}
    assert rows["compute, less"].value == pytest.approx(0.1)
    assert rows["compute, less"].published == 0.2
    assert rows["error, less"].value == pytest.approx(1.1)
    assert rows["error, less"].low == pytest.approx(1.1)
    assert rows["error x compute, less"].value == pytest.approx(0.11)
    assert rows["error, naive"].is_naive
    assert rows["error, naive"].value == pytest.approx(1 / base.own.mean())


def test_products_are_compared_among_configurations_with_skill_only():
    rng = np.random.default_rng(2)
    good, also_good = outcome(rng.uniform(0.5, 0.9, 60)), outcome(rng.uniform(0.5, 0.9, 60), compute=10.0)
    bad = outcome(rng.uniform(0.5, 1.6, 60), compute=1.0)
    said = verdict_of({"all": good, "rare": also_good, "cheap": bad}, 2)
    assert "Among configurations with skill, rare has the least error x compute" in said
    assert "cheap shows no skill and is not compared." in said
    alone = verdict_of({"all": good, "cheap": bad}, 2)
    assert "least" not in alone
    nothing = verdict_of({"all": bad, "rare": good}, 2)
    assert "all does not beat naive (p = " in nothing
    assert "a forecast that never trains would win it" in nothing


def test_the_shipped_configuration_has_the_four_configurations_of_the_source_and_no_refit_beside():
    assert REPRODUCTIONS.build(read_config(CONFIG)) == shipped()
    names = list(shipped().configurations)
    assert names[0] == "always, all rows"
    assert names[-1] == "never"
    assert len(names) == 5
    assert shipped().published["error x compute, performance + variance horizon"] == 0.003


def test_missing_data_names_the_file(tmp_path):
    with pytest.raises(DataError, match=r"ETTh1.csv' was not found .* --data"):
        shipped().run(tmp_path)


@pytest.mark.shared_data
def test_a_short_run_on_the_real_hours_prints_every_row_and_says_whether_there_is_skill(shared_data):
    short = replace(shipped(), model={"kind": "ridge", "context": 48, "horizon": 6}, starts=(8640,), steps=14)
    found = short.run(shared_data)
    assert [row.name for row in found.rows if row.is_naive] == ["error, naive", "error, seasonal_naive"]
    assert len(found.rows) == 4 * 4 + 2
    values = {row.name: row.value for row in found.rows}
    assert 0.1 < values["compute, variance horizon"] < 0.6
    assert values["compute, performance"] < 0.4
    assert "always, all rows made 14 fits of 3360 rows" in found.verdict
