"""Three slots: eight regressors and eight classifiers of the next slot's move, and what the slot's own prices add to them.

Mehtab and Sen (arXiv 2004.11697, 2020) gather five-minute bars of one NSE stock into three slots a day and forecast the
slots with eight regressors and eight classifiers, whose predictors come from the slot that is forecast.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from backtest.errors import FeatureLeakError, RunError
from backtest.lint import FeatureTable, require_known_features
from backtest.reproductions.base import AbstractReproduction, Reproduction, Row, require_file
from backtest.reproductions.intervals import Rows, block_interval
from backtest.reproductions.slot_features import read_bars, slot_features, slot_history
from data.errors import SpecError
from data.panel import Floats
from data.registry import spec
from forecast.classification import CLASSIFIERS
from forecast.comparison import diebold_mariano, holm
from forecast.labels import MOVES, Classes
from forecast.models.class_samples import ClassSamples
from forecast.models.classifiers import AbstractSklearnClassifier
from forecast.models.regression import AbstractRegressor
from forecast.probability_scores import forecast_classes
from forecast.registry import FORECASTERS
from forecast.skill import ALPHA

Measure = Literal["skill", "accuracy"]
MEASURES: tuple[Measure, ...] = get_args(Measure)
"""``skill``: 1 less the squared error over that of no move; ``accuracy``: share of moves whose sign was named."""


@dataclass(frozen=True, eq=False)
class Split:
    """Rows that teach and rows that are forecast.

    Attributes:
        train: its targets are known before the test begins.
        test: its targets are all known by now.
        slots: (N,) number of each test row's slot; rows of one slot move together and count once in a test.
    """

    train: FeatureTable
    test: FeatureTable
    slots: Rows


@spec
class SlotCase:
    """One panel and its split.

    Attributes:
        name: in the rows.
        file: five-minute bars with open, high, low, close, stamped with their end in Indian time.
        train_start: first day of training.
        test_start: first day of the test; no training target lies in it.
        test_end: last day of the test.
    """

    name: str
    file: str
    train_start: str
    test_start: str
    test_end: str


@spec
class ThreeSlots(AbstractReproduction):
    """Skill of the regressors and accuracy of the classifiers by case, honest and leaking.

    Attributes:
        index_file: five-minute bars of the index.
        bonuses: series -> first day without a one-for-one bonus that the file does not adjust for.
        cases: panels and splits.
        regressors: kinds of forecaster.
        classifiers: kinds of classifier.
        leaking: kinds that are shown with the target's own slot among the features too.
        seed: of the fits and the bootstrap.
    """

    index_file: str
    bonuses: dict[str, str]
    cases: tuple[SlotCase, ...]
    regressors: tuple[str, ...]
    classifiers: tuple[str, ...]
    leaking: tuple[str, ...]
    seed: int = 0

    def run(self, folder: Path) -> Reproduction:
        """Return every row and the verdict."""
        rows, words, refusal = list[Row](), list[str](), ""
        for case in self.cases:
            honest, leaking, refusal = self._tables(case, folder)
            parts, told = split(honest, case.test_start), split(leaking, case.test_start)
            naive = naive_rows(case.name, parts)
            own = self._scored(case.name, parts, self.regressors, self.classifiers)
            shown = [
                [kind for kind in each if kind in self.leaking]
                for each in (self.regressors, self.classifiers)
            ]
            leaks = self._scored(f"{case.name}, slot's own prices (leaks)", told, *shown)
            rows += [*naive, *own, *leaks]
            words.append(verdict_of(case.name, naive, own, leaks))
        measure = (
            "skill (1 - squared error over that of no move) or accuracy of the sign of the move; "
            "p: Diebold-Mariano against no move or the test's largest class, Holm-adjusted"
        )
        return Reproduction(self.claim, self.public, measure, tuple(rows), f"{' '.join(words)} {refusal}", 4)

    def _tables(self, case: SlotCase, folder: Path) -> tuple[FeatureTable, FeatureTable, str]:
        """Return honest and leaking rows, and the words with which the lint refuses the latter."""
        index = read_bars(require_file(folder, self.index_file), case.train_start, case.test_end)
        bars = read_bars(require_file(folder, case.file), case.train_start, case.test_end)
        history = slot_history(bars, index, self.bonuses)
        honest = require_known_features(lambda now: slot_features(now, is_leaking=False), history)
        try:
            require_known_features(lambda now: slot_features(now, is_leaking=True), history)
        except FeatureLeakError as error:
            return honest, slot_features(history, is_leaking=True), f"Refused by the lint: {error}."
        raise RunError("the slot's own prices were not refused as features; the lint is broken")

    def _scored(
        self, name: str, parts: Split, regressors: Sequence[str], classifiers: Sequence[str]
    ) -> list[Row]:
        """Return the rows of every regressor, then of every classifier."""
        truth, classes = parts.test.targets, sign_classes(parts.test.targets)
        squares = {kind: (truth - self._answers(kind, parts)) ** 2 for kind in regressors}
        misses = {kind: (classes != self._named(kind, parts)).astype(float) for kind in classifiers}
        # The best constant afterwards: a learner has to beat the luckiest of the naive answers.
        still, common = truth**2, (classes != commonest(parts.test)).astype(float)
        return [
            *self._rows(name, parts.slots, squares, still, "skill"),
            *self._rows(name, parts.slots, misses, common, "accuracy"),
        ]

    def _answers(self, kind: str, parts: Split) -> Floats:
        asked = FORECASTERS.build(kind)
        if not isinstance(asked, AbstractRegressor):
            raise SpecError(f"'{kind}' is no regression; a table of slots needs one")
        return asked.fit_table(parts.train.features, parts.train.targets, self.seed).answer(
            parts.test.features
        )

    def _named(self, kind: str, parts: Split) -> Classes:
        asked = CLASSIFIERS.build(kind)
        if not isinstance(asked, AbstractSklearnClassifier):
            raise SpecError(f"'{kind}' learns from no table; slots need a classifier of scikit-learn")
        fitted = asked.learn(class_samples_of(parts.train), self.seed)
        return forecast_classes(fitted.probabilities(parts.test.features))

    def _rows(
        self, name: str, slots: Rows, losses: Mapping[str, Floats], naive: Floats, measure: Measure
    ) -> list[Row]:
        """Return one row a learner from the losses (N,) of its forecasts and of the naive one."""
        counts, base = summed(slots, np.ones(len(slots))), summed(slots, naive)
        sums = {kind: summed(slots, each) for kind, each in losses.items()}
        alone = [diebold_mariano(each / counts, base / counts, 0).p_value for each in sums.values()]
        below = base if measure == "skill" else counts
        made = []
        for (kind, own), p_value in zip(sums.items(), holm(alone).tolist(), strict=True):
            low, high = block_interval(
                partial(_share_left, own, below), len(counts), np.random.default_rng(self.seed)
            )
            value = _share_left(own, below, np.arange(len(counts)))
            made.append(Row(f"{name}: {kind}, {measure}", value, low, high, None, False, p_value))
        return made


def _share_left(own: Floats, below: Floats, pick: Rows) -> float:
    return float(1.0 - own[pick].sum() / below[pick].sum())


def summed(slots: Rows, values: Floats) -> Floats:
    """Return the sum of values (N,) in every slot, (G,)."""
    return np.asarray(np.bincount(slots, values), np.float64)


def split(table: FeatureTable, start: str) -> Split:
    """Return the rows before and from a day on, those without a target left out."""
    is_known, is_test = ~np.isnan(table.targets), table.known >= np.datetime64(start)
    test = _where(table, is_known & is_test)
    return Split(_where(table, is_known & ~is_test), test, np.unique(test.known, return_inverse=True)[1])


def _where(table: FeatureTable, kept: npt.NDArray[np.bool_]) -> FeatureTable:
    return FeatureTable(
        table.names, table.features[kept], table.targets[kept], table.decided[kept], table.known[kept]
    )


def sign_classes(moves: Floats) -> Classes:
    """Return the position in ``MOVES`` of each move's sign: down, flat (not at all) or up."""
    return (np.sign(moves) + 1).astype(np.int64)


