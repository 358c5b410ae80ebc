"""Overview: the verdict, where the run comes from, its data and its headline metrics."""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pandas as pd

from backtest.report.blocks import Absent, Block, Cell, Facts, Heading, Listing, Prose, Section, Table
from backtest.report.formats import (
    MISSING,
    PERCENT_SIGN,
    count,
    day,
    moment,
    number,
    percent,
    significant,
    text,
    title,
)
from backtest.report.material import NOT_STORED, Material

MEANINGS = {
    "no skill shown": (
        "The forecasts did not beat the best naive forecast by more than chance explains. "
        "Whatever the account below earned is no evidence of forecasting skill."
    ),
    "skill shown": (
        "The forecast distributions came closer to what happened than those of the best naive forecast, by more than chance "
        "explains. That is about these data and this period; skill in the width need not be skill in the direction, and "
        "neither promises profit."
    ),
    "too few forecasts to tell": (
        "There are not enough forecasts whose truth is known to tell skill from luck, either way."
    ),
    "no edge shown": (
        "Over the test windows the judged policy was not told apart from holding the same tokens: what it earned in fees and what "
        "it lost otherwise may differ by luck alone."
    ),
    "loses to holding": (
        "The judged policy earned less in fees than it lost to divergence, gas and conversion, by more than chance explains. "
        "Holding the same tokens would have been better."
    ),
    "beats holding": (
        "The judged policy earned more in fees than it lost otherwise, by more than chance explains, after correcting for the "
        "policies tried beside it. That is about this pool and these windows and promises nothing."
    ),
    "too few windows": "There are not enough test windows to tell an edge from luck, either way.",
    "upper bound, sees the future": (
        "The judged policy looks at what is still to come. Its figures bound what could be earned and are no result."
    ),
}

_PERCENT = {
    "total_return", "cagr", "volatility", "max_drawdown", "average_drawdown", "time_under_water", "value_at_risk",
    "expected_shortfall", "hit_rate", "best_period", "worst_period", "probabilistic_sharpe", "deflated_sharpe",
    "average_gross_exposure", "average_net_exposure", "time_in_market", "deflated_sharpe_effective",
    "trade_win_rate", "break_even_win_rate", "average_win", "average_loss", "expectancy", "ulcer_index",
    "conditional_drawdown", "alpha", "alpha_standard_error", "active_return", "tracking_error",
    "median_participation", "high_participation", "largest_participation",
}  # fmt: skip
_COUNTS = {
    "longest_drawdown", "minimum_track_record_length", "closed_trades", "longest_losing_streak",
    "capacity_at_participation", "capacity_at_impact",
}  # fmt: skip
_HEADLINE = (
    "total_return", "cagr", "volatility", "sharpe", "probabilistic_sharpe", "deflated_sharpe", "sortino", "max_drawdown",
    "alpha", "information_ratio", "annual_turnover", "average_gross_exposure", "capacity_at_participation",
)  # fmt: skip

_FIGURES = (("total_return", "Total return"), ("sharpe", "Sharpe ratio"), ("max_drawdown", "Max drawdown"))


def verdict_words(run: Material) -> dict[str, Any]:
    """Return the status in a capitalised sentence, what it means, and the run's own sentences."""
    verdict = run.manifest.get("verdict") or {}
    status, scope = str(verdict.get("status", "verdict not stored")), str(verdict.get("scope", ""))
    trials = run.manifest.get("trials") or {}
    return {
        "status": f"{status[:1].upper()}{status[1:]} {scope}".strip(),
        "tone": status.replace(",", "").replace(" ", "-") if status in MEANINGS else "unknown",
        "meaning": MEANINGS.get(status, "This run stored no verdict, so nothing is claimed."),
        "sentences": [str(sentence) for sentence in verdict.get("sentences") or ()],
        "trials": str(trials.get("sentence", f"The number of trials was {NOT_STORED}.")),
    }


def key_figures(run: Material) -> list[dict[str, str]]:
    """Return three large numbers of the primary lane with interval and benchmark; none when metrics are missing."""
    metrics = run.table("metrics", "lane", "metric", "value")
    if metrics is None:
        return []
    figures = []
    for name, words in _FIGURES:
        own = _metric_row(metrics, run.primary, name)
        other = _metric_row(metrics, run.benchmark, name)
        if own is not None:
            shown = _formatter(name)
            beside = MISSING if other is None else shown(other["value"])
            figures.append(
                {
                    "title": words,
                    "value": shown(own["value"]),
                    "interval": _interval(own, shown),
                    "beside": f"{run.benchmark_name} {beside}",
                }
            )
    return figures


def provenance(run: Material) -> Facts:
    """Return where the run comes from, for its header."""
    manifest, data = run.manifest, run.data
    trials = manifest.get("trials") or {}
    pairs = (
        ("Run", str(manifest["id"])[:12]),
        ("Recorded", _or_missing(manifest.get("recorded_at"), moment)),
        ("Data", f"{day(data.get('first'))} to {day(data.get('last'))}"),
        ("Bars", f"{_or_missing(data.get('bars'), count)} × {len(data.get('series') or ())} series"),
        ("Folds", _or_missing(manifest.get("folds"), count)),
        ("Trials on these data", _or_missing(trials.get("count"), count)),
        ("Judged by", run.primary),
        ("Beside", run.benchmark_name),
    )
    return Facts(pairs, "provenance")


