"""Liquidity charts: net versus hold of every policy, the profit statement, and profiles of demand."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from bokeh.models import BasicTicker, ColumnDataSource, FixedTicker, NumeralTickFormatter
from bokeh.models.annotations import Span

from backtest.report.blocks import Chart, Key
from backtest.report.figures import add_hover, plain_figure
from backtest.report.formats import chart_text, label, number
from backtest.report.liquidity_over_time import BPS
from backtest.report.palette import color

MODEL_ROLES = ("net", "benchmark", "ink", "gross")
LEAST_SHOWN = 0.002
"""Bins with less than this share of the largest one, on both ends of a profile, are not drawn."""

_SIDES = ("forecast_up", "forecast_down", "realised_up", "realised_down")


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
        if rows.any():
            _draw_edges(plot, policies[rows], levels[rows], role)
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


def _draw_edges(plot: Any, own: pd.DataFrame, levels: npt.NDArray[np.int64], role: str) -> None:
    """Draw the dots and intervals of one role's policies."""
    source = ColumnDataSource(
        {
            "level": levels.astype(float),
            "name": [chart_text(label(lane)) for lane in own["lane"]],
            **{name: own[name].to_numpy(np.float64) for name in ("net_bps", "low", "high")},
        }
    )
    plot.segment("low", "level", "high", "level", source=source, line_color=color(role), line_width=2)
    dots = plot.scatter("net_bps", "level", source=source, color=color(role), size=8)
    names = {"Policy": "@name"}
    values = {
        title: f"@{name}{{{BPS}}}"
        for title, name in (("Net, bp", "net_bps"), ("From", "low"), ("to", "high"))
    }
    add_hover(plot, dots, names | values, mode="mouse")


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


def profile_chart(profiles: pd.DataFrame, models: Sequence[str], *, is_last: bool) -> Chart:
    """Return the path expected and travelled in each bin, up above the axis and down below it.

    Args:
        profiles: model, cutoff, low_ticks, high_ticks, forecast_up, forecast_down, realised_up, realised_down.
        models: its models; the first four are drawn.
        is_last: whether the newest cutoff is drawn, or the mean of all.
    """
    chosen = profiles[profiles["cutoff"] == profiles["cutoff"].max()] if is_last else profiles
    models, others = models[: len(MODEL_ROLES)], models[len(MODEL_ROLES) :]
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
    more = f" Not drawn: {', '.join(map(label, others))}." if others else ""
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
