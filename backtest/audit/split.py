"""Split: does a test sample share label bars with a training sample, and what is left of the accuracy once none does?"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from backtest.classification import (
    ClassificationSpec,
    Judgement,
    Parts,
    labelled,
    purged_twin,
    run_parts,
    smoothed_shares,
    split_parts,
)
from backtest.cross_validation import LabelledSamples
from forecast.feature_ranking import FeatureRanking, rank_features
from forecast.labels import MOVES, Rows
from forecast.models.class_samples import ClassSamples, feature_names
from forecast.randomness import RandomStreams

SHOWN = 5
"""Features named in the outcome."""


def overlapping(samples: LabelledSamples, groups: Rows, parts: Parts) -> np.ndarray:
    """Return which test samples share label bars with a training sample of their own series, (tests,).

    Label intervals are (t0, t1], from the decision to the instant the label is known; they meet when each begins before the
    other ends (Lopez de Prado 2018, chapter 7).

    Args:
        samples: decision and label times of all samples.
        groups: (N,) number of each sample's series.
        parts: training and test rows.
    """
    found = np.zeros(len(parts.test), bool)
    for group in np.unique(groups):
        train = parts.train[groups[parts.train] == group]
        mine = groups[parts.test] == group
        if not len(train) or not mine.any():
            continue
        test = parts.test[mine]
        # Training samples are in the order of their decisions: those deciding before a test label ends are a prefix.
        latest = np.maximum.accumulate(samples.known[train].astype(np.int64))
        prefix = np.searchsorted(samples.decided[train], samples.known[test], side="left")
        reached = latest[np.maximum(prefix - 1, 0)]
        found[mine] = (prefix > 0) & (reached > samples.decided[test].astype(np.int64))
    return found


@dataclass(frozen=True, eq=False)
class SplitOutcome:
    """One split of an experiment's samples and what came of it.

    Attributes:
        kind: ``random`` or ``purged``.
        train: training samples.
        overlap: share of the test samples that share label bars with a training sample of the same series.
        judged: what the classifier was worth on the test samples.
        ranking: permutation importance on them.
    """

    kind: str
    train: int
    overlap: float
    judged: Judgement
    ranking: FeatureRanking


@dataclass(frozen=True, eq=False)
class SplitAudit:
    """The split as configured, and the same classifier with a purged one.

    Attributes:
        name: the experiment.
        asked: the split as configured.
        purged: the purged one; the same object where that is what was configured.
        shares: (K,) base rates of all samples.
    """

    name: str
    asked: SplitOutcome
    purged: SplitOutcome
    shares: np.ndarray

    @property
    def leaks(self) -> bool:
        """Whether any test sample shares label bars with a training sample."""
        return self.asked.overlap > 0

    def sentences(self) -> list[str]:
        """Return the outcome in words."""
        asked, honest = self.asked.judged, self.purged.judged
        rates = ", ".join(f"{move} {share:.1%}" for move, share in zip(MOVES, self.shares, strict=True))
        worth = (
            f"Purged, the accuracy is {honest.accuracy:.3f} ({honest.low:.3f} to {honest.high:.3f}) beside {honest.commonest:.3f} "
            f"for always naming the commonest class: {'skill' if honest.has_skill else 'no skill'} shown."
        )
        if not self.leaks:
            return [f"No test sample shares label bars with a training sample. Base rates: {rates}.", worth]
        return [
            (
                f"LEAK: {self.asked.overlap:.0%} of the test samples share label bars with a training sample of the same series, so "
                f"their answers are in the training set. Base rates: {rates}."
            ),
            (
                f"The {self.asked.kind} split says {asked.accuracy:.3f}; purged it is {honest.accuracy:.3f}: "
                f"{asked.accuracy - honest.accuracy:.3f} of the accuracy was the split's."
            ),
            worth,
            (
                f"On the {self.asked.kind} split the first features are {_first(self.asked.ranking)}; purged they are "
                f"{_first(self.purged.ranking)}."
            ),
        ]

    def document(self) -> dict[str, Any]:
        """Return the outcome as plain values."""
        outcomes = [self.asked] if self.asked is self.purged else [self.asked, self.purged]
        return {
            "leaks": self.leaks,
            "sentences": self.sentences(),
            "splits": [_outcome(each) for each in outcomes],
            "features": [_features(each) for each in outcomes],
        }


def audit_split(spec: ClassificationSpec, lake: Path) -> SplitAudit:
    """Return how a classification experiment's split holds up.

    Raises:
        SourceError: when the bars cannot be read.
        FitError: when a training part cannot be fitted.
        FoldError: when a split leaves nothing to train or test on.
    """
    history = spec.data.load(lake)
    samples = spec.classifier.samples(history)
    times = labelled(samples, history)
    streams = RandomStreams(spec.seed, history.cutoff)

    def outcome(kind: str, parts: Parts) -> SplitOutcome:
        tested = run_parts(spec.classifier, samples, [parts], spec.seed)
        judged = tested.judged(spec.classifier.horizon, spec.seed)
        share = float(overlapping(times, samples.series, parts).mean())
        ranking = _ranking(spec, samples, parts, streams.of("shuffles"))
        return SplitOutcome(kind, len(parts.train), share, judged, ranking)

    asked = outcome(spec.split.kind, split_parts(times, spec.split, streams.of("split")))
    honest = asked
    if spec.split.kind != "purged":
        twin = purged_twin(spec.split)
        honest = outcome("purged", split_parts(times, twin, streams.of("split")))
    return SplitAudit(spec.name, asked, honest, smoothed_shares(samples.classes))


def _ranking(
    spec: ClassificationSpec, samples: ClassSamples, parts: Parts, rng: np.random.Generator
) -> FeatureRanking:
    return rank_features(
        lambda rows: spec.classifier.learn(samples.where(rows), spec.seed).probabilities,
        samples.features,
        samples.classes,
        [(parts.train, parts.test)],
        names=feature_names(spec.classifier.context, spec.classifier.lags),
        repeats=1,
        rng=rng,
    )


def _first(ranking: FeatureRanking) -> str:
    return ", ".join(ranking.order[:SHOWN])


def _outcome(each: SplitOutcome) -> dict[str, Any]:
    judged = each.judged
    return {
        "split": each.kind,
        "train": each.train,
        "test": judged.count,
        "overlap": each.overlap,
        "accuracy": judged.accuracy,
        "low": judged.low,
        "high": judged.high,
        "commonest": judged.commonest,
        "brier": judged.brier,
        "naive_brier": judged.naive_brier,
        "log_loss": judged.log_loss,
        "naive_log_loss": judged.naive_log_loss,
        "p_value": judged.p_value,
        "calibration_error": judged.calibration_error,
        "balance": judged.balance,
    }


def _features(each: SplitOutcome) -> dict[str, Any]:
    importance = dict(zip(each.ranking.names, each.ranking.importance.tolist(), strict=True))
    return {"split": each.kind, "accuracy_lost": {name: importance[name] for name in each.ranking.order}}
