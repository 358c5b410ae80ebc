"""Liquidity: what every policy earned and lost in a pool, where its ranges lay, and what was forecast."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from backtest.report.blocks import Absent, Block, Cell, Column, Heading, Section, Table, table_of
from backtest.report.formats import text
from backtest.report.liquidity_charts import edge_chart, profile_chart, waterfall_chart
from backtest.report.liquidity_columns import (
    ACTIONS,
    CHOSEN,
    MEASURES,
    PAIRED,
    PARTS,
    PLACEBO,
    POLICIES,
    SCORES,
    SLIPPAGE,
    STATEMENTS,
    bps,
)
from backtest.report.liquidity_over_time import TimeAxis, excess_chart, heat_chart, ranges_chart, time_axis
from backtest.report.material import Material
from backtest.report.overview import data_section, ordered_lanes, records
from backtest.report.records import findings_section, fits_section

BOUND = "upper bound: sees the future"


def liquidity_sections(run: Material) -> tuple[Section, ...]:
    """Return every section of a liquidity run between its verdict and the definitions, in order."""
    axis = time_axis(run)
    return (
        data_section(run),
        _policies_section(run),
        _statement_section(run),
        _excess_section(run, axis),
        _ranges_section(run, axis),
        _heat_section(run, axis),
        _frontier_section(run),
        _forecast_section(run),
        _checks_section(run),
        findings_section(run),
        fits_section(run),
    )


def liquidity_figures(run: Material) -> list[dict[str, str]]:
    """Return three large numbers of the judged policy for the report's head; none when the policies are missing."""
    rows = run.own("policies", "net_bps", "fees_bps", "divergence_bps")
    beside = run.table("policies", "lane", "net_bps", "fees_bps", "divergence_bps")
    if rows is None or beside is None:
        return []
    own = records(rows)[0]
    others = records(beside[beside["lane"] == run.benchmark])
    named = (
        ("net_bps", "Net versus hold, bp"),
        ("fees_bps", "Fees, bp"),
        ("divergence_bps", "Divergence loss, bp"),
    )
    return [
        {
            "title": title,
            "value": bps(own[name]),
            "interval": _interval(own) if name == "net_bps" else "",
            "beside": f"{run.benchmark_name} {bps(others[0][name])}" if others else "",
        }
        for name, title in named
    ]


def _policies_section(run: Material) -> Section:
    """Return net versus hold of every policy with what is known of it, and against the passive one on the same swaps."""
    lede = "Is there an edge over holding the same tokens? A window is one observation; no row is left out."
    policies = run.table("policies", "lane", "net_bps", "low", "high")
    if policies is None:
        return Section("policies", "Policies", lede, (Absent("policies"), _paired(run), _blocks(run)))
    shown = _ordered(run, policies)
    caption = "Net versus hold of every policy, mean of its test windows, in basis points of the capital."
    table = _shown(run, _with_interval(shown), POLICIES, caption, "policies.parquet")
    blocks = (table, edge_chart(shown, run.primary), _paired(run), _blocks(run))
    return Section("policies", "Policies", lede, blocks)


def _paired(run: Material) -> Block:
    paired = run.table("paired", "lane", "difference_bps", "low", "high")
    if paired is None:
        return Absent("paired")
    caption = "Each policy less the passive one on the same swaps, window by window, in basis points of the capital."
    return _shown(run, _with_interval(_ordered(run, paired)), PAIRED, caption, "paired.parquet")


def _blocks(run: Material) -> Block:
    """Return, folded away, the intervals by the length of the bootstrap's blocks."""
    blocks = run.table("blocks", "lane", "against", "block", "low", "high")
    if blocks is None:
        return Absent("blocks")
    keys = ["against", "lane"]
    wide = _with_interval(blocks).pivot_table("interval", keys, "block", aggfunc="first", sort=False)
    lengths = [str(length) for length in wide.columns]
    shown = _ordered(run, wide.set_axis(lengths, axis=1).reset_index())
    columns = (*PAIRED[:2], *(Column(length, f"Blocks of {length}", text) for length in lengths))
    caption = (
        "95 % intervals of net versus hold and of the difference from the passive policy, by the windows in a block of the "
        "bootstrap (never more than a third of them). A conclusion should not depend on it."
    )
    return replace(_shown(run, shown, columns, caption, "blocks.parquet"), is_folded=True)