def commonest(table: FeatureTable) -> int:
    """Return the class that is most frequent among the targets."""
    return int(np.bincount(sign_classes(table.targets), minlength=len(MOVES)).argmax())


def class_samples_of(table: FeatureTable) -> ClassSamples:
    """Return rows as a classifier learns them; their slot stands for the bar."""
    bar = np.unique(table.known, return_inverse=True)[1]
    return ClassSamples(
        table.features, sign_classes(table.targets), bar, bar + 1, np.zeros(len(bar), np.int64)
    )


def naive_rows(name: str, parts: Split) -> list[Row]:
    """Return what anyone can do: the error of no move, the class most frequent in training, and the largest share."""
    truth, classes = parts.test.targets, sign_classes(parts.test.targets)
    word, shares = MOVES[commonest(parts.train)], np.bincount(classes, minlength=len(MOVES)) / len(classes)
    figures = {
        "no move, RMSE in percent": float(np.sqrt(np.mean(truth**2))),
        f"always '{word}' as most often in training, accuracy": float(shares[commonest(parts.train)]),
        f"always '{MOVES[commonest(parts.test)]}' as most often in the test, accuracy": float(shares.max()),
        "share of 'flat' in the test": float(shares[MOVES.index("flat")]),
    }
    return [Row(f"{name}: {label}", value, np.nan, np.nan, None, True) for label, value in figures.items()]


def verdict_of(name: str, naive: Sequence[Row], own: Sequence[Row], leaks: Sequence[Row]) -> str:
    """Return what the numbers of a case say in words."""
    better = [
        row.name.removeprefix(f"{name}: ") for row in own if row.p_value is not None and row.p_value < ALPHA
    ]
    best, told = (
        {
            word: max((row.value for row in rows if row.name.endswith(word)), default=np.nan)
            for word in MEASURES
        }
        for rows in (own, leaks)
    )
    word = f"skill shown by {'; '.join(better)}" if better else "no skill shown"
    return (
        f"{name}: {word}. From the slot before, the best skill is {best['skill']:.3f} and the best accuracy "
        f"{best['accuracy']:.3f}, beside {naive[1].value:.3f} and {naive[2].value:.3f} for one class always (the one of "
        f"training, and the larger one of the test); with the slot's own prices they are "
        f"{told['skill']:.3f} and {told['accuracy']:.3f}."
    )