def data_section(run: Material) -> Section:
    """Return what the data are and what is to be known about them."""
    data = run.data
    series = [str(name) for name in data.get("series") or ()]
    untradable = [str(name) for name in data.get("untradable") or ()]
    facts = Facts(
        (
            ("Series", ", ".join(series) or NOT_STORED),
            ("Forecast only, never traded", ", ".join(untradable) or "none"),
            ("Period", f"{run.time(data.get('first'))} to {run.time(data.get('last'))} UTC"),
            ("Bar and calendar", f"one {text(data.get('bar'))} a bar, calendar {text(data.get('calendar'))}"),
            ("Periods per year", _or_missing(data.get("periods_per_year"), significant)),
        )
    )
    notes = tuple(map(str, data.get("notes") or ()))
    told: Block = (
        Listing("What to beware of", notes)
        if notes
        else Prose((f"Notes on the data: {NOT_STORED}.",), "quiet")
    )
    defaults = run.said("defaults")
    more: tuple[Block, ...] = (Listing("Rules of this run", defaults),) if defaults else ()
    return Section("data", "Data and rules", "What was traded, on which terms, and what to beware of.",
                   (facts, told, *more))  # fmt: skip


def metrics_section(run: Material) -> Section:
    """Return every metric of the primary lane beside the other models and the benchmark."""
    metrics = run.table("metrics", "lane", "metric", "value")
    lede = "The judged account beside the naive models and the benchmark, all after costs."
    conventions = run.said("conventions")
    blocks: tuple[Block, ...] = (Absent("metrics"),) if metrics is None else _metrics_tables(run, metrics)
    return Section(
        "metrics",
        "Headline",
        lede,
        (*blocks, *((Listing("Conventions", conventions),) if conventions else ())),
    )


def ordered_lanes(run: Material, lanes: list[str]) -> list[str]:
    """Return lanes with the primary one first and the benchmark beside it."""
    rest = [lane for lane in dict.fromkeys(lanes) if lane not in (run.primary, run.benchmark)]
    first = [lane for lane in (run.primary, run.benchmark) if lane in lanes]
    return [*first, *rest]


def records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Return each row of a table as a mapping from column to value."""
    return [{str(name): value for name, value in row.items()} for row in table.to_dict("records")]


def _metrics_tables(run: Material, metrics: pd.DataFrame) -> tuple[Table, ...]:
    """Return the headline metrics, then all others and how each is computed, folded away."""
    names = list(dict.fromkeys(map(str, metrics["metric"])))
    first = [name for name in names if name in _HEADLINE]
    rest = [name for name in names if name not in _HEADLINE]
    caption = "Metrics of each account; 95 % intervals in brackets."
    shown = [_metrics_table(run, metrics, first or names, caption)]
    if first and rest:
        shown.append(replace(_metrics_table(run, metrics, rest, f"{len(rest)} more metrics"), is_folded=True))
    return (*shown, _conventions_table(run, metrics, names))


def _metrics_table(run: Material, metrics: pd.DataFrame, names: list[str], caption: str) -> Table:
    lanes = ordered_lanes(run, metrics["lane"].tolist())
    by_place = {(str(r["lane"]), str(r["metric"])): r for r in records(metrics)}
    headings = [Heading("Metric", is_number=False), *(Heading(run.lane_name(lane)) for lane in lanes)]
    rows = [
        (
            Cell(title(name), is_header=True),
            *(_metric_cell(by_place.get((lane, name)), name) for lane in lanes),
        )
        for name in names
    ]
    return Table(caption, tuple(headings), tuple(rows), style="metrics")


def _conventions_table(run: Material, metrics: pd.DataFrame, names: list[str]) -> Table:
    own = {str(r["metric"]): r for r in records(metrics[metrics["lane"] == run.primary])}
    rows = [
        (Cell(title(name), is_header=True), Cell(text(own.get(name, {}).get("convention")))) for name in names
    ]
    headings = (
        Heading("Metric", is_number=False),
        Heading(f"Convention, for {run.primary}", is_number=False),
    )
    return Table("How each metric is computed", headings, tuple(rows), style="prose", is_folded=True)


def _metric_cell(row: dict[str, Any] | None, name: str) -> Cell:
    if row is None:
        return Cell(MISSING)
    shown = _formatter(name)
    flag = str(row.get("flag") or "")
    reason = flag.removeprefix(MISSING).strip(" ()")
    detail = _interval(row, shown)
    return Cell(shown(row["value"]), detail or reason, "missing" if pd.isna(row["value"]) else "")


def _metric_row(metrics: pd.DataFrame, lane: str, name: str) -> dict[str, Any] | None:
    rows = records(metrics[(metrics["lane"] == lane) & (metrics["metric"] == name)])
    return rows[0] if rows else None


def _interval(row: dict[str, Any], shown: Callable[[Any], str]) -> str:
    low, high = row.get("low", math.nan), row.get("high", math.nan)
    return (
        "" if pd.isna(low) or pd.isna(high) else f"[{shown(low).removesuffix(PERCENT_SIGN)}, {shown(high)}]"
    )


def _formatter(name: str) -> Callable[[Any], str]:
    if name in _PERCENT:
        return percent
    return count if name in _COUNTS else number


def _or_missing(value: Any, shown: Callable[[Any], str]) -> str:
    return NOT_STORED if value is None else shown(value)
