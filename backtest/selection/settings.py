"""Settings of a selection: what is deployed, when, for how long, and what it takes to be promoted."""

import hashlib
import json
from typing import Annotated, Literal

import annotated_types as at

from backtest.selection.conventions import convention_named
from backtest.selection.estimators.base import ESTIMATORS
from data.errors import SpecError
from data.registry import plain, spec

MANY = (
    "in_sample",
    "single_walk_forward",
    "walk_forward",
    "anchored_walk_forward",
    "rolling_walk_forward",
    "cpcv_mean",
    "cpcv_lower_quantile",
    "lower_bound",
    "shrinkage",
    "deflated_sharpe",
    "regime_weighted",
)
"""Every estimator, the straw man first."""


@spec
class SelectionSettings:
    """How candidates are ranked, deployed and judged; everything here is chosen before an outcome is seen.

    Attributes:
        ks: numbers of strategies deployed that are looked at. One of them: it is fixed beforehand. Several: the promotion rule
            corrects its p-values for the search over them.
        estimators: kinds to be compared.
        promote_by: the one estimator whose ranking may promote; the others are shown only.
        baseline: what SharpeRatio@k of the promotion rule is measured against; tables show both.
        convention: of SharpeRatio@k.
        warm_up: folds before the first deployment.
        every: a deployment at every so many fold starts.
        outcome: bars a deployment is judged by; None means up to the next one. Windows never overlap.
        alpha: largest p-value that promotes.
        violation_limit: largest share of deployed strategies worth less than the baseline that promotes.
        permutations: random orders compared where not all are.
        resamples: of deployments, for intervals.
        seed: of everything random.
    """

    ks: Annotated[tuple[Annotated[int, at.Ge(1)], ...], at.MinLen(1)]
    estimators: Annotated[tuple[str, ...], at.MinLen(1)] = MANY
    promote_by: str = "lower_bound"
    baseline: Literal["cash", "benchmark"] = "benchmark"
    convention: str = "trading"
    warm_up: Annotated[int, at.Ge(1)] = 4
    every: Annotated[int, at.Ge(1)] = 1
    outcome: Annotated[int, at.Ge(20)] | None = None
    alpha: Annotated[float, at.Gt(0), at.Lt(1)] = 0.05
    violation_limit: Annotated[float, at.Ge(0), at.Le(1)] = 0.5
    permutations: Annotated[int, at.Ge(200)] = 20_000
    resamples: Annotated[int, at.Ge(100)] = 2_000
    seed: int = 0

    def __post_init__(self) -> None:
        convention_named(self.convention)
        for name in (*self.estimators, self.promote_by):
            ESTIMATORS.load(name)
        if self.promote_by not in self.estimators:
            raise SpecError(
                f"promote_by was '{self.promote_by}'; it must be one of the estimators: {', '.join(self.estimators)}"
            )
        if len(set(self.ks)) != len(self.ks) or list(self.ks) != sorted(self.ks):
            raise SpecError(f"ks were {list(self.ks)}; increasing whole numbers are needed")

    def digest(self) -> str:
        """Return the sha256 of the settings."""
        return hashlib.sha256(json.dumps(plain(self), sort_keys=True).encode()).hexdigest()


def parse_ks(text: str) -> tuple[int, ...]:
    """Return the k of ``3``, ``2,3,5`` or ``1..10``.

    Raises:
        SpecError: when the text is none of these.
    """
    try:
        if ".." in text:
            first, last = (int(part) for part in text.split(".."))
            found = tuple(range(first, last + 1))
        else:
            found = tuple(sorted({int(part) for part in text.split(",")}))
    except ValueError:
        found = ()
    if not found or found[0] < 1:
        raise SpecError(f"k was '{text}'; a number, a list or a range is needed: 3, 2,3,5 or 1..10")
    return found
