"""Palette: the colours of a report, one for light and one for dark surroundings.

Hues follow Okabe and Ito (2008), which stay apart for colour-blind readers. Every light colour is unique, so that a page can
swap each for its dark partner.
"""

from typing import Final

PALETTE: Final[dict[str, tuple[str, str]]] = {
    "ink": ("#20242b", "#e8e6e1"),
    "muted": ("#646a73", "#9aa1ab"),
    "grid": ("#e6e3db", "#2b3038"),
    "shade": ("#8a8f97", "#8b919b"),
    "net": ("#0a5c9e", "#6cb8f0"),
    "gross": ("#5a9bcf", "#3f7fae"),
    "benchmark": ("#c2570c", "#f0a35e"),
    "naive": ("#858b94", "#a2a9b3"),
    "loss": ("#b4480b", "#ee9457"),
}
"""Role to (light, dark) colour."""


def color(role: str) -> str:
    """Return the light colour of a role; the page swaps it for the dark one where needed."""
    return PALETTE[role][0]


def swaps() -> dict[str, str]:
    """Return light colour to dark colour."""
    return dict(PALETTE.values())


def style_variables(*, dark: bool) -> str:
    """Return the palette as CSS custom properties."""
    return "".join(f"--{role}:{pair[dark]};" for role, pair in PALETTE.items())
