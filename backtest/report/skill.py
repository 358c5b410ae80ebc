"""Skill: how good the forecasts were, beside the naive ones, and whether their spread is honest."""

import pandas as pd

from backtest.report.blocks import Absent, Block, Cell, Column, Prose, Section, Table, table_of
from backtest.report.charts import fan_chart, pit_chart, reliability_chart
from backtest.report.formats import count, fine_percent, label, number, p_value, percent, significant, text
from backtest.report.material import Material

_VERDICT = Column("verdict", "Verdict", text, "In words: whether the model beat the best naive one.")
_SCORES = (
    Column("model", "Model", label),
    _VERDICT,
    Column(
        "skill",
        "Skill",
        fine_percent,
        "One minus the loss over that of the best naive model.",
        is_signed=True,
    ),
    Column("holm_p_value", "Holm p", p_value, "Corrected for testing several models."),
    Column("p_value", "p", p_value),
    Column("dm_statistic", "DM", number, "Diebold-Mariano statistic with the HLN correction."),
    Column("best_naive", "Best naive", label),
    Column("crps", "CRPS", significant, "Smaller is better."),
    Column("pinball", "Pinball", significant, "Smaller is better."),
    Column("winkler_90", "Winkler 90", significant, "Smaller is better."),
    Column("coverage_90", "Coverage 90", percent, "Honest bands cover 90 %."),
    Column("rmse", "RMSE", significant),
    Column("rmse_over_mean", "RMSE/mean", lambda value: number(value, 5)),
    Column("mae", "MAE", significant),
    Column("mase", "MASE", lambda value: number(value, 3)),
    Column("direction_accuracy", "Direction", percent, "How often the sign was right."),
    Column(
        "direction_base_rate", "Base rate", percent, "What always guessing the commoner sign would score."
    ),
    Column("n", "Forecasts", count),
)
_STEPS = (Column("step", "Step", count), *(c for c in _SCORES if c.name in ("skill", "crps", "rmse", "mase", "coverage_90", "holm_p_value", "verdict", "n")))  # fmt: skip


def skill_section(run: Material) -> Section:
    """Return scores beside the naive models, calibration and a few forecasts against what happened."""
    blocks: list[Block] = [*_scores(run), *_calibration(run), _fan(run)]
    lede = "Were the forecasts better than the naive ones, and do their bands mean what they say?"
    return Section("skill", "Forecast skill", lede, tuple(blocks))


def _scores(run: Material) -> list[Block]:
    scores = run.table("scores", "model")
    if scores is None:
        return [Absent("scores")]
    overall = scores[scores["step"] == 0] if "step" in scores else scores
    own_first = pd.concat(
        [overall[overall["model"] == run.primary], overall[overall["model"] != run.primary]]
    )
    caption = "Scores of every model over all steps, the judged one first; the naive ones need no skill."
    blocks: list[Block] = [
        _sentence(run, overall),
        _marked(table_of(own_first, _SCORES, caption, "scores.parquet")),
    ]
    steps = (
        scores[(scores["model"] == run.primary) & (scores["step"] > 0)]
        if "step" in scores
        else overall.iloc[:0]
    )
    if len(steps) > 1:
        blocks.append(table_of(steps, _STEPS, f"Scores of {run.primary} by bars ahead.", "scores.parquet"))
    return blocks


def _sentence(run: Material, overall: pd.DataFrame) -> Prose:
    """Return what the table says about the judged model, in words."""
    own = overall[overall["model"] == run.primary]
    verdict = text(own["verdict"].iloc[0]) if len(own) and "verdict" in own else "verdict not stored"
    return Prose((f"{run.primary}: {verdict}.",), "call")


def _marked(table: Table) -> Table:
    """Return the table with its verdicts set apart."""
    titles = [heading.title for heading in table.headings]
    if _VERDICT.title not in titles:
        return table
    at = titles.index(_VERDICT.title)
    rows = tuple(
        tuple(Cell(c.text, c.detail, "verdict") if i == at else c for i, c in enumerate(row))
        for row in table.rows
    )
    return Table(table.caption, table.headings, rows, table.note, table.style)


def _calibration(run: Material) -> list[Block]:
    calibration = run.table("calibration", "model", "level", "empirical", "n")
    pit = run.table("pit", "model", "low", "high", "share")
    blocks: list[Block] = []
    if calibration is None:
        blocks.append(Absent("calibration"))
    else:
        present = list(dict.fromkeys(map(str, calibration["model"])))
        models = [model for model in (run.primary, "naive") if model in present] or present[:1]
        blocks.append(reliability_chart(calibration, list(dict.fromkeys(models))))
    if pit is None or run.primary not in set(pit["model"]):
        blocks.append(Absent("pit"))
    else:
        blocks.append(pit_chart(pit, run.primary))
    return blocks


def _fan(run: Material) -> Block:
    forecasts = run.table("forecasts", "model", "cutoff", "series", "step", "time", "last", "truth")
    if forecasts is None:
        return Absent("forecasts")
    own = forecasts[forecasts["model"] == run.primary]
    known = own[own["truth"].notna()]
    if known.empty:
        return Absent("forecasts")
    series = str(known["series"].iloc[0])
    specs = (run.manifest.get("spec") or {}).get("forecaster") or [{}]
    first = specs[0] if isinstance(specs, list) else specs
    is_level = first.get("quantity", "level") == "level" if isinstance(first, dict) else True
    chart = fan_chart(
        known[known["series"] == series], run.primary, series, is_level=is_level, hover=run.hover
    )
    return Absent("forecasts") if chart is None else chart
