"""The benchmark of Autoformer measures two forms of one model, and says how far they are apart."""

import importlib.util
import math
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

PATH = Path(__file__).resolve().parents[1] / "benchmarks" / "autoformer_speed.py"
found = importlib.util.spec_from_file_location(PATH.stem, PATH)
driver = importlib.util.module_from_spec(found)
found.loader.exec_module(driver)


def test_both_forms_have_the_same_parameters():
    torch.manual_seed(0)
    ours = driver.AutoformerModule(driver.size_of(16, 32))
    theirs = driver.oracle("autocorrelation_oracle").published(ours)
    counts = [sum(weight.numel() for weight in model.parameters()) for model in (ours, theirs)]
    assert counts[0] == counts[1]


def test_outputs_and_gradients_are_equal_at_the_measured_size():
    output, gradient = driver.differences(driver.size_of(16, 32, dropout=0.0))
    assert output < 1e-5
    assert gradient < 1e-6


def test_a_training_step_moves_the_weights_and_a_forecast_does_not():
    model, data = driver.AutoformerModule(driver.size_of(8, 8)), driver.batch(driver.size_of(8, 8))
    before = model.projection.bias.detach().clone()
    driver.forecast(model, data[0])()
    assert torch.equal(model.projection.bias, before)
    driver.training_step(model, driver.nullcontext(), data)()
    assert not torch.equal(model.projection.bias, before)


def test_ratios_are_published_over_fast():
    row = driver.Row("d 64", (150.0, 100.0), (60.0, 40.0), 0.0, 0.0)
    assert all(math.isclose(ratio, 1.5) for ratio in row.ratios)


def test_the_least_of_alternating_rounds_is_kept():
    calls = []
    best = driver.least_milliseconds([lambda: calls.append("a"), lambda: calls.append("b")], 2, 1)
    assert calls == ["a", "b"] * 3
    assert all(0 <= value < 1000 for value in best)
