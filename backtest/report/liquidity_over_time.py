"""Liquidity over time: ranges over the price, the whole pool's liquidity, and equity less hold, on one axis."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from bokeh.models import ColumnDataSource, LogColorMapper, Range1d
from bokeh.models.annotations import Span

from backtest.report.blocks import Chart, Key
from backtest.report.curves import milliseconds
from backtest.report.decimation import MAX_POINTS, kept_rows
from backtest.report.figures import add_hover, add_shades, time_figure
from backtest.report.formats import chart_text, number
from backtest.report.material import Material
from backtest.report.palette import STEPS, color, diverging
from data.panel import Floats

PRICE_ROOM = 0.25
"""Share of the price's own spread that the ranges chart shows beyond its extremes."""

BPS = "0,0.[0]"


@dataclass(frozen=True, eq=False)
class TimeAxis:
    """The time axis that charts of a liquidity run share, its last instant, and its test windows, (left, right), in ms."""

    x_range: Range1d
    end: float
    windows: list[tuple[float, float]]


def time_axis(run: Material) -> TimeAxis | None:
    """Return the axis over all test windows; None where the run stored neither prices nor equity."""
    tables = [run.table(name, "time") for name in ("prices", "equity")]
    times = [milliseconds(table["time"]) for table in tables if table is not None]
    if not times:
        return None
    left, right = min(float(t.min()) for t in times), max(float(t.max()) for t in times)
    pad = 0.005 * (right - left)
    return TimeAxis(Range1d(start=left - pad, end=right + pad), right, _windows(run))


def _windows(run: Material) -> list[tuple[float, float]]:
    own = run.own("statements", "fold", "start", "end")
    if own is None:
        return []
    rows = own.sort_values("fold", kind="stable")
    pairs = zip(milliseconds(rows["start"]), milliseconds(rows["end"]), strict=True)
    return [(float(left), float(right)) for left, right in pairs]


def excess_chart(equity: pd.DataFrame, run: Material, axis: TimeAxis) -> Chart:
    """Return equity less the worth of the tokens held, in basis points of the window's capital, by window.

    Args:
        equity: the stored table: time, lane, fold, equity, hold.
        run: whose judged and passive lanes are drawn.
        axis: the shared time axis.
    """
    plot = time_figure(axis.x_range, height=300, number_format=BPS)
    add_shades(plot, axis.windows)
    plot.add_layout(
        Span(location=0, dimension="width", line_color=color("muted"), line_width=1, level="underlay")
    )
    keys: list[Key] = []
    for role, lane in (("benchmark", run.benchmark), ("net", run.primary)):
        own = equity[equity["lane"] == lane]
        if own.empty or (role == "benchmark" and lane == run.primary):
            continue
        line = plot.line("time", "excess", source=_excess(own), line_color=color(role), line_width=1.6)
        add_hover(plot, line, {"": run.hover, chart_text(run.lane_name(lane)): f"@excess{{{BPS}}} bp"})
        keys.insert(0, Key(run.lane_name(lane), role))
    caption = "Equity less the worth of the entry's tokens, in basis points of the capital; every window begins at 0. Shaded bands are every second window."
    return Chart("excess", plot, "Equity less hold", caption, tuple(keys))


