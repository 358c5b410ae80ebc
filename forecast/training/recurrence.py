"""The LSTM's pass through time and its hand-written gradient, for K models at once.

Layout: time first, samples last. One buffer holds, for each time step, the rows [x | 1 | h] of every model, so that a step
is one batched product with the joined weights [kernel; bias; recurrent]; a hidden state is written where the next step
reads it. Gates are blocks of U rows in the order i, f, o, g.

On CPUs a hyperbolic tangent costs six times a logistic function, so tanh(z) is taken as 2 sigmoid(2 z) - 1: the weights of
gate g are doubled, and one call makes all four gates. With a = sigmoid(2 z_g), m = -c and q = sigmoid(2 m), the step is
m' = f m + i (1 - 2 a), h' = o (1 - 2 q), and each is one fused multiply-add.
"""

from typing import Any

import torch
from torch.autograd.function import once_differentiable

Tensor = torch.Tensor
Kept = tuple[Tensor, Tensor, Tensor, Tensor]
"""Activated gates (K, 4 U, B), the cell before, the bent cell after (q, or max(c', 0)) and the hidden state after."""


class Recurrence(torch.autograd.Function):
    """Inputs (K, B, L, C) and joined weights (K, C + 1 + U, 4 U) -> the last hidden state (K, U, B).

    With ``is_sequence`` -> every hidden state, (L, K, U, B), oldest first.
    """

    @staticmethod
    def forward(
        ctx: Any, inputs: Tensor, weights: Tensor, is_relu: bool, is_sequence: bool, is_training: bool
    ) -> Tensor:
        """Return hidden states; what the gradient needs is kept when ``is_training``."""
        models, samples, steps, channels = inputs.shape
        units = weights.shape[2] // 4
        rows = inputs.new_empty(steps + 1, models, channels + 1 + units, samples)
        rows[:steps, :, :channels] = inputs.permute(2, 0, 3, 1)
        rows[:, :, channels] = 1.0
        rows[0, :, channels + 1 :] = 0.0
        kept = steps if is_training else 1
        gates = inputs.new_empty(kept, models, 4 * units, samples)
        cells = inputs.new_zeros(kept + 1, models, units, samples)
        bent = inputs.new_empty(kept, models, units, samples)
        scaled = (weights if is_relu else _with_last_gate(weights, 2.0)).transpose(1, 2)
        step_forward = _relu_forward if is_relu else _tanh_forward
        for step in range(steps):
            at, before, after = (step, step, step + 1) if is_training else (0, step % 2, 1 - step % 2)
            torch.bmm(scaled, rows[step], out=gates[at])
            step_forward(gates[at], cells[before], cells[after], bent[at], rows[step + 1, :, channels + 1 :])
        if is_training:
            ctx.save_for_backward(rows, gates, cells, bent, weights)
            ctx.is_relu, ctx.is_sequence = is_relu, is_sequence
        hidden = rows[1:, :, channels + 1 :]
        return hidden if is_sequence else hidden[-1]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor, None, None, None]:
        """Return the gradients of the inputs (None when nobody asks) and of the joined weights."""
        rows, gates, cells, bent, weights = ctx.saved_tensors
        steps, _, units, _ = bent.shape
        hidden_at = weights.shape[1] - units
        is_asked = ctx.needs_input_grad[0]
        first = 0 if is_asked else hidden_at
        factor, step_backward = (1.0, _relu_backward) if ctx.is_relu else (-4.0, _tanh_backward)
        returning = _with_last_gate(weights[:, first:], factor)
        of_weights, of_rows = torch.zeros_like(weights), torch.zeros_like(rows[0, :, first:])
        of_hidden = of_rows[:, hidden_at - first :]
        of_inputs = torch.empty_like(rows[1:, :, : hidden_at - 1]) if is_asked else None
        of_gates, of_cell = torch.empty_like(gates[0]), torch.zeros_like(cells[0])
        if not ctx.is_sequence:
            of_hidden.copy_(gradients[0])
        for step in reversed(range(steps)):
            if ctx.is_sequence:
                of_hidden += gradients[0][step]
            kept = gates[step], cells[step], bent[step], rows[step + 1, :, hidden_at:]
            step_backward(kept, of_hidden, of_cell, of_gates)
            of_weights.baddbmm_(rows[step], of_gates.transpose(1, 2))
            torch.bmm(returning, of_gates, out=of_rows)
            if of_inputs is not None:
                of_inputs[step] = of_rows[:, : hidden_at - 1]
        of_weights[:, :, 3 * units :] *= factor
        return None if of_inputs is None else of_inputs.permute(1, 3, 0, 2), of_weights, None, None, None


