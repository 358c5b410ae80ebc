"""Adjustment: splits and dividends read from the data, and the factor that carries prices forward over them.

Adjusted closes as vendors print them are scaled by every action up to the day of the download, so they know the future.
Only their ratio to the raw close is used here: a change of that ratio dates an action, and the forward factor multiplies
the actions dated so far, so nothing that happens later rescales the past.

Vendors differ in the price at which a dividend is thought to be reinvested. With J the change of the ratio adjusted to
raw close over the ex bar, c the raw close and d the dividend:

    "previous_close"   J = 1 / (1 - d / c[t-1])     Yahoo, Lean and the CRSP manual's ``facpr``
    "close"            J = 1 + d / c[t]             Quandl WIKI; the return of an account that is paid d in cash

The same choice must be made when reading actions and when building the factor.
"""

from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from data.errors import DataError, SourceError
from data.events import CorporateActions
from data.panel import Floats, Panel, Times
from data.sessions import BarClock, session_closes

Reinvested = Literal["previous_close", "close"]
Action = tuple[np.datetime64, str, float, float]
"""Stamp, series, split ratio, dividend."""

NOISE_FLOOR = 2e-5
"""Changes of the ratio below this share of the price are rounding, whatever the printed decimals promise."""

SPLIT_JUMP = 0.2
"""A split changes the number of units by more than this share; smaller changes are dividends."""

SPLIT_TOLERANCE = 0.01
"""How far above a simple ratio a jump may be (a dividend paid with the split explains the rest)."""

EXACT_TOLERANCE = 1e-3
"""How far from a simple ratio two printed split factors may be and still mean it."""

_LARGEST_TERM = 10
_MOST_DECIMALS = 6
_SHARE_OF_EXACT_BARS = 0.9
_FEWEST_BARS = 20


def implied_actions(panel: Panel, *, reinvested: Reinvested = "previous_close") -> CorporateActions:
    """Return the splits and dividends that the ratio of adjusted to raw close implies, ordered by time.

    A change of the ratio beyond the rounding of the printed prices is an action at that bar. It is a split where it
    exceeds 20 % and lies within 1 % above a ratio of small whole numbers (a remainder is a dividend paid with it);
    otherwise it is a dividend, or a value paid in kind such as a spin-off, in price units before the split.

    Timing: each action is dated at the first bar that trades without the right, and is read from this bar and the
    observed bar before it only.

    Args:
        panel: needs the fields ``close`` (raw) and ``adj_close``, (T, S), NaN where not observed.
        reinvested: the vendor's convention, see the top of this module.

    Raises:
        DataError: when the adjusted close falls against the raw one by no split ratio, as no dividend is negative.
        PanelError: when a field is missing.
    """
    close, adjusted = panel.field("close"), panel.field("adj_close")
    rows: list[Action] = []
    for s, name in enumerate(panel.series):
        seen = np.flatnonzero(~np.isnan(close[:, s]) & ~np.isnan(adjusted[:, s]))
        raw, scaled = close[seen, s], adjusted[seen, s]
        _check_positive(name, raw, scaled)
        jumps = (scaled[1:] / raw[1:]) / (scaled[:-1] / raw[:-1])
        noise = _ratio_noise(raw, scaled, jumps)
        for i in np.flatnonzero(np.abs(jumps - 1) > noise):
            at = panel.times[seen[i + 1]]
            split, rest = _split_and_rest(float(jumps[i]), float(noise[i]), name, at)
            paid = _dividend(rest, raw[i], raw[i + 1] * split, reinvested)
            rows.append((at, name, split, paid))
    return _sorted_actions(rows)


def forward_factor(
    times: Times,
    series: tuple[str, ...],
    close: Floats,
    actions: CorporateActions,
    *,
    reinvested: Reinvested = "previous_close",
) -> Floats:
    """Return the product of all actions dated so far, (T, S), finite, 1 until a series' first action.

    ``close * factor`` has the returns of a holder who reinvests every dividend. Row t uses the closes up to row t only;
    later actions never change it. An action between two bars counts from the later bar on; one at or before the first
    observed bar of its series, or of a series that is not asked for, changes nothing.

    Args:
        times: (T,) bar ends.
        series: S names.
        close: (T, S) raw closes, NaN where not observed.
        actions: splits and dividends.
        reinvested: at which close dividends buy new units, see the top of this module.

    Raises:
        DataError: when a dividend is not below the previous close.
    """
    steps = np.ones((len(times), len(series)))
    column = {name: s for s, name in enumerate(series)}
    for i in range(len(actions)):
        s = column.get(str(actions.series[i]))
        if s is None:
            continue
        row = int(np.searchsorted(times, actions.times[i]))
        now, before = _observed_around(close[:, s], row)
        if now is None or before is None:
            continue
        split, paid = float(actions.splits[i]), float(actions.dividends[i])
        earlier = float(close[before, s])
        if paid >= earlier:
            raise DataError(
                f"dividend of {series[s]} at {actions.times[i]} is {paid:g}, not below the close before it, {earlier:g}"
            )
        later = float(close[now, s]) * split
        steps[now, s] *= split * (1 + paid / later if reinvested == "close" else 1 / (1 - paid / earlier))
    return np.asarray(np.cumprod(steps, axis=0))


