"""Losses of a comparison: each model's mean over its seeds, its interval, its tests and the set of the best.

The loss of a model at a decision is the mean over its seeds: what to expect of a training that was not picked by its result.
Means and intervals are over the cells (cutoff, series, step) that every model scored, each decision weighing the same.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from backtest.metrics.returns import LEAST_INFERENCE
from backtest.metrics.superiority import SET_LEVEL, longest_block, resampled_means, set_p_values
from data.panel import Floats
from forecast.comparison import holm
from forecast.skill import LossCube, SkillFinding, finding_against, per_cutoff

RESAMPLES = 1000


@dataclass(frozen=True, eq=False)
class LossSummary:
    """The losses of M models on the decisions that all of them scored.

    Attributes:
        labels: M models.
        decisions: number of these decisions.
        means: (M,) mean loss.
        low: (M,) lower end of its 95 % interval, NaN below 20 decisions.
        high: (M,) upper end.
        skill_low: (M,) lower end of the interval of the share of the opponent's loss that is avoided.
        skill_high: (M,) upper end.
        set_p_values: (M,) smallest level at which the model leaves the confidence set, NaN below 20 decisions.
        convention: how intervals and set were made, in words.
    """

    labels: tuple[str, ...]
    decisions: int
    means: Floats
    low: Floats
    high: Floats
    skill_low: Floats
    skill_high: Floats
    set_p_values: Floats
    convention: str

    @property
    def included(self) -> tuple[str, ...]:
        """Models in the confidence set."""
        return tuple(name for name, p in zip(self.labels, self.set_p_values, strict=True) if p > SET_LEVEL)


def seed_means(cube: LossCube, members: Mapping[str, Sequence[str]]) -> LossCube:
    """Return the losses of each model as the mean over its walks; a cell that one walk did not score is not scored.

    Args:
        cube: losses of every walk.
        members: model -> labels of its walks in the cube.
    """
    rows = [[cube.labels.index(name) for name in names] for names in members.values()]
    losses = np.stack([cube.losses[row].mean(axis=0) for row in rows])
    errors = np.stack([cube.errors[row].mean(axis=0) for row in rows])
    return replace(cube, labels=tuple(members), losses=losses, errors=errors)


def summarised(cube: LossCube, opponent: str, rng: np.random.Generator) -> LossSummary:
    """Return means, intervals and the confidence set of the models of a cube.

    Intervals are percentiles of a stationary block bootstrap of the decisions, the same resamples for all models, so that
    the interval of a share avoided is that of a paired difference. The set is Hansen, Lunde and Nason's (2011).

    Args:
        cube: losses of the models.
        opponent: the naive model whose loss is avoided.
        rng: source of the resamples.
    """
    losses = per_cutoff(cube.losses).T
    count, models = losses.shape
    unknown = np.full(models, np.nan)
    means = losses.mean(axis=0) if count else unknown
    if count < LEAST_INFERENCE:
        words = f"no intervals: {count} decisions were scored by every model, {LEAST_INFERENCE} are needed"
        return LossSummary(cube.labels, count, means, unknown, unknown, unknown, unknown, unknown, words)
    block = longest_block(losses)
    drawn = resampled_means(losses, block, RESAMPLES, rng)
    other = drawn[:, [cube.labels.index(opponent)]]
    low, high = _ends(drawn)
    skill_low, skill_high = _ends(_avoided(drawn, other, cube))
    words = (
        f"95 % intervals and the {1 - SET_LEVEL:.0%} confidence set by a stationary block bootstrap of {count} decisions, "
        f"mean block {block:.3g}, {RESAMPLES} resamples"
    )
    chances = set_p_values(-losses, block, RESAMPLES, rng)
    return LossSummary(cube.labels, count, means, low, high, skill_low, skill_high, chances, words)


def findings_against(cube: LossCube, opponent: str, labels: Sequence[str]) -> list[SkillFinding]:
    """Return the Diebold-Mariano tests (HLN) of models against one opponent, Holm-adjusted for all of them."""
    found = [finding_against(cube, label, opponent) for label in labels]
    adjusted = holm([np.nan if each.test is None else each.test.p_value for each in found])
    return [replace(each, holm_p_value=float(p)) for each, p in zip(found, adjusted, strict=True)]


def _avoided(drawn: Floats, other: Floats, cube: LossCube) -> Floats:
    """Return ``forecast.skill.avoided`` of resampled mean losses (R, M) and those of the opponent (R, 1)."""
    if cube.loss == "qlike":
        return np.asarray(1.0 - np.exp(drawn - other))
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(1.0 - drawn / other)


def _ends(drawn: Floats) -> tuple[Floats, Floats]:
    low, high = np.quantile(drawn, [0.025, 0.975], axis=0)
    return low, high
