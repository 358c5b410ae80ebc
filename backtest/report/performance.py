"""Performance: equity, drawdowns, months, years and folds."""

import pandas as pd

from backtest.report.blocks import Absent, Block, Cell, Column, Heading, Section, Table, table_of
from backtest.report.charts import drawdown_chart, equity_chart, yearly_chart
from backtest.report.compute_charts import refit_chart
from backtest.report.curves import Curves
from backtest.report.formats import (
    MISSING,
    count,
    fine_percent,
    is_missing,
    moment,
    number,
    percent,
    significant,
)
from backtest.report.material import Material
from backtest.report.overview import ordered_lanes

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
TOP_EPISODES = 10
SHADES = 4

_EPISODES = (
    Column("start", "Peak", moment),
    Column("trough", "Trough", moment),
    Column("recovery", "Recovered", moment, missing="not yet"),
    Column("depth", "Depth", percent),
    Column("bars", "Bars", count),
)
_FOLDS = (
    Column("fold", "Fold", count),
    Column("test_start", "Test from", moment),
    Column("test_end", "to", moment),
    Column("gross_return", "Gross", fine_percent, is_signed=True),
    Column("costs", "Costs", fine_percent),
    Column("net_return", "Net", fine_percent, is_signed=True),
    Column("turnover", "Turnover", number),
    Column("max_drawdown", "Max drawdown", percent),
    Column("crps", "CRPS", significant),
    Column("skill", "Skill", fine_percent, is_signed=True),
    Column("train_start", "Train from", moment),
    Column("train_end", "to", moment),
    Column("decisions", "Decisions", count),
)


def equity_section(run: Material) -> Section:
    """Return the equity of the judged account, before and after costs, beside benchmark and naive, and when it was refitted."""
    blocks: tuple[Block, ...] = (Absent("equity"),)
    if run.curves is not None:
        blocks = (equity_chart(run.curves, run.labels), *_refits(run, run.curves))
    return Section("equity", "Equity", "Money over time, every bar out of sample.", blocks)


def _refits(run: Material, curves: Curves) -> tuple[Block, ...]:
    """Return the fits of the judged model under its curve; none where the run did not store them."""
    fits = run.table("fits", "model", "cutoff", "reason", "rows", "cpu_seconds")
    own = None if fits is None else fits[fits["model"] == run.primary]
    return () if own is None or own.empty else (refit_chart(own, curves, run.primary),)


def drawdown_section(run: Material) -> Section:
    """Return the drawdown over time and its deepest episodes."""
    blocks: list[Block] = []
    if run.curves is not None:
        blocks.append(drawdown_chart(run.curves, run.labels))
    episodes = run.own("drawdowns", "depth")
    if episodes is None:
        blocks.append(Absent("drawdowns"))
    else:
        deepest = episodes.sort_values("depth", kind="stable").head(TOP_EPISODES)
        caption = f"The deepest episodes of {run.primary}, net of costs; bars from peak to recovery."
        blocks.append(table_of(deepest, run.dated(_EPISODES), caption, "drawdowns.parquet"))
    return Section("drawdown", "Drawdown", "How far the account fell, and how long it took to come back.",
                   tuple(blocks))  # fmt: skip


def calendar_section(run: Material) -> Section:
    """Return the months as a heat map and the years as bars."""
    monthly, yearly = (
        run.own("monthly", "year", "month", "return"),
        run.table("yearly", "lane", "year", "return"),
    )
    blocks: list[Block] = [Absent("monthly") if monthly is None else _heat_map(run, monthly)]
    lanes = {role: lane for role, lane in run.lanes.items() if role != "naive"}
    if yearly is None or "net" not in lanes:
        blocks.append(Absent("yearly"))
    else:
        blocks.append(yearly_chart(yearly, lanes, run.labels))
    return Section("calendar", "Months and years", "Returns by calendar, net of costs.", tuple(blocks))


def folds_section(run: Material) -> Section:
    """Return one row a fold of the judged account, then the net return of every account."""
    own = run.own("folds", "fold")
    if own is None:
        blocks: tuple[Block, ...] = (Absent("folds"),)
    else:
        caption = f"Folds of {run.primary}: what was learnt from, what was tested, what came out."
        blocks = (table_of(own, run.dated(_FOLDS), caption, "folds.parquet"), *_fold_lanes(run))
    return Section(
        "folds", "Folds", "Each fold learns from its past and is tested on bars it has never seen.", blocks
    )


def _fold_lanes(run: Material) -> tuple[Table, ...]:
    folds = run.table("folds", "fold", "lane", "net_return")
    if folds is None or folds["lane"].nunique() < 2:
        return ()
    lanes = ordered_lanes(run, folds["lane"].tolist())
    wide = folds.pivot_table(index="fold", columns="lane", values="net_return", aggfunc="first")
    columns = [Column("fold", "Fold", count)]
    columns += [Column(lane, run.lane_name(lane), fine_percent, is_signed=True) for lane in lanes]
    return (
        table_of(wide.reset_index(), columns, "Net return of every account in each fold.", "folds.parquet"),
    )


def _heat_map(run: Material, monthly: pd.DataFrame) -> Table:
    largest = float(monthly["return"].abs().max()) or 1.0
    places = zip(monthly["year"].tolist(), monthly["month"].tolist(), strict=True)
    cells = dict(zip(places, monthly["return"].tolist(), strict=True))
    years = run.own("yearly", "year", "return")
    totals = {} if years is None else dict(zip(years["year"].tolist(), years["return"].tolist(), strict=True))
    rows = []
    for year in sorted({year for year, _ in cells}):
        months = [_heat_cell(cells.get((year, month)), largest) for month in range(1, 13)]
        rows.append((Cell(str(year), is_header=True), *months, Cell(percent(totals.get(year)), tone="total")))
    headings = (Heading("Year", is_number=False), *map(Heading, MONTHS), Heading("Year’s return"))
    caption = f"Monthly returns of {run.primary} in per cent: blue is gain, orange is loss."
    return Table(caption, headings, tuple(rows), style="heat")


def _heat_cell(value: float | None, largest: float) -> Cell:
    if value is None:
        return Cell("", tone="empty")
    if is_missing(value):
        return Cell(MISSING, tone="empty")
    shade = min(SHADES, int(abs(value) / largest * SHADES) + 1) if value else 0
    return Cell(number(value * 100, 1), tone=f"{'gain' if value >= 0 else 'drop'}-{shade}")