def _excess(own: pd.DataFrame) -> ColumnDataSource:
    """Return a lane's excess over holding, thinned window by window, with a gap between windows."""
    groups = [group for _, group in own.sort_values("time", kind="stable").groupby("fold", sort=True)]
    limit = max(20, MAX_POINTS // len(groups))
    times: list[Floats] = []
    values: list[Floats] = []
    for group in groups:
        capital = float(group["hold"].iloc[0])
        excess = (group["equity"] - group["hold"]).to_numpy(np.float64) / capital * 1e4
        kept = kept_rows(excess[:, None], limit)
        time = milliseconds(group["time"])[kept]
        times += [time, time[-1:]]
        values += [excess[kept], np.array([np.nan])]
    return ColumnDataSource(
        {"time": np.concatenate(times), "excess": np.concatenate(values).astype(np.float32)}
    )


def ranges_chart(prices: pd.DataFrame, ranges: pd.DataFrame, run: Material, axis: TimeAxis) -> Chart:
    """Return the judged policy's ranges as bands over the price; a range that reaches beyond the chart is cut at its edge.

    Args:
        prices: time, close.
        ranges: its rows of the stored table: start, end, lower_price, upper_price, share, reason.
        run: for how times are told.
        axis: the shared time axis.
    """
    low, high = _price_span(prices)
    plot = time_figure(axis.x_range, height=360, y_range=(low, high), number_format="0,0.[0000]")
    add_shades(plot, axis.windows)
    shares = ranges["share"] if "share" in ranges else pd.Series(1.0, ranges.index)
    reasons = ranges["reason"] if "reason" in ranges else pd.Series("", ranges.index)
    source = ColumnDataSource(
        {
            "left": milliseconds(ranges["start"]),
            "right": milliseconds(ranges["end"]),
            "bottom": ranges["lower_price"].to_numpy(np.float64).clip(low, high),
            "top": ranges["upper_price"].to_numpy(np.float64).clip(low, high),
            "from": [chart_text(number(p, 4)) for p in ranges["lower_price"]],
            "to": [chart_text(_far(p, high)) for p in ranges["upper_price"]],
            "share": shares.to_numpy(np.float64),
            "reason": [chart_text(reason) for reason in reasons],
        }
    )
    bands = plot.quad(
        left="left", right="right", bottom="bottom", top="top", source=source, fill_color=color("net"), fill_alpha=0.2,
        line_color=color("net"), line_width=0.8,
        line_alpha=0.6,
    )  # fmt: skip
    add_hover(
        plot, bands, {"From": "@from", "to": "@to", "Share": "@share{0%}", "Why": "@reason"}, mode="mouse"
    )  # fmt: skip
    line = plot.line("time", "close", source=_price_source(prices), line_color=color("ink"), line_width=1.3)
    add_hover(plot, line, {"": run.hover, "Price": "@close{0,0.[0000]}"})
    keys = (Key("Price", "ink"), Key("Ranges", "net", "box"))
    caption = f"{len(ranges):,} ranges of {run.lane_name(run.primary)}; liquidity earns while the line is in the band. Wider ranges are cut at the edge of the chart."
    return Chart("ranges", plot, "Ranges over the price", caption, keys)


def _far(price: float, high: float) -> str:
    """Return a price in words; one far beyond the chart as without end."""
    return "∞" if price > 1e6 * high else number(price, 4)


def _price_span(prices: pd.DataFrame) -> tuple[float, float]:
    close = prices["close"].to_numpy(np.float64)
    low, high = float(np.nanmin(close)), float(np.nanmax(close))
    room = PRICE_ROOM * max(high - low, 1e-3 * high)
    return max(low - room, 0.0), high + room


def _price_source(prices: pd.DataFrame) -> ColumnDataSource:
    close = prices["close"].to_numpy(np.float64)
    kept = kept_rows(close[:, None])
    return ColumnDataSource(
        {"time": milliseconds(prices["time"])[kept], "close": close[kept].astype(np.float32)}
    )


def heat_chart(heat: pd.DataFrame, prices: pd.DataFrame | None, run: Material, axis: TimeAxis) -> Chart:
    """Return the pool's liquidity by price through time, with the price over it.

    Args:
        heat: time, low_price, high_price, liquidity: every bin at every instant.
        prices: time, close, or None.
        run: for how times are told.
        axis: the shared time axis.
    """
    span = (float(heat["low_price"].min()), float(heat["high_price"].max()))
    plot = time_figure(axis.x_range, height=380, y_range=span, number_format="0,0.[0000]")
    filled = heat[heat["liquidity"] > 0]
    liquidity = filled["liquidity"].to_numpy(np.float64)
    least, most = (float(liquidity.min()), float(liquidity.max())) if len(filled) else (1.0, 1.0)
    most = max(most, least * 1.01)
    mapper = LogColorMapper(palette=diverging()[0][STEPS + 2 :], low=least, high=most)
    source = ColumnDataSource(_heat_cells(filled, heat, axis.end))
    cells = plot.quad(
        left="time", right="until", bottom="low", top="high", source=source,
        fill_color={"field": "liquidity", "transform": mapper}, line_color={"field": "liquidity", "transform": mapper},
        line_width=1,
    )  # fmt: skip
    rows = {
        "": run.hover,
        "Price": "@low{0,0.[0000]} to @high{0,0.[0000]}",
        "Liquidity": "@liquidity{0.00e+0}",
    }
    add_hover(plot, cells, rows, mode="mouse")
    keys = [Key(f"Liquidity, {most / least:,.0f} times from pale to full", "net", "box")]
    if prices is not None:
        plot.line("time", "close", source=_price_source(prices), line_color=color("ink"), line_width=1.3)
        keys.insert(0, Key("Price", "ink"))
    plot.ygrid.grid_line_color = None
    caption = "Liquidity of the whole pool at each price, in even steps of its logarithm; blank is none."
    return Chart("heat", plot, "Liquidity by price", caption, tuple(keys))


def _heat_cells(filled: pd.DataFrame, heat: pd.DataFrame, end: float) -> dict[str, Any]:
    """Return the cells, each from its instant to the next one."""
    instants = np.unique(milliseconds(heat["time"]))
    time = milliseconds(filled["time"])
    until = np.append(instants[1:], max(end, instants[-1]))[np.searchsorted(instants, time)]
    drawn, filled = until > time, filled[until > time]
    columns = {"low": "low_price", "high": "high_price", "liquidity": "liquidity"}
    return {
        "time": time[drawn],
        "until": until[drawn],
        **{name: filled[c].to_numpy(np.float32) for name, c in columns.items()},
    }