def with_forward_factor(
    panel: Panel, actions: CorporateActions, *, reinvested: Reinvested = "previous_close"
) -> Panel:
    """Return the panel with the field ``factor``, NaN where there is no close, and without ``adj_close``."""
    close = panel.field("close")
    factor = forward_factor(panel.times, panel.series, close, actions, reinvested=reinvested)
    kept = [i for i, name in enumerate(panel.fields) if name not in ("adj_close", "factor")]
    cube = np.concatenate(
        [panel.values[:, :, kept], np.where(np.isnan(close), np.nan, factor)[:, :, None]], axis=2
    )
    return Panel(panel.times, panel.series, (*(panel.fields[i] for i in kept), "factor"), cube)


def read_factor_files(path: Path, clock: BarClock | None = None) -> CorporateActions:
    """Return the splits and dividends of a table of cumulative factors by date, as Lean writes them.

    Columns: ``date`` (YYYYMMDD, the last session the factors apply to), ``price_factor``, ``split_factor``,
    ``ref_price`` (the raw close of that session) and ``symbol``. The last row of a symbol is a far-away sentinel. From
    one row to the next, the split factor's change is the split and ``ref_price * (1 - price factor / next)`` the
    dividend (Lean's ``CorporateFactorRow``). Cumulative factors know the future; the single actions do not.

    Timing: an action is dated at the close of the first session after its row's date.

    Args:
        path: the CSV file.
        clock: sessions of the symbols; the default is the New York Stock Exchange.

    Raises:
        SourceError: when the file cannot be read, lacks a column or holds a factor that is not above 0.
        DataError: when a price factor falls with time, as no dividend is negative.
    """
    table = _read_factors(path)
    rows: list[Action] = []
    session = clock or BarClock("XNYS")
    for name, group in table.groupby("symbol", sort=True):
        rows += _factor_rows(str(name), group.sort_values("date", kind="stable"), session)
    return _sorted_actions(rows)


def _factor_rows(name: str, table: pd.DataFrame, clock: BarClock) -> list[Action]:
    """Return the actions of one symbol from its factors in time order."""
    days = pd.to_datetime(table["date"].astype(str), format="%Y%m%d").to_numpy().astype("datetime64[D]")
    price, split, reference = (
        table[column].to_numpy(dtype=np.float64) for column in ("price_factor", "split_factor", "ref_price")
    )
    changed = np.flatnonzero((np.diff(price) != 0) | (np.diff(split) != 0))
    if not len(changed):
        return []
    fallen = np.flatnonzero(np.diff(price) < 0)
    if len(fallen):
        i = int(fallen[0])
        raise DataError(
            f"price factor of {name} falls from {price[i]:g} to {price[i + 1]:g} after {days[i]}; "
            "allowed: rising or equal, as no dividend is negative"
        )
    dates, closes = session_closes(
        clock.calendar, days[changed[0]], days[changed[-1]] + np.timedelta64(14, "D")
    )
    after = closes[np.searchsorted(dates, days[changed], side="right")]
    paid = reference[changed] * (1 - price[changed] / price[changed + 1])
    ratios = [_printed_ratio(float(ratio)) for ratio in split[changed + 1] / split[changed]]
    return [(at, name, ratio, float(cash)) for at, ratio, cash in zip(after, ratios, paid, strict=True)]


def _check_positive(name: str, raw: Floats, scaled: Floats) -> None:
    for what, values in (("close", raw), ("adj_close", scaled)):
        if (values <= 0).any():
            raise DataError(f"{what} of {name} is {values[values <= 0][0]:g}; actions need prices above 0")


