"""Verdict of a comparison: what its tables say, in plain words."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from backtest.metrics.superiority import SET_LEVEL
from backtest.model_comparison.ambiguity import Ambiguity
from forecast.skill import ALPHA, NO_SKILL, SKILL, TOO_FEW, is_naive


def verdict_status(models: pd.DataFrame) -> str:
    """Return ``skill shown`` when one model the user named beat the best naive one, else why not, in words."""
    asked = models[models["role"] == "asked"]["verdict"].tolist()
    if SKILL in asked:
        return SKILL
    return TOO_FEW if TOO_FEW in asked else NO_SKILL


def verdict_sentences(
    models: pd.DataFrame, best: str, found: Ambiguity, curves: Mapping[str, str], left_out: Mapping[str, str]
) -> list[str]:
    """Return what the tables say: each model beside naive and ridge, the set of the best, directions, windows, costs.

    Args:
        models: the table of ``models_table``.
        best: the best naive model.
        found: ambiguity of the models in the confidence set.
        curves: model -> what its learning curve says.
        left_out: model -> why it could not be walked.
    """
    return [
        *_skill(models, best),
        *_against_ridge(models),
        *_set(models),
        *_directions(found, models),
        *(f"Learning curve of {label}: {words}." for label, words in curves.items()),
        *_cost(models),
        *_seeds(models),
        *(f"{label} was left out: {why}" for label, why in left_out.items()),
        "Nothing was traded, so no trial was counted.",
    ]


def _skill(models: pd.DataFrame, best: str) -> Iterator[str]:
    tested = models[models["role"] != "naive"]
    shown = tested[tested["verdict"] == SKILL]
    for row in tested.to_dict("records"):
        yield _skill_of(row, best)
    if shown.empty and len(tested):
        few = (tested["verdict"] == TOO_FEW).all()
        reason = (
            "there are too few forecasts to tell"
            if few
            else f"none of {_listed(tested)} is shown to beat {best}"
        )
        yield f"No skill shown: {reason}."


def _skill_of(row: Mapping[Any, Any], best: str) -> str:
    if row["verdict"] == TOO_FEW:
        return f"{row['model']}: too few forecasts to tell skill from luck."
    ends = (
        f" (95 % interval {row['skill_low']:+z.1%} to {row['skill_high']:+z.1%})"
        if np.isfinite(row["skill_low"])
        else ""
    )
    said = f"{row['model']}: skill {row['skill']:+z.1%} against {best}{ends}, Holm-adjusted p {_chance(row['holm_p_value'])}"
    if row["verdict"] != SKILL:
        return f"{said}; not shown to be better."
    blind = row["direction_accuracy"] <= row["direction_base_rate"]
    return f"{said}; better{', in the width of the forecast, not in its direction' if blind else ''}."


def _against_ridge(models: pd.DataFrame) -> Iterator[str]:
    tested = models[models["holm_p_value_ridge"].notna()]
    if tested.empty:
        return
    better = tested[tested["holm_p_value_ridge"] <= ALPHA]
    if better.empty:
        yield f"Against ridge, one linear map: none of {_listed(tested)} is shown to beat it."
    else:
        yield f"Against ridge, one linear map: {_listed(better)} shown to beat it, of {len(tested)} tested."


def _set(models: pd.DataFrame) -> Iterator[str]:
    best = models[models["in_confidence_set"]]
    if best.empty:
        return
    naive = [label for label in best["model"] if is_naive(label)]
    among = f"; {', '.join(naive)} among them, so no model is told from a naive forecast" if naive else ""
    yield f"Models that cannot be told from the best ({1 - SET_LEVEL:.0%} confidence set): {_listed(best)}{among}."


def _directions(found: Ambiguity, models: pd.DataFrame) -> Iterator[str]:
    best = int(models["in_confidence_set"].sum())
    if found.members < 2 or np.isnan(found.share):
        return
    yield (
        f"Direction ambiguity: at {found.share:.1%} of {found.cells:,} forecasts, two of these {best} models (all seeds) point "
        "to opposite sides."
    )


def _cost(models: pd.DataFrame) -> Iterator[str]:
    seconds = models["fit_seconds"] + models["predict_seconds"]
    ordered = sorted(zip(seconds.tolist(), models["model"].tolist(), strict=True))
    (least, cheap), (most, dear) = ordered[0], ordered[-1]
    if least > 0:
        yield (
            f"CPU time of one seed: from {least:.3g} s ({cheap}) to {most:.3g} s ({dear}), {most / least:,.0f} times as much."
        )


def _seeds(models: pd.DataFrame) -> Iterator[str]:
    once, many = models[models["seeds"] == 1], models[models["seeds"] > 1]
    if len(once):
        yield f"Deterministic, so run once: {_listed(once)}."
    if len(many):
        yield f"Run with {int(many['seeds'].max())} seeds, losses averaged over them: {_listed(many)}."


def _listed(rows: pd.DataFrame) -> str:
    return ", ".join(map(str, rows["model"]))


def _chance(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"= {value:.3f}"
