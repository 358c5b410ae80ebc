"""Networks: the contract in every form, what a fit says of itself, and every way in which one is refused."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from scipy.stats import t as student

from data.errors import SpecError
from data.history import History
from data.panel import Floats, Panel
from data.registry import validated
from data.sessions import BarClock
from forecast.base import AbstractFitted
from forecast.checks import synthetic_history
from forecast.errors import FitError, ForecastError, TrainingError
from forecast.models.cnn import Cnn
from forecast.models.mlp_network import MlpNetwork
from forecast.models.network import AbstractNetwork
from forecast.models.network_fitted import NetworkFitted
from forecast.models.network_outputs import Heads, Scaling, interpolated_median, student_quantiles
from forecast.models.network_training import planned
from forecast.randomness import RandomStreams
from forecast.registry import FORECASTERS
from forecast.storage import load_fitted, save_fitted

SMALL: dict[str, Any] = {"context": 12, "horizon": 3, "epochs": 3, "hidden": (8,)}


def mlp(**settings: Any) -> MlpNetwork:
    return validated(MlpNetwork, {**SMALL, **settings}, "network")


def rng_of(history: History, seed: int = 1) -> RandomStreams:
    return RandomStreams(seed, history.cutoff)


def fit(asked: AbstractNetwork, history: History, seed: int = 1) -> NetworkFitted:
    made = asked.fit(history, rng_of(history, seed))
    assert isinstance(made, NetworkFitted)
    return made


def forecast(fitted: AbstractFitted, history: History) -> Floats:
    return fitted.predict(history, rng_of(history)).values


def history_of(values: npt.NDArray[Any], field: str = "close") -> History:
    table = np.asarray(values, float).reshape(len(values), -1)
    clock = BarClock()
    times = clock.next(np.datetime64("2019-12-31", "ns"), len(table))
    names = tuple(f"S{i}" for i in range(table.shape[1]))
    return History(Panel(times, names, (field,), table[:, :, None]), clock)


def waves(rows: int = 400) -> npt.NDArray[Any]:
    return 100.0 + 5.0 * np.sin(np.arange(rows)[:, None] / np.array([3.0, 5.0]))


@pytest.mark.parametrize("loss", ["mse", "pinball", "student_t"])
@pytest.mark.parametrize("target", ["level", "log_return", "last_value"])
def test_a_wave_is_learnt_better_than_the_last_value(loss: str, target: str) -> None:
    history = history_of(waves())
    asked = mlp(loss=loss, target=target, epochs=60, hidden=[32], learning_rate=3e-3)
    made = fit(asked, history.until(history.times[-20]))
    known = history.until(history.times[-10])
    median = made.predict(known, rng_of(known)).median
    truth = history.panel.values[-9:-6, :, 0].T
    last = known.panel.values[-1, :, 0][:, None]
    assert np.abs(median - truth).mean() < 0.3 * np.abs(last - truth).mean()


def test_the_median_of_a_point_network_is_the_mean_of_its_members() -> None:
    history = synthetic_history()
    asked = mlp(seeds=3)
    made = fit(asked, history)
    alone = [
        replace(made, parts={"": replace(made.parts[""], states=(state,))}) for state in made.parts[""].states
    ]
    middle = asked.levels.index(0.5)
    each = np.array([np.log(forecast(one, history)[..., middle]) for one in alone])
    np.testing.assert_allclose(np.exp(each.mean(axis=0)), forecast(made, history)[..., middle], rtol=1e-12)
    assert np.ptp(each, axis=0).min() > 0


def test_the_spread_of_a_point_network_is_that_of_its_held_out_errors() -> None:
    history = synthetic_history()
    made = fit(mlp(), history)
    truth, points = held_out(made, history)
    errors = np.log(truth / points)
    expected = np.quantile(errors, made.spec.levels, axis=0).T - np.median(errors, axis=0)[:, None]
    np.testing.assert_allclose(made.offsets["ALPHA"], expected, atol=1e-6)


def held_out(made: NetworkFitted, history: History) -> tuple[Floats, Floats]:
    """Truth and median of ALPHA on the held-out decisions, by one forecast at each."""
    (plan,) = planned(made.spec, [history])
    assert isinstance(plan, list)
    task = plan[0]
    decided = task.windows.decided[task.valid[task.windows.view[task.valid] == 0]]
    column = history.panel.field("close")[:, history.panel.series_index("ALPHA")]
    place = history.panel.series_index("ALPHA")
    points = [
        made.predict(history.until(history.times[t]), rng_of(history)).median[place] for t in decided.tolist()
    ]
    return np.array([column[t + 1 : t + 4] for t in decided.tolist()]), np.array(points)


@pytest.mark.parametrize("settings", [{}, {"loss": "pinball"}, {"loss": "student_t", "target": "last_value"}])
def test_validation_errors_are_those_of_forecasts_at_the_held_out_decisions(settings: dict[str, Any]) -> None:
    history = synthetic_history()
    made = fit(mlp(**settings), history)
    truth, points = held_out(made, history)
    assert made.validation_errors is not None
    assert set(made.validation_errors) == {"ALPHA", "BETA", "GAMMA"}
    np.testing.assert_allclose(
        made.validation_errors["ALPHA"], np.abs(truth - points).mean(axis=0), rtol=1e-4
    )


def test_nothing_held_out_has_no_validation_errors() -> None:
    made = fit(mlp(validation_share=0, patience=None), synthetic_history())
    assert made.validation_errors is None
    assert set(made.offsets) == {"ALPHA", "BETA", "GAMMA"}


def test_student_quantiles_are_those_of_scipy_and_heavy_tails_become_normal() -> None:
    raw = np.array([[0.3, np.log(2.0), np.log(3.0)], [0.0, 0.0, 60.0]])
    levels = (0.1, 0.5, 0.975)
    made = student_quantiles(raw, levels)
    np.testing.assert_allclose(made[0], student.ppf(levels, 5.0, loc=0.3, scale=2.0), rtol=1e-10)
    np.testing.assert_allclose(made[1], [-1.2815515, 0.0, 1.9599640], atol=1e-5)


def test_quantile_heads_that_cross_are_put_in_order() -> None:
    heads = Heads("pinball", (0.1, 0.5, 0.9))
    scaling = Scaling(np.zeros(1), np.ones(1), np.full(1, 10.0), np.full(1, 2.0))
    raw = np.array([3.0, 1.0, 2.0]).reshape(1, 1, 1, 1, 3)
    np.testing.assert_array_equal(heads.quantiles(raw, scaling)[0, 0, 0], [12.0, 14.0, 16.0])
    np.testing.assert_array_equal(heads.medians(raw, scaling)[0, 0], [14.0])


def test_a_median_that_was_not_trained_is_interpolated_and_its_ends_held() -> None:
    assert interpolated_median(np.array([1.0, 3.0]), (0.4, 0.6)) == pytest.approx(2.0)
    assert interpolated_median(np.array([1.0, 3.0]), (0.6, 0.8)) == 1.0
    assert interpolated_median(np.array([1.0]), (0.9,)) == 1.0


def test_folds_fitted_together_are_those_fitted_alone_up_to_rounding() -> None:
    history = synthetic_history()
    asked = mlp(seeds=2)
    trains = [history.until(history.times[t]) for t in (200, 230, 260, 299)]
    made = asked.fit_many(trains, [rng_of(train) for train in trains])
    for together, train in zip(made, trains, strict=True):
        alone, other = forecast(together, train), forecast(fit(asked, train), train)
        assert np.abs(alone / other - 1).max() < 1e-5


def test_one_failed_fold_does_not_lose_the_others() -> None:
    history = synthetic_history()
    trains = [history.until(history.times[t]) for t in (250, 20, 299)]
    made = mlp().try_fit_many(trains, [rng_of(train) for train in trains])
    assert [isinstance(each, FitError) for each in made] == [False, True, False]
    assert isinstance(made[0], AbstractFitted)
    with pytest.raises(FitError, match="20 are needed|20 and 20 are needed"):
        mlp().fit_many(trains, [rng_of(train) for train in trains])


def test_a_loss_that_explodes_is_named_with_its_fold() -> None:
    history = history_of(waves(120))
    with pytest.raises(TrainingError, match=r"training of fold 1 \(cutoff 2020-.*\) failed"):
        fit(mlp(learning_rate=1e20), history)


def test_a_loss_that_exploded_is_tried_once_more_at_the_lower_rate() -> None:
    history = history_of(waves(120))
    assert fit(mlp(learning_rate=1e20, retry_rate=1e-3), history).offsets


def test_a_series_of_a_separate_network_names_itself_when_its_training_fails() -> None:
    with pytest.raises(TrainingError, match="training of series S0, fold 1"):
        fit(mlp(learning_rate=1e20, series="separate"), history_of(waves(120)))


@pytest.mark.parametrize("target", ["level", "log_return", "last_value"])
def test_a_constant_history_is_refused(target: str) -> None:
    with pytest.raises(FitError, match="close is constant in the training windows"):
        fit(mlp(target=target), history_of(np.full(200, 7.0)))


def test_a_level_that_moves_less_than_single_precision_shows_is_refused() -> None:
    with pytest.raises(FitError, match="close is constant in the training windows"):
        fit(mlp(target="level"), history_of(1e6 + 1e-3 * waves(200)))


def test_a_history_without_values_is_refused() -> None:
    with pytest.raises(FitError, match="0 windows of context 12 and horizon 3"):
        fit(mlp(), history_of(np.full(200, np.nan)))


def test_too_short_a_history_says_what_was_left_and_what_is_needed() -> None:
    with pytest.raises(
        FitError, match=r"\d+ windows of context 12 and horizon 3 to train on and 8 to validate"
    ):
        fit(mlp(), history_of(waves(50)[:, :1]))


def test_a_joint_network_leaves_out_what_is_hardly_observed() -> None:
    values = waves(200)
    values[:100, 1] = np.nan
    assert fit(mlp(series="joint"), history_of(values)).parts[""].series == ("S0",)
    values[:100, 0] = np.nan
    with pytest.raises(FitError, match="no series is observed on 80% of the 200 rows"):
        fit(mlp(series="joint"), history_of(values))


def test_a_field_that_is_missing_at_the_forecast_is_named() -> None:
    history = synthetic_history()
    made = fit(mlp(fields=["open", "volume"]), history)
    kept = [history.panel.field_index(name) for name in ("open", "close")]
    panel = replace(history.panel, fields=("open", "close"), values=history.panel.values[:, :, kept])
    with pytest.raises(
        ForecastError, match="fitted to the fields close, open, volume; the history has no 'volume'"
    ):
        forecast(made, replace(history, panel=panel))


def test_a_series_that_a_joint_network_needs_is_named() -> None:
    history = synthetic_history()
    made = fit(mlp(series="joint"), history)
    with pytest.raises(ForecastError, match="fitted to 3 series together; the history has no 'BETA'"):
        forecast(made, history.select(("ALPHA", "GAMMA")))


def test_a_joint_network_forecasts_the_others_when_a_channel_has_no_values() -> None:
    history = synthetic_history()
    made = fit(mlp(series="joint"), history)
    values = history.panel.values.copy()
    values[:, 0] = np.nan
    gone = replace(history, panel=replace(history.panel, values=values))
    assert made.predict(gone, rng_of(gone)).series == history.panel.series[1:]


def test_values_of_any_sign_are_forecast_from_the_last_value() -> None:
    history = history_of(waves() - 100.0)
    made = fit(mlp(target="last_value"), history)
    assert np.isfinite(forecast(made, history)).all()
    with pytest.raises(SpecError, match="log returns need values above 0"):
        fit(mlp(), history)


def test_a_network_fitted_to_returns_refuses_a_value_below_zero_at_the_forecast() -> None:
    history = history_of(waves())
    made = fit(mlp(), history)
    values = history.panel.values.copy()
    values[-2] = -1.0
    with pytest.raises(SpecError, match="log returns need values above 0"):
        forecast(made, replace(history, panel=replace(history.panel, values=values)))


@pytest.mark.parametrize("loss", ["mse", "pinball", "student_t"])
def test_a_forecast_that_is_not_finite_is_an_error(loss: str) -> None:
    history = history_of(waves())
    made = fit(mlp(loss=loss), history)
    huge = {name: np.full_like(array, 1e20) for name, array in made.parts[""].states[0].items()}
    broken = replace(made, parts={"": replace(made.parts[""], states=(huge,))})
    with pytest.raises(ForecastError, match="it must be finite"):
        forecast(broken, history)


def test_a_saved_network_of_another_version_is_refused(tmp_path: Path) -> None:
    fit(mlp(), history_of(waves())).save(tmp_path)
    facts = json.loads((tmp_path / "network.json").read_text())
    (tmp_path / "network.json").write_text(json.dumps({**facts, "format": 99}))
    with pytest.raises(ForecastError, match="has format 99; this version reads format 1"):
        mlp().load(tmp_path)


def test_a_saved_network_of_other_fields_is_refused(tmp_path: Path) -> None:
    fit(mlp(fields=["open"]), synthetic_history()).save(tmp_path)
    with pytest.raises(
        ForecastError, match="reads the fields close, open; the specification names close, volume"
    ):
        mlp(fields=["volume"]).load(tmp_path)


def test_a_saved_network_of_other_sizes_is_refused(tmp_path: Path) -> None:
    history = history_of(waves())
    fit(mlp(), history).save(tmp_path)
    with pytest.raises(ForecastError, match="stored weights do not fit this MlpNetwork"):
        forecast(mlp(hidden=[9]).load(tmp_path), history)


@pytest.mark.parametrize("name", ["network.json", "network.safetensors"])
def test_a_damaged_file_is_an_error(tmp_path: Path, name: str) -> None:
    fit(mlp(), history_of(waves())).save(tmp_path)
    (tmp_path / name).write_bytes(b"{")
    with pytest.raises(ForecastError, match="cannot be read"):
        mlp().load(tmp_path)


def test_no_pickle_is_written(tmp_path: Path) -> None:
    made = fit(mlp(series="separate", seeds=2), history_of(waves()))
    save_fitted(made, tmp_path / "fitted")
    assert {path.suffix for path in (tmp_path / "fitted").iterdir()} == {".json", ".safetensors"}
    history = history_of(waves())
    assert forecast(load_fitted(tmp_path / "fitted"), history).tobytes() == forecast(made, history).tobytes()


def test_a_warm_start_goes_on_from_the_previous_weights() -> None:
    history = history_of(waves())
    asked = mlp(warm_start=True, learning_rate=1e-12, epochs=1, series="separate", seeds=2)
    before = fit(mlp(series="separate", seeds=2, epochs=10), history.until(history.times[300]))
    previous = replace(before, spec=asked)
    again = asked.fit_again(previous, history, rng_of(history))
    assert isinstance(again, NetworkFitted)
    for part in ("S0", "S1"):
        for member in (0, 1):
            old, new = previous.parts[part].states[member], again.parts[part].states[member]
            for name, array in old.items():
                np.testing.assert_allclose(new[name], array, atol=1e-6)


def test_a_refit_starts_anew_unless_it_is_asked_to_start_warm() -> None:
    history = history_of(waves())
    made = fit(mlp(), history.until(history.times[300]))
    again = mlp().fit_again(made, history, rng_of(history))
    assert forecast(again, history).tobytes() == forecast(fit(mlp(), history), history).tobytes()


def test_a_warm_start_from_another_specification_is_refused() -> None:
    history = history_of(waves())
    with pytest.raises(FitError, match="previous fit of the same specification"):
        mlp(warm_start=True).fit_again(fit(mlp(), history), history, rng_of(history))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"quantity": "variance"}, "quantity was 'variance'; a network forecasts level"),
        ({"fields": ["close"]}, "each may be named once, without 'close'"),
        ({"fields": ["open", "open"]}, "each may be named once"),
        ({"context": 1}, "context 1 holds no log return"),
        ({"validation_share": 0}, "patience needs held-out windows"),
        ({"output": "sigmoid"}, "unknown key 'network.output'"),
        ({"target": "price"}, "network.target was 'price'"),
        ({"loss": "huber"}, "network.loss was 'huber'"),
    ],
)
def test_what_makes_no_sense_is_refused_by_the_specification(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        mlp(**settings)


@pytest.mark.parametrize("series", ["pooled", "joint"])
def test_the_shape_counts_what_goes_in_and_comes_out(series: str) -> None:
    asked = mlp(series=series, fields=["open"], loss="pinball", target="log_return")
    shape = asked.shape(3 if series == "joint" else 1)
    assert shape.length == 11
    assert shape.channels == (6 if series == "joint" else 2)
    assert shape.outputs == 3 * (3 if series == "joint" else 1) * len(asked.levels)


def test_importing_a_specification_does_not_import_torch() -> None:
    import subprocess
    import sys

    kinds: Sequence[str] = ("mlp_network", "cnn", "lstm", "encoder_decoder", "cnn_lstm", "conv_lstm")
    code = (
        "import sys; from forecast.registry import FORECASTERS\n"
        f"for kind in {kinds!r}: FORECASTERS.build(kind)\n"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_windows_too_short_for_the_filters_are_refused() -> None:
    with pytest.raises(SpecError, match="a window of 3 rows is too short"):
        FORECASTERS.build({"kind": "cnn", "context": 3, "target": "level"})
    with pytest.raises(SpecError, match="2 pools were given for 1 blocks"):
        validated(Cnn, {"pools": [2, 1]}, "network")
    with pytest.raises(SpecError, match="in 4 pieces leaves fewer than the 3 rows"):
        FORECASTERS.build({"kind": "conv_lstm", "context": 10, "pieces": 4})
