"""Skill: whether a model's forecasts beat the best naive one; the one definition every table and report uses.

**No skill shown** means: the one-sided test of the model's losses against those of the best naive forecast, Holm-adjusted
for the models tested beside it, has a p-value above 5 %.

- The unit of inference is the decision: losses are averaged over series and steps at each cutoff, so series that move
  together count once, and the averages form one time series per model.
- The best naive is the one with the lowest mean loss *afterwards*, among those run. A model has to beat the luckiest of
  several opponents, so this errs towards "no skill shown".
- The test is Diebold-Mariano with the HLN correction, also where the naive forecast is nested in the model: models are
  refitted on windows of the past, and against a nested forecast the test rejects too rarely rather than too often
  (Clark and McCracken 2001). Two others can be asked for: Giacomini-White (conditional ability, for rolling windows;
  two-sided, so it counts only where the model's mean loss is the lower one) and Clark-West (squared errors of the point
  forecasts, for expanding windows and a nested naive).
- Cells (cutoff, series, step) that only one of the two models scored are left out of their comparison.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from data.panel import Floats, Times
from forecast.comparison import Comparison, clark_west_of, diebold_mariano, giacomini_white, holm
from forecast.errors import ForecastError
from forecast.registry import NAIVE_KINDS

NO_SKILL = "no skill shown"
SKILL = "skill shown"
TOO_FEW = "too few forecasts to tell"

ALPHA = 0.05
"""Level of the test behind every verdict."""

LEAST_CUTOFFS = 20
"""Fewer decisions than this are too few to tell."""

LEAST_CUTOFFS_PER_OVERLAP = 12
"""Decisions needed for each one that overlaps: at 60 decisions of 5 the HLN test has 6 % size, at 30 it has 12 %."""

Loss = Literal["crps", "qlike"]
SkillTest = Literal["diebold_mariano", "giacomini_white", "clark_west"]


@dataclass(frozen=True, eq=False)
class LossCube:
    """Losses of M models at N cutoffs, S series and H steps.

    Attributes:
        labels: M model labels.
        loss: what the losses are.
        cutoffs: (N,) increasing.
        times: (N, H) ends of the bars forecast.
        losses: (M, N, S, H), NaN where not scored.
        errors: (M, N, S, H) truth minus point forecast in the unit of the losses, NaN where not scored.
    """

    labels: tuple[str, ...]
    loss: Loss
    cutoffs: Times
    times: Times
    losses: Floats
    errors: Floats

    def at_step(self, step: int) -> "LossCube":
        """Return the cube of one step, counted from 1."""
        cut = slice(step - 1, step)
        return replace(
            self, times=self.times[:, cut], losses=self.losses[..., cut], errors=self.errors[..., cut]
        )


@dataclass(frozen=True)
class SkillFinding:
    """What the losses say about one model.

    Attributes:
        label: the model.
        best_naive: the naive forecast it is measured against, None when no naive forecast was scored.
        skill: share of that forecast's loss which the model avoids (``avoided``), negative where it is worse.
        test: the comparison, None for naive models and where there are too few decisions.
        holm_p_value: p-value adjusted for the family tested; NaN without a test.
        verdict: ``NO_SKILL``, ``SKILL`` or ``TOO_FEW``; naive models have ``NO_SKILL``.
    """

    label: str
    best_naive: str | None
    skill: float
    test: Comparison | None
    holm_p_value: float
    verdict: str


def skill_findings(
    cubes: Sequence[LossCube], test: SkillTest = "diebold_mariano"
) -> list[list[SkillFinding]]:
    """Return one finding per model for each cube; all tests in them are one family of the Holm adjustment.

    Raises:
        ForecastError: when no naive forecast is among the models.
    """
    raw = [[finding_against(cube, label, best_naive(cube), test) for label in cube.labels] for cube in cubes]
    flat = [finding for part in raw for finding in part]
    adjusted = iter(holm([np.nan if each.test is None else each.test.p_value for each in flat]))
    return [[_judged(finding, float(next(adjusted))) for finding in part] for part in raw]


def finding_against(
    cube: LossCube, label: str, opponent: str | None, test: SkillTest = "diebold_mariano"
) -> SkillFinding:
    """Return what the losses say about one model beside one opponent, before any adjustment and verdict.

    Args:
        cube: losses of both.
        label: the model; naive models are measured but not tested.
        opponent: the forecast it is measured against, None when there is none.
        test: the test.
    """
    if opponent is None:
        return SkillFinding(label, None, float("nan"), None, float("nan"), "")
    pair = [cube.labels.index(label), cube.labels.index(opponent)]
    own, other = per_cutoff(cube.losses[pair])
    if not len(own):
        return SkillFinding(label, opponent, float("nan"), None, float("nan"), "")
    skill = avoided(float(own.mean()), float(other.mean()), cube.loss)
    lags = overlapping(cube.cutoffs, cube.times)
    enough = len(own) >= least_decisions(lags)
    tested = _compare(cube, pair, lags, test) if enough and not is_naive(label) else None
    return SkillFinding(label, opponent, skill, tested, float("nan"), "")


def least_decisions(lags: int) -> int:
    """Return the decisions below which a test says nothing; ``lags`` of them overlap."""
    return max(LEAST_CUTOFFS, LEAST_CUTOFFS_PER_OVERLAP * (lags + 1))


def skill_verdict(is_naive: bool, holm_p_value: float) -> str:
    """Return the verdict in words; a model without a p-value that is not naive had too few forecasts."""
    if is_naive:
        return NO_SKILL
    if np.isnan(holm_p_value):
        return TOO_FEW
    return SKILL if holm_p_value <= ALPHA else NO_SKILL


def is_naive(label: str) -> bool:
    """Return whether a model label (``naive``, ``drift-2``) is of a naive kind."""
    return label.split("-", maxsplit=1)[0] in NAIVE_KINDS


def best_naive(cube: LossCube) -> str | None:
    """Return the naive model with the lowest mean loss where all naive models were scored, None when nowhere.

    Raises:
        ForecastError: when no naive forecast is among the models.
    """
    found = [i for i, label in enumerate(cube.labels) if is_naive(label)]
    if not found:
        raise ForecastError(
            f"models are {', '.join(cube.labels)}; skill needs one of {', '.join(NAIVE_KINDS)} beside them"
        )
    shared = per_cutoff(cube.losses[found])
    return cube.labels[found[int(np.argmin(shared.mean(axis=1)))]] if shared.shape[1] else None


def per_cutoff(losses: Floats) -> Floats:
    """Return the mean losses of each cutoff, (M, N'), over the cells that all M models scored.

    Args:
        losses: (M, N, S, H), NaN where not scored; cutoffs without a shared cell are left out.
    """
    flat = losses.reshape(*losses.shape[:2], -1)
    shared = ~np.isnan(flat).any(axis=0)
    count = shared.sum(axis=1)
    total = np.where(shared, flat, 0.0).sum(axis=2)
    return np.asarray(total[:, count > 0] / count[count > 0])


def avoided(loss: float, naive_loss: float, kind: Loss) -> float:
    """Return the share of the naive loss that a model avoids, from two mean losses.

    ``crps``: 1 - loss / naive loss. ``qlike``: 1 - exp(loss - naive loss), as only its differences mean anything; it is
    the same share for the geometric mean of the two likelihood ratios.
    """
    if kind == "qlike":
        return float(1.0 - np.exp(loss - naive_loss))
    if naive_loss == 0:
        return 0.0 if loss == 0 else float("-inf")
    return float(1.0 - loss / naive_loss)


def overlapping(cutoffs: Times, times: Times) -> int:
    """Return how many later decisions are made, at most, before the last truth of one is known.

    Args:
        cutoffs: (N,) increasing.
        times: (N, H) ends of the bars forecast at each cutoff.
    """
    if not len(cutoffs):
        return 0
    known = np.searchsorted(cutoffs, times[:, -1], side="left")
    return int(max(0, (known - np.arange(len(cutoffs)) - 1).max()))


def _judged(finding: SkillFinding, holm_p_value: float) -> SkillFinding:
    verdict = skill_verdict(is_naive(finding.label), holm_p_value)
    return replace(finding, holm_p_value=holm_p_value, verdict=verdict)


def _compare(cube: LossCube, pair: list[int], lags: int, test: SkillTest) -> Comparison:
    if test == "clark_west":
        own, naive = cube.errors[pair]
        adjusted = per_cutoff((own**2 - (own - naive) ** 2 - naive**2)[None])
        return clark_west_of(adjusted[0], lags)
    losses = per_cutoff(cube.losses[pair])
    if test == "diebold_mariano":
        return diebold_mariano(losses[0], losses[1], lags)
    found = giacomini_white(losses[0], losses[1], lags)
    return found if found.mean_difference < 0 else replace(found, p_value=1.0)