def _with_last_gate(weights: Tensor, factor: float) -> Tensor:
    """Return a copy with the columns of gate g multiplied."""
    scaled = weights.clone()
    scaled[:, :, 3 * weights.shape[2] // 4 :] *= factor
    return scaled


def _tanh_forward(gates: Tensor, cell: Tensor, next_cell: Tensor, bent: Tensor, hidden: Tensor) -> None:
    """Fill the activated gates, -c', q and h'; ``cell`` is -c."""
    entry, forget, output, fresh = gates.sigmoid_().chunk(4, 1)
    torch.addcmul(entry, entry, fresh, value=-2.0, out=next_cell).addcmul_(forget, cell)
    torch.mul(next_cell, 2.0, out=bent).sigmoid_()
    torch.addcmul(output, output, bent, value=-2.0, out=hidden)


def _tanh_backward(kept: Kept, of_hidden: Tensor, of_cell: Tensor, of_gates: Tensor) -> None:
    """Fill the gradients of the gates, that of gate g divided by -4, and move ``of_cell``, of -c', to that of -c."""
    gates, cell, bent, hidden = kept
    entry, forget, output, fresh = gates.chunk(4, 1)
    of_entry, of_forget, of_output, of_fresh = of_gates.chunk(4, 1)
    spare = torch.mul(of_hidden, output, out=of_forget).mul_(bent)
    of_cell.add_(spare.addcmul_(spare, bent, value=-1.0), alpha=-4.0)
    torch.addcmul(entry, entry, fresh, value=-2.0, out=of_entry).mul_(of_cell)
    torch.mul(of_cell, cell, out=of_forget).mul_(forget)
    torch.mul(of_hidden, hidden, out=of_output)
    torch.mul(of_cell, entry, out=of_fresh).mul_(fresh)
    of_gates.addcmul_(of_gates, gates, value=-1.0)
    of_cell.mul_(forget)


def _relu_forward(gates: Tensor, cell: Tensor, next_cell: Tensor, bent: Tensor, hidden: Tensor) -> None:
    """Fill the activated gates, c', max(c', 0) and h'."""
    units = cell.shape[1]
    gates[:, : 3 * units].sigmoid_()
    entry, forget, output, fresh = gates.chunk(4, 1)
    torch.mul(forget, cell, out=next_cell).addcmul_(entry, fresh.relu_())
    torch.clamp(next_cell, min=0.0, out=bent)
    torch.mul(output, bent, out=hidden)


def _relu_backward(kept: Kept, of_hidden: Tensor, of_cell: Tensor, of_gates: Tensor) -> None:
    """Fill the gradients of the gates, and move ``of_cell``, of c', to that of c."""
    gates, cell, bent, hidden = kept
    logistic = slice(None), slice(3 * cell.shape[1])
    entry, forget, output, fresh = gates.chunk(4, 1)
    of_entry, of_forget, of_output, of_fresh = of_gates.chunk(4, 1)
    of_cell.add_(torch.mul(of_hidden, output, out=of_forget).mul_(bent.sign()))
    torch.mul(of_cell, fresh, out=of_entry).mul_(entry)
    torch.mul(of_cell, cell, out=of_forget).mul_(forget)
    torch.mul(of_hidden, hidden, out=of_output)
    of_gates[logistic].addcmul_(of_gates[logistic], gates[logistic], value=-1.0)
    torch.mul(of_cell, entry, out=of_fresh).mul_(fresh.sign())
    of_cell.mul_(forget)
