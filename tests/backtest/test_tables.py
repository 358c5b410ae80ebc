"""The tables of a run agree with each other, with the bars and with the documentation."""

import importlib.util
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from backtest.experiment import Places, run_spec, walk_history
from backtest.run import Run, load_run
from backtest.tables import run_tables
from data.history import History
from data.prices import adjusted

ROOT = Path(__file__).resolve().parents[2]
_PATH = ROOT / "tests" / "oracles" / "small_walk.py"
_SPEC = importlib.util.spec_from_file_location("small_walk", _PATH)
small_walk = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(small_walk)

SECTIONS = {
    "forecaster": [
        {"kind": "bootstrap", "context": 8, "horizon": 3, "paths": 100},
        {"kind": "ridge", "context": 8, "horizon": 3},
    ],
    "policy": "long_short",
    "costs": {"kind": "custom", "commission_bps": 1.0, "half_spread_bps": 2.0, "slippage_bps": 3.0},
}
LANES = ["bootstrap", "ridge", "naive", "drift", "seasonal_naive", "buy_and_hold"]


@pytest.fixture(scope="module")
def history() -> History:
    return small_walk.small_history()


@pytest.fixture(scope="module")
def run(history: History, tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("run")
    places = Places(folder / "runs", folder / "trials.jsonl")
    made = run_spec(small_walk.small_spec(**SECTIONS), history, places, small_walk.quiet)
    return load_run(folder / "runs" / made.id)


def of(run: Run, table: str, lane: str) -> pd.DataFrame:
    rows = run.tables[table]
    return rows[rows["lane"] == lane].reset_index(drop=True)


def documented_columns() -> dict[str, list[str]]:
    """Return the columns of every table as the architecture page lists them."""
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \| (.+) \|$", text.split("## What a run stores")[1], flags=re.MULTILINE)
    columns = {
        table: re.sub(r"\([^)]*\)", "", listed).split(", then one column")[0] for table, listed in rows
    }
    return {table: [name.strip() for name in listed.split(",")] for table, listed in columns.items()}


def test_every_table_has_exactly_the_documented_columns(run: Run) -> None:
    documented = documented_columns()
    levels = [f"q{level:g}" for level in (0.025, *(round(0.05 * i, 2) for i in range(1, 20)), 0.975)]
    documented["forecasts"] += levels
    assert {name: list(table.columns) for name, table in sorted(run.tables.items())} == dict(
        sorted(documented.items())
    )


def test_every_lane_has_one_equity_row_a_bar_from_its_capital_on(run: Run, history: History) -> None:
    assert list(dict.fromkeys(run.tables["equity"]["lane"])) == LANES
    bars = history.times[119:]
    for lane in LANES:
        rows = of(run, "equity", lane)
        assert (rows["time"].to_numpy() == bars).all()
        assert rows["equity"][0] == rows["equity_gross"][0] == 1_000_000.0
        assert rows["benchmark"].tolist() == of(run, "equity", "buy_and_hold")["equity"].tolist()


def test_the_returns_of_folds_compound_to_the_total(run: Run) -> None:
    for lane in LANES:
        rows, curve = of(run, "folds", lane), of(run, "equity", lane)
        for column, equity in (("net_return", "equity"), ("gross_return", "equity_gross")):
            total = curve[equity].iloc[-1] / curve[equity].iloc[0]
            assert np.prod(1.0 + rows[column]) == pytest.approx(total, rel=1e-12)
        assert rows["turnover"].sum() == pytest.approx(curve["turnover"].sum(), rel=1e-12)


def test_folds_cover_every_bar_after_the_first_decision_once(run: Run) -> None:
    folds, curve = of(run, "folds", "ridge"), of(run, "equity", "ridge")
    times = curve["time"].to_numpy()[1:, None]
    inside = (times > folds["test_start"].to_numpy()) & (times <= folds["test_end"].to_numpy())
    assert (inside.sum(axis=1) == 1).all()
    assert (inside.argmax(axis=1) == curve["fold"][1:]).all()
    assert folds["decisions"].sum() == len(run.tables["targets"]) / len(LANES) / 3
    assert (folds["train_end"] <= folds["test_start"]).all()


def test_costs_only_take_and_are_what_the_fills_paid(run: Run) -> None:
    fills = run.tables["fills"]
    paid = fills[["commission", "spread_cost", "slippage_cost"]].sum(axis=1).groupby(fills["lane"]).sum()
    assert (paid > 0).all()
    assert len(paid) >= 4
    for lane in LANES:
        rows = of(run, "equity", lane)
        assert rows["costs"].sum() == pytest.approx(paid.get(lane, 0.0), rel=1e-9)
        assert rows["equity_gross"].iloc[-1] >= rows["equity"].iloc[-1]


def test_the_cost_ladder_starts_at_gross_and_passes_through_net(run: Run) -> None:
    for lane in LANES:
        ladder, curve = (
            of(run, "costs", lane).set_index("multiplier")["final_equity"],
            of(run, "equity", lane),
        )
        assert ladder[0.0] == curve["equity_gross"].iloc[-1]
        assert ladder[1.0] == curve["equity"].iloc[-1]
        assert ladder.is_monotonic_decreasing


def test_weights_add_up_to_the_exposures(run: Run) -> None:
    for lane in LANES:
        curve = of(run, "equity", lane).set_index("time")
        weights = of(run, "weights", lane).groupby("time")["weight"]
        net = weights.sum().reindex(curve.index, fill_value=0.0)
        gross = weights.apply(lambda w: w.abs().sum()).reindex(curve.index, fill_value=0.0)
        np.testing.assert_allclose(curve["net_exposure"], net, atol=1e-12)
        np.testing.assert_allclose(curve["gross_exposure"], gross, atol=1e-12)


def test_filled_units_at_their_closes_are_the_weights(run: Run, history: History) -> None:
    closes = pd.DataFrame(
        np.array(history.panel.field("close")), history.times, list(history.panel.series)
    ).ffill()
    for lane in ("ridge", "bootstrap", "buy_and_hold"):
        fills, curve = of(run, "fills", lane), of(run, "equity", lane).set_index("time")
        units = fills.pivot_table(index="time", columns="series", values="units", aggfunc="sum")
        held = units.reindex(curve.index).fillna(0.0).cumsum()
        expected = held.mul(closes.loc[curve.index, held.columns]).div(curve["equity"], axis=0)
        weights = of(run, "weights", lane).pivot_table(index="time", columns="series", values="weight")
        found = weights.reindex(index=curve.index, columns=held.columns).fillna(0.0)
        np.testing.assert_allclose(found, expected, atol=1e-12)


def test_each_forecast_stands_beside_what_happened(run: Run, history: History) -> None:
    rows = run.tables["forecasts"]
    prices = pd.DataFrame(adjusted(history.panel, "close"), history.times, list(history.panel.series))
    known = [
        prices.loc[time, series] if time in prices.index else np.nan
        for time, series in zip(rows["time"], rows["series"], strict=True)
    ]
    np.testing.assert_array_equal(rows["truth"], known)
    carried = prices.ffill()
    last = [carried.loc[time, series] for time, series in zip(rows["cutoff"], rows["series"], strict=True)]
    np.testing.assert_array_equal(rows["last"], last)
    levels = [column for column in rows.columns if re.fullmatch(r"q0\.\d+", column)]
    assert (np.diff(rows[levels].to_numpy(), axis=1) >= 0).all()
    assert (rows["time"] > rows["cutoff"]).all()
    assert set(rows["model"]) == set(LANES[:-1])


def test_untradable_series_are_forecast_and_never_traded(run: Run) -> None:
    assert "S3" in set(run.tables["forecasts"]["series"])
    for table in ("fills", "weights", "trades"):
        assert set(run.tables[table]["series"]) == {"S1", "S2"}


def test_scores_have_one_row_a_model_and_step_and_skill_only_for_what_was_tested(run: Run) -> None:
    scores = run.tables["scores"]
    assert [tuple(pair) for pair in scores[["model", "step"]].to_numpy()] == [
        (m, s) for m in LANES[:-1] for s in range(4)
    ]
    overall = scores[scores["step"] == 0].set_index("model")
    truths = run.tables["forecasts"].groupby("model")["truth"].count()
    assert overall["n"].to_dict() == truths.to_dict()
    folds = run.tables["folds"]
    assert folds[folds["lane"] == "buy_and_hold"][["crps", "skill"]].isna().all(axis=None)
    assert folds[folds["lane"] != "buy_and_hold"]["crps"].notna().all()


@pytest.mark.parametrize(("retraining", "expected"), [("every_fold", 4), ("never", 1)])
def test_fits_are_counted_for_every_model_and_not_for_the_benchmark(
    retraining: str, expected: int, history: History
) -> None:
    walked = walk_history(small_walk.small_spec(**SECTIONS, retraining=retraining), history, small_walk.quiet)
    tables = run_tables(walked)
    assert tables["fits"].groupby("model").size().to_dict() == dict.fromkeys(LANES[:-1], expected)
    assert tables["folds"]["fold"].nunique() == 4


def test_a_lane_that_never_trades_has_its_tables_all_the_same(history: History) -> None:
    spec = small_walk.small_spec(
        forecaster={"kind": "ridge", "context": 8, "horizon": 3}, policy="cash", benchmark="cash"
    )
    tables = run_tables(walk_history(spec, history, small_walk.quiet))
    documented = documented_columns()
    for name in ("fills", "weights", "trades", "drawdowns"):
        assert tables[name].empty, name
        assert list(tables[name].columns) == documented[name]
    assert (tables["equity"]["equity"] == 1_000_000.0).all()
    assert tables["costs"]["break_even_bps"].isna().all()
