"""Quality: every check of bars, from files or from a loaded history. Nothing is repaired here."""

from data.quality.check import check_bars, check_panel

__all__ = ["check_bars", "check_panel"]
