"""Values: bars that are empty, infinite, zero, negative, at odds with themselves, or too precise to be prices."""

from collections.abc import Iterator

import numpy as np

from data.findings import Finding, Severity
from data.frames import PRICES
from data.panel import Floats
from data.quality.bars import SeriesBars, are, plural, shown
from data.quality.grid import Flags, Grid

ROUNDING = 1e-6
"""Relative differences below this are rounding of 32-bit prices."""

MOST_DECIMALS = 6
"""No exchange quotes a price above 1 in more decimals."""

_DECIMAL_SHARE = 0.5


def empty_fields(bars: SeriesBars, grid: Grid) -> Iterator[Finding]:
    """Yield ``empty_field``: a column without any value (error for the price, warning otherwise)."""
    for name, column in bars.columns.items():
        if np.isnan(column).all():
            message = (
                f"The field '{name}' holds no value: nothing that needs it can be used with this series."
            )
            severity: Severity = "error" if name == bars.price else "warning"
            yield bars.found("empty_field", severity, np.arange(len(bars)), message, field=name)


def empty_rows(bars: SeriesBars, grid: Grid) -> Iterator[Finding]:
    """Yield ``empty_row`` (warning): rows without any price, as some vendors write holidays."""
    prices = _prices(bars)
    if not len(prices):
        return
    empty = np.asarray(np.isnan(prices).all(axis=0))
    if empty.any() and not empty.all():
        on_grid = int(grid.is_end(bars.times[empty]).sum())
        message = (
            f"{plural(int(empty.sum()), 'row')} without any price ({on_grid} on a bar of the clock): these are no bars; nothing "
            "trades there, and returns and volatilities must not count them."
        )
        yield bars.found("empty_row", "warning", empty, message, value=on_grid)


def partial_bars(bars: SeriesBars, grid: Grid) -> Iterator[Finding]:
    """Yield ``partial_bar`` (warning): rows with some but not all prices of the fields that hold values."""
    prices = _prices(bars)
    prices = prices[~np.isnan(prices).all(axis=1)] if len(prices) else prices
    if len(prices) < 2:
        return
    missing = np.isnan(prices)
    partial = np.asarray(missing.any(axis=0) & ~missing.all(axis=0))
    if partial.any():
        message = f"{plural(int(partial.sum()), 'bar')} without some of the prices: orders cannot fill at a missing open or close."
        yield bars.found("partial_bar", "warning", partial, message)


def infinite_values(bars: SeriesBars, grid: Grid) -> Iterator[Finding]:
    """Yield ``infinite`` (error) for each field with infinite values."""
    for name, column in bars.columns.items():
        infinite = np.isinf(column)
        if infinite.any():
            message = (
                f"{are(int(infinite.sum()), 'value')} infinite in '{name}': every mean, return and "
                "equity after it would be infinite or undefined; loading refuses the file."
            )
            yield bars.found("infinite", "error", infinite, message, field=name, value=np.inf)


def zero_bars(bars: SeriesBars, grid: Grid) -> Iterator[Finding]:
    """Yield ``zero_bar`` (error): bars whose prices are all zero."""
    zero = _all_zero(bars)
    if zero.any():
        message = (
            f"{plural(int(zero.sum()), 'bar')} with every price zero (first {shown(bars.times[zero][0])}): a holder would "
            "lose 100 % in one bar and gain without bound in the next; missing data, not a price."
        )
        yield bars.found("zero_bar", "error", zero, message, value=0.0)


def non_positive_prices(bars: SeriesBars, grid: Grid) -> Iterator[Finding]:
    """Yield ``non_positive_price`` for each price field, and ``negative_volume`` (errors); zero bars are left out."""
    zero = _all_zero(bars)
    for name in (name for name in PRICES if name in bars.columns):
        column = bars.columns[name]
        bad = (column <= 0) & ~zero
        if bad.any():
            message = (
                f"{are(int(bad.sum()), 'value')} zero or below in '{name}' (lowest {np.min(column[bad]):g}): returns over "
                "them are undefined and orders would fill for nothing."
            )
            yield bars.found(
                "non_positive_price", "error", bad, message, field=name, value=float(np.min(column[bad]))
            )
    volume = bars.columns.get("volume")
    if volume is not None and (volume < 0).any():
        low = float(np.nanmin(volume))
        message = f"Volumes below zero (lowest {low:g}) mean nothing; limits on traded volume would fail."
        yield bars.found("negative_volume", "error", volume < 0, message, field="volume", value=low)


def inconsistent_bars(bars: SeriesBars, grid: Grid) -> Iterator[Finding]:
    """Yield ``inconsistent_bar`` (error): a high below, or a low above, another price of the bar; value: worst share."""
    for name, sign in (("high", 1.0), ("low", -1.0)):
        others = [other for other in bars.prices if other != name]
        if name not in bars.columns or not others:
            continue
        with np.errstate(invalid="ignore"):
            excess = {other: _excess(bars, name, other, sign) for other in others}
            worst = np.fmax.reduce(list(excess.values()))
            bad = worst > ROUNDING
        if bad.any():
            row = int(np.nanargmax(worst))
            other = max(excess, key=lambda key: np.nan_to_num(excess[key][row], nan=-1.0))
            relation = "below" if sign > 0 else "above"
            message = (
                f"The {name} lies {relation} another price of the same bar on {plural(int(bad.sum()), 'bar')}; worst "
                f"{shown(bars.times[row])}: {name} {bars.columns[name][row]:.6g}, {other} {bars.columns[other][row]:.6g}. "
                "Such a bar never traded so; fills and ranges from it are wrong."
            )
            yield bars.found("inconsistent_bar", "error", bad, message, field=name, value=float(worst[row]))


def decimals(bars: SeriesBars, grid: Grid) -> Iterator[Finding]:
    """Yield ``decimals`` (info): most prices have more decimals than any exchange quotes, so they were computed."""
    if bars.price is None:
        return
    column = bars.columns[bars.price]
    prices = column[np.isfinite(column) & (column >= 1)]
    if not len(prices):
        return
    scaled = prices * 10.0**MOST_DECIMALS
    is_fine = np.abs(scaled - np.round(scaled)) > np.maximum(1e-3, 4 * np.finfo(float).eps * scaled)
    # 32-bit prices show long binary tails that were never printed.
    is_fine &= prices != prices.astype(np.float32).astype(np.float64)
    if is_fine.mean() > _DECIMAL_SHARE:
        message = (
            f"{is_fine.mean():.0%} of the prices have more than {MOST_DECIMALS} decimals: they were computed (an index, an "
            "average, an adjusted or simulated price), not quoted, so nobody traded at exactly these prices."
        )
        everything = np.arange(len(bars))
        yield bars.found(
            "decimals", "info", everything, message, field=bars.price, value=float(is_fine.mean())
        )


def _prices(bars: SeriesBars) -> Floats:
    """Return the price columns, (F, N)."""
    names = bars.prices or ((bars.price,) if bars.price else ())
    return np.array([bars.columns[name] for name in names])


def _all_zero(bars: SeriesBars) -> Flags:
    if "close" not in bars.columns:
        return np.zeros(len(bars), dtype=bool)
    return np.asarray(np.all([bars.columns[name] == 0 for name in bars.prices], axis=0))


def _excess(bars: SeriesBars, name: str, other: str, sign: float) -> Floats:
    """Return by how much of the price ``other`` lies outside ``name``, (N,); zero bars give NaN."""
    one, two = bars.columns[name], bars.columns[other]
    size = np.where(np.abs(two) > 0, np.abs(two), np.nan)
    return np.asarray(sign * (two - one) / size)
