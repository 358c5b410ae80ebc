"""Device and precision: what was asked for, checked against what is there."""

from contextlib import AbstractContextManager, nullcontext
from typing import Literal

import torch

from forecast.errors import TrainingError


def chosen_device(asked: Literal["auto", "cpu", "cuda"]) -> torch.device:
    """Return the device; ``auto`` is CUDA where there is one.

    Raises:
        TrainingError: when CUDA was asked for and there is none.
    """
    if asked == "cuda" and not torch.cuda.is_available():
        raise TrainingError("device was 'cuda' and this machine has no CUDA device; allowed: auto, cpu")
    return torch.device("cuda" if asked != "cpu" and torch.cuda.is_available() else "cpu")


def has_bfloat16(device: torch.device) -> bool:
    """Return whether the hardware multiplies bfloat16 matrices itself."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return bool(torch.cpu.get_capabilities().get("avx512_bf16", False))


def precision_context(
    asked: Literal["auto", "float32", "bfloat16"], device: torch.device
) -> AbstractContextManager[object]:
    """Return the context of a forward pass; ``auto`` is bfloat16 on CUDA devices that have it, else float32.

    Raises:
        TrainingError: when bfloat16 was asked for and the hardware would only emulate it.
    """
    if asked == "bfloat16" and not has_bfloat16(device):
        raise TrainingError(
            f"precision was 'bfloat16' and this {device.type} has none; allowed: auto, float32"
        )
    wanted = asked == "bfloat16" or (asked == "auto" and device.type == "cuda" and has_bfloat16(device))
    return torch.autocast(device.type, torch.bfloat16) if wanted else nullcontext()
