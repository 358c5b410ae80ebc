"""Figures: empty Bokeh figures in the report's style; light colours, which the page swaps in the dark."""

from collections.abc import Mapping
from typing import Any, Literal

from bokeh.models import (
    BasicTickFormatter,
    BoxZoomTool,
    DatetimeTickFormatter,
    FixedTicker,
    HoverTool,
    NoOverlap,
    NumeralTickFormatter,
    PanTool,
    Range1d,
    ResetTool,
    WheelZoomTool,
)
from bokeh.models.annotations import BoxAnnotation
from bokeh.plotting import figure

from backtest.report.palette import color

FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif"
AMOUNT = "0.[000]a"
PERCENT = "0.[000]%"


def plain_figure(*, height: int = 280, number_format: str | None = None, **settings: Any) -> Any:
    """Return a figure that fills its column, with zoom, pan, reset and no logo."""
    tools: list[Any] = [
        PanTool(dimensions="width"),
        BoxZoomTool(dimensions="width"),
        WheelZoomTool(dimensions="width"),
        ResetTool(),
    ]
    plot = figure(
        height=height, sizing_mode="stretch_width", tools=tools, toolbar_location="above", **settings
    )
    plot.toolbar.logo = None
    plot.toolbar.autohide = True
    plot.toolbar.active_drag = tools[1]
    plot.toolbar.active_scroll = None
    for part in ("background_fill", "border_fill", "outline_line"):
        setattr(plot, f"{part}_color", None)
    plot.min_border_left = plot.min_border_right = 4
    _style_axes(plot)
    if number_format is not None:
        plot.yaxis.formatter = NumeralTickFormatter(format=number_format)
    return plot


def time_figure(x_range: Range1d, **settings: Any) -> Any:
    """Return a figure over time; figures that share ``x_range`` zoom together and refit their heights."""
    plot = plain_figure(x_axis_type="datetime", x_range=x_range, window_axis="x", **settings)
    plot.xaxis.formatter = DatetimeTickFormatter(
        days="%d %b", months="%b %Y", years="%Y", hours="%d %b %H:%M"
    )
    return plot


def add_hover(
    plot: Any, renderer: Any, rows: Mapping[str, str], *, mode: Literal["mouse", "vline"] = "vline"
) -> None:
    """Show values of the row under the pointer; ``rows`` maps a label to a Bokeh field expression."""
    formatters: Any = {"@time": "datetime"} if any("@time" in value for value in rows.values()) else {}
    plot.add_tools(
        HoverTool(
            renderers=[renderer], tooltips=list(rows.items()), formatters=formatters, mode=mode, visible=False
        )
    )


def add_shades(plot: Any, spans: list[tuple[float, float]]) -> None:
    """Shade every second span, so that neighbouring folds can be told apart."""
    for left, right in spans[1::2]:
        box = BoxAnnotation(
            left=left, right=right, fill_color=color("shade"), fill_alpha=0.09, line_color=None
        )
        box.level = "underlay"
        plot.add_layout(box)


def count_axis(plot: Any, numbers: list[int]) -> None:
    """Give a figure whole numbers along the bottom."""
    step = max(1, -(-len(numbers) // 12))
    plot.xaxis.ticker = FixedTicker(ticks=numbers[::step])
    plot.xaxis.formatter = BasicTickFormatter(use_scientific=False)


def _style_axes(plot: Any) -> None:
    for axis in plot.axis:
        axis.axis_line_color = None
        axis.major_label_policy = NoOverlap()
        axis.major_tick_line_color = None
        axis.minor_tick_line_color = None
        axis.major_label_text_color = color("muted")
        axis.major_label_text_font = FONT
        axis.major_label_text_font_size = "12px"
        axis.axis_label_text_color = color("muted")
        axis.axis_label_text_font = FONT
        axis.axis_label_text_font_size = "12px"
        axis.axis_label_text_font_style = "normal"
    plot.xgrid.grid_line_color = None
    plot.ygrid.grid_line_color = color("grid")
