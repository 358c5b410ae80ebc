"""Formats: numbers, times and names as a reader sees them; what is missing is ``n/a``."""

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

MISSING = "n/a"
MINUS = "\u2212"
"""The typographic minus: as wide as a plus, so that signed columns line up."""

PERCENT_SIGN = "\u00a0%"
"""Per cent, kept on the line of its number."""

_FORMULA = re.compile(r"\$(?=\$)|\\(?=[()\[\]])")

Format = Callable[[Any], str]


def is_missing(value: Any) -> bool:
    """Return whether a value is absent: None, NaN, NaT or NA."""
    if value is None or value is pd.NaT or value is pd.NA:
        return True
    return isinstance(value, float | np.floating) and bool(np.isnan(value))


def number(value: Any, digits: int = 2) -> str:
    """Return a number with a fixed count of decimals, ``n/a`` when it is missing."""
    if is_missing(value):
        return MISSING
    if np.isinf(value):
        return "∞" if value > 0 else f"{MINUS}∞"
    return _signed(f"{float(value):,.{digits}f}")


def significant(value: Any) -> str:
    """Return a number with four significant digits, whole numbers bare, no exponent where that stays short."""
    if is_missing(value) or np.isinf(value):
        return number(value)
    size = abs(float(value))
    if size >= 1000 or float(value).is_integer():
        return number(value, 0)
    shown = f"{float(value):#.4g}" if size >= 1e-4 else f"{float(value):.2e}"
    return _signed(shown.rstrip("."))


def percent(value: Any, digits: int = 1) -> str:
    """Return a fraction in per cent, ``n/a`` when it is missing."""
    return MISSING if is_missing(value) else f"{number(float(value) * 100, digits)}{PERCENT_SIGN}"


def p_value(value: Any) -> str:
    """Return a probability with three decimals; very small ones as a bound."""
    if is_missing(value) or value >= 0.001:
        return number(value, 3)
    return "< 0.001"


def fine_percent(value: Any) -> str:
    """Return a fraction in per cent with two decimals."""
    return percent(value, 2)


def money(value: Any) -> str:
    """Return an amount without decimals."""
    return number(value, 0)


def count(value: Any) -> str:
    """Return a whole number with thousands set apart."""
    return number(value, 0)


def day(value: Any) -> str:
    """Return the date of a time, ``n/a`` when it is missing."""
    return MISSING if is_missing(value) else pd.Timestamp(value).strftime("%Y-%m-%d")


def moment(value: Any) -> str:
    """Return a time to the minute, UTC; only the date when it is midnight."""
    if is_missing(value):
        return MISSING
    stamp = pd.Timestamp(value)
    return stamp.strftime("%Y-%m-%d" if stamp == stamp.normalize() else "%Y-%m-%d %H:%M")


def text(value: Any) -> str:
    """Return a value as text, ``n/a`` when it is missing; yes or no for a truth value."""
    if is_missing(value):
        return MISSING
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    return str(value)


def label(value: Any) -> str:
    """Return an identifier in words: ``max_drawdown`` is "max drawdown"."""
    return text(value).replace("_", " ")


def title(name: Any) -> str:
    """Return an identifier as a title: ``max_drawdown`` is "Max drawdown", ``cagr`` is "CAGR"."""
    known = {"cagr": "CAGR", "sharpe": "Sharpe ratio", "sortino": "Sortino ratio", "calmar": "Calmar ratio"}
    plain = label(name).replace("sharpe", "Sharpe").replace("lo adj", "Lo-adj")
    return known.get(text(name), plain[:1].upper() + plain[1:])


TEXTUAL: tuple[Format, ...] = (text, label, title)
"""Formats whose columns are set left."""


def chart_text(name: Any) -> str:
    """Return text that a chart draws as it is: the marks that would start a formula are broken up."""
    return _FORMULA.sub("\\g<0>\u200b", text(name))


def _signed(plain: str) -> str:
    is_zero = not any(digit in plain for digit in "123456789")
    return plain.lstrip("-") if is_zero else plain.replace("-", MINUS)
