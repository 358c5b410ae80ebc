"""Charts: the figures of a report, each from stored tables."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from bokeh.models import ColumnDataSource, FixedTicker, LinearColorMapper, Range1d
from bokeh.models.annotations import Span

from backtest.report.blocks import Chart, Key
from backtest.report.curves import Curves, milliseconds
from backtest.report.figures import (
    AMOUNT,
    PERCENT,
    add_hover,
    add_shades,
    count_axis,
    plain_figure,
    time_figure,
)
from backtest.report.formats import chart_text
from backtest.report.palette import color, diverging

LOG_RATIO = 5.0
"""Curves further apart than this begin on a logarithmic scale."""

LINE_WIDTHS = {"net": 2.0, "gross": 1.4, "benchmark": 1.6, "naive": 1.2}
DASHES = {"gross": "dashed"}


def equity_chart(curves: Curves, labels: Mapping[str, str]) -> Chart:
    """Return net, gross, benchmark and naive equity, with a logarithmic twin while none of them is ruined."""
    roles = [role for role in ("naive", "benchmark", "gross", "net") if role in curves.names]
    plot = _equity_figure(curves, roles, labels, "linear")
    drawn = np.array([curves.source.data[role] for role in roles])
    is_positive = not (drawn <= 0).any()
    is_wide = is_positive and np.nanmax(drawn) > LOG_RATIO * np.nanmin(drawn)
    twin = _equity_figure(curves, roles, labels, "log") if is_positive else None
    keys = tuple(Key(labels[role], role, DASHES.get(role, "line")) for role in reversed(roles))
    caption = "Equity after every bar. Shaded bands are every second test window."
    return Chart("equity", plot, "Account value", caption, keys, twin, bool(is_wide))


def _equity_figure(curves: Curves, roles: Sequence[str], labels: Mapping[str, str], scale: str) -> Any:
    plot = time_figure(curves.x_range, height=360, y_axis_type=scale, number_format=AMOUNT)
    add_shades(plot, curves.spans)
    for role in roles:
        line = plot.line(
            "time",
            role,
            source=curves.source,
            line_color=color(role),
            line_width=LINE_WIDTHS[role],
            line_dash=DASHES.get(role, "solid"),
            line_join="round",
        )
    rows = {chart_text(labels[role]): f"@{role}{{0,0}}" for role in reversed(roles)}
    add_hover(plot, line, {"": curves.hover, **rows})
    return plot


def drawdown_chart(curves: Curves, labels: Mapping[str, str]) -> Chart:
    """Return how far each account is below its own peak."""
    plot = time_figure(curves.x_range, height=220, number_format=PERCENT)
    add_shades(plot, curves.spans)
    plot.varea("time", 0, "net_drawdown", source=curves.source, fill_color=color("net"), fill_alpha=0.22)
    roles = [role for role in ("benchmark", "net") if f"{role}_drawdown" in curves.names]
    for role in roles:
        width = 1.5 if role == "net" else 1.2
        line = plot.line(
            "time", f"{role}_drawdown", source=curves.source, line_color=color(role), line_width=width
        )
    rows = {chart_text(labels[role]): f"@{role}_drawdown{{0.0%}}" for role in reversed(roles)}
    add_hover(plot, line, {"": curves.hover, **rows})
    keys = tuple(Key(labels[role], role) for role in reversed(roles))
    caption = "Loss from the highest equity so far; thinning keeps the lowest point of every stretch."
    return Chart("drawdown", plot, "Below the peak", caption, keys)


def yearly_chart(yearly: pd.DataFrame, lanes: Mapping[str, str], labels: Mapping[str, str]) -> Chart:
    """Return bars of the return of each calendar year."""
    plot = plain_figure(height=220, number_format=PERCENT)
    roles = [role for role in ("net", "benchmark") if role in lanes]
    wide = pd.DataFrame(
        {role: yearly[yearly["lane"] == lanes[role]].set_index("year")["return"] for role in roles}
    ).sort_index()
    width = 0.8 / len(roles)
    years = wide.index.to_numpy(np.float64)
    source = ColumnDataSource({"year": years, **_columns(wide)})
    for i, role in enumerate(roles):
        shift = (i - (len(roles) - 1) / 2) * width
        source.data[f"x_{role}"] = years + shift
        bars = plot.vbar(
            f"x_{role}", top=role, width=width * 0.92, source=source, color=color(role), line_color=None
        )
        add_hover(
            plot, bars, {"Year": "@year{0}", chart_text(labels[role]): f"@{role}{{0.0%}}"}, mode="mouse"
        )
    _zero_line(plot)
    count_axis(plot, [int(year) for year in wide.index])
    keys = tuple(Key(labels[role], role, "box") for role in roles)
    return Chart("yearly", plot, "Calendar years", "Return of each calendar year, net of costs.", keys)


def fold_costs_chart(folds: pd.DataFrame) -> Chart:
    """Return what trading cost in each fold, as a share of equity."""
    caption = "What trading took in each fold, as a share of equity."
    plot = _fold_bars(folds, "costs", "benchmark", PERCENT)
    return Chart("fold-costs", plot, "Costs by fold", caption, is_half=True)


def fold_turnover_chart(folds: pd.DataFrame) -> Chart:
    """Return the turnover of each fold, in equities."""
    caption = "Value traded in each fold, in multiples of equity."
    return Chart(
        "fold-turnover",
        _fold_bars(folds, "turnover", "net", "0.[000]"),
        "Turnover by fold",
        caption,
        is_half=True,
    )


def _fold_bars(folds: pd.DataFrame, column: str, role: str, number_format: str) -> Any:
    plot = plain_figure(height=200, number_format=number_format)
    table = folds[["gross_return", "net_return", "turnover", "costs"]]
    source = ColumnDataSource({"fold": folds["fold"].to_numpy(np.float64), **_columns(table)})
    bars = plot.vbar("fold", top=column, width=0.7, source=source, color=color(role), line_color=None)
    rows = {
        "Fold": "@fold{0}",
        "Before costs": "@gross_return{0.0%}",
        "After costs": "@net_return{0.0%}",
        "Costs": "@costs{0.00%}",
        "Turnover": "@turnover{0.00}",
    }
    add_hover(plot, bars, rows, mode="vline")
    _zero_line(plot)
    count_axis(plot, [int(fold) for fold in folds["fold"]])
    return plot


def reliability_chart(calibration: pd.DataFrame, models: Sequence[str]) -> Chart:
    """Return how often the truth fell below each quantile of one model and the naive one, against how often it should."""
    plot = plain_figure(height=300, x_range=(-0.02, 1.02), y_range=(-0.02, 1.02))
    plot.line([0, 1], [0, 1], line_color=color("muted"), line_dash="dotted", line_width=1.4)
    keys: list[Key] = []
    for model, role in list(zip(models, ("net", "naive"), strict=False))[::-1]:
        own = calibration[calibration["model"] == model].sort_values("level")
        source = ColumnDataSource(_columns(own[["level", "empirical", "n"]]))
        plot.line("level", "empirical", source=source, line_color=color(role), line_width=1.6)
        dots = plot.scatter("level", "empirical", source=source, color=color(role), size=5)
        add_hover(
            plot,
            dots,
            {
                chart_text(model): "",
                "Forecast level": "@level{0.000}",
                "Truth below": "@empirical{0.000}",
                "Forecasts": "@n{0,0}",
            },
            mode="mouse",
        )
        keys.insert(0, Key(model, role))
    plot.xaxis.axis_label = "Forecast level"
    plot.yaxis.axis_label = "Share of truths below"
    caption = "On the dotted line the quantiles mean what they say; a flatter curve is overconfident."
    return Chart("reliability", plot, "Reliability", caption, tuple(keys), is_half=True)


def pit_chart(pit: pd.DataFrame, model: str) -> Chart:
    """Return the histogram of probability integral transforms as a density, beside the uniform line."""
    own = pit[pit["model"] == model]
    plot = plain_figure(height=300, x_range=(-0.02, 1.02))
    table = own.assign(density=own["share"] / (own["high"] - own["low"]))
    source = ColumnDataSource(_columns(table[["low", "high", "share", "density"]]))
    bars = plot.quad(
        left="low",
        right="high",
        bottom=0,
        top="density",
        source=source,
        fill_color=color("net"),
        fill_alpha=0.45,
        line_color=color("net"),
        line_width=1,
    )
    plot.add_layout(
        Span(location=1.0, dimension="width", line_color=color("muted"), line_dash="dotted", line_width=1.4)
    )
    plot.y_range.start = 0
    add_hover(plot, bars, {"From": "@low{0.00}", "To": "@high{0.00}", "Share": "@share{0.0%}"}, mode="mouse")
    plot.xaxis.axis_label = "Where the truth fell in the forecast"
    plot.yaxis.axis_label = "Density"
    caption = f"{model}: level is honest; a hump is too wide, a bowl too narrow, a slope is bias."
    return Chart("pit", plot, "Probability integral transform", caption, is_half=True)


def ladder_chart(costs: pd.DataFrame, lanes: Mapping[str, str], labels: Mapping[str, str]) -> Chart:
    """Return the total return at each multiple of the assumed costs, targets unchanged."""
    plot = plain_figure(height=240, number_format=PERCENT)
    keys = []
    for role, lane in lanes.items():
        own = costs[costs["lane"] == lane].sort_values("multiplier")
        source = ColumnDataSource(_columns(own[["multiplier", "total_return"]]))
        plot.line("multiplier", "total_return", source=source, line_color=color(role), line_width=1.8)
        dots = plot.scatter("multiplier", "total_return", source=source, color=color(role), size=7)
        rows = {"Costs": "@multiplier{0.0}×", chart_text(labels[role]): "@total_return{0.0%}"}
        add_hover(plot, dots, rows, mode="mouse")
        keys.append(Key(labels[role], role))
    _zero_line(plot)
    plot.xaxis.ticker = FixedTicker(ticks=sorted(set(costs["multiplier"].astype(float))))
    plot.xaxis.axis_label = "Multiple of the assumed costs"
    caption = "Same targets, other costs: how much of the result survives dearer trading."
    return Chart("ladder", plot, "Cost ladder", caption, tuple(keys))


def exposure_chart(curves: Curves) -> Chart:
    """Return gross and net exposure over time."""
    plot = time_figure(curves.x_range, height=220, number_format=PERCENT)
    add_shades(plot, curves.spans)
    names = {"gross_exposure": ("Gross", "gross"), "net_exposure": ("Net", "net")}
    shown = {name: pair for name, pair in names.items() if name in curves.names}
    for name, (_, role) in shown.items():
        line = plot.step(
            "time", name, source=curves.source, line_color=color(role), line_width=1.5, mode="after"
        )
    _zero_line(plot)
    add_hover(
        plot, line, {"": curves.hover, **{label: f"@{name}{{0.0%}}" for name, (label, _) in shown.items()}}
    )
    keys = tuple(Key(f"{label} exposure", role) for label, role in shown.values())
    caption = "Gross adds the sizes of all positions, net adds them with their signs; both in equity."
    return Chart("exposure", plot, "Gross and net", caption, keys)


def weights_chart(curves: Curves, names: Sequence[str], total: int, x_range: Range1d) -> Chart:
    """Return one strip a series: blue where it is held, orange where it is sold short."""
    rows = len(names)
    plot = time_figure(x_range, height=60 + 34 * rows, y_range=(-0.5, rows - 0.5))
    largest = (
        max(float(np.nanmax(np.abs(curves.source.data[f"w{i}"]), initial=0.0)) for i in range(rows)) or 1.0
    )
    mapper = LinearColorMapper(palette=diverging()[0], low=-largest, high=largest, nan_color="rgba(0,0,0,0)")
    for i, name in enumerate(names):
        level = rows - 1 - i
        strip = plot.quad(
            left="time",
            right="until",
            bottom=level - 0.38,
            top=level + 0.38,
            source=curves.source,
            fill_color={"field": f"w{i}", "transform": mapper},
            line_color={"field": f"w{i}", "transform": mapper},
            line_width=1,
        )
        add_hover(plot, strip, {"": curves.hover, chart_text(name): f"@w{i}{{0.0%}}"}, mode="mouse")
    plot.yaxis.ticker = FixedTicker(ticks=list(range(rows)))
    plot.yaxis.major_label_overrides = {rows - 1 - i: chart_text(name)[:14] for i, name in enumerate(names)}
    plot.ygrid.grid_line_color = None
    more = f" The {rows} largest of {total} series; all are in weights.parquet." if total > rows else ""
    caption = f"Blue is held, orange is sold short; full colour is {largest:.0%} of equity.{more}"
    return Chart("weights", plot, "Weights", caption)


def fan_chart(own: pd.DataFrame, model: str, series: str, *, is_level: bool, hover: str) -> Chart | None:
    """Return the last few forecasts of one series that do not overlap, against what happened.

    Args:
        own: stored forecasts of one model and one series.
        model: its label.
        series: the series' name.
        is_level: whether forecasts are about the value itself, so that a fan opens at the last value.
        hover: how a chart tells the time of a bar.
    """
    chain = _chain(own)
    bands = [(low, high) for low, high in (("q0.025", "q0.975"), ("q0.1", "q0.9"), ("q0.25", "q0.75"))
             if {low, high} <= set(own.columns)]  # fmt: skip
    if chain.empty or "q0.5" not in own.columns:
        return None
    truth = _realised(chain, is_level=is_level)
    left, right = milliseconds(chain["cutoff"]), milliseconds(chain["time"])
    pad = 0.01 * float(right.max() - left.min())
    plot = time_figure(Range1d(start=float(left.min()) - pad, end=float(right.max()) + pad), height=320)
    source = ColumnDataSource(
        _fan_columns(chain, [level for band in bands for level in band], is_level=is_level)
    )
    for (low, high), alpha in zip(bands, (0.14, 0.2, 0.28), strict=False):
        plot.varea("time", low, high, source=source, fill_color=color("net"), fill_alpha=alpha)
    plot.line("time", "q0.5", source=source, line_color=color("net"), line_width=1.4, line_dash="dashed")
    line = plot.line("time", "truth", source=truth, line_color=color("ink"), line_width=1.6)
    plot.scatter("time", "truth", source=truth, color=color("ink"), size=4)
    add_hover(plot, line, {"": hover, "What happened": "@truth{0,0.[0000]}"})
    keys = (
        Key("What happened", "ink"),
        Key("Median forecast", "net", "dashed"),
        Key("50, 80 and 95 % bands", "net", "box"),
    )
    caption = f"{model} on {series}: the last {chain['cutoff'].nunique()} forecasts that do not overlap.{_unbounded(chain)}"
    return Chart("fan", plot, "Forecasts and what happened", caption, keys)


def _unbounded(chain: pd.DataFrame) -> str:
    """Return how many of the drawn bands have no honest end; empty when all have."""
    total = int(chain["unbounded"].sum()) if "unbounded" in chain else 0
    return (
        f" For {total} of {len(chain)} steps the calibrated band is infinite; its raw band is drawn."
        if total
        else ""
    )


def _chain(own: pd.DataFrame) -> pd.DataFrame:
    """Return the newest forecasts of which each ends before the next begins, oldest first."""
    groups = list(own.sort_values(["cutoff", "step"]).groupby("cutoff", sort=True))
    steps = max((len(group) for _, group in groups), default=1)
    wanted = int(np.clip(60 // steps, 4, 40))
    kept: list[pd.DataFrame] = []
    for _, group in reversed(groups):
        if not kept or group["time"].iloc[-1] <= kept[-1]["cutoff"].iloc[0]:
            kept.append(group)
        if len(kept) == wanted:
            break
    return pd.concat(kept[::-1]) if kept else own.iloc[:0]


def _realised(chain: pd.DataFrame, *, is_level: bool) -> ColumnDataSource:
    points = chain[["time", "truth"]]
    if is_level:
        starts = chain[["cutoff", "last"]].set_axis(["time", "truth"], axis=1)
        points = pd.concat([starts, points])
    points = points.drop_duplicates("time", keep="last").sort_values("time")
    return ColumnDataSource({"time": milliseconds(points["time"]), **_columns(points[["truth"]])})


def _fan_columns(chain: pd.DataFrame, levels: Sequence[str], *, is_level: bool) -> dict[str, Any]:
    """Return each fan from its cutoff on, with an empty row after it so that fans do not join."""
    names = [*levels, "q0.5"]
    time: list[float] = []
    rows: list[Any] = []
    for cutoff, group in chain.groupby("cutoff", sort=True):
        values = group[names].to_numpy(np.float64)
        begin = np.full(len(names), group["last"].iloc[0]) if is_level else values[0]
        time += [
            *milliseconds([cutoff]),
            *milliseconds(group["time"]),
            float(milliseconds(group["time"])[-1]),
        ]
        rows += [begin, *values, np.full(len(names), np.nan)]
    table = np.array(rows, np.float32)
    return {"time": np.array(time), **{name: table[:, i] for i, name in enumerate(names)}}


def _columns(table: pd.DataFrame) -> dict[str, Any]:
    return {str(name): table[name].to_numpy(np.float32) for name in table.columns}


def _zero_line(plot: Any) -> None:
    plot.add_layout(
        Span(location=0, dimension="width", line_color=color("muted"), line_width=1, level="underlay")
    )
