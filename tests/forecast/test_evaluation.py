"""Evaluation: truth exactly at the forecast's time, tables that equal a slow recount, and honest verdicts."""

import importlib.util
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import norm

from data.history import History
from data.panel import Panel
from data.sessions import BarClock
from forecast.distribution import DEFAULT_LEVELS, QuantileForecast
from forecast.errors import ForecastError
from forecast.evaluation import Evaluation, evaluate, truth_of
from forecast.models.naive import Naive
from forecast.randomness import RandomStreams
from forecast.skill import NO_SKILL, SKILL, TOO_FEW

_PATH = Path(__file__).resolve().parents[1] / "oracles" / "scores_oracle.py"
_SPEC = importlib.util.spec_from_file_location("scores_oracle", _PATH)
oracle = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(oracle)

LEVELS = np.array(DEFAULT_LEVELS)
NAMES = ("A", "B", "C")
TABLES = {
    "scores": (
        "model step n rmse rmse_over_mean mae mase pinball crps winkler_90 coverage_90 direction_accuracy "
        "direction_base_rate best_naive skill dm_statistic p_value holm_p_value verdict"
    ),
    "calibration": "model level empirical n",
    "pit": "model low high share",
    "fold_losses": "model fold crps skill",
    "losses": "model fold cutoff loss",
}


