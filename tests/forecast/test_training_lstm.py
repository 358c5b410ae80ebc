"""The stacked LSTMs: their hand-written gradient is autograd's, and with the same weights they say what torch and a loop say."""

import importlib.util
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from forecast.training.conv_lstm import StackedConvLstm
from forecast.training.lstm import StackedLstm

PATH = Path(__file__).resolve().parents[1] / "oracles" / "training_oracle.py"
found = importlib.util.spec_from_file_location(PATH.stem, PATH)
oracle = importlib.util.module_from_spec(found)
found.loader.exec_module(oracle)

KINDS = [(activation, sequences) for activation in ("tanh", "relu") for sequences in (False, True)]


def drawn(layer, dtype=torch.float32, seed=0):
    """Return the layer with every weight random, biases too."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.normal_(0.0, 0.5, generator=generator)
    return layer.to(dtype)


def inputs_of(*shape, dtype=torch.float32, seed=1):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def gradients(call, inputs, layer):
    made = call(inputs)
    toward = inputs_of(*made.shape, dtype=made.dtype, seed=2)
    return made, torch.autograd.grad((made * toward).sum(), [inputs, *layer.parameters()])


@pytest.mark.parametrize(("activation", "sequences"), KINDS)
def test_outputs_and_gradients_are_those_of_autograd_over_single_cells(activation, sequences):
    layer = drawn(StackedLstm(3, 2, 8, activation, sequences=sequences))
    inputs = inputs_of(3, 5, 10, 2).requires_grad_()
    ours = gradients(layer, inputs, layer)
    theirs = gradients(lambda x: oracle.lstm(layer, x), inputs, layer)
    for mine, other in zip((ours[0], *ours[1]), (theirs[0], *theirs[1]), strict=True):
        assert float((mine - other).detach().abs().max() / other.detach().abs().max()) < 1e-6


@settings(derandomize=True, deadline=None, max_examples=30)
@given(st.sampled_from(KINDS), *(st.integers(1, 4) for _ in range(4)), st.integers(1, 6))
def test_gradients_are_exact_for_every_shape(kind, models, samples, channels, units, steps):
    layer = drawn(StackedLstm(models, channels, units, kind[0], sequences=kind[1]), torch.float64)
    inputs = inputs_of(models, samples, steps, channels, dtype=torch.float64).requires_grad_()
    ours = gradients(layer, inputs, layer)
    theirs = gradients(lambda x: oracle.lstm(layer, x), inputs, layer)
    for mine, other in zip((ours[0], *ours[1]), (theirs[0], *theirs[1]), strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(("activation", "sequences"), KINDS)
def test_gradients_are_those_of_finite_differences(activation, sequences):
    layer = drawn(StackedLstm(2, 2, 3, activation, sequences=sequences), torch.float64)
    inputs = inputs_of(2, 2, 4, 2, dtype=torch.float64).requires_grad_()
    names = [name for name, _ in layer.named_parameters()]

    def call(x, *weights):
        return torch.func.functional_call(layer, dict(zip(names, weights, strict=True)), (x,))

    assert torch.autograd.gradcheck(call, (inputs, *layer.parameters()))


def test_weights_have_their_gradient_where_inputs_ask_for_none():
    layer = drawn(StackedLstm(2, 1, 4))
    inputs = inputs_of(2, 3, 5, 1)
    layer(inputs).sum().backward()
    asked = torch.autograd.grad(layer(inputs.clone().requires_grad_()).sum(), list(layer.parameters()))
    assert all(torch.equal(p.grad, other) for p, other in zip(layer.parameters(), asked, strict=True))


def test_a_forecast_without_gradient_has_the_same_bits():
    for activation, sequences in KINDS:
        layer = drawn(StackedLstm(2, 3, 5, activation, sequences=sequences))
        inputs = inputs_of(2, 4, 6, 3)
        with torch.no_grad():
            quiet = layer(inputs)
        assert torch.equal(quiet, layer(inputs))


def test_a_model_with_the_weights_of_torchs_lstm_says_the_same():
    layer = drawn(StackedLstm(3, 2, 16, sequences=True))
    inputs = inputs_of(3, 7, 12, 2)
    for k in range(3):
        torch.testing.assert_close(
            layer(inputs)[k], oracle.torch_lstm(layer, k)(inputs[k])[0], rtol=0.0, atol=2e-6
        )


def test_there_is_one_bias_a_gate_as_in_keras():
    layer = StackedLstm(1, 1, 200)
    assert sum(p.numel() for p in layer.parameters()) == 4 * (200 * (200 + 1) + 200) == 161_600


def test_first_weights_are_those_of_keras():
    layer = StackedLstm(2, 3, 8)
    layer.reset([torch.Generator().manual_seed(seed) for seed in (1, 2)])
    limit = (6.0 / (3 + 32)) ** 0.5
    assert 0.8 * limit < float(layer.kernel.detach().abs().max()) <= limit
    eye = torch.eye(8).expand(2, 8, 8)
    torch.testing.assert_close(layer.recurrent @ layer.recurrent.transpose(1, 2), eye, rtol=0.0, atol=1e-5)
    assert layer.bias[0, 0].tolist() == [0.0] * 8 + [1.0] * 8 + [0.0] * 16


def test_states_that_saturate_stay_finite():
    layer = StackedLstm(1, 1, 4)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.fill_(50.0)
    inputs = (inputs_of(1, 3, 20, 1) * 1e4).requires_grad_()
    made, slopes = gradients(layer, inputs, layer)
    assert made.abs().max() <= 1.0
    assert all(torch.isfinite(slope).all() for slope in slopes)


def test_values_of_one_model_never_reach_another():
    layer, inputs = drawn(StackedLstm(3, 1, 4)), inputs_of(3, 2, 5, 1)
    before = layer(inputs)
    inputs[1] = torch.nan
    after = layer(inputs)
    assert torch.equal(before[[0, 2]], after[[0, 2]])
    assert torch.isnan(after[1]).all()


@pytest.mark.parametrize("activation", ["tanh", "relu"])
@pytest.mark.parametrize("kernel", [1, 2, 3])
def test_the_convolutional_lstm_says_what_separate_convolutions_say(activation, kernel):
    layer = drawn(StackedConvLstm(2, 2, 4, kernel, activation), torch.float64)
    inputs = inputs_of(2, 3, 4, 6, 2, dtype=torch.float64).requires_grad_()
    ours = gradients(layer, inputs, layer)
    theirs = gradients(lambda x: oracle.conv_lstm(layer, x), inputs, layer)
    assert ours[0].shape == (2, 3, 6 - kernel + 1, 4)
    for mine, other in zip((ours[0], *ours[1]), (theirs[0], *theirs[1]), strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-10, atol=1e-12)


def test_the_convolutional_lstm_has_the_parameters_of_keras_and_its_first_weights():
    layer = StackedConvLstm(1, 1, 64, 3)
    assert sum(p.numel() for p in layer.parameters()) == 50_176
    layer.reset([torch.Generator().manual_seed(3)])
    rows = layer.recurrent[0] @ layer.recurrent[0].T
    torch.testing.assert_close(rows, torch.eye(192), rtol=0.0, atol=1e-5)
    assert float(layer.kernel.detach().abs().max()) <= (6.0 / (3 * 1 + 3 * 256)) ** 0.5
    assert layer.bias.sum() == 64


def test_lengths_are_kept_by_sequences_and_dropped_without():
    inputs = inputs_of(2, 3, 7, 1)
    assert drawn(StackedLstm(2, 1, 4, sequences=True))(inputs).shape == (2, 3, 7, 4)
    assert drawn(StackedLstm(2, 1, 4))(inputs).shape == (2, 3, 4)
    assert isinstance(StackedLstm(2, 1, 4), nn.Module)