def _ratio_noise(raw: Floats, scaled: Floats, jumps: Floats) -> Floats:
    """Return how far (T-1,) changes of the ratio may stray from 1 by rounding alone.

    Raw closes are traded prices and usually exact. Where more than one bar in ten moves by more than the rounding of
    the adjusted close explains, they were rounded too; too few bars to tell count as exact.
    """
    noise = _rounding(scaled) + NOISE_FLOOR
    if len(jumps) >= _FEWEST_BARS and np.mean(np.abs(jumps - 1) <= noise) < _SHARE_OF_EXACT_BARS:
        noise = noise + _rounding(raw)
    return noise


def _rounding(prices: Floats) -> Floats:
    half_unit = 0.5 * 10.0 ** -_printed_decimals(prices)
    return np.asarray(half_unit / prices[1:] + half_unit / prices[:-1])


def _printed_decimals(prices: Floats) -> int:
    for decimals in range(_MOST_DECIMALS):
        if np.allclose(prices, np.round(prices, decimals), rtol=1e-12, atol=1e-9):
            return decimals
    return _MOST_DECIMALS


def _split_and_rest(jump: float, noise: float, name: str, at: np.datetime64) -> tuple[float, float]:
    """Return the split ratio (1 if none) and the change of the ratio it leaves, 1 or above."""
    if abs(np.log(jump)) > np.log1p(SPLIT_JUMP):
        ratios = _simple_ratios()
        fitting = ratios[(ratios <= jump * (1 + noise)) & (ratios * (1 + SPLIT_TOLERANCE) >= jump)]
        if len(fitting):
            split = float(fitting[np.argmin(np.abs(fitting / jump - 1))])
            return split, jump / split if jump / split > 1 + noise else 1.0
    if jump < 1:
        raise DataError(
            f"adj_close of {name} falls against close by {1 - jump:.4%} at {at}; "
            "allowed: a split ratio of small whole numbers, or a rise (a dividend)"
        )
    return 1.0, jump


def _simple_ratios() -> Floats:
    """Return every p/q with one of them at most 4 and the other at most 10, and p/1 and 1/p up to 100."""
    small = {Fraction(p, q) for p in range(1, _LARGEST_TERM + 1) for q in range(1, 5)}
    whole = {Fraction(p) for p in range(2, 101)}
    both = small | whole | {1 / ratio for ratio in small | whole}
    return np.array(sorted(float(ratio) for ratio in both if ratio != 1))


def _printed_ratio(ratio: float) -> float:
    """Return the simple ratio that two printed factors mean, or their own where none is near."""
    ratios = np.append(_simple_ratios(), 1.0)
    near = float(ratios[np.argmin(np.abs(ratios / ratio - 1))])
    return near if abs(ratio / near - 1) < EXACT_TOLERANCE else ratio


def _dividend(rest: float, before: float, now: float, reinvested: Reinvested) -> float:
    return float((rest - 1) * now if reinvested == "close" else before * (1 - 1 / rest))


def _observed_around(close: Floats, row: int) -> tuple[int | None, int | None]:
    """Return the first observed row from ``row`` on and the last observed one before it."""
    seen = np.flatnonzero(~np.isnan(close))
    at = int(np.searchsorted(seen, row))
    return (int(seen[at]) if at < len(seen) else None), (int(seen[at - 1]) if at else None)


def _read_factors(path: Path) -> pd.DataFrame:
    wanted = ("date", "price_factor", "split_factor", "ref_price", "symbol")
    try:
        table = pd.read_csv(path, dtype={"symbol": str})
    except (OSError, ValueError) as error:
        raise SourceError(f"factor file '{path}' cannot be read: {error}") from error
    missing = [name for name in wanted if name not in table.columns]
    if missing:
        raise SourceError(f"factor file '{path}' has no column '{missing[0]}'; needed: {', '.join(wanted)}")
    for name in ("price_factor", "split_factor"):
        bad = np.flatnonzero(~(table[name].to_numpy(dtype=np.float64) > 0))
        if len(bad):
            raise SourceError(
                f"{name} in '{path}' is {table[name].iloc[int(bad[0])]} at row {int(bad[0])}; allowed: above 0"
            )
    return table


def _sorted_actions(rows: list[Action]) -> CorporateActions:
    if not rows:
        return CorporateActions()
    rows = sorted(rows, key=lambda row: (row[0], row[1]))
    columns: tuple[npt.NDArray[Any], ...] = (
        np.array([row[0] for row in rows], dtype="datetime64[ns]"),
        np.array([row[1] for row in rows]),
        np.array([row[2] for row in rows], dtype=np.float64),
        np.array([row[3] for row in rows], dtype=np.float64),
    )
    return CorporateActions(*columns)
