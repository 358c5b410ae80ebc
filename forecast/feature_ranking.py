"""Feature ranking: how much of its accuracy a model loses on held-out rows when one feature is shuffled."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from data.panel import Floats, read_only
from forecast.errors import ForecastError
from forecast.labels import Classes, Rows
from forecast.probability_scores import hits

Answer = Callable[[Floats], Floats]
"""From features (N, F) to probabilities (N, K)."""

Learn = Callable[[Rows], Answer]
"""From the rows to train on to the model fitted to them."""


@dataclass(frozen=True, eq=False)
class FeatureRanking:
    """Permutation importance over held-out folds (Breiman 2001, section 10; on held-out rows: Strobl and others 2007).

    Attributes:
        names: F features.
        drops: (folds, F) accuracy lost in each fold when the feature is shuffled, mean over the shuffles.
        accuracy: (folds,) accuracy with every feature as it is.
    """

    names: tuple[str, ...]
    drops: Floats
    accuracy: Floats

    @property
    def importance(self) -> Floats:
        """(F,) mean drop over the folds; 0 or below for a feature that tells nothing of unseen rows."""
        return np.asarray(self.drops.mean(axis=0))

    @property
    def standard_error(self) -> Floats:
        """(F,) standard error of that mean, as if folds were independent; NaN with one fold."""
        folds = len(self.drops)
        if folds < 2:
            return np.full(len(self.names), np.nan)
        return np.asarray(self.drops.std(axis=0, ddof=1) / np.sqrt(folds))

    @property
    def order(self) -> tuple[str, ...]:
        """The features, the most important first."""
        return tuple(self.names[i] for i in np.argsort(-self.importance, kind="stable"))


def rank_features(
    learn: Learn,
    features: Floats,
    classes: Classes,
    folds: Sequence[tuple[Rows, Rows]],
    *,
    names: Sequence[str],
    repeats: int,
    rng: np.random.Generator,
) -> FeatureRanking:
    """Return the permutation importance of every feature on the test rows of each fold.

    A feature is shuffled among the test rows; the model is not fitted again. What importance means depends on the folds: where
    a training label shares bars with a test label, slow features point at the neighbour that holds the answer and come first.

    Args:
        learn: fits a model to rows.
        features: (N, F).
        classes: (N,) true classes.
        folds: rows to train on and rows to test on; use purged ones.
        names: F names.
        repeats: shuffles of each feature in each fold.
        rng: source of the shuffles.

    Raises:
        ForecastError: when there is no fold, or names and features differ in number.
    """
    if not folds or len(names) != features.shape[1] or repeats < 1:
        raise ForecastError(
            f"{len(folds)} folds, {repeats} repeats and {len(names)} names of {features.shape[1]} features were given; "
            "one fold and repeat or more, and a name a feature are needed"
        )
    drops, accuracy = np.empty((len(folds), len(names))), np.empty(len(folds))
    for i, (train, test) in enumerate(folds):
        answer = learn(train)
        held, truth = features[test], classes[test]
        accuracy[i] = hits(truth, answer(held)).mean()
        for f in range(len(names)):
            shuffled = [hits(truth, answer(_shuffled(held, f, rng))).mean() for _ in range(repeats)]
            drops[i, f] = accuracy[i] - np.mean(shuffled)
    return FeatureRanking(tuple(names), read_only(drops), read_only(accuracy))


def _shuffled(features: Floats, column: int, rng: np.random.Generator) -> Floats:
    table = features.copy()
    table[:, column] = rng.permutation(table[:, column])
    return table
