"""Comparison: all models of a configuration on the same folds and seeds, in tables and a verdict in plain words.

Forecasts only: nothing is traded, no account has a Sharpe ratio, and none is chosen by it, so no trial is counted in the
ledger. What looking at many models costs is paid in the Holm adjustment and the confidence set.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from backtest.model_comparison.ambiguity import Ambiguity, ambiguity, directions
from backtest.model_comparison.curves import learning_curves
from backtest.model_comparison.learning_curve import LEAST_SIZES
from backtest.model_comparison.losses import findings_against, seed_means, summarised
from backtest.model_comparison.tables import models_table, walks_table
from backtest.model_comparison.verdict import verdict_sentences, verdict_status
from backtest.model_comparison.walks import Report, Walks, entrants, evaluated, shared, walk_all
from backtest.spec import RunSpec
from data.errors import SpecError
from data.history import History
from forecast.errors import ForecastError
from forecast.randomness import RandomStreams
from forecast.skill import best_naive, is_naive

LEAST_SEEDS = 3
"""Fewer seeds say nothing of how much of a result is luck in training."""

RIDGE = "ridge"


@dataclass(frozen=True)
class ComparisonSettings:
    """How models are compared.

    Attributes:
        seeds: seeds of every model whose forecasts depend on them, at least 3: the run's, and the ones after it.
        windows: training windows of the learning curve; 0 leaves it out, else at least 4.

    Raises:
        SpecError: when a number is out of range.
    """

    seeds: int = LEAST_SEEDS
    windows: int = 7

    def __post_init__(self) -> None:
        if self.seeds < LEAST_SEEDS:
            raise SpecError(
                f"seeds was {self.seeds}; at least {LEAST_SEEDS} are needed to see luck in training"
            )
        if self.windows != 0 and self.windows < LEAST_SIZES:
            raise SpecError(f"windows was {self.windows}; allowed: 0, or at least {LEAST_SIZES} for a curve")


@dataclass(frozen=True, eq=False)
class ModelComparison:
    """Models side by side.

    Attributes:
        status: the verdict in the words of ``forecast.skill``.
        sentences: what the tables say, in plain words.
        loss: what the loss is, with its unit.
        best_naive: the naive model skill is measured against.
        models: one row a model (``tables.models_table``).
        walks: one row a model and seed (``tables.walks_table``).
        curve: one row a model and training window (``curves.LearningCurves.table``).
        laws: one row a learning curve: what is fitted to it (``curves.LearningCurves.laws``).
        ambiguity: of the models in the confidence set, all their seeds.
        decisions: decisions that every model scored.
        convention: how intervals and set were made.
        left_out: model -> why it could not be walked.
    """

    status: str
    sentences: tuple[str, ...]
    loss: str
    best_naive: str
    models: pd.DataFrame
    walks: pd.DataFrame
    curve: pd.DataFrame
    laws: pd.DataFrame
    ambiguity: Ambiguity
    decisions: int
    convention: str
    left_out: Mapping[str, str]


def compare_models(
    spec: RunSpec, history: History, settings: ComparisonSettings, report: Report
) -> ModelComparison:
    """Return the comparison of every model of a configuration, naive and ridge models included.

    Policy, engine and costs of the configuration are not used.

    Raises:
        SpecError: when the folds do not fit the data.
        FitError: when a naive model cannot be fitted.
        ForecastError: when no forecast can be scored.
    """
    named = entrants(spec)
    walks = walk_all(spec, history, named, [spec.seed + i for i in range(settings.seeds)], report)
    compared = shared({walk.name: walk.forecasts for walk in walks.every})
    scored = evaluated(spec, history, compared)
    cube = seed_means(scored.cube, walks.members)
    best = best_naive(cube)
    if best is None:
        raise ForecastError("no forecast can be scored: the truth of none is known")
    summary = summarised(cube, best, RandomStreams(spec.seed, history.cutoff).of("comparison"))
    signs = directions(scored.forecasts) if scored.cube.loss == "crps" else None
    table = walks_table(walks, scored)
    against = (
        findings_against(cube, best, cube.labels),
        findings_against(cube, RIDGE, _beside_ridge(cube.labels)),
    )
    models = models_table(named, summary, against, table, signs)
    chosen = [name for label in summary.included for name in walks.members[label]]
    found = Ambiguity(float("nan"), 0, len(chosen)) if signs is None else ambiguity(signs, chosen)
    curves = learning_curves(spec, history, named, walks, compared[best], settings.windows, report)
    words = {label: curve.words for label, curve in curves.curves.items()}
    return ModelComparison(
        status=verdict_status(models),
        sentences=(
            *verdict_sentences(models, best, found, words, walks.left_out),
            *_left_aside(walks, sum(len(each.series) for each in compared[best])),
        ),
        loss=f"{cube.loss.upper()}, {scored.unit}",
        best_naive=best,
        models=models,
        walks=table,
        curve=curves.table,
        laws=curves.laws,
        ambiguity=found,
        decisions=summary.decisions,
        convention=summary.convention,
        left_out=walks.left_out,
    )


def _beside_ridge(labels: tuple[str, ...]) -> list[str]:
    """Return the models that are compared with ridge: all but ridge and the naive ones; none where ridge is missing."""
    return [label for label in labels if RIDGE in labels and label != RIDGE and not is_naive(label)]


def _left_aside(walks: Walks, cells: int) -> list[str]:
    """Return how many forecasts were compared, where some model did not make all of them."""
    made = {walk.label: sum(len(each.series) for each in walk.forecasts) for walk in walks.every}
    fewest = min(made, key=lambda label: made[label])
    if cells == max(made.values()):
        return []
    most = max(made.values())
    return [
        f"Compared are the {cells:,} of {most:,} forecasts that every model made; {fewest} made the fewest, {made[fewest]:,}."
    ]
