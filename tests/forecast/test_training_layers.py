"""Stacked layers: each model does what an ordinary layer with its weights does, and its first weights are its seed's."""

import importlib.util
from pathlib import Path

import pytest
import torch
from torch import nn

from forecast.training.conv_lstm import StackedConvLstm
from forecast.training.layers import StackedConv1d, StackedLinear, initialised, max_pool
from forecast.training.looped import LoopedStack, looped
from forecast.training.lstm import StackedLstm
from forecast.training.seeds import order_generator, torch_seed, weight_generator

PATH = Path(__file__).resolve().parents[1] / "oracles" / "training_oracle.py"
found = importlib.util.spec_from_file_location(PATH.stem, PATH)
oracle = importlib.util.module_from_spec(found)
found.loader.exec_module(oracle)

MAKERS = {
    "linear": lambda models: StackedLinear(models, 3, 4),
    "conv1d": lambda models: StackedConv1d(models, 3, 4, 2),
    "lstm": lambda models: StackedLstm(models, 3, 4),
    "conv_lstm": lambda models: StackedConvLstm(models, 3, 4, 2),
}


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("name", MAKERS)
def test_first_weights_of_a_model_do_not_depend_on_how_many_there_are(name):
    many, alone = initialised(MAKERS[name](3), [5, 6, 7]), initialised(MAKERS[name](1), [6])
    for mine, other in zip(many.parameters(), alone.parameters(), strict=True):
        assert torch.equal(mine[1:2], other)
    assert not torch.equal(next(many.parameters())[0], next(many.parameters())[1])


@pytest.mark.parametrize("name", MAKERS)
def test_a_reset_layer_is_as_good_as_new(name):
    layer = initialised(MAKERS[name](2), [5, 6])
    first = [parameter.clone() for parameter in layer.parameters()]
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.add_(1.0)
    initialised(layer, [5, 6])
    assert all(torch.equal(p, q) for p, q in zip(layer.parameters(), first, strict=True))


def test_layers_of_one_module_draw_different_weights():
    module = initialised(nn.Sequential(StackedLinear(1, 3, 3), StackedLinear(1, 3, 3)), [1])
    assert not torch.equal(module[0].weight, module[1].weight)


@pytest.mark.parametrize("shape", [(2, 5, 3), (2, 5, 6, 3)])
def test_a_linear_layer_multiplies_the_last_axis_in_each_model(shape):
    layer, inputs = initialised(StackedLinear(2, 3, 4), [0, 1]), normal(*shape)
    nn.init.normal_(layer.bias)
    for k in range(2):
        torch.testing.assert_close(layer(inputs)[k], inputs[k] @ layer.weight[k] + layer.bias[k, 0])


@pytest.mark.parametrize("kernel", [1, 2, 5])
def test_a_convolution_is_torchs_and_so_is_its_gradient(kernel):
    layer = initialised(StackedConv1d(2, 3, 4, kernel), [0, 1])
    inputs = normal(2, 6, 9, 3).requires_grad_()
    ours, theirs = layer(inputs), oracle.conv1d(layer, inputs)
    assert ours.shape == (2, 6, 9 - kernel + 1, 4)
    torch.testing.assert_close(ours, theirs)
    wanted = [inputs, *layer.parameters()]
    toward = normal(*ours.shape, seed=1)
    for mine, other in zip(
        torch.autograd.grad((ours * toward).sum(), wanted),
        torch.autograd.grad((theirs * toward).sum(), wanted),
        strict=True,
    ):
        torch.testing.assert_close(mine, other, rtol=1e-5, atol=1e-5)


def test_weights_are_glorot_uniform_with_the_fans_of_keras():
    layer = initialised(StackedConv1d(1, 8, 32, 3), [0])
    limit = (6.0 / (3 * 8 + 3 * 32)) ** 0.5
    assert 0.98 * limit < float(layer.weight.detach().abs().max()) <= limit
    assert float(layer.weight.detach().std()) == pytest.approx(limit / 3**0.5, rel=0.05)


def test_pooling_takes_the_largest_of_neighbours_and_drops_a_rest():
    inputs = torch.tensor([1.0, 3.0, 2.0, 0.0, 9.0]).view(1, 1, 5, 1)
    assert max_pool(inputs, 2).flatten().tolist() == [3.0, 2.0]


def test_looped_modules_are_those_of_their_seeds_and_leave_the_global_stream_alone():
    torch.manual_seed(11)
    wanted = torch.rand(3)
    torch.manual_seed(11)
    stack = looped(lambda: nn.Sequential(nn.Flatten(), nn.Linear(4, 2)), [3, 4])
    assert torch.equal(torch.rand(3), wanted)
    alone = looped(lambda: nn.Sequential(nn.Flatten(), nn.Linear(4, 2)), [4])
    assert torch.equal(stack.members[1][1].weight, alone.members[0][1].weight)
    inputs = normal(2, 5, 2, 2)
    assert isinstance(stack, LoopedStack)
    torch.testing.assert_close(stack(inputs)[1], alone.members[0](inputs[1]))


def test_seeds_that_differ_in_high_bits_only_differ():
    assert torch_seed(7) != torch_seed(7 + 2**32)
    draws = [torch.rand(2, generator=weight_generator(seed)) for seed in (7, 7 + 2**32)]
    assert not torch.equal(*draws)
    assert order_generator(7).permutation(50).tolist() != order_generator(7 + 2**32).permutation(50).tolist()