def _statement_section(run: Material) -> Section:
    """Return the profit statement: the judged policy as a waterfall, every policy and every window as rows."""
    lede = "Fees less divergence loss, gas and conversion is the net against holding."
    policies = run.table(
        "policies", "lane", "fees_bps", "divergence_bps", "gas_bps", "conversion_bps", "net_bps"
    )
    blocks: list[Block] = []
    if policies is None:
        blocks.append(Absent("policies"))
    else:
        shown = _ordered(run, policies)
        parts = "Profit statement, mean of windows, in basis points of the capital."
        measures = "How hard the capital worked, mean of windows."
        blocks += [
            waterfall_chart(shown.iloc[0], run.lane_name(str(shown["lane"].iloc[0]))),
            _shown(run, shown, PARTS, parts, "policies.parquet"),
            _shown(run, shown, MEASURES, measures, "policies.parquet"),
        ]
    statements = run.table("statements", "lane", "fold", "net")
    blocks += [Absent("statements")] if statements is None else _windows(run, _ordered(run, statements))
    return Section("statement", "Profit statement", lede, tuple(blocks))


def _windows(run: Material, rows: pd.DataFrame) -> list[Block]:
    """Return the statement of every policy in every window, and below it, folded away, the settings chosen for each."""
    unit = run.manifest.get("numeraire", "quote tokens")
    kept = rows.drop(columns="net_usd") if "net_usd" in rows and rows["net_usd"].isna().all() else rows
    caption = f"Profit statement of every policy in every window, in {unit}."
    shown: list[Block] = [_shown(run, kept, run.dated(STATEMENTS), caption, "statements.parquet", "tall")]
    if "chosen" in rows:
        chosen = rows[rows["chosen"].fillna("").astype(bool)]
        table = table_of(
            chosen, CHOSEN, "Settings chosen on the validation window", "statements.parquet", "tall"
        )
        shown.append(replace(table, is_folded=True))
    return shown


def _excess_section(run: Material, axis: TimeAxis | None) -> Section:
    lede = "Every window begins anew with the same capital, half in each token."
    equity = run.table("equity", "time", "lane", "fold", "equity", "hold")
    block: Block = Absent("equity")
    if equity is not None and axis is not None:
        block = excess_chart(equity, run, axis)
    return Section("excess", "Against holding, over time", lede, (block,))


def _ranges_section(run: Material, axis: TimeAxis | None) -> Section:
    """Return the judged policy's ranges over the price, and what it did."""
    lede = f"Where {run.lane_name(run.primary)} placed liquidity, and where the price went."
    prices, ranges = (
        run.table("prices", "time", "close"),
        run.own("ranges", "start", "end", "lower_price", "upper_price"),
    )
    blocks: list[Block] = [
        Absent(n) for n, table in (("prices", prices), ("ranges", ranges)) if table is None
    ]
    if prices is not None and ranges is not None and axis is not None:
        blocks = [ranges_chart(prices, ranges, run, axis)]
    actions = run.own("actions", "decided", "executed")
    if actions is None:
        blocks.append(Absent("actions"))
    else:
        newest = actions.sort_values("executed", ascending=False, kind="stable")
        caption = f"What {run.lane_name(run.primary)} did, newest first; {len(newest):,} actions in all."
        blocks.append(table_of(newest, run.dated(ACTIONS), caption, "actions.parquet", "tall"))
    return Section("ranges", "Ranges against price", lede, tuple(blocks))


def _heat_section(run: Material, axis: TimeAxis | None) -> Section:
    lede = "Where everybody's liquidity lay, and how the price moved through it."
    heat = run.table("heat", "time", "low_price", "high_price", "liquidity")
    block: Block = Absent("heat")
    if heat is not None and axis is not None:
        block = heat_chart(heat, run.table("prices", "time", "close"), run, axis)
    return Section("heat", "Liquidity through time", lede, (block,))


def _frontier_section(run: Material) -> Section:
    """Return net versus hold at each capital and gas: of the judged policy, and folded away of every other one."""
    lede = "The same decisions by accounts of other sizes that pay other gas: is the account large enough to move its ranges?"
    frontier = run.table("frontier", "lane", "capital", "gas", "net_bps")
    if frontier is None:
        return Section("frontier", "Capital and gas", lede, (Absent("frontier"),))
    lanes = ordered_lanes(run, frontier["lane"].tolist())
    tables = [_frontier(run, frontier[frontier["lane"] == lane], lane, i > 0) for i, lane in enumerate(lanes)]
    return Section("frontier", "Capital and gas", lede, tuple(tables))


def _frontier(run: Material, own: pd.DataFrame, lane: str, is_folded: bool) -> Table:
    gases = sorted(set(own["gas"].astype(float)))
    found = {(float(r["capital"]), float(r["gas"])): r for r in records(own)}
    unit = str(run.manifest.get("numeraire", "quote tokens"))
    rows = tuple(
        (
            Cell(f"{capital:,.10g}", is_header=True),
            *(_frontier_cell(found.get((capital, gas))) for gas in gases),
        )
        for capital in sorted(set(own["capital"].astype(float)))
    )
    headings = (Heading(f"Capital, {unit}"), *(Heading(f"gas {gas:g}") for gas in gases))
    bound = f" ({BOUND})" if lane in _bounds(run) else ""
    words = f"{run.lane_name(lane)}{bound}: net versus hold in basis points of the capital, by capital and gas of a move in {unit}."
    return Table(words[:1].upper() + words[1:], headings, rows, "Standard errors below.", is_folded=is_folded)


