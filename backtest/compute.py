"""Compute account: what fits and forecasts of each model cost, beside the error they bought.

Error times compute (smaller is better) says what a smaller error costs; error over compute would reward waste. It means
something only among configurations of one model, made by the same code on the same data, that show skill: without that rule
a naive forecast that never learns would win every time.
"""

import numpy as np
import numpy.typing as npt
import pandas as pd

from data.panel import Floats
from forecast.skill import SKILL

ALONE = "no other configuration of this model on this data, by this code"
UNSKILLED = "no skill shown, so it is not compared: a model that never learns would win"
WEAK_BASELINE = "the configuration that fits most often shows no skill, so nothing is compared with it"

HEADLINE = ("crps", "rmse")
"""Errors in the order in which they are the headline: variances have no CRPS."""


def headline_error(scores: pd.DataFrame) -> str:
    """Return which column of the table ``scores`` is the headline error: the first that is known of any model."""
    return next((name for name in HEADLINE if name in scores and scores[name].notna().any()), HEADLINE[-1])


def compute_table(fits: pd.DataFrame, predictions: pd.DataFrame | None, scores: pd.DataFrame) -> pd.DataFrame:
    """Return what each model cost and what it got for it, one row a model.

    Args:
        fits: the run table of fits.
        predictions: the run table of predictions, None where the run stored none.
        scores: the run table of scores.

    Returns:
        model, error (``headline_error`` over all steps), relative_error (loss over that of the best naive model on the cells
        that both scored: one minus skill), verdict, fits, failed_fits, rows (read by all fits), fit_seconds, predict_seconds
        (NaN where not stored), cpu_seconds (both, or of the fits alone), cost_proxy (rows times series of all fits),
        is_efficient (no other model has both a smaller relative error and smaller CPU time).
    """
    overall = scores[scores["step"] == 0].set_index("model")
    spent = fits.assign(failed=_failed(fits)).groupby("model", sort=False)
    table = spent.agg(
        fits=("cutoff", "size"), failed_fits=("failed", "sum"), rows=("rows", "sum"),
        fit_seconds=("cpu_seconds", "sum"), cost_proxy=("cost_proxy", "sum"),
    )  # fmt: skip
    told = None if predictions is None else predictions.groupby("model")["cpu_seconds"].sum()
    table["predict_seconds"] = np.nan if told is None else told.reindex(table.index)
    table["cpu_seconds"] = table["fit_seconds"] + table["predict_seconds"].fillna(0.0)
    table["error"] = overall[headline_error(scores)].reindex(table.index)
    table["verdict"] = overall["verdict"].reindex(table.index)
    table["relative_error"] = 1.0 - overall["skill"].reindex(table.index)
    measured = table[["relative_error", "cpu_seconds"]].to_numpy(np.float64)
    table["is_efficient"] = efficient(*measured.T)
    return table.reset_index()


def efficient(error: Floats, compute: Floats) -> npt.NDArray[np.bool_]:
    """Return which of N pairs no other one dominates: none is as small in both and smaller in one, (N,); NaN never is."""
    known = ~(np.isnan(error) | np.isnan(compute))
    no_worse = (error <= error[:, None]) & (compute <= compute[:, None])
    better = (error < error[:, None]) | (compute < compute[:, None])
    return np.asarray(known & ~(no_worse & better).any(axis=1))


def error_compute(configurations: pd.DataFrame) -> pd.DataFrame:
    """Return configurations with error times compute and its ratio to the one that fits most often.

    The baseline of a model is its configuration with the most fits (where equal, the most rows times series): the one that
    retrains always, if it is among them.

    Args:
        configurations: path (equal for configurations of one model on one data set by one code), fits, error, verdict,
            cpu_seconds, cost_proxy.

    Returns:
        The same rows with ``is_baseline``, ``error_x_cpu``, ``cpu_ratio`` (of that product to the baseline's),
        ``error_x_proxy``, ``proxy_ratio``, and ``flag``, which says why a product or ratio is NaN.
    """
    table = configurations.reset_index(drop=True)
    most = table.sort_values(["fits", "cost_proxy"], ascending=False, kind="stable").drop_duplicates("path")
    at = table["path"].map(dict(zip(most["path"], most.index, strict=True))).to_numpy(np.int64)
    skilled = (table["verdict"] == SKILL).to_numpy()
    alone = ~table["path"].duplicated(keep=False).to_numpy()
    flag = np.where(alone, ALONE, np.where(~skilled, UNSKILLED, np.where(~skilled[at], WEAK_BASELINE, "")))
    table["is_baseline"] = (at == np.arange(len(table))) & ~alone
    for product, ratio, cost in (
        ("error_x_cpu", "cpu_ratio", "cpu_seconds"),
        ("error_x_proxy", "proxy_ratio", "cost_proxy"),
    ):
        shown = np.where(alone | ~skilled, np.nan, table["error"] * table[cost])
        table[product] = shown
        table[ratio] = _ratio(shown, shown[at])
    return table.assign(flag=flag)


def _ratio(value: Floats, baseline: Floats) -> Floats:
    """Return value over baseline, NaN where the baseline cost nothing."""
    return np.asarray(value / np.where(baseline > 0, baseline, np.nan))


def _failed(fits: pd.DataFrame) -> npt.NDArray[np.bool_]:
    """Return which fits failed; runs that did not store it had none."""
    if "failure" not in fits:
        return np.zeros(len(fits), bool)
    return np.asarray(fits["failure"].fillna("") != "")
