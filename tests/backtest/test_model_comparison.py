"""Model comparison: same cells and seeds for all, deterministic models once, failures left aside, and a verdict in words."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from backtest.experiment import walk_history
from backtest.metrics.superiority import SET_LEVEL
from backtest.model_comparison.ambiguity import Ambiguity, ambiguity, directions
from backtest.model_comparison.comparison import ComparisonSettings, compare_models
from backtest.model_comparison.losses import findings_against, seed_means, summarised
from backtest.model_comparison.trailing import trailing
from backtest.model_comparison.verdict import verdict_sentences, verdict_status
from backtest.model_comparison.walks import depends_on_seed, entrants, shared, walk_model
from backtest.spec import build_spec
from data.errors import SpecError
from forecast.comparison import diebold_mariano, holm
from forecast.distribution import QuantileForecast
from forecast.retraining.base import RETRAINING
from forecast.skill import NO_SKILL, SKILL, TOO_FEW, LossCube

LEVELS = [0.05, 0.25, 0.5, 0.75, 0.95]
ASKED = {"context": 10, "horizon": 3, "levels": LEVELS}
CONFIG = {
    "data": {"kind": "synthetic", "process": "gbm", "count": 2, "bars": 260, "seed": 3},
    "forecaster": [{"kind": "bootstrap", "paths": 100, **ASKED}, {"kind": "ar", **ASKED}],
    "folds": {"kind": "rolling", "train": 120, "test": 45},
    "policy": "long_flat",
    "costs": "us_equities",
    "seed": 4,
}


def quiet(*_):
    """A progress report that says nothing."""


def spec_of(**sections):
    return build_spec({**CONFIG, **sections})


@pytest.fixture(scope="module")
def spec():
    return spec_of()


@pytest.fixture(scope="module")
def history(spec):
    return spec.data.load(None)


@pytest.fixture(scope="module")
def found(spec, history):
    return compare_models(spec, history, ComparisonSettings(windows=4), quiet)


def cube_of(losses, labels):
    """A cube of losses (M, N) of one series and step, decided every day on one day."""
    losses = np.asarray(losses, np.float64)[:, :, None, None]
    cutoffs = np.datetime64("2020-01-01", "ns") + np.arange(losses.shape[1]) * np.timedelta64(1, "D")
    return LossCube(labels, "crps", cutoffs, cutoffs[:, None] + np.timedelta64(1, "D"), losses, losses)


def noise(count=120, models=3, seed=0):
    return 1.0 + 0.2 * np.random.default_rng(seed).standard_normal((models, count))


def forecast(cutoff, medians, last=10.0, series=("A", "B")):
    values = np.array([[[m - 1, m, m + 1]] for m in medians], np.float64)
    day = np.datetime64(cutoff, "ns")
    return QuantileForecast(
        day, np.array([day + np.timedelta64(1, "D")]), series, np.array([0.1, 0.5, 0.9]), values, "level",
        np.full(len(series), last),
    )  # fmt: skip


def test_every_named_model_runs_beside_the_naive_ones_and_ridge_on_the_same_cells(found):
    assert found.models["model"].tolist() == ["bootstrap", "ar", "naive", "drift", "seasonal_naive", "ridge"]
    assert found.models["role"].tolist() == ["asked", "asked", "naive", "naive", "naive", "reference"]
    assert len(set(found.walks["n"])) == 1


def test_only_models_that_depend_on_the_seed_are_run_with_every_seed(found):
    seeds = found.walks.groupby("model")["seed"].agg(list).to_dict()
    assert seeds["bootstrap"] == [4, 5, 6]
    assert all(own == [4] for model, own in seeds.items() if model != "bootstrap")
    words = " ".join(found.sentences)
    assert "Run with 3 seeds, losses averaged over them: bootstrap." in words
    assert "Deterministic, so run once: ar, naive" in words


def test_seed_dependence_is_seen_in_the_first_fit(spec, history):
    made = {each.label: depends_on_seed(spec, history, each.forecaster, [4, 5]) for each in entrants(spec)}
    assert {label for label, depends in made.items() if depends} == {"bootstrap"}


def test_a_walk_of_the_comparison_forecasts_what_a_run_of_the_configuration_does(spec, history):
    run = walk_history(spec, history, quiet)
    labels = [lane.label for lane in run.plan.lanes]
    for each in entrants(spec):
        walk = walk_model(spec, history, each, spec.seed, each.label)
        wanted = [record.lanes[labels.index(each.label)].forecast.values for record in run.records]
        assert all(np.array_equal(a.values, b) for a, b in zip(walk.forecasts, wanted, strict=True))


def test_the_tables_agree_with_each_other(found):
    rows, walks = found.models.set_index("model"), found.walks
    own = walks[walks["model"] == "bootstrap"]
    assert rows.loc["bootstrap", "mase"] == pytest.approx(own["mase"].mean())
    assert rows.loc["bootstrap", "mase_sd"] == pytest.approx(own["mase"].std(ddof=1))
    assert rows.loc["ar", "mase_sd"] == 0.0
    best = rows.loc[found.best_naive, "loss"]
    assert best == rows[rows["role"] == "naive"]["loss"].min()
    assert np.allclose(rows["skill"], 1 - rows["loss"] / best)
    assert ((rows["low"] <= rows["loss"]) & (rows["loss"] <= rows["high"])).all()
    assert (rows["in_confidence_set"] == (rows["confidence_set_p"] > SET_LEVEL)).all()
    assert rows["fits"].tolist() == [4] * 6


def test_naive_models_are_not_tested_and_ridge_not_against_itself(found):
    rows = found.models.set_index("model")
    assert rows.loc[["naive", "drift", "seasonal_naive"], "holm_p_value"].isna().all()
    assert rows.loc[["bootstrap", "ar", "ridge"], "holm_p_value"].notna().all()
    assert rows["holm_p_value_ridge"].notna().tolist() == [True, True, False, False, False, False]


def test_the_learning_curve_ends_at_the_comparisons_own_fits(found):
    curve = found.curve
    assert set(curve["model"]) == {"bootstrap", "ar", "ridge"}
    assert sorted(set(curve["rows"])) == [15, 30, 60, 120]
    ends = curve[curve["rows"] == 120].set_index("model")["loss"]
    assert ends["ar"] == pytest.approx(found.models.set_index("model").loc["ar", "loss"])
    assert curve.loc[curve["loss"].isna(), "flag"].str.len().gt(0).all()
    laws = found.laws.set_index("model")
    assert set(laws.index) == {"bootstrap", "ar", "ridge"}
    assert laws.loc["ar", "best"] == curve[curve["model"] == "ar"].set_index("rows")["loss"].idxmin()
    assert any(sentence.startswith("Learning curve of ar: ") for sentence in found.sentences)


def test_no_skill_is_said_in_words_and_no_trial_is_counted(found):
    assert found.status == NO_SKILL
    words = " ".join(found.sentences)
    assert f"No skill shown: none of bootstrap, ar, ridge is shown to beat {found.best_naive}." in words
    assert "Nothing was traded, so no trial was counted." in words


def test_a_model_that_cannot_be_fitted_is_left_out_with_its_error_and_the_others_go_on(history):
    spec = spec_of(forecaster=[{"kind": "ar", **ASKED}, {"kind": "xgboost", **ASKED, "context": 118}])
    done = compare_models(spec, history, ComparisonSettings(windows=0), quiet)
    assert list(done.left_out) == ["xgboost"]
    assert "xgboost" not in set(done.models["model"])
    assert len(done.curve) == 0
    assert any(sentence.startswith("xgboost was left out: ") for sentence in done.sentences)


@pytest.mark.parametrize(
    ("settings", "said"),
    [({"seeds": 2}, "seeds was 2"), ({"windows": 3}, "windows was 3"), ({"windows": -1}, "windows was -1")],
)
def test_settings_out_of_range_are_refused(settings, said):
    with pytest.raises(SpecError, match=said):
        ComparisonSettings(**settings)


def test_the_loss_of_a_model_is_the_mean_over_its_seeds_where_all_scored():
    losses = noise(models=3)
    losses[1, 5] = np.nan
    cube = seed_means(
        cube_of(losses, ("m seed 1", "m seed 2", "naive")),
        {"m": ("m seed 1", "m seed 2"), "naive": ("naive",)},
    )
    assert cube.labels == ("m", "naive")
    assert np.isnan(cube.losses[0, 5]).all()
    assert np.allclose(np.delete(cube.losses[0, :, 0, 0], 5), np.delete(losses[:2].mean(axis=0), 5))


def test_a_clearly_better_model_is_alone_in_the_set_and_its_intervals_exclude_the_naive_one():
    losses = noise(models=3)
    cube = cube_of([losses[0] - 0.3, losses[1], losses[2]], ("good", "naive", "other"))
    found = summarised(cube, "naive", np.random.default_rng(1))
    assert found.included == ("good",)
    assert found.skill_low[0] > 0.2
    assert found.skill_low[1] == found.skill_high[1] == 0.0
    assert found.decisions == 120


def test_below_twenty_decisions_there_is_no_interval_and_no_set():
    found = summarised(cube_of(noise(19), ("a", "naive", "c")), "naive", np.random.default_rng(1))
    assert np.isnan([*found.low, *found.skill_high, *found.set_p_values]).all()
    assert found.included == ()
    assert "19 decisions" in found.convention


def test_tests_against_an_opponent_are_those_of_diebold_and_mariano_adjusted_for_all_of_them():
    losses = noise(models=4)
    cube = cube_of(losses, ("a", "b", "ridge", "naive"))
    found = findings_against(cube, "ridge", ["a", "b", "naive"])
    raw = [diebold_mariano(losses[i], losses[2], 0).p_value for i in (0, 1)]
    assert [each.test.p_value for each in found[:2]] == pytest.approx(raw)
    assert [each.holm_p_value for each in found[:2]] == pytest.approx(holm(raw).tolist())
    assert found[2].test is None


def test_shared_forecasts_are_those_of_every_walk_at_every_decision():
    one = [forecast("2020-01-01", [11, 9]), forecast("2020-01-02", [11, 9])]
    two = [forecast("2020-01-02", [12], series=("B",)), forecast("2020-01-03", [12], series=("B",))]
    kept = shared({"one": one, "two": two})
    assert [(f.cutoff, f.series) for f in kept["one"]] == [(np.datetime64("2020-01-02", "ns"), ("B",))]
    assert kept["one"][0].values.tolist() == [[[8.0, 9.0, 10.0]]]
    assert kept["two"][0] is two[0]


def signs_of(columns):
    index = pd.MultiIndex.from_product([pd.date_range("2020-01-01", periods=4), ["A"]])
    return pd.DataFrame(columns, index=index)


def test_ambiguity_is_the_share_of_cells_where_two_models_point_to_opposite_sides():
    signs = signs_of({"a": [1.0, 1, 1, np.nan], "b": [-1.0, 1, 0, 1], "c": [1.0, 1, 1, np.nan]})
    assert ambiguity(signs, ["a", "b", "c"]) == Ambiguity(1 / 3, 3, 3)
    assert ambiguity(signs, ["a", "c"]).share == 0.0
    assert np.isnan(ambiguity(signs, ["a"]).share)
    assert ambiguity(signs, ["a", "b"]).share == ambiguity(-signs, ["b", "a"]).share


def test_a_direction_is_the_move_of_the_median_to_the_last_step():
    rows = pd.DataFrame(
        {
            "model": ["a"] * 4, "cutoff": [1, 1, 2, 2], "series": ["A"] * 4, "step": [1, 2, 1, 2],
            "last": [10.0] * 4, "q0.5": [9.0, 11.0, 12.0, 10.0],
        }
    )  # fmt: skip
    assert directions(rows)["a"].tolist() == [1.0, 0.0]


def test_a_trailing_window_cuts_what_a_policy_reads_and_asks_it_in_everything_else(spec, history):
    inner = RETRAINING.build({"kind": "performance", "latency": 2, "truth_delay": 1})
    cut = trailing(inner, 30)
    assert (cut.latency, cut.truth_delay, cut.uses_losses, cut.needs_reference) == (2, 1, True, True)
    assert cut.training(history, 3).times.tolist() == history.times[-30:].tolist()
    assert trailing(inner, 9_999).training(history, 3).times.tolist() == history.times.tolist()
    state = cut.start()
    arrays, again = state.to_arrays(), cut.from_arrays(state.to_arrays()).to_arrays()
    assert {name: value.tolist() for name, value in arrays.items()} == {
        name: value.tolist() for name, value in again.items()
    }
    walk = walk_model(
        replace(spec, retraining=trailing(spec.retraining, 30)), history, entrants(spec)[1], 4, "ar"
    )
    assert set(walk.fits["rows"]) == {30}


ROW = {
    "model": "m", "role": "asked", "verdict": NO_SKILL, "skill": 0.1, "skill_low": 0.05, "skill_high": 0.2,
    "holm_p_value": 0.001, "holm_p_value_ridge": 0.001, "in_confidence_set": True, "direction_accuracy": 0.5,
    "direction_base_rate": 0.52, "fit_seconds": 1.0, "predict_seconds": 1.0, "seeds": 3,
}  # fmt: skip
NAIVE = {**ROW, "model": "naive", "role": "naive", "in_confidence_set": False, "holm_p_value_ridge": np.nan, "seeds": 1,
         "fit_seconds": 0.0, "predict_seconds": 0.02}  # fmt: skip


@pytest.mark.parametrize(
    ("verdict", "said"),
    [
        (SKILL, "p = 0.001; better, in the width of the forecast, not in its direction."),
        (NO_SKILL, "No skill shown: none of m is shown to beat naive."),
        (TOO_FEW, "No skill shown: there are too few forecasts to tell."),
    ],
)
def test_the_verdict_follows_the_models_the_user_named(verdict, said):
    models = pd.DataFrame([{**ROW, "verdict": verdict}, NAIVE])
    words = " ".join(verdict_sentences(models, "naive", Ambiguity(0.25, 1000, 3), {}, {}))
    assert verdict_status(models) == verdict
    assert said in words
    assert "m shown to beat it, of 1 tested" in words
    assert "at 25.0% of 1,000 forecasts" in words
    assert "from 0.02 s (naive) to 2 s (m), 100 times as much" in words


def test_a_naive_model_among_the_best_is_said_to_make_skill_impossible_to_tell():
    models = pd.DataFrame([ROW, {**NAIVE, "in_confidence_set": True}])
    words = " ".join(
        verdict_sentences(models, "naive", Ambiguity(float("nan"), 0, 1), {}, {"x": "too short"})
    )
    assert "m, naive; naive among them, so no model is told from a naive forecast." in words
    assert "x was left out: too short" in words
    assert "Direction ambiguity" not in words