def _frontier_cell(row: dict[str, float] | None) -> Cell:
    if row is None:
        return Cell("n/a")
    error = row.get("standard_error")
    detail = "" if error is None or pd.isna(error) else f"± {bps(error)}"
    return Cell(bps(row["net_bps"]), detail, "loss" if row["net_bps"] < 0 else "")


def _forecast_section(run: Material) -> Section:
    """Return forecast scores, and where trading was expected against where it happened."""
    lede = "Where trading would happen is where fees are earned: was it forecast better than by HAR?"
    blocks: list[Block] = []
    scores = run.table("forecast_scores", "model")
    if scores is None:
        blocks.append(Absent("forecast_scores"))
    else:
        caption = "Scores of the liquidity forecasts of the test windows."
        blocks.append(table_of(scores, SCORES, caption, "forecast_scores.parquet"))
    profiles = run.table("profiles", "model", "cutoff", "low_ticks", "forecast_up", "realised_up")
    if profiles is None:
        blocks.append(Absent("profiles"))
    else:
        models = _best_first(profiles, scores)
        blocks += [profile_chart(profiles, models, is_last=is_last) for is_last in (False, True)]
    return Section("forecasts", "Forecast and realised liquidity demand", lede, tuple(blocks))


def _best_first(profiles: pd.DataFrame, scores: pd.DataFrame | None) -> list[str]:
    """Return the models of the profiles by falling R2, as they were stored where it is not known."""
    models = list(dict.fromkeys(map(str, profiles["model"])))
    if scores is None or "r2_log_fee_growth" not in scores:
        return models
    known = dict(zip(scores["model"].astype(str), -scores["r2_log_fee_growth"].fillna(-np.inf), strict=True))
    return sorted(models, key=lambda model: known.get(model, np.inf))


def _checks_section(run: Material) -> Section:
    """Return placebo rows and what traders would have paid, where they were stored."""
    lede = "In worlds where nothing can be foreseen no policy may beat the passive one; and what a trade would have cost."
    placebo, slippage = (
        run.table("placebo", "lane", "difference_bps", "low", "high"),
        run.table("slippage", "size", "side", "slippage_bps"),
    )
    blocks: list[Block] = [
        Absent(n) for n, table in (("placebo", placebo), ("slippage", slippage)) if table is None
    ]
    if placebo is not None:
        caption = "Placebos: each policy less the passive one where nothing can be foreseen. After costs, an interval above 0 would point to a leak; costs push it below."
        blocks.append(_shown(run, _with_interval(placebo), PLACEBO, caption, "placebo.parquet"))
    if slippage is not None:
        caption = "Slippage of trades against the replayed pool: average price over the price before, without the fee."
        blocks.append(table_of(_slippage(slippage), SLIPPAGE, caption, "slippage.parquet"))
    return Section("checks", "Placebos and slippage", lede, tuple(blocks))


def _slippage(table: pd.DataFrame) -> pd.DataFrame:
    groups = table.groupby(["size", "side"], sort=True)["slippage_bps"]
    return groups.agg(mean="mean", median="median", largest="max", quotes="count").reset_index()


def _ordered(run: Material, table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows with the judged policy first, then the passive one, the others as they were stored."""
    lanes = ordered_lanes(run, table["lane"].astype(str).tolist())
    places = table["lane"].astype(str).map({lane: i for i, lane in enumerate(lanes)})
    return table.loc[places.sort_values(kind="stable").index].reset_index(drop=True)


def _with_interval(table: pd.DataFrame) -> pd.DataFrame:
    return table.assign(interval=[_interval(row) for row in records(table)])


def _interval(row: dict[str, float]) -> str:
    low, high = row.get("low"), row.get("high")
    missing = low is None or high is None or pd.isna(low) or pd.isna(high)
    return "" if missing else f"[{bps(low)}, {bps(high)}]"


def _shown(
    run: Material, frame: pd.DataFrame, columns: Sequence[Column], caption: str, file: str, style: str = ""
) -> Table:
    """Return a table of policies with a line under each one that is only an upper bound."""
    table, bounds = table_of(frame, columns, caption, file, style), _bounds(run)
    at = [column.name for column in columns if column.name in frame].index("lane")
    rows = tuple(
        tuple(
            replace(cell, detail=BOUND) if i == at and lane in bounds else cell for i, cell in enumerate(row)
        )
        for row, lane in zip(table.rows, frame["lane"].astype(str).head(len(table.rows)), strict=True)
    )
    return replace(table, rows=rows)


def _bounds(run: Material) -> set[str]:
    """Return the policies that look at the future."""
    policies = run.table("policies", "lane", "is_upper_bound")
    return (
        set()
        if policies is None
        else set(policies[policies["is_upper_bound"].fillna(False)]["lane"].astype(str))
    )
