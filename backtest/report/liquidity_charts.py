"""Liquidity charts: ranges over price, liquidity through time, the profit statement, and profiles of demand."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from bokeh.models import (
    BasicTicker,
    ColumnDataSource,
    FixedTicker,
    LogColorMapper,
    NumeralTickFormatter,
    Range1d,
)
from bokeh.models.annotations import Span

from backtest.report.blocks import Chart, Key
from backtest.report.curves import milliseconds
from backtest.report.decimation import MAX_POINTS, kept_rows
from backtest.report.figures import add_hover, add_shades, plain_figure, time_figure
from backtest.report.formats import chart_text, label, number
from backtest.report.material import Material
from backtest.report.palette import STEPS, color, diverging
from data.panel import Floats

PRICE_ROOM = 0.25
"""Share of the price's own spread that the ranges chart shows beyond its extremes."""

MODEL_ROLES = ("net", "benchmark", "ink")
LEAST_SHOWN = 0.002
"""Bins with less than this share of the largest one, on both ends of a profile, are not drawn."""

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


def edge_chart(policies: pd.DataFrame, primary: str) -> Chart:
    """Return net versus hold of each policy with its interval, one row a policy.

    Args:
        policies: rows in the order they are shown, from the top.
        primary: the judged policy.
    """
    count = len(policies)
    plot = plain_figure(height=70 + 26 * count, y_range=(-0.6, count - 0.4), number_format=None)
    levels = count - 1 - np.arange(count)
    bounds = (
        policies["is_upper_bound"].fillna(False).to_numpy(bool)
        if "is_upper_bound" in policies
        else np.zeros(count, bool)
    )
    roles = np.where(policies["lane"] == primary, "net", np.where(bounds, "naive", "benchmark"))
    for role in ("benchmark", "naive", "net"):
        rows = roles == role
        if not rows.any():
            continue
        source = ColumnDataSource(
            {
                "level": levels[rows].astype(float),
                "name": [chart_text(label(lane)) for lane in policies["lane"][rows]],
                **{name: policies[name].to_numpy(np.float64)[rows] for name in ("net_bps", "low", "high")},
            }
        )
        plot.segment("low", "level", "high", "level", source=source, line_color=color(role), line_width=2)
        dots = plot.scatter("net_bps", "level", source=source, color=color(role), size=8)
        hover = {
            "Policy": "@name",
            "Net, bp": f"@net_bps{{{BPS}}}",
            "From": f"@low{{{BPS}}}",
            "to": f"@high{{{BPS}}}",
        }
        add_hover(plot, dots, hover, mode="mouse")
    _zero_upright(plot)
    plot.yaxis.ticker = FixedTicker(ticks=list(range(count)))
    plot.yaxis.major_label_overrides = {
        int(level): chart_text(label(lane))[:22] for level, lane in zip(levels, policies["lane"], strict=True)
    }
    plot.ygrid.grid_line_color = None
    plot.xaxis.axis_label = "Basis points of the capital, a window"
    words = {
        "net": "judged policy",
        "benchmark": "other policies",
        "naive": "upper bounds, which see the future",
    }
    keys = tuple(Key(text, role) for role, text in words.items() if role in roles)
    caption = "Dots are means of windows, lines their 95 % intervals; on the vertical line a policy is worth what holding is."
    return Chart("policy-edges", plot, "Net versus hold", caption, keys)


def waterfall_chart(row: "pd.Series[Any]", name: str) -> Chart:
    """Return the judged policy's profit statement as steps from fees to net, with loss versus rebalancing beside it.

    Args:
        row: its row of the stored policies.
        name: the policy in words.
    """
    bars = _statement_bars(row)
    count = len(bars)
    least, most = (choose(at for bar in bars for at in bar[1:3]) for choose in (min, max))
    span = most - least or 1.0
    # On a phone a number takes nearly a third of the width.
    reach = (least - 0.05 * span, most + 0.32 * span)
    plot = plain_figure(height=70 + 34 * count, x_range=reach, y_range=(-0.6, count - 0.4))
    plot.xaxis.formatter = NumeralTickFormatter(format=BPS)
    for i, (title, start, end, role) in enumerate(bars):
        level, low, high = float(count - 1 - i), min(start, end), max(start, end)
        source = ColumnDataSource({"level": [level], "low": [low], "high": [high], "step": [end - start]})
        drawn = plot.hbar(
            "level", left="low", right="high", height=0.62, source=source, color=color(role), line_color=None
        )
        add_hover(plot, drawn, {title: f"@step{{{BPS}}} bp"}, mode="mouse")
        plot.text(
            [high], [level], [number(end - start, 1)], x_offset=6, text_baseline="middle",
            text_color=color("muted"), text_font_size="12px",
        )  # fmt: skip
    ends = np.array([end for _, _, end, _ in bars[:4]])
    levels = count - 1.0 - np.arange(4)
    plot.segment(ends, levels - 0.31, ends, levels - 0.69, line_color=color("muted"), line_dash="dotted")
    _zero_upright(plot)
    plot.yaxis.ticker = FixedTicker(ticks=list(range(count)))
    plot.yaxis.major_label_overrides = {count - 1 - i: title for i, (title, *_) in enumerate(bars)}
    plot.ygrid.grid_line_color = None
    plot.xaxis.axis_label = "Basis points of the capital, a window"
    keys = (Key("adds", "net", "box"), Key("takes", "benchmark", "box"), Key("net versus hold", "ink", "box"))
    caption = f"{name}, mean of windows. LVR, loss versus rebalancing, measures the price risk in another way and is no part of the sum."
    return Chart("waterfall", plot, "From fees to net", caption, keys)


