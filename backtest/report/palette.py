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


GROUNDS: Final[tuple[str, str]] = ("#fbfaf7", "#14171b")
"""What a report stands on, light and dark."""

STEPS: Final[int] = 20

_STOPS = [
    *(("benchmark", step) for step in range(STEPS, 0, -1)),
    *(("net", step) for step in range(STEPS + 1)),
]


def color(role: str) -> str:
    """Return the light colour of a role; the page swaps it for the dark one where needed."""
    return PALETTE[role][0]


def diverging() -> tuple[list[str], list[str]]:
    """Return colours from short through nothing to held, for light and for dark: opaque, so that neighbours may overlap."""
    light, dark = (
        [_mixed(ground, PALETTE[role][scheme], share / STEPS) for role, share in _STOPS]
        for scheme, ground in enumerate(GROUNDS)
    )
    return light, dark


def swaps() -> dict[str, str]:
    """Return light colour to dark colour."""
    return {**dict(zip(*diverging(), strict=True)), **dict(PALETTE.values())}


def style_variables(*, dark: bool) -> str:
    """Return the palette as CSS custom properties."""
    return f"--paper:{GROUNDS[dark]};" + "".join(f"--{role}:{pair[dark]};" for role, pair in PALETTE.items())


def _mixed(ground: str, mark: str, share: float) -> str:
    """Return the colour that lies ``share`` of the way from one to another, in sRGB."""
    pairs = [(int(ground[i : i + 2], 16), int(mark[i : i + 2], 16)) for i in (1, 3, 5)]
    return "#" + "".join(f"{round(a + (b - a) * share):02x}" for a, b in pairs)
