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
Blocks = tuple[Tensor, Tensor, Tensor, Tensor]
"""The gates i, f, o, g of one step, (K, U, B) each: views into all of them."""

Made = tuple[Tensor, Blocks, Tensor]
"""What a step makes: activated gates (K, 4 U, B), the same as blocks, and the bent cell (q, or max(c', 0))."""

Kept = tuple[Tensor, Blocks, Tensor, Tensor, Tensor]
"""What a step made, the cell before it and the hidden state after it."""

Changes = tuple[Tensor, Blocks]
"""Gradients of the gates before activation, (K, 4 U, B), and the same as blocks."""


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
        hidden = rows[1:, :, channels + 1 :]
        seen, states, made = (
            rows.unbind(),
            cells.unbind(),
            list(zip(gates.unbind(), _blocks(gates), bent.unbind(), strict=True)),
        )
        for step, new_hidden in enumerate(hidden.unbind()):
            at, before, after = (step, step, step + 1) if is_training else (0, step % 2, 1 - step % 2)
            if step:
                torch.bmm(scaled, seen[step], out=made[at][0])
            else:
                # Before the first step the hidden state is 0: only [x | 1] enter.
                torch.bmm(scaled[:, :, : channels + 1], seen[0][:, : channels + 1], out=made[0][0])
            step_forward(made[at], states[before], states[after], new_hidden)
        if is_training:
            ctx.save_for_backward(rows, gates, cells, bent, weights)
            ctx.is_relu, ctx.is_sequence = is_relu, is_sequence
        return hidden if is_sequence else hidden[-1]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor, None, None, None]:
        """Return the gradients of the inputs (None when nobody asks) and of the joined weights."""
        rows, gates, cells, bent, weights = ctx.saved_tensors
        units = bent.shape[2]
        hidden_at = weights.shape[1] - units
        is_asked = ctx.needs_input_grad[0]
        first = 0 if is_asked else hidden_at
        factor, step_backward = (1.0, _relu_backward) if ctx.is_relu else (-4.0, _tanh_backward)
        returning = _with_last_gate(weights[:, first:], factor)
        of_weights, of_rows = torch.zeros_like(weights), torch.zeros_like(rows[0, :, first:])
        of_hidden = of_rows[:, hidden_at - first :]
        of_inputs = torch.empty_like(rows[1:, :, : hidden_at - 1]) if is_asked else None
        of_gates, of_cell = torch.empty_like(gates[:1]), torch.zeros_like(cells[0])
        made = list(zip(gates.unbind(), _blocks(gates), bent.unbind(), strict=True))
        seen, states, hidden = rows.unbind(), cells.unbind(), rows[1:, :, hidden_at:].unbind()
        changes, blocks, turned = of_gates[0], _blocks(of_gates)[0], of_gates[0].transpose(1, 2)
        if not ctx.is_sequence:
            of_hidden.copy_(gradients[0])
        for step in reversed(range(len(made))):
            if ctx.is_sequence:
                of_hidden += gradients[0][step]
            step_backward((*made[step], states[step], hidden[step]), of_hidden, of_cell, (changes, blocks))
            if step:
                of_weights.baddbmm_(seen[step], turned)
            else:
                of_weights[:, :hidden_at] += torch.bmm(seen[0][:, :hidden_at], turned)
            if step or is_asked:
                torch.bmm(returning, changes, out=of_rows)
            if of_inputs is not None:
                of_inputs[step] = of_rows[:, : hidden_at - 1]
        of_weights[:, :, 3 * units :] *= factor
        return None if of_inputs is None else of_inputs.permute(1, 3, 0, 2), of_weights, None, None, None


def _with_last_gate(weights: Tensor, factor: float) -> Tensor:
    """Return a copy with the columns of gate g multiplied."""
    scaled = weights.clone()
    scaled[:, :, 3 * weights.shape[2] // 4 :] *= factor
    return scaled


def _blocks(gates: Tensor) -> list[Blocks]:
    """Return, by time step, the four gates of (L, K, 4 U, B)."""
    return list(zip(*(block.unbind() for block in gates.chunk(4, dim=2)), strict=True))


def _tanh_forward(made: Made, cell: Tensor, next_cell: Tensor, hidden: Tensor) -> None:
    """Fill the activated gates, -c', q and h'; ``cell`` is -c."""
    gates, (entry, forget, output, fresh), bent = made
    gates.sigmoid_()
    torch.addcmul(entry, entry, fresh, value=-2.0, out=next_cell).addcmul_(forget, cell)
    torch.mul(next_cell, 2.0, out=bent).sigmoid_()
    torch.addcmul(output, output, bent, value=-2.0, out=hidden)


def _tanh_backward(kept: Kept, of_hidden: Tensor, of_cell: Tensor, changes: Changes) -> None:
    """Fill the gradients of the gates, that of gate g divided by -4, and move ``of_cell``, of -c', to that of -c."""
    gates, (entry, forget, output, fresh), bent, cell, hidden = kept
    of_gates, (of_entry, of_forget, of_output, of_fresh) = changes
    spare = torch.mul(of_hidden, output, out=of_forget).mul_(bent)
    of_cell.add_(spare.addcmul_(spare, bent, value=-1.0), alpha=-4.0)
    torch.addcmul(entry, entry, fresh, value=-2.0, out=of_entry).mul_(of_cell)
    torch.mul(of_cell, cell, out=of_forget).mul_(forget)
    torch.mul(of_hidden, hidden, out=of_output)
    torch.mul(of_cell, entry, out=of_fresh).mul_(fresh)
    of_gates.addcmul_(of_gates, gates, value=-1.0)
    of_cell.mul_(forget)


def _relu_forward(made: Made, cell: Tensor, next_cell: Tensor, hidden: Tensor) -> None:
    """Fill the activated gates, c', max(c', 0) and h'."""
    gates, (entry, forget, output, fresh), bent = made
    gates[:, : 3 * cell.shape[1]].sigmoid_()
    torch.mul(forget, cell, out=next_cell).addcmul_(entry, fresh.relu_())
    torch.clamp(next_cell, min=0.0, out=bent)
    torch.mul(output, bent, out=hidden)


def _relu_backward(kept: Kept, of_hidden: Tensor, of_cell: Tensor, changes: Changes) -> None:
    """Fill the gradients of the gates, and move ``of_cell``, of c', to that of c."""
    gates, (entry, forget, output, fresh), bent, cell, hidden = kept
    of_gates, (of_entry, of_forget, of_output, of_fresh) = changes
    logistic = slice(None), slice(3 * cell.shape[1])
    of_cell.add_(torch.mul(of_hidden, output, out=of_forget).mul_(bent.sign()))
    torch.mul(of_cell, fresh, out=of_entry).mul_(entry)
    torch.mul(of_cell, cell, out=of_forget).mul_(forget)
    torch.mul(of_hidden, hidden, out=of_output)
    of_gates[logistic].addcmul_(of_gates[logistic], gates[logistic], value=-1.0)
    torch.mul(of_cell, entry, out=of_fresh).mul_(fresh.sign())
    of_cell.mul_(forget)
