"""Compute charts: error against CPU time, and when the judged model was fitted and why."""

import math
import re
from typing import Any

import numpy as np
import pandas as pd
from bokeh.models import ColumnDataSource, FixedTicker, NumeralTickFormatter
from bokeh.models.annotations import Span

from backtest.report.blocks import Chart, Key
from backtest.report.curves import Curves, milliseconds
from backtest.report.figures import add_hover, add_shades, plain_figure, time_figure
from backtest.report.formats import chart_text
from backtest.report.palette import color
from data.panel import Floats
from forecast.skill import is_naive

REASON_ROLES = ("net", "benchmark", "naive", "gross", "ink", "muted")
"""Colours of reasons, in the order in which they first appear; the last one stands for all further ones."""

AXIS_WIDTH = 46
"""Pixels that the value axis of the curve above takes, so that equal times stand below each other."""

FAILED = "failed, the model before it went on"

_NUMBER = re.compile(r"[-+]?\d[\d.,]*(?:e[-+]?\d+)?")


def pareto_chart(compute: pd.DataFrame, primary: str) -> Chart:
    """Return the relative error of each model against its CPU seconds; the ones no other dominates are joined by a line.

    Args:
        compute: as ``backtest.compute.compute_table`` returns it, with finite relative errors and CPU seconds above 0.
        primary: the judged model.
    """
    plot = plain_figure(height=300, x_axis_type="log")
    table = compute.sort_values("cpu_seconds", kind="stable")
    seconds = table["cpu_seconds"].to_numpy(np.float64)
    front = table[table["is_efficient"]]
    steps = ColumnDataSource({"x": front["cpu_seconds"].to_numpy(), "y": front["relative_error"].to_numpy()})
    plot.step(
        "x", "y", source=steps, mode="after", line_color=color("muted"), line_dash="dotted", line_width=1.4
    )
    roles = np.array([_role(model, primary) for model in table["model"]])
    for role in dict.fromkeys(roles):
        own = table[roles == role]
        source = ColumnDataSource(
            {
                "x": own["cpu_seconds"].to_numpy(np.float64),
                "y": own["relative_error"].to_numpy(np.float64),
                "name": [chart_text(model) for model in own["model"]],
                "fits": own["fits"].to_numpy(np.float64),
            }
        )
        dots = plot.scatter("x", "y", source=source, color=color(role), size=9)
        rows = {
            "Model": "@name",
            "CPU seconds": "@x{0.000}",
            "Error over naive": "@y{0.0000}",
            "Fits": "@fits{0,0}",
        }
        add_hover(plot, dots, rows, mode="mouse")
    _name_points(plot, table, seconds)
    plot.add_layout(
        Span(location=1.0, dimension="width", line_color=color("muted"), line_width=1, level="underlay")
    )
    plot.x_range.range_padding = 0.15
    plot.y_range.range_padding = 0.2
    plot.xaxis.ticker = FixedTicker(ticks=decade_ticks(float(seconds[0]), float(seconds[-1])))
    plot.xaxis.formatter = NumeralTickFormatter(format="0,0.[000000]")
    plot.xaxis.axis_label = "CPU seconds of fits and forecasts"
    plot.yaxis.axis_label = "Error over the best naive one"
    keys = tuple(Key(words, role, "box") for role, words in _ROLES.items() if role in roles)
    caption = "Left and low is good; 1 is the best naive model. The dotted line joins the models that no other one beats in both."
    return Chart(
        "pareto", plot, "Error against compute", caption, (*keys, Key("efficient", "muted", "dashed"))
    )


def decade_ticks(low: float, high: float) -> list[float]:
    """Return the numbers 1, 2 and 5 times a power of ten from a little below ``low`` to a little above ``high``, both above 0."""
    decades = range(math.floor(math.log10(low)) - 1, math.ceil(math.log10(high)) + 2)
    every = [float(f"{step}e{decade}") for decade in decades for step in (1, 2, 5)]
    return [tick for tick in every if low / 2 <= tick <= 2 * high]


def _name_points(plot: Any, table: pd.DataFrame, seconds: Floats) -> None:
    """Write the names beside points ordered by time: in turn above and below, on the side where there is room."""
    middle = math.sqrt(seconds[0] * seconds[-1])
    for i, row in enumerate(table.to_dict("records")):
        is_left = row["cpu_seconds"] <= middle
        plot.text(
            [row["cpu_seconds"]],
            [row["relative_error"]],
            [chart_text(row["model"])],
            x_offset=8 if is_left else -8,
            y_offset=14 if i % 2 else -3,
            text_align="left" if is_left else "right",
            text_color=color("muted"),
            text_font_size="12px",
        )


_ROLES = {"net": "judged model", "benchmark": "other models", "naive": "naive models"}


def _role(model: str, primary: str) -> str:
    if model == primary:
        return "net"
    return "naive" if is_naive(model) else "benchmark"


def refit_chart(fits: pd.DataFrame, curves: Curves, model: str) -> Chart:
    """Return one mark a fit of the judged model, a row and a colour a reason, on the time axis of its account.

    Args:
        fits: its rows of the stored table, with times and reasons.
        curves: whose time axis is shared.
        model: its label.
    """
    kinds = reason_kinds(fits)
    names = list(dict.fromkeys(kinds))
    plot = time_figure(curves.x_range, height=70 + 22 * len(names), y_range=(-0.6, len(names) - 0.4))
    add_shades(plot, curves.spans)
    keys = []
    for i, name in enumerate(names):
        own, level = fits[(kinds == name).to_numpy()], len(names) - 1 - i
        role = "loss" if name == FAILED else REASON_ROLES[min(i, len(REASON_ROLES) - 1)]
        source = ColumnDataSource(
            {
                "time": milliseconds(own["cutoff"]),
                "low": np.full(len(own), level - 0.38),
                "high": np.full(len(own), level + 0.38),
                "reason": [chart_text(reason) for reason in own["reason"]],
                "rows": own["rows"].to_numpy(np.float64),
                "cpu": own["cpu_seconds"].to_numpy(np.float64),
            }
        )
        marks = plot.segment(
            "time", "low", "time", "high", source=source, line_color=color(role), line_width=2
        )
        add_hover(
            plot, marks, {"": curves.hover, "Why": "@reason", "Rows": "@rows{0,0}", "CPU seconds": "@cpu{0.000}"},
            mode="mouse",
        )  # fmt: skip
        keys.append(Key(f"{name} ({len(own):,})", role))
    plot.yaxis.visible = False
    plot.min_border_left = AXIS_WIDTH
    plot.ygrid.grid_line_color = None
    caption = f"Every fit of {model}, by reason, on the time axis of the curve above; {len(fits):,} in all."
    return Chart("refits", plot, "When the model was fitted", caption, tuple(keys))


def reason_kinds(fits: pd.DataFrame) -> "pd.Series[str]":
    """Return the reason of each fit without its numbers, so that ``63 bars old`` and ``64 bars old`` are one kind."""
    kinds = fits["reason"].astype(str).map(lambda reason: _NUMBER.sub("n", reason))
    failed = fits["failure"].fillna("") != "" if "failure" in fits else pd.Series(False, fits.index)
    return kinds.mask(failed, FAILED)
