"""Classification: a classifier on one history, how its samples are split, and what it is worth beside the base rates.

Ready-made samples are the place where leaks hide: labels of neighbouring decisions share bars, so a test sample whose neighbour
was trained on has its answer in the training set. Admissible for a test are the samples whose label is known at or before
the first test decision.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal

import annotated_types as at
import numpy as np

from backtest.configuration import apply_overrides, read_config
from backtest.cross_validation import LabelledSamples
from backtest.errors import FoldError
from data.errors import SpecError, nearest
from data.history import History
from data.panel import Floats, read_only
from data.registry import plain, spec, validated
from data.sources.base import SOURCES, AbstractSource
from forecast.classification import CLASSIFIERS
from forecast.comparison import diebold_mariano
from forecast.labels import MOVES, Classes, Rows, base_rates
from forecast.models.class_samples import ClassSamples
from forecast.models.classifiers import AbstractSklearnClassifier
from forecast.probability_scores import (
    Reliability,
    balance,
    brier_loss,
    expected_calibration_error,
    hits,
    log_loss,
    mean_interval,
    top_reliability,
)

SplitKind = Literal["purged", "random"]

KEYS: tuple[str, ...] = ("name", "data", "classifier", "split", "seed")
"""Every key of a classification experiment; the last two have defaults."""


@spec
class Split:
    """How samples are divided into training and test.

    Attributes:
        kind: ``purged`` tests on the last decision times and trains on what was known before them; ``random`` draws the test
            samples, which leaks wherever labels overlap: it is there to be exposed.
        test_share: share of the decision times (purged) or of the samples (random) that are tested.
    """

    kind: SplitKind = "purged"
    test_share: Annotated[float, at.Gt(0), at.Lt(1)] = 0.2


@dataclass(frozen=True, kw_only=True)
class ClassificationSpec:
    """One classification experiment.

    Attributes:
        name: a word for tables.
        data: where bars come from.
        classifier: the model and its label.
        split: how its samples are divided.
        seed: of everything random.
    """

    name: str
    data: AbstractSource
    classifier: AbstractSklearnClassifier
    split: Split
    seed: int = 0


def is_classification(config: Mapping[str, Any]) -> bool:
    """Return whether a configuration is a classification experiment, and not a walk-forward run."""
    return "classifier" in config


def load_classification(path: Path, overrides: Sequence[str] = ()) -> ClassificationSpec:
    """Return the experiment of a YAML file, with ``a.b=c`` overrides applied.

    Raises:
        SpecError: when anything in it is not allowed.
    """
    config = {"split": {}, "seed": 0, **apply_overrides(read_config(path), overrides)}
    faults = [f"unknown key '{key}'{nearest(key, KEYS)}" for key in config if key not in KEYS]
    faults += [f"missing key '{key}'" for key in KEYS if key not in config]
    if faults:
        raise SpecError("; ".join(faults))
    for key, wanted in (("name", str), ("seed", int)):
        if not isinstance(config[key], wanted) or isinstance(config[key], bool):
            needed = "text" if wanted is str else "a whole number"
            raise SpecError(f"{key} was {config[key]!r}; {needed} is needed")
    classifier = CLASSIFIERS.build(config["classifier"])
    if not isinstance(classifier, AbstractSklearnClassifier):
        raise SpecError("classifier is none of lagged features, so it has no samples that could be split")
    return ClassificationSpec(
        name=config["name"],
        data=SOURCES.build(config["data"], "data"),
        classifier=classifier,
        split=validated(Split, config["split"], "split"),
        seed=config["seed"],
    )


@dataclass(frozen=True, eq=False)
class Parts:
    """Rows of samples to train on and rows to test on, increasing."""

    train: Rows
    test: Rows


def split_parts(samples: LabelledSamples, split: Split, rng: np.random.Generator) -> Parts:
    """Return the training and test rows of samples.

    Raises:
        FoldError: when nothing is left to train or test on.
    """
    if split.kind == "random":
        tested = rng.random(len(samples)) < split.test_share
        train, test = np.flatnonzero(~tested), np.flatnonzero(tested)
    else:
        times = np.unique(samples.decided)
        start = times[min(int(len(times) * (1.0 - split.test_share)), len(times) - 1)]
        train, test = np.flatnonzero(samples.known <= start), np.flatnonzero(samples.decided >= start)
    if not len(train) or not len(test):
        raise FoldError(
            f"a {split.kind} split of {len(samples)} samples leaves {len(train)} to train and {len(test)} to test on"
        )
    return Parts(read_only(train), read_only(test))


def labelled(samples: ClassSamples, history: History) -> LabelledSamples:
    """Return when each sample was decided and known; the class samples are in time order already."""
    return LabelledSamples(history.times[samples.decided], history.times[samples.known])


@dataclass(frozen=True, eq=False)
class Judgement:
    """What probabilities were worth on the test samples, beside the base rates of the training samples.

    Attributes:
        count: test samples.
        accuracy: share of them whose most likely class happened.
        low: lower end of its 95 % block-bootstrap interval; blocks span two horizons.
        high: its upper end.
        commonest: share of the test samples in their own commonest class: what naming it always would have scored in hindsight.
        naive_accuracy: accuracy of always naming the commonest class of the training samples.
        brier: mean Brier loss.
        naive_brier: of the training samples' base rates.
        log_loss: mean log loss, in nats.
        naive_log_loss: of those base rates.
        p_value: one-sided, that the log loss is lower than theirs (Diebold-Mariano, HLN).
        calibration_error: expected calibration error of the most likely class.
        balance: Balance score.
        reliability: table of the most likely class.
    """

    count: int
    accuracy: float
    low: float
    high: float
    commonest: float
    naive_accuracy: float
    brier: float
    naive_brier: float
    log_loss: float
    naive_log_loss: float
    p_value: float
    calibration_error: float
    balance: float
    reliability: Reliability

    @property
    def has_skill(self) -> bool:
        """Whether it beats the base rates: lower log loss at 5 %, and accuracy surely above the commonest class."""
        return self.p_value <= 0.05 and self.low > self.commonest


def judge(
    classes: Classes, probabilities: Floats, decided: Rows, *, naive: Floats, horizon: int, seed: int
) -> Judgement:
    """Return what probabilities are worth.

    Args:
        classes: (N,) what happened.
        probabilities: (N, K).
        decided: (N,) row of each decision.
        naive: (N, K) base rates of the training samples, all above 0.
        horizon: rows until a label is known.
        seed: of the bootstrap.
    """
    right, losses, plain = (
        hits(classes, probabilities),
        log_loss(classes, probabilities),
        log_loss(classes, naive),
    )
    low, high = mean_interval(right, decided, 2 * horizon, np.random.default_rng(seed))
    daily = [_by_row(values, decided) for values in (losses, plain)]
    return Judgement(
        count=len(classes),
        accuracy=float(right.mean()),
        low=low,
        high=high,
        commonest=float(base_rates(classes, naive.shape[1]).max()),
        naive_accuracy=float(hits(classes, naive).mean()),
        brier=float(brier_loss(classes, probabilities).mean()),
        naive_brier=float(brier_loss(classes, naive).mean()),
        log_loss=float(losses.mean()),
        naive_log_loss=float(plain.mean()),
        p_value=diebold_mariano(daily[0], daily[1], horizon - 1).p_value,
        calibration_error=expected_calibration_error(classes, probabilities),
        balance=float(balance(classes, probabilities).mean()),
        reliability=top_reliability(classes, probabilities),
    )


def smoothed_shares(classes: Classes) -> Floats:
    """Return base rates with one sample more of every class, so that none is impossible."""
    counts = np.bincount(classes, minlength=len(MOVES)) + 1.0
    return np.asarray(counts / counts.sum())


@dataclass(frozen=True, eq=False)
class Tested:
    """Probabilities of test samples, in time order, beside what happened.

    Attributes:
        classes: (N,) what happened.
        probabilities: (N, K).
        naive: (N, K) base rates of the training samples.
        decided: (N,) row of each decision.
    """

    classes: Classes
    probabilities: Floats
    naive: Floats
    decided: Rows

    def judged(self, horizon: int, seed: int) -> Judgement:
        """Return what the probabilities are worth."""
        return judge(
            self.classes, self.probabilities, self.decided, naive=self.naive, horizon=horizon, seed=seed
        )


def run_parts(
    classifier: AbstractSklearnClassifier, samples: ClassSamples, parts: Sequence[Parts], seed: int
) -> Tested:
    """Return the probabilities of each part's test samples by the classifier trained on its training samples.

    Raises:
        FitError: when a training part cannot be fitted.
    """
    made = []
    for each in parts:
        train, test = samples.where(each.train), samples.where(each.test)
        naive = np.tile(smoothed_shares(train.classes), (len(test), 1))
        fitted = classifier.learn(train, seed)
        made.append(Tested(test.classes, fitted.probabilities(test.features), naive, test.decided))
    names = ("classes", "probabilities", "naive", "decided")
    return Tested(*(np.concatenate([getattr(each, name) for each in made]) for name in names))


def walk_parts(samples: LabelledSamples, folds: int, first_share: float) -> list[Parts]:
    """Return an expanding purged walk: after ``first_share`` of the decision times, ``folds`` tests of equal length follow.

    Each trains on every label known at or before its first decision.

    Raises:
        FoldError: when a fold has nothing to train or test on.
    """
    times = np.unique(samples.decided)
    edges = np.linspace(int(len(times) * first_share), len(times), folds + 1).astype(np.int64)
    found = []
    for i, (first, stop) in enumerate(pairwise(edges.tolist())):
        held = times[first:stop]
        test = np.flatnonzero(np.isin(samples.decided, held))
        train = np.flatnonzero(samples.known <= held[0]) if len(held) else test
        if not len(test) or not len(train):
            raise FoldError(
                f"fold {i} of {folds} has {len(train)} samples to train and {len(test)} to test on; take fewer folds"
            )
        found.append(Parts(read_only(train), read_only(test)))
    return found


def purged_twin(split: Split) -> Split:
    """Return the split that tests as much, at the end of time and purged."""
    return validated(Split, {**plain(split), "kind": "purged"}, "split")


def _by_row(values: Floats, decided: Rows) -> Floats:
    """Return the mean over the samples of each decision row, (T,), in time order."""
    _, place = np.unique(decided, return_inverse=True)
    return np.asarray(np.bincount(place, weights=values) / np.bincount(place))
