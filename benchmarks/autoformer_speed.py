"""Autoformer's exact fast form beside the published one: CPU time of a training step and of a forecast, equal weights.

    python benchmarks/autoformer_speed.py

Sequence 96, label 48, horizon 96, 8 channels, batch 32, factor 3, dropout 0.05; the published form is the slow twin of the
tests (one Fourier transform a head and channel, rolled and gathered copies). Rounds of both forms alternate and the least
of each is kept. With a CUDA device the training throughput of the default size (d = 512) is printed too.
"""

import argparse
import copy
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from benchmarks.tools.measuring import oracle
from forecast.models.architectures.autoformer import AutoformerModule, AutoformerSize
from forecast.training.hardware import has_bfloat16

BATCH = 32
WANTED = 1.25
"""Least ratio of the CPU time of a training step at d = 64."""


@dataclass(frozen=True)
class Row:
    """CPU milliseconds of the published and of the fast form, and how far they are apart."""

    name: str
    train: tuple[float, float]
    evaluate: tuple[float, float]
    output_difference: float
    gradient_difference: float

    @property
    def ratios(self) -> tuple[float, float]:
        return self.train[0] / self.train[1], self.evaluate[0] / self.evaluate[1]


def size_of(width: int, hidden: int, *, dropout: float = 0.05) -> AutoformerSize:
    return AutoformerSize(
        length=96,
        label=48,
        horizon=96,
        channels=8,
        series=8,
        marks=4,
        width=width,
        hidden=hidden,
        dropout=dropout,
    )


def batch(size: AutoformerSize, device: str = "cpu") -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(1)
    inputs = torch.randn(BATCH, size.length + size.horizon, size.channels + size.marks, device=device)
    return inputs, torch.randn(BATCH, size.horizon * size.series, device=device)


def training_step(
    model: nn.Module, context: AbstractContextManager[object], data: tuple[torch.Tensor, torch.Tensor]
) -> Callable[[], None]:
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-4, fused=True)
    model.train()

    def step() -> None:
        optimizer.zero_grad()
        with context:
            loss = (model(data[0]).float() - data[1]).square().mean()
        loss.backward()
        optimizer.step()

    return step


def forecast(model: nn.Module, inputs: torch.Tensor) -> Callable[[], None]:
    model.eval()

    def answer() -> None:
        with torch.no_grad():
            model(inputs)

    return answer


def least_milliseconds(runs: list[Callable[[], None]], rounds: int, steps: int) -> list[float]:
    """Return the least CPU time of each run; rounds alternate, so that other load meets all of them."""
    best = [float("inf")] * len(runs)
    for _ in range(rounds + 1):
        for i, run in enumerate(runs):
            begun = time.process_time()
            for _ in range(steps):
                run()
            best[i] = min(best[i], (time.process_time() - begun) / steps * 1e3)
    return best


def differences(size: AutoformerSize) -> tuple[float, float]:
    """Return the largest difference of outputs in inference, and of training gradients relative to the largest."""
    torch.manual_seed(0)
    ours = AutoformerModule(size)
    theirs = oracle("autocorrelation_oracle").published(ours)
    inputs, targets = batch(size)
    with torch.no_grad():
        output = float((ours.eval()(inputs) - theirs.eval()(inputs)).abs().max())
    gradients = []
    for model in (ours.train(), theirs.train()):
        (model(inputs) - targets).square().mean().backward()
        gradients.append({name: weight.grad for name, weight in model.named_parameters()})
    largest = max(float(each.abs().max()) for each in gradients[1].values())
    apart = max(
        float(
            (each - gradients[1][oracle("autocorrelation_oracle").twin_name(name)].view_as(each)).abs().max()
        )
        for name, each in gradients[0].items()
    )
    return output, apart / largest


def measured(width: int, hidden: int, rounds: int, *, half: bool = False) -> Row:
    """Return the CPU times at one size; with ``half`` the fast form runs in bfloat16 where products allow it."""
    size = size_of(width, hidden)
    torch.manual_seed(0)
    ours = AutoformerModule(size)
    theirs = oracle("autocorrelation_oracle").published(ours)
    data = batch(size)
    context: AbstractContextManager[object] = torch.autocast("cpu", torch.bfloat16) if half else nullcontext()
    steps = max(1, 512 // width)
    training = [
        training_step(copy.deepcopy(theirs), nullcontext(), data),
        training_step(copy.deepcopy(ours), context, data),
    ]
    train = least_milliseconds(training, rounds, steps)
    evaluate = least_milliseconds([forecast(theirs, data[0]), forecast(ours, data[0])], rounds, steps)
    apart = differences(size_of(width, hidden, dropout=0.0))
    name = f"d {width}" + (", fast form in bfloat16" if half else "")
    return Row(name, (train[0], train[1]), (evaluate[0], evaluate[1]), *apart)


def throughput() -> str:
    """Return the training throughput of the default size on the CUDA device."""
    size = size_of(512, 2048)
    model = AutoformerModule(size).cuda()
    data = batch(size, "cuda")
    found = []
    for name, context in (("float32", nullcontext()), ("bfloat16", torch.autocast("cuda", torch.bfloat16))):
        step = training_step(model, context, data)
        for _ in range(10):
            step()
        torch.cuda.synchronize()
        begun = time.perf_counter()
        for _ in range(100):
            step()
        torch.cuda.synchronize()
        found.append(f"{name} {100 * BATCH / (time.perf_counter() - begun):.0f} windows a second")
    return f"d 512 on {torch.cuda.get_device_name()}: {', '.join(found)}"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="not used; every benchmark takes it")
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    torch.set_num_threads(1)
    print(
        f"{'CPU ms':<28}{'train':>17}{'ratio':>7}{'forecast':>17}{'ratio':>7}{'output diff':>13}{'gradient diff':>15}"
    )
    cases = [(16, 32, False), (64, 128, False), (256, 512, False)]
    if has_bfloat16(torch.device("cpu")):
        cases.append((256, 512, True))
    else:
        print("this CPU has no bfloat16 products; that row is left out")
    for width, hidden, half in cases:
        row = measured(width, hidden, rounds, half=half)
        train, evaluate = (f"{pair[0]:.1f} -> {pair[1]:.1f}" for pair in (row.train, row.evaluate))
        print(
            f"{row.name:<28}{train:>17}{row.ratios[0]:>7.2f}{evaluate:>17}{row.ratios[1]:>7.2f}"
            f"{row.output_difference:>13.1e}{row.gradient_difference:>15.1e}",
            flush=True,
        )
        if width == 64:
            met = "met" if row.ratios[0] >= WANTED else "MISSED"
            print(f"{'':<28}target: train ratio >= {WANTED}: {met}")
    print(throughput() if torch.cuda.is_available() else "no CUDA device: d 512 throughput not run")


if __name__ == "__main__":
    main()
