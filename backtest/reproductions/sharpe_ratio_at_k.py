"""SharpeRatio@k: the published toy example, its two conventions, and whether a random ranking does as well.

Kiyohara, Kishimoto, Kawakami, Kobayashi, Nakata and Saito (arXiv 2311.18207, 2024) show two off-policy estimators that no usual
metric tells apart and SharpeRatio@k does. The values behind their figures are read off those figures.
"""

import math
from pathlib import Path

import numpy as np

from backtest.reproductions.base import AbstractReproduction, Reproduction, Row
from backtest.selection.conventions import CODE, Convention, convention_named
from backtest.selection.permutation import permutation_test, search_over_k
from backtest.selection.ranking import Rows, ranked
from backtest.selection.sharpe_at_k import Outcome, sharpe_ratio_curve
from data.panel import Floats
from data.registry import spec


@spec
class SharpeRatioAtK(AbstractReproduction):
    """Both examples at every k in both conventions, with exact permutation p-values and random rankings beside them.

    Attributes:
        values: true values of the candidates; among equal estimates the published figures put the larger one first.
        baseline: true value of the behaviour policy.
        estimates: name of an example -> the estimates, in the order of ``values``.
        published: name of an example -> convention -> the curve from its first defined k on.
        decimals: decimals of the published figures.
        seed: of the random orders that correct for the search over k.
    """

    values: tuple[float, ...]
    baseline: float
    estimates: dict[str, tuple[float, ...]]
    published: dict[str, dict[str, tuple[float, ...]]]
    decimals: int = 4
    seed: int = 0

    def run(self, folder: Path) -> Reproduction:
        """Return the curves, the naive rows and the verdict; no data folder is needed."""
        rows = [
            row
            for name in self.estimates
            for convention in self.published[name]
            for row in self._curve(name, convention_named(convention))
        ]
        naive = [self._naive(k) for k in range(2, len(self.values) + 1)]
        measure = "SharpeRatio@k; naive: median and 95 % band of random rankings"
        return Reproduction(self.claim, self.public, measure, (*rows, *naive), self._verdict(rows), 4)

    @property
    def _outcome(self) -> Outcome:
        return Outcome(np.array(self.values), self.baseline)

    def _order(self, name: str) -> Rows:
        # Ids that sort by falling value: the published figures break ties by what nobody could have known.
        place = np.argsort(np.argsort(-np.array(self.values)))
        return ranked(np.array(self.estimates[name]), None, [f"{i:04d}" for i in place])

    def _curve(self, name: str, convention: Convention) -> list[Row]:
        order, rng = self._order(name), np.random.default_rng(self.seed)
        line = [
            each for each in sharpe_ratio_curve(order, self._outcome, convention=convention) if not each.flag
        ]
        figures = self.published[name][convention.name]
        found = []
        for i, each in enumerate(line):
            test = permutation_test(order, self._outcome, each.k, rng, convention)
            known = figures[i] if i < len(figures) else None
            label = f"{name}, k={each.k}, {convention.name}"
            found.append(Row(label, each.sharpe_ratio, math.nan, math.nan, known, False, test.p_value))
        return found

    def _naive(self, k: int) -> Row:
        test = permutation_test(
            np.arange(len(self.values)), self._outcome, k, np.random.default_rng(self.seed)
        )
        return Row(
            f"random ranking, k={k}, code", test.null_median, test.null_low, test.null_high, None, True
        )

    def _verdict(self, rows: list[Row]) -> str:
        told = [row for row in rows if row.published is not None]
        tolerance = 0.5000001 * 10.0**-self.decimals
        met = sum(abs(row.value - (row.published or 0.0)) <= tolerance for row in told)
        chances = {name: self._searched(name) for name in self.estimates}
        words = ", ".join(f"{name}: {value:.2f}" for name, value in chances.items())
        least = min(chances.values())
        skill = (
            "No ranking is told from a random one"
            if least > 0.05
            else "Some ranking is told from a random one"
        )
        return (
            f"{met} of {len(told)} known figures are met. The published curves are those of the code (ddof 1, clipped at 0), not of the "
            f"paper's own formula. {skill}: the best p-value over k, corrected for the search, is {words}."
        )

    def _searched(self, name: str) -> float:
        """Return the smallest p-value over k = 2 .. N, corrected for having looked at all."""
        ks = range(2, len(self.values) + 1)
        rng = np.random.default_rng(self.seed)
        corrected: Floats = search_over_k(self._order(name), self._outcome, ks, rng, CODE).corrected
        return float(np.nanmin(corrected))
