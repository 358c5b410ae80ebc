"""Slow, obvious twins of ``forecast.training``: cells step by step under autograd, and one fold trained alone in a plain loop."""

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from forecast.training.seeds import order_generator


def lstm(layer, inputs):
    """Return what a ``StackedLstm`` says of (K, B, L, C), one model and one step after the other."""
    phi = torch.relu if layer.activation == "relu" else torch.tanh
    made = []
    for k in range(len(inputs)):
        cell = hidden = inputs.new_zeros(inputs.shape[1], layer.units)
        states = []
        for step in range(inputs.shape[2]):
            gates = inputs[k, :, step] @ layer.kernel[k] + hidden @ layer.recurrent[k] + layer.bias[k]
            entry, forget, output, fresh = gates.split(layer.units, dim=1)
            cell = torch.sigmoid(forget) * cell + torch.sigmoid(entry) * phi(fresh)
            hidden = torch.sigmoid(output) * phi(cell)
            states.append(hidden)
        made.append(torch.stack(states, dim=1) if layer.sequences else hidden)
    return torch.stack(made)


def torch_lstm(layer, model):
    """Return ``nn.LSTM`` with the weights of one model of a tanh layer; its second bias is 0, its gates i, f, g, o."""
    units = layer.units
    made = nn.LSTM(layer.kernel.shape[1], units, batch_first=True)
    order = torch.cat(
        [torch.arange(2 * units), torch.arange(3 * units, 4 * units), torch.arange(2 * units, 3 * units)]
    )
    with torch.no_grad():
        made.weight_ih_l0.copy_(layer.kernel[model].T[order])
        made.weight_hh_l0.copy_(layer.recurrent[model].T[order])
        made.bias_ih_l0.copy_(layer.bias[model, 0][order])
        made.bias_hh_l0.zero_()
    return made


def conv1d(layer, inputs):
    """Return what a ``StackedConv1d`` says, by ``functional.conv1d`` on one model after the other."""
    made = []
    for k in range(len(inputs)):
        weight = layer.weight[k].reshape(layer.kernel, -1, layer.weight.shape[2]).permute(2, 1, 0)
        made.append(functional.conv1d(inputs[k].transpose(1, 2), weight, layer.bias[k, 0]).transpose(1, 2))
    return torch.stack(made)


def conv_lstm(layer, inputs):
    """Return what a ``StackedConvLstm`` says of (K, B, T, W, C), by ``functional.conv1d`` on one model after the other."""
    phi = torch.relu if layer.activation == "relu" else torch.tanh

    def filtered(weights, row):
        weight = weights.reshape(layer.width, -1, weights.shape[1]).permute(2, 1, 0)
        return functional.conv1d(row.transpose(1, 2), weight).transpose(1, 2)

    made = []
    for k in range(len(inputs)):
        width = inputs.shape[3] - layer.width + 1
        cell = hidden = inputs.new_zeros(inputs.shape[1], width, layer.units)
        for step in range(inputs.shape[2]):
            gates = filtered(layer.kernel[k], inputs[k, :, step]) + layer.bias[k]
            before = (layer.width - 1) // 2
            padded = functional.pad(hidden, (0, 0, before, layer.width - 1 - before))
            gates = gates + filtered(layer.recurrent[k], padded)
            entry, forget, output, fresh = gates.split(layer.units, dim=2)
            cell = torch.sigmoid(forget) * cell + torch.sigmoid(entry) * phi(fresh)
            hidden = torch.sigmoid(output) * phi(cell)
        made.append(hidden)
    return torch.stack(made)


def train_alone(module, fold, settings, loss):
    """Return (state, epochs, train loss, valid loss) of one fold, trained by a plain loop with the default Adam."""
    inputs = torch.tensor((fold.table.inputs - fold.input_centre) / fold.input_scale, dtype=torch.float32)
    targets = torch.tensor((fold.table.targets - fold.target_centre) / fold.target_scale, dtype=torch.float32)
    optimizer = torch.optim.Adam(module.parameters(), lr=settings.learning_rate)
    order, kept, stale = order_generator(fold.seed), None, 0
    for epoch in range(1, settings.epochs + 1):
        if settings.rate_decay == "half_each_epoch":
            optimizer.param_groups[0]["lr"] = settings.learning_rate * 0.5 ** max(0, epoch - 2)
        shuffled, total = order.permutation(fold.train), 0.0
        for at in range(0, len(shuffled), settings.batch):
            rows = shuffled[at : at + settings.batch]
            optimizer.zero_grad()
            value = loss(module(inputs[rows][None]), targets[rows][None])[0]
            value.backward()
            optimizer.step()
            total += value.item() * len(rows) / len(shuffled)
        with torch.no_grad():
            rows = fold.valid
            valid = loss(module(inputs[rows][None]), targets[rows][None])[0].item() if len(rows) else np.nan
        if settings.patience is None or kept is None or valid < kept[3]:
            kept = ({name: value.clone() for name, value in module.state_dict().items()}, epoch, total, valid)
            stale = 0
        else:
            stale += 1
            if stale == settings.patience:
                break
    state, _, total, valid = kept
    return state, epoch, total, valid
