"""Tables of a comparison: one row a walk, one row a model."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from backtest.metrics.superiority import SET_LEVEL
from backtest.model_comparison.ambiguity import ambiguity
from backtest.model_comparison.losses import LossSummary
from backtest.model_comparison.walks import Entrant, ModelWalk, Walks
from forecast.evaluation import Evaluation
from forecast.skill import SkillFinding, is_naive, skill_verdict

MEASURES = ("rmse", "rmse_over_mean", "mae", "mase", "crps", "winkler_90", "coverage_90", "direction_accuracy",
            "direction_base_rate")  # fmt: skip
"""Columns of a run's ``scores`` that are kept of every walk."""

COSTS = ("fits", "failed_fits", "fit_seconds", "predict_seconds", "cost_proxy")
"""What a walk cost: fits tried and failed, CPU seconds of fits and of predictions, rows times series of all fits."""


def walks_table(walks: Walks, scored: Evaluation) -> pd.DataFrame:
    """Return one row a model and seed: every measure over all steps, and what the walk cost."""
    overall = {row["model"]: row for row in scored.scores.to_dict("records") if row["step"] == 0}
    rows = [
        {
            "model": walk.label,
            "seed": walk.seed,
            "n": overall[walk.name]["n"],
            **{name: overall[walk.name][name] for name in MEASURES},
            **_costs(walk),
        }
        for walk in walks.every
    ]
    return pd.DataFrame(rows)


def models_table(
    named: Sequence[Entrant],
    summary: LossSummary,
    tests: tuple[Sequence[SkillFinding], Sequence[SkillFinding]],
    walks: pd.DataFrame,
    signs: pd.DataFrame | None,
) -> pd.DataFrame:
    """Return one row a model: the mean loss with its interval, skill and tests, confidence set, means and spreads over seeds.

    Args:
        named: the models.
        summary: their losses on shared decisions.
        tests: findings against the best naive model, and against ridge where it stands beside.
        walks: the table of ``walks_table``.
        signs: directions of every walk, None where forecasts have no direction.
    """
    roles = {
        each.label: "naive" if is_naive(each.label) else "asked" if each.is_asked else "reference"
        for each in named
    }
    naive, ridge = ({each.label: each for each in found} for found in tests)
    rows = []
    for i, label in enumerate(summary.labels):
        own = walks[walks["model"] == label]
        rows.append(
            {
                "model": label,
                "role": roles[label],
                "seeds": len(own),
                "n": int(own["n"].min()),
                "loss": summary.means[i],
                "low": summary.low[i],
                "high": summary.high[i],
                **_tested(naive.get(label), ""),
                "skill_low": summary.skill_low[i],
                "skill_high": summary.skill_high[i],
                "verdict": skill_verdict(is_naive(label), naive[label].holm_p_value),
                **_tested(ridge.get(label), "_ridge"),
                "confidence_set_p": summary.set_p_values[i],
                "in_confidence_set": bool(summary.set_p_values[i] > SET_LEVEL),
                **_over_seeds(own),
                "seeds_disagree": _seeds_disagree(signs, own),
            }
        )
    return pd.DataFrame(rows)


def _tested(finding: SkillFinding | None, suffix: str) -> dict[str, float]:
    """Return skill, statistic and p-values against one opponent; NaN where there is no such comparison."""
    test = None if finding is None else finding.test
    return {
        f"skill{suffix}": np.nan if finding is None else finding.skill,
        f"dm_statistic{suffix}": np.nan if test is None else test.statistic,
        f"p_value{suffix}": np.nan if test is None else test.p_value,
        f"holm_p_value{suffix}": np.nan if finding is None else finding.holm_p_value,
    }


def _over_seeds(own: pd.DataFrame) -> dict[str, float]:
    """Return mean and standard deviation (ddof 1, 0 for one walk) of measures, and means of costs, over seeds."""
    means = {name: float(own[name].mean()) for name in (*MEASURES, *COSTS)}
    spreads = {f"{name}_sd": float(own[name].std(ddof=1)) if len(own) > 1 else 0.0 for name in MEASURES}
    return {**means, **spreads}


def _seeds_disagree(signs: pd.DataFrame | None, own: pd.DataFrame) -> float:
    if signs is None or len(own) < 2:
        return float("nan")
    names = [f"{model} seed {seed}" for model, seed in zip(own["model"], own["seed"], strict=True)]
    return ambiguity(signs, names).share


def _costs(walk: ModelWalk) -> dict[str, Any]:
    fits = walk.fits
    return {
        "fits": len(fits),
        "failed_fits": int((fits["failure"] != "").sum()),
        "fit_seconds": float(fits["cpu_seconds"].sum()),
        "predict_seconds": float(walk.predictions["cpu_seconds"].sum()),
        "cost_proxy": float(fits["cost_proxy"].sum()),
    }
