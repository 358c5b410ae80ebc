"""Trading: costs and turnover, exposures and the list of trades."""

import pandas as pd

from backtest.report.blocks import Absent, Block, Cell, Column, Heading, Section, Table, table_of
from backtest.report.charts import (
    exposure_chart,
    fold_costs_chart,
    fold_turnover_chart,
    ladder_chart,
    weights_chart,
)
from backtest.report.formats import (
    count,
    is_missing,
    label,
    moment,
    money,
    number,
    percent,
    significant,
    text,
)
from backtest.report.material import Material
from backtest.report.overview import ordered_lanes, records

_TRADES = (
    Column("series", "Series", text),
    Column("direction", "Side", text),
    Column("entry_time", "Entry", moment),
    Column("exit_time", "Exit", moment, missing="open"),
    Column("bars", "Bars", count),
    Column("units", "Units", significant),
    Column("entry_price", "Entry price", number),
    Column("exit_price", "Exit price", number),
    Column("profit", "Profit", money, is_signed=True),
    Column("costs", "Costs", number),
    Column("return", "Return", percent, is_signed=True),
)
_REJECTIONS = (
    Column("reason", "Reason", label),
    Column("count", "Orders", count),
    Column("last", "Last at", moment),
)


def costs_section(run: Material) -> Section:
    """Return the cost ladder, break-even costs and what trading cost in each fold."""
    costs, folds = (
        run.table("costs", "lane", "multiplier", "total_return"),
        run.own("folds", "gross_return", "net_return", "turnover", "fold", "costs"),
    )
    blocks: list[Block] = [Absent("costs")] if costs is None else [_ladder(run, costs)]
    lanes = {} if costs is None else {r: lane for r, lane in run.lanes.items() if lane in set(costs["lane"])}
    if costs is not None and lanes:
        blocks.append(ladder_chart(costs, lanes, run.labels))
    if folds is not None:
        blocks += [fold_costs_chart(folds), fold_turnover_chart(folds)]
    return Section(
        "costs", "Costs and turnover", "What trading took, and how much more it could take.", tuple(blocks)
    )


def exposures_section(run: Material) -> Section:
    """Return gross and net exposure, and the weight of each series over time."""
    blocks: list[Block] = []
    if run.curves is not None and "gross_exposure" in run.curves.names:
        blocks.append(exposure_chart(run.curves))
    if run.weights is None:
        blocks.append(Absent("weights"))
    else:
        own, names, total = run.weights
        x_range = own.x_range if run.curves is None else run.curves.x_range
        blocks.append(weights_chart(own, names, total, x_range))
    return Section("exposures", "Exposures", "How much was at stake, and in what.", tuple(blocks))


def trades_section(run: Material) -> Section:
    """Return the trades of the judged account, newest first."""
    trades = run.own("trades")
    if trades is None:
        return Section("trades", "Trades", "Round trips from entry to exit.", (Absent("trades"),))
    if "entry_time" in trades:
        trades = trades.sort_values("entry_time", ascending=False, kind="stable")
    caption = f"Trades of {run.primary}, newest first; profit is net of costs."
    table = table_of(trades, run.dated(_TRADES), caption, "trades.parquet", "tall")
    lede = f"{len(trades):,} round trips from entry to exit."
    return Section("trades", "Trades", lede, (table, *_rejections(run)))


def _rejections(run: Material) -> tuple[Block, ...]:
    """Return what the judged account was asked for and did not carry out, by reason; nothing when it carried out all."""
    rejected = run.own("rejections", "reason")
    if rejected is None:
        return ()
    counted = rejected.groupby("reason", sort=False).agg(count=("units", "size"), last=("time", "max"))
    caption = f"Orders of {run.primary}, or parts of them, that were not carried out."
    return (table_of(counted.reset_index(), run.dated(_REJECTIONS), caption, "rejections.parquet"),)


def _ladder(run: Material, costs: pd.DataFrame) -> Table:
    steps = sorted(set(costs["multiplier"].astype(float)))
    found = {(str(r["lane"]), float(r["multiplier"])): r for r in records(costs)}
    break_even = run.manifest.get("break_even_bps") or {}
    rows = []
    for lane in ordered_lanes(run, costs["lane"].tolist()):
        cells = [_rung(found.get((lane, step))) for step in steps]
        bps = break_even.get(lane)
        even = Cell("n/a" if is_missing(bps) else f"{number(bps, 1)} bps")
        rows.append((Cell(run.lane_name(lane), is_header=True), *cells, even))
    headings = (
        Heading("Account", is_number=False),
        *(Heading(f"{step:g}× costs") for step in steps),
        Heading(
            "Break-even", help="Extra one-way cost, on top of those assumed, at which the profit is gone."
        ),
    )
    return Table(
        "Total return at multiples of the assumed costs, same targets; Sharpe ratio below.",
        headings,
        tuple(rows),
    )


def _rung(row: dict[str, float] | None) -> Cell:
    if row is None:
        return Cell("n/a")
    sharpe = row.get("sharpe")
    detail = "" if sharpe is None else f"Sharpe {number(sharpe)}"
    return Cell(percent(row["total_return"]), detail, "loss" if row["total_return"] < 0 else "")
