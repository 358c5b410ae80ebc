"""Autoformer: equal to its slow twin in outputs and gradients, the published size, and settings that cannot be met."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

torch = pytest.importorskip("torch")

from forecast.checks import require_forecaster, synthetic_history  # noqa: E402
from forecast.models.architectures.autoformer import AutoformerModule, AutoformerSize  # noqa: E402
from forecast.models.autoformer import Autoformer  # noqa: E402
from forecast.randomness import RandomStreams  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
SMALL = {
    "context": 16,
    "horizon": 3,
    "label": 8,
    "width": 8,
    "hidden": 16,
    "encoder_layers": 1,
    "kernel": 5,
    "epochs": 1,
    "learning_rate": 1e-3,
}


def module(path):
    found = importlib.util.spec_from_file_location(path.stem, path)
    loaded = importlib.util.module_from_spec(found)
    found.loader.exec_module(loaded)
    return loaded


oracle = module(ROOT / "tests" / "oracles" / "autocorrelation_oracle.py")


def sized(**changed):
    sizes = {"length": 12, "label": 6, "horizon": 4, "channels": 3, "series": 3, "marks": 2}
    sizes |= {"width": 8, "hidden": 12, "kernel": 5, "dropout": 0.0}
    return AutoformerSize(**(sizes | changed))


def drawn(size, seed=0, dtype=torch.float64):
    torch.manual_seed(seed)
    model = AutoformerModule(size).to(dtype)
    rows = size.length + (size.horizon if size.marks else 0)
    return model, torch.randn(5, rows, size.channels + size.marks, dtype=dtype)


def outputs_and_gradients(model, inputs):
    model.zero_grad()
    said = model(inputs)
    (said.square().mean() + said.sum()).backward()
    return said.detach(), {name: weight.grad for name, weight in model.named_parameters()}


SIZES = st.fixed_dictionaries(
    {
        "length": st.integers(8, 41),
        "label": st.integers(1, 8),
        "horizon": st.integers(2, 30),
        "marks": st.sampled_from([0, 4]),
        "roll": st.sampled_from(["as_published", "to_correlation"]),
        "factor": st.sampled_from([1.0, 2.0]),
    }
)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(changed=SIZES, training=st.booleans(), seed=st.integers(0, 99))
def test_the_fast_form_equals_the_published_one(changed, training, seed):
    if not changed["marks"]:
        # Steps ahead that neither values nor marks tell apart have lags of equal correlation: rounding would choose.
        changed["horizon"] = min(changed["horizon"], changed["label"] + 3)
    size = sized(**changed)
    model, inputs = drawn(size, seed)
    model.train(training)
    ours, ours_gradients = outputs_and_gradients(model, inputs)
    theirs, theirs_gradients = outputs_and_gradients(oracle.published(model), inputs)
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-6)
    largest = max(float(each.abs().max()) for each in theirs_gradients.values())
    for name, gradient in ours_gradients.items():
        other = theirs_gradients[oracle.twin_name(name)].view_as(gradient)
        torch.testing.assert_close(gradient, other, rtol=0, atol=1e-6 * largest)


@pytest.mark.parametrize("training", [True, False])
def test_long_sequences_equal_the_published_form_in_single_precision(training):
    """Lengths 200 and 201 go through the transform and the sliding average."""
    size = sized(length=200, label=100, horizon=101, kernel=25, factor=3.0)
    model, inputs = drawn(size, seed=3, dtype=torch.float32)
    model.train(training)
    ours, ours_gradients = outputs_and_gradients(model, inputs)
    theirs, theirs_gradients = outputs_and_gradients(oracle.published(model), inputs)
    torch.testing.assert_close(ours, theirs, rtol=0, atol=2e-6)
    largest = max(float(each.abs().max()) for each in theirs_gradients.values())
    for name, gradient in ours_gradients.items():
        other = theirs_gradients[oracle.twin_name(name)].view_as(gradient)
        torch.testing.assert_close(gradient, other, rtol=0, atol=2e-6 * largest)


def test_the_default_size_is_the_published_one():
    assert Autoformer(series="joint", horizon=96).parameter_count(series=8) == 10_541_064


def test_training_and_inference_choose_lags_differently():
    model, inputs = drawn(sized(length=24, label=12, horizon=12))
    assert not torch.allclose(model.train()(inputs), model.eval()(inputs))


def test_in_inference_no_sample_reaches_another():
    model, inputs = drawn(sized())
    model.eval()
    changed = inputs.clone()
    changed[1:] += 1.0
    torch.testing.assert_close(model(inputs)[0], model(changed)[0], rtol=0, atol=1e-12)


def test_the_roll_direction_changes_the_forecast():
    model, inputs = drawn(sized(length=24, label=12, horizon=12))
    other, _ = drawn(sized(length=24, label=12, horizon=12, roll="to_correlation"))
    assert not torch.allclose(model.eval()(inputs), other.eval()(inputs))


def test_a_decoder_that_says_nothing_says_the_mean_of_the_window():
    model, inputs = drawn(sized(marks=0))
    model.eval()
    for weight in (*model.decoder.parameters(), *model.projection.parameters()):
        torch.nn.init.zeros_(weight)
    said = model(inputs).view(5, 4, 3)
    torch.testing.assert_close(said, inputs.mean(dim=1, keepdim=True).expand(-1, 4, -1))


def test_the_values_ahead_are_never_read():
    model, inputs = drawn(sized())
    changed = inputs.clone()
    changed[:, 12:, :3] = 99.0
    assert torch.equal(model.eval()(inputs), model(changed))


def test_the_marks_ahead_are_read():
    model, inputs = drawn(sized())
    changed = inputs.clone()
    changed[:, 12:, 3:] += 1.0
    assert not torch.allclose(model.eval()(inputs), model(changed))


@pytest.mark.parametrize(
    ("changed", "words"),
    [({"kernel": 24}, "kernel 24 is even"), ({"label": 17}, "label was 17; the window has 16 steps")],
)
def test_settings_that_cannot_be_met_are_refused(changed, words):
    with pytest.raises(ValidationError, match=words):
        Autoformer(**(SMALL | changed))


@pytest.mark.parametrize("changed", [{"series": "joint"}, {"loss": "student_t", "time_marks": "none"}])
def test_it_keeps_the_contract(changed):
    require_forecaster(Autoformer(**(SMALL | changed)))


def test_marks_let_it_learn_what_only_the_calendar_tells():
    """Values repeat by the day of the week; a window of four days does not hold last week's same day."""
    history = synthetic_history(420)
    weekday = (history.times.astype("datetime64[D]").astype(int) + 3) % 7
    values = history.panel.values.copy()
    values[:, :, 3] = 100 + 5.0 * np.array([0, 3, -2, 4, 1, -4, -2])[weekday][:, None]
    values[:, :, 3] += np.random.default_rng(0).normal(0, 0.1, (420, 3))
    marked = type(history)(
        type(history.panel)(history.times, history.panel.series, history.panel.fields, values), history.clock
    )
    small = SMALL | {"context": 4, "label": 4, "epochs": 10, "learning_rate": 1e-2}
    errors = {}
    for unit in ("none", "day"):
        asked = Autoformer(**small, time_marks=unit, rate_decay="none")
        fitted = asked.fit(marked, RandomStreams(1, marked.cutoff))
        errors[unit] = np.mean([error.mean() for error in fitted.validation_errors.values()])
    assert errors["day"] < errors["none"]
