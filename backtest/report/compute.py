"""Compute: what fits and forecasts of each model cost, beside the error they bought."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from backtest.compute import HEADLINE, compute_table, headline_error
from backtest.report.blocks import Absent, Block, Column, Prose, Section, table_of
from backtest.report.compute_charts import pareto_chart
from backtest.report.formats import count, number, significant, text
from backtest.report.material import Material

ERRORS = dict(zip(HEADLINE, ("CRPS", "RMSE"), strict=True))

_COLUMNS = (
    Column("model", "Model", text),
    Column("error", "Error", significant, "Over all steps that the model scored; smaller is better."),
    Column(
        "relative_error",
        "over naive",
        lambda value: number(value, 4),
        "Loss over that of the best naive model, on shared forecasts: one minus skill.",
    ),
    Column(
        "cpu_seconds",
        "CPU seconds",
        lambda value: number(value, 3),
        "Fits and forecasts together, one process.",
    ),
    Column("fit_seconds", "of fits", lambda value: number(value, 3)),
    Column("predict_seconds", "of forecasts", lambda value: number(value, 3), missing="not stored"),
    Column("fits", "Fits", count),
    Column("failed_fits", "Failed", count, "Fits that failed; the model before them went on."),
    Column("cost_proxy", "Cost proxy", count, "Bars times series of all fits: the same on every machine."),
    Column(
        "is_efficient",
        "Efficient",
        text,
        "No other model has both a smaller error over naive and less CPU time.",
    ),
    Column("verdict", "Verdict", text),
)


def compute_section(run: Material) -> Section:
    """Return what each model cost, its error beside that, and what error times compute would be compared with."""
    lede = "What did it cost to learn, and did a smaller error come of it?"
    fits = run.table("fits", "model", "cutoff", "rows", "cpu_seconds", "cost_proxy")
    scores = run.table("scores", "model", "step", "skill", "verdict")
    missing = [Absent(name) for name, table in (("fits", fits), ("scores", scores)) if table is None]
    if fits is None or scores is None:
        return Section("compute", "What it cost", lede, tuple(missing))
    table = compute_table(fits, run.table("predictions", "model", "cpu_seconds"), scores)
    error = ERRORS[headline_error(scores)]
    caption = f"CPU time and error ({error}) of every model, the cost of the whole walk."
    return Section(
        "compute", "What it cost", lede, (table_of(table, _COLUMNS, caption, "fits.parquet"), *_pareto(run, table), _product(run))
    )  # fmt: skip


def _pareto(run: Material, table: pd.DataFrame) -> list[Block]:
    """Return the chart of the models whose error and CPU time are known and can be drawn on a logarithmic axis."""
    drawn = table[np.isfinite(table["relative_error"]) & (table["cpu_seconds"] > 0)]
    return [pareto_chart(drawn, run.primary)] if len(drawn) > 1 else []


def _product(run: Material) -> Prose:
    """Return what error times compute needs: other retraining of the same model, which a single run does not have."""
    section = (run.manifest.get("spec") or {}).get("retraining")
    kind = section.get("kind") if isinstance(section, Mapping) else section
    now = f" This run retrains by '{kind}'." if kind else ""
    words = (
        "Error times compute compares retraining policies of one model on the same data and code, and only where skill is "
        f"shown: among all models a naive one that never learns would win.{now} Run {run.primary} with other settings of "
        "retraining; then wayfold runs compare prints the products and their ratio to the run that fits most often."
    )
    return Prose((words,), "quiet")