def market(bars: int = 400, names: tuple[str, ...] = NAMES, seed: int = 0) -> History:
    """Return daily random walks, 1 % a day, with a field that adjusts the first one forward by a split."""
    rng = np.random.default_rng(seed)
    times = (np.datetime64("2020-01-01") + np.arange(bars)).astype("datetime64[ns]")
    close = 100 * np.exp(np.cumsum(rng.normal(0, 0.01, (bars, len(names))), axis=0))
    factor = np.ones_like(close)
    factor[bars // 2 :, 0] = 2.0
    close = close / factor
    return History(
        Panel(times, names, ("close", "factor"), np.stack([close, factor], axis=2)), BarClock("24/7")
    )


def prices(history: History) -> np.ndarray:
    return history.panel.field("close") * history.panel.field("factor")


def issue(
    history: History, at: int, *, horizon: int = 3, spread: float = 0.01, see: float = 0.0, drift: float = 0.0
) -> QuantileForecast:
    """Return log-normal quantiles around the last price, moved by a drift and by a share of the true future move."""
    price, steps = prices(history), np.arange(1, horizon + 1)
    centre = price[at] * np.exp(drift * steps[:, None] + see * np.log(price[at + steps] / price[at]))
    band = spread * np.sqrt(steps)[None, :, None] * norm.ppf(LEVELS)
    values = centre.T[:, :, None] * np.exp(band)
    times = history.times[at + 1 : at + 1 + horizon]
    return QuantileForecast(
        history.times[at], times, history.panel.series, LEVELS, values, "level", price[at]
    )


def run(history: History, cutoffs: range, **others: float) -> dict[str, list[QuantileForecast]]:
    """Return forecasts of naive, drift and one model per name that sees that share of the future move."""
    models = {"naive": {}, "drift": {"drift": 0.001}, **{name: {"see": see} for name, see in others.items()}}
    return {label: [issue(history, at, **how) for at in cutoffs] for label, how in models.items()}


def row(found: Evaluation, model: str, step: int = 0):
    table = found.scores
    return table[(table["model"] == model) & (table["step"] == step)].iloc[0]


def test_tables_have_the_columns_of_the_architecture() -> None:
    history = market()
    found = evaluate(run(history, range(60, 360, 3), ridge=0.1), history, field="close")
    levels = " ".join(f"q{level:g}" for level in LEVELS)
    assert " ".join(found.forecasts) == (f"model fold cutoff series step time last truth unbounded {levels}")
    for name, columns in TABLES.items():
        assert " ".join(getattr(found, name)) == columns
    assert len(found.scores) == 3 * 4
    assert str(found.forecasts["time"].dtype) == "datetime64[ns]"


def test_the_truth_is_the_adjusted_value_of_the_bar_that_ends_exactly_then() -> None:
    history = market()
    forecast = issue(history, 198)
    assert (truth_of(forecast, history, "close") == prices(history)[199:202].T).all()
    assert np.isnan(truth_of(forecast, history.until(history.times[199]), "close")[:, 1:]).all()
    late = replace(forecast, times=forecast.times + np.timedelta64(1, "h"))
    assert np.isnan(truth_of(late, history, "close")).all()
    assert (truth_of(forecast, history, "close")[[2, 0]] == truth_of(
        replace(forecast, series=("C", "A"), values=forecast.values[[2, 0]], last=forecast.last[[2, 0]],
                unbounded=forecast.unbounded[[2, 0]]), history, "close")).all()  # fmt: skip


def test_truth_of_returns_and_variances() -> None:
    history = market()
    log = np.log(prices(history))
    forecast = issue(history, 198)
    returns = truth_of(replace(forecast, quantity="log_return"), history, "close")
    np.testing.assert_allclose(returns, (log[199:202] - log[198]).T)
    variance = truth_of(replace(forecast, quantity="variance"), history, "close")
    np.testing.assert_allclose(variance, (np.diff(log[198:202], axis=0) ** 2).T)
    with pytest.raises(ForecastError, match="a forecast of class has no truth in a panel"):
        truth_of(replace(forecast, quantity="class"), history, "close")


def test_scores_equal_a_slow_recount_of_the_forecast_table() -> None:
    history = market(120)
    found = evaluate(run(history, range(40, 100, 4), ridge=0.2), history, field="close")
    price, known = prices(history), prices(history)[:41]
    own = found.forecasts[(found.forecasts["model"] == "ridge") & (found.forecasts["step"] == 2)]
    crps, winkler, scaled = [], [], []
    for _, cell in own.iterrows():
        s = NAMES.index(cell["series"])
        at = int(np.flatnonzero(history.times == np.datetime64(cell["cutoff"]))[0])
        assert cell["truth"] == price[at + 2, s]
        assert cell["last"] == price[at, s]
        quantiles = np.array([cell[f"q{level:g}"] for level in LEVELS])
        crps.append(oracle.crps_of_grid(cell["truth"], quantiles, LEVELS) / cell["last"])
        winkler.append(oracle.interval_score(cell["truth"], cell["q0.05"], cell["q0.95"], 0.9) / cell["last"])
        naive = np.abs(np.diff(known[:, s])).mean()
        scaled.append(abs(cell["truth"] - cell["q0.5"]) / naive)
    scores = row(found, "ridge", 2)
    assert scores["n"] == len(own) == 45
    assert scores["crps"] == pytest.approx(np.mean(crps), rel=1e-5)
    assert scores["winkler_90"] == pytest.approx(np.mean(winkler))
    assert scores["mase"] == pytest.approx(np.mean(scaled))
    assert scores["rmse"] == pytest.approx(np.sqrt(((own["truth"] - own["q0.5"]) ** 2).mean()))
    assert scores["coverage_90"] == pytest.approx(own["truth"].between(own["q0.05"], own["q0.95"]).mean())
    losses = found.losses[found.losses["model"] == "ridge"]["loss"]
    assert losses.mean() == pytest.approx(row(found, "ridge")["crps"])


def test_direction_of_log_returns_is_that_of_the_same_levels() -> None:
    history, cutoffs = market(), range(100, 300, 3)
    levels = run(history, cutoffs, ridge=0.3)
    returns = {
        label: [
            replace(each, quantity="log_return", values=np.log(each.values / each.last[:, None, None]))
            for each in many
        ]
        for label, many in levels.items()
    }
    of_levels, of_returns = (evaluate(many, history, field="close") for many in (levels, returns))
    for name in ("direction_accuracy", "direction_base_rate"):
        assert row(of_returns, "ridge")[name] == row(of_levels, "ridge")[name]


def test_honest_quantiles_are_calibrated_in_every_table() -> None:
    history = market(3000)
    found = evaluate(run(history, range(50, 2990, 3)), history, field="close")
    own = found.calibration[found.calibration["model"] == "naive"]
    assert np.abs(own["empirical"] - own["level"]).max() < 0.02
    shares = found.pit[found.pit["model"] == "naive"]["share"]
    assert shares.sum() == pytest.approx(1)
    assert np.abs(shares - 0.1).max() < 0.02
    assert row(found, "naive")["coverage_90"] == pytest.approx(0.9, abs=0.02)


def test_a_model_that_sees_shows_skill_and_one_that_does_not_shows_none() -> None:
    history = market()
    found = evaluate(run(history, range(60, 360, 3), ridge=0.3, ar=0.0), history, field="close")
    assert row(found, "ridge")["verdict"] == SKILL
    assert row(found, "ridge")["skill"] > 0.1
    assert row(found, "ridge")["direction_accuracy"] > row(found, "ridge")["direction_base_rate"]
    same = row(found, "ar")
    assert (same["verdict"], same["p_value"], same["skill"]) == (NO_SKILL, 1.0, 0.0)
    assert found.best_naive == same["best_naive"] == "naive"
    naive = row(found, "naive")
    assert naive["verdict"] == NO_SKILL
    assert np.isnan(naive["p_value"])
    assert np.isnan(naive["direction_accuracy"])


def test_steps_are_one_holm_family_beside_the_overall_rows() -> None:
    history = market()
    found = evaluate(run(history, range(60, 360, 3), ridge=0.05), history, field="close").scores
    tested = found[found["p_value"].notna()]
    overall, steps = tested[tested["step"] == 0], tested[tested["step"] > 0]
    assert (overall["holm_p_value"] == overall["p_value"]).all()
    assert steps["holm_p_value"].min() == pytest.approx(min(1, 3 * steps["p_value"].min()))


def test_a_few_cutoffs_are_too_few_to_tell() -> None:
    history = market()
    found = evaluate(run(history, range(60, 100, 3), ridge=0.9), history, field="close")
    assert row(found, "ridge")["verdict"] == TOO_FEW


def test_scores_do_not_depend_on_the_price_level_of_a_series() -> None:
    history = market()
    forecasts = run(history, range(60, 360, 3), ridge=0.1)
    weights = np.array([1.0, 64.0, 1.0])
    cube = history.panel.values * np.stack([weights, np.ones(3)], axis=1)
    dear = replace(history, panel=replace(history.panel, values=cube))
    scaled = {
        label: [replace(f, values=f.values * weights[:, None, None], last=f.last * weights) for f in many]
        for label, many in forecasts.items()
    }
    one, two = evaluate(forecasts, history, field="close"), evaluate(scaled, dear, field="close")
    for name in ("crps", "pinball", "winkler_90", "mase", "skill", "p_value"):
        np.testing.assert_allclose(one.scores[name], two.scores[name])


def test_unknown_truths_and_missing_series_are_not_scored_but_kept() -> None:
    history = market()
    forecasts = run(history, range(60, 360, 3), ridge=0.1)
    full = evaluate(forecasts, history, field="close")
    short = evaluate(forecasts, history.until(history.times[200]), field="close")
    assert len(short.forecasts) == len(full.forecasts)
    known = short.forecasts["truth"].notna()
    assert (short.forecasts["time"][known] <= history.times[200]).all()
    assert row(short, "ridge")["n"] == known.sum() // 3
    less = {
        label: [replace(f, series=("A", "B"), values=f.values[:2], last=f.last[:2], unbounded=f.unbounded[:2]) for f in many]
        for label, many in forecasts.items()
    }  # fmt: skip
    assert row(evaluate(less, history, field="close"), "ridge")["n"] == row(full, "ridge")["n"] * 2 // 3


def test_values_at_or_below_zero_are_measured_in_the_naive_error() -> None:
    history = market(names=("A",))
    level = prices(history) - 100.0
    shifted = replace(history, panel=Panel(history.times, ("A",), ("close",), level[:, :, None]))
    forecasts = {
        label: [replace(f, values=f.values - 100.0, last=f.last - 100.0) for f in many]
        for label, many in run(history, range(60, 360, 3)).items()
    }
    found = evaluate(forecasts, shifted, field="close")
    assert found.unit == "in-sample naive error"
    assert np.isfinite(found.scores["crps"]).all()
    naive = np.abs(np.diff(level[:61, 0])).mean()
    absolute = evaluate(run(history, range(60, 360, 3)), history, field="close", scales={"A": naive})
    np.testing.assert_allclose(found.scores["mase"], absolute.scores["mase"])


def test_variance_is_judged_by_qlike_and_its_quantiles_are_not_scored() -> None:
    rng = np.random.default_rng(5)
    bars, horizon = 900, 1
    deviation = 0.01 * np.exp(np.convolve(rng.normal(size=bars + 39), np.full(40, 0.15), "valid"))
    close = 100 * np.exp(np.cumsum(rng.normal(size=bars) * deviation))
    times = (np.datetime64("2018-01-01") + np.arange(bars)).astype("datetime64[ns]")
    history = History(Panel(times, ("A",), ("close",), close[:, None, None]), BarClock("24/7"))

    def guess(at: int, variance: float) -> QuantileForecast:
        values = variance * np.exp(0.1 * norm.ppf(LEVELS))[None, None]
        return QuantileForecast(
            times[at], times[at + 1 : at + 2], ("A",), LEVELS, values, "variance", close[at : at + 1]
        )

    cutoffs = range(100, bars - horizon)
    mean = float((np.diff(np.log(close)) ** 2).mean())
    forecasts = {
        "naive": [guess(at, mean) for at in cutoffs],
        "har": [guess(at, float(deviation[at + 1] ** 2)) for at in cutoffs],
        "garch": [guess(at, 0.45 * mean) for at in cutoffs],
    }
    found = evaluate(forecasts, history, field="close")
    assert found.loss == "qlike"
    assert row(found, "har")["verdict"] == SKILL
    assert row(found, "garch")["skill"] < 0
    scores = row(found, "har")
    for name in ("pinball", "crps", "winkler_90", "coverage_90", "direction_accuracy"):
        assert np.isnan(scores[name])
    assert np.isfinite(scores[["rmse", "mae", "mase"]].astype(float)).all()
    assert found.calibration["empirical"].isna().all()


def test_a_halted_series_is_left_out_of_a_variance_test() -> None:
    history = market(names=("A", "B"))
    cube = np.array(history.panel.values)
    cube[300:340, 1] = cube[300, 1]
    halted = replace(history, panel=Panel(history.times, ("A", "B"), history.panel.fields, cube))
    model = Naive(context=20, horizon=1, quantity="variance")
    fitted = model.fit(halted.until(halted.times[250]), RandomStreams(0, halted.times[250]))
    cutoffs = halted.times[251:390]
    forecasts = [fitted.predict(halted.until(t), RandomStreams(0, t)) for t in cutoffs]
    assert min(float(forecast.values.min()) for forecast in forecasts) == 0.0
    found = evaluate({"naive": forecasts}, halted, field="close")
    assert np.isfinite(found.losses["loss"]).all()


def test_folds_are_judged_against_the_best_naive_of_the_run() -> None:
    history = market()
    forecasts = run(history, range(60, 360, 3), ridge=0.2)
    folds = {f.cutoff: int(i >= 50) for i, f in enumerate(forecasts["naive"])}
    found = evaluate(forecasts, history, field="close", folds=folds)
    table = found.fold_losses.set_index(["model", "fold"])
    for fold in (0, 1):
        own, naive = table.loc[("ridge", fold)], table.loc[("naive", fold)]
        assert own["skill"] == pytest.approx(1 - own["crps"] / naive["crps"])
        assert naive["skill"] == 0
    assert table.loc["ridge"]["crps"].mean() == pytest.approx(row(found, "ridge")["crps"])
    assert found.forecasts.groupby("fold").size().tolist() == [3 * 50 * 9] * 2


def test_forecasts_that_cannot_be_compared_are_refused() -> None:
    history = market()
    forecasts = run(history, range(60, 90, 3))
    with pytest.raises(ForecastError, match="there is no forecast"):
        evaluate({"naive": []}, history, field="close")
    with pytest.raises(ForecastError, match="a forecast of ar has horizon 2"):
        evaluate({**forecasts, "ar": [issue(history, 60, horizon=2)]}, history, field="close")
    with pytest.raises(ForecastError, match="skill needs one of"):
        evaluate({"ridge": forecasts["naive"]}, history, field="close")
    with pytest.raises(ForecastError, match="has no fold"):
        evaluate(forecasts, history, field="close", folds={})
    with pytest.raises(ForecastError, match="series 'C' has no scale"):
        evaluate(forecasts, history, field="close", scales={"A": 1.0, "B": 1.0})


def test_a_run_of_six_hundred_decisions_is_evaluated_in_three_seconds() -> None:
    history = market(3100, ("A", "B", "C", "D", "E"))
    many = [issue(history, 60 + 5 * i, horizon=5) for i in range(600)]
    labels = ("ridge", "ar", "ets", "theta", "lightgbm", "naive", "drift", "seasonal_naive")
    begun = time.process_time()
    evaluate(dict.fromkeys(labels, many), history, field="close")
    assert time.process_time() - begun < 3


def test_each_fold_is_scaled_by_its_own_training_data() -> None:
    still = market()
    growth = np.stack([np.exp(np.linspace(0.0, 6.0, 400)), np.ones(400)], axis=1)[:, None, :]
    history = replace(still, panel=replace(still.panel, values=still.panel.values * growth))
    cutoffs = range(100, 380, 20)
    folds = {history.times[at]: (at - 100) // 100 for at in cutoffs}
    whole = evaluate(run(history, cutoffs), history, field="close")
    local = evaluate(run(history, cutoffs), history, field="close", folds=folds, train_rows=50)
    assert row(local, "naive")["mase"] < row(whole, "naive")["mase"] / 5