def _statement_bars(row: "pd.Series[Any]") -> list[tuple[str, float, float, str]]:
    """Return title, start, end and colour role of each bar, in basis points."""
    bars, at = [], 0.0
    for title, part, sign in (
        ("Fees", "fees_bps", 1),
        ("Divergence", "divergence_bps", -1),
        ("Gas", "gas_bps", -1),
        ("Conversion", "conversion_bps", -1),
    ):
        end = at + sign * float(row[part])
        bars.append((title, at, end, "net" if end >= at else "benchmark"))
        at = end
    bars.append(("Net", 0.0, float(row["net_bps"]), "ink"))
    if "lvr_bps" in row and not pd.isna(row["lvr_bps"]):
        bars.append(("LVR, beside", 0.0, -float(row["lvr_bps"]), "naive"))
    return bars


def _zero_upright(plot: Any) -> None:
    plot.add_layout(
        Span(location=0, dimension="height", line_color=color("muted"), line_width=1, level="underlay")
    )


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


def profile_chart(profiles: pd.DataFrame, *, is_last: bool) -> Chart:
    """Return the path expected and travelled in each bin, up above the axis and down below it.

    Args:
        profiles: model, cutoff, low_ticks, high_ticks, forecast_up, forecast_down, realised_up, realised_down.
        is_last: whether the newest cutoff is drawn, or the mean of all.
    """
    chosen = profiles[profiles["cutoff"] == profiles["cutoff"].max()] if is_last else profiles
    models = list(dict.fromkeys(map(str, profiles["model"])))[: len(MODEL_ROLES)]
    means = chosen.groupby(["model", "low_ticks", "high_ticks"], sort=True)[list(_SIDES)].mean().reset_index()
    means = _shown_bins(means)
    plot = plain_figure(height=300, number_format="0.[000]%")
    _draw_realised(plot, means[means["model"].astype(str) == models[0]])
    for role, model in list(zip(MODEL_ROLES, models, strict=False))[::-1]:
        _draw_forecast(plot, means[means["model"].astype(str) == model], model, role)
    plot.add_layout(Span(location=0, dimension="width", line_color=color("muted"), line_width=1))
    plot.xaxis.ticker = BasicTicker(desired_num_ticks=4)
    plot.xaxis.axis_label = "Ticks from the price at the cutoff"
    plot.yaxis.axis_label = "Path, share of the root price"
    keys = (
        Key("Realised", "naive", "box"),
        *(Key(label(m), r) for r, m in zip(MODEL_ROLES, models, strict=False)),
    )
    when = (
        f"at the last cutoff, {pd.Timestamp(chosen['cutoff'].max()):%Y-%m-%d %H:%M}"
        if is_last
        else f"mean of {chosen['cutoff'].nunique():,} cutoffs"
    )
    others = [label(model) for model in dict.fromkeys(profiles["model"]) if str(model) not in models]
    more = f" Not drawn: {', '.join(others)}." if others else ""
    caption = f"Path length by bin, {when}: above the axis upwards, below it downwards. It is fee income per unit of liquidity.{more}"
    name = "last" if is_last else "mean"
    return Chart(
        f"profile-{name}",
        plot,
        "The last forecast" if is_last else "All forecasts",
        caption,
        keys,
        is_half=True,
    )


_SIDES = ("forecast_up", "forecast_down", "realised_up", "realised_down")


def _shown_bins(means: pd.DataFrame) -> pd.DataFrame:
    """Return the bins between the outermost ones in which something is expected or happened."""
    totals = means.groupby("low_ticks")[list(_SIDES)].max().max(axis=1)
    wanted = totals[totals >= LEAST_SHOWN * totals.max()].index
    kept: pd.DataFrame = means[(means["low_ticks"] >= wanted.min()) & (means["low_ticks"] <= wanted.max())]
    return kept


def _draw_realised(plot: Any, own: pd.DataFrame) -> None:
    source = ColumnDataSource(
        {
            "low": own["low_ticks"].to_numpy(np.float64),
            "high": own["high_ticks"].to_numpy(np.float64),
            "up": own["realised_up"].to_numpy(np.float64),
            "down": -own["realised_down"].to_numpy(np.float64),
        }
    )
    bars = plot.quad(
        left="low", right="high", bottom="down", top="up", source=source, fill_color=color("naive"), fill_alpha=0.35,
        line_color=None,
    )  # fmt: skip
    rows = {"Ticks": "@low{0,0} to @high{0,0}", "Realised up": "@up{0.00%}", "down": "@down{0.00%}"}
    add_hover(plot, bars, rows, mode="mouse")


def _draw_forecast(plot: Any, own: pd.DataFrame, model: str, role: str) -> None:
    """Draw a model's profile as two stepped lines."""
    edges = np.append(own["low_ticks"].to_numpy(np.float64), own["high_ticks"].to_numpy(np.float64)[-1:])
    for side, sign in (("forecast_up", 1.0), ("forecast_down", -1.0)):
        values = sign * own[side].to_numpy(np.float64)
        source = ColumnDataSource({"at": edges, "value": np.append(values, values[-1:])})
        line = plot.step("at", "value", source=source, mode="after", line_color=color(role), line_width=1.6)
        add_hover(plot, line, {chart_text(label(model)): "@value{0.00%}"}, mode="mouse")
