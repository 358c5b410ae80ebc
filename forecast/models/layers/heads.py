"""Output heads: what a network says about a scaled window, put back into the unit of the window."""

import torch


def restored(
    said: torch.Tensor, centre: torch.Tensor, scale: torch.Tensor | None = None, *, is_density: bool
) -> torch.Tensor:
    """Return outputs in the unit of the window they were computed from.

    Args:
        said: (B, H, S, P) outputs of a window that was freed of ``centre`` and divided by ``scale``.
        centre: broadcasts against (B, H, S).
        scale: not 0, broadcasts against (B, H, S); None is 1.
        is_density: P are location, log scale and log(degrees of freedom - 2) of Student's t, of which the last has no
            unit; otherwise all P are values.
    """
    if not is_density:
        scaled = said if scale is None else said * scale.unsqueeze(-1)
        return scaled + centre.unsqueeze(-1)
    location, log_scale, log_excess = said.unbind(3)
    if scale is not None:
        location, log_scale = location * scale, log_scale + scale.abs().log()
    return torch.stack([location + centre, log_scale, log_excess], dim=3)
