"""DLinear and NLinear: the published maps, trained fold-batched, and agreement with least squares where that is the answer."""

import numpy as np
import pytest
from pydantic import ValidationError

torch = pytest.importorskip("torch")

from data.history import History  # noqa: E402
from data.panel import Panel  # noqa: E402
from data.sessions import BarClock  # noqa: E402
from forecast.checks import require_forecaster  # noqa: E402
from forecast.models.architectures.linear import DLinearModule, NLinearModule  # noqa: E402
from forecast.models.dlinear import DLinear  # noqa: E402
from forecast.models.layers.decomposition import moving_average  # noqa: E402
from forecast.models.network import NetworkShape  # noqa: E402
from forecast.models.nlinear import NLinear  # noqa: E402
from forecast.randomness import RandomStreams  # noqa: E402

SMALL = {"context": 16, "horizon": 3, "epochs": 2}
MODELS = {"dlinear": DLinear(**SMALL, kernel=5), "nlinear": NLinear(**SMALL)}


def history_of(values):
    clock = BarClock()
    times = clock.next(np.datetime64("2019-12-31", "ns"), len(values))
    names = tuple(f"S{i}" for i in range(values.shape[1]))
    return History(Panel(times, names, ("close",), values[:, :, None]), clock)


def cycles(count=500):
    t = np.arange(count)[:, None]
    noise = np.random.default_rng(1).normal(size=(count, 2))
    return 50 + np.array([4.0, 1.0]) * np.sin(t / np.array([3.0, 5.0])) + 0.1 * noise


@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize("changed", [{"series": "joint"}, {"loss": "student_t"}, {"loss": "pinball"}])
def test_they_keep_the_contract(kind, changed):
    require_forecaster(type(MODELS[kind])(**{**vars(MODELS[kind]), **changed}))


def test_dlinear_maps_season_and_trend_apart():
    model = DLinearModule(2, 12, (3, 4, 1), 5)
    for map_ in (model.season, model.trend):
        map_.reset([torch.Generator().manual_seed(k) for k in (0, 1)])
    inputs = torch.randn(2, 6, 12, 3)
    said = model(inputs).view(2, 6, 4, 3)
    for k in range(2):
        for s in range(3):
            trend = moving_average(inputs[k, :, :, s : s + 1], 5)[..., 0]
            season = inputs[k, :, :, s] - trend
            expected = season @ model.season.weight[k] + model.season.bias[k]
            expected = expected + trend @ model.trend.weight[k] + model.trend.bias[k]
            torch.testing.assert_close(said[k, :, :, s], expected)


def test_nlinear_follows_the_level_of_its_window():
    model = NLinearModule(1, 12, (2, 4, 1), is_density=False).double()
    model.map.reset([torch.Generator().manual_seed(0)])
    inputs = torch.randn(1, 5, 12, 2, dtype=torch.float64)
    torch.testing.assert_close(model(inputs + 7.0), model(inputs) + 7.0)
    torch.nn.init.zeros_(model.map.weight)
    torch.nn.init.zeros_(model.map.bias)
    torch.testing.assert_close(model(inputs).view(5, 4, 2), inputs[0, :, -1:].expand(-1, 4, -1))


@pytest.mark.parametrize(("kind", "count"), [("dlinear", 2 * (336 + 1) * 96), ("nlinear", (336 + 1) * 96)])
def test_parameters_are_one_map_for_all_channels(kind, count):
    asked = type(MODELS[kind])(context=336, horizon=96, series="joint")
    assert asked.parameter_count(series=8) == count


def test_outputs_are_flat_by_step_then_series_then_output():
    module = MODELS["dlinear"].stacked([3], NetworkShape(16, 2, 3, 5, series=2))
    inputs = torch.randn(1, 1, 16, 2)
    changed = inputs.clone()
    changed[..., 1] += 1.0
    moved = (module(inputs) != module(changed)).view(3, 2, 5)
    assert not moved[:, 0].any()
    assert moved[:, 1].all()


def test_first_weights_do_not_depend_on_how_many_are_drawn():
    shape = NetworkShape(16, 1, 3, 1)
    alone, among = (MODELS["dlinear"].stacked(seeds, shape).season.weight for seeds in ([7], [4, 7]))
    assert torch.equal(alone[0], among[1])
    assert float(alone.detach().abs().max()) <= 16**-0.5


@pytest.mark.parametrize("kind", MODELS)
def test_a_long_training_ends_near_least_squares(kind):
    history = history_of(cycles())
    settings = {
        "context": 12,
        "horizon": 2,
        "levels": (0.5,),
        "series": "joint",
        "epochs": 60,
        "patience": 20,
    }
    asked = type(MODELS[kind])(**settings, learning_rate=1e-2, rate_decay="none")
    fitted = asked.fit(history, RandomStreams(1, history.cutoff))
    values = history.panel.field("close")
    rows = np.arange(11, 380)
    inputs = np.stack([values[t - 11 : t + 1, s] for s in (0, 1) for t in rows])
    targets = np.stack([values[t + 1 : t + 3, s] for s in (0, 1) for t in rows])
    design = np.column_stack([inputs, np.ones(len(inputs))])
    weights = np.linalg.lstsq(design, targets, rcond=None)[0]
    held = np.arange(420, 495)
    truth = np.stack([values[t + 1 : t + 3, s] for s in (0, 1) for t in held])
    asked_of = np.stack([values[t - 11 : t + 1, s] for s in (0, 1) for t in held])
    best = np.abs(truth - np.column_stack([asked_of, np.ones(len(asked_of))]) @ weights).mean()
    assert np.mean(list(fitted.validation_errors.values())) < 1.4 * best


@pytest.mark.parametrize("kind", MODELS)
def test_other_fields_are_refused(kind):
    with pytest.raises(ValidationError, match="fields were open; it maps the forecast field alone"):
        type(MODELS[kind])(**SMALL, fields=("open",))


def test_an_even_kernel_is_refused():
    with pytest.raises(ValidationError, match="kernel 4 is even"):
        DLinear(**SMALL, kernel=4)
