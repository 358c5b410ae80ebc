"""The eight classifiers of the NIFTY papers through scikit-learn, on lagged features, pooled over series."""

import warnings
from abc import abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import annotated_types as at
import numpy as np
from pydantic import model_validator

from data.history import History
from data.panel import Floats
from data.registry import spec
from forecast.base import Count
from forecast.classification import AbstractClassifier, AbstractFittedClassifier
from forecast.distribution import CategoricalForecast
from forecast.errors import FitError, ForecastError
from forecast.labels import MOVES
from forecast.models.class_samples import (
    ClassSamples,
    class_features,
    class_samples,
    split_purged,
    thinned_rows,
)
from forecast.models.one_thread import one_thread
from forecast.models.stored_estimators import TREE, restore_estimator, store_estimator
from forecast.probability_calibration import KINDS, AbstractProbabilityCalibration, HeldOut, revived
from forecast.randomness import RandomStreams
from forecast.storage import read_state, write_state
from forecast.windows import context_window, require_positive, target_values

LEAST_SAMPLES = 100
"""Fewest samples a fit accepts."""

LEAST_PROBABILITY = 1e-3
"""No class is ever called less likely than this: a tree's 0 means that its leaf held none, not that it cannot be."""

FORMAT = 1
"""Version of the stored form; another one is refused."""

TRUSTED: tuple[str, ...] = (TREE, "sklearn.neural_network._stochastic_optimizers.AdamOptimizer")
"""The only types beyond skops' own safe list that a stored classifier may hold."""

_MODEL = "model.skops"


@spec
class AbstractSklearnClassifier(AbstractClassifier):
    """A scikit-learn classifier of lagged features; one fit serves all series.

    Scaling, where a method needs it, is learnt inside the fit, from the same rows. With a calibration, the last
    ``held_out`` of the decision rows are kept from the estimator and fit the calibration; no training label is known later
    than the first decision there. Everything runs on one thread.

    Attributes:
        lags: one-bar changes among the features.
        calibration: how scores become probabilities; ``none`` takes the estimator's own.
        held_out: share of the decision rows that the calibration is fitted to.
        most_samples: more samples than this are thinned evenly in time.
    """

    lags: Count = 5
    calibration: Literal["none", "temperature", "platt", "isotonic"] = "none"
    held_out: Annotated[float, at.Ge(0.05), at.Le(0.5)] = 0.2
    most_samples: Annotated[int, at.Ge(500)] = 20_000

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.lags >= self.context:
            raise ValueError(f"lags were {self.lags}; they must be fewer than context {self.context}")
        return self

    @abstractmethod
    def estimator(self, seed: int) -> Any:
        """Return the unfitted scikit-learn estimator."""

    @property
    def stops_when_asked(self) -> bool:
        """Whether a fit ends after the steps asked for, converged or not; without, stopping short is an error."""
        return False

    def scores(self, estimator: Any, features: Floats) -> Floats:
        """Return one finite score a class, (N, K): by default the log of the estimator's probability."""
        return np.asarray(np.log(_floored(_by_class(estimator, estimator.predict_proba(features)))))

    def samples(self, train: History) -> ClassSamples:
        """Return the samples of a history, before thinning."""
        require_positive(target_values(train, self.field), train.panel.series, self.field)
        move = (self.threshold, self.reading)
        return class_samples(train, self.field, self.context, self.lags, self.horizon, move)

    def fit(self, train: History, rng: RandomStreams) -> "SklearnFitted":
        """Return the classifier fitted to every series of ``train``."""
        return self.learn(self.samples(train), int(rng.of("classifier").integers(2**31 - 1)))

    def learn(self, samples: ClassSamples, seed: int) -> "SklearnFitted":
        """Return the classifier fitted to samples; the seed is the estimator's.

        Raises:
            FitError: when there are too few samples, or all are of one class.
        """
        if len(samples) < LEAST_SAMPLES:
            raise FitError(
                f"{len(samples)} samples of context {self.context} and horizon {self.horizon} were there; "
                f"{LEAST_SAMPLES} are needed"
            )
        thin = thinned_rows(samples, self.most_samples)
        if self.calibration == "none":
            return SklearnFitted(self, self._trained(thin, seed), None)
        train, held = split_purged(thin, self.held_out)
        estimator = self._trained(train, seed)
        with one_thread():
            scores = self.scores(estimator, held.features)
        made = HeldOut(scores, held.classes, held.decided, int(train.known.max()))
        return SklearnFitted(self, estimator, KINDS[self.calibration].fitted(made))

    def load(self, folder: Path) -> "SklearnFitted":
        """Return the fitted state stored there.

        Raises:
            ForecastError: when it is damaged, of another format or scikit-learn version, or holds a type that is not trusted.
        """
        arrays, facts = read_state(folder)
        if facts.get("format") != FORMAT:
            raise ForecastError(
                f"the classifier in {folder} is of format {facts.get('format')}; {FORMAT} is needed: fit it again"
            )
        estimator = restore_estimator(folder / _MODEL, type(self.estimator(0)), TRUSTED)
        calibration = None if self.calibration == "none" else revived(self.calibration, arrays)
        return SklearnFitted(self, estimator, calibration)

    def _trained(self, samples: ClassSamples, seed: int) -> Any:
        from sklearn.exceptions import ConvergenceWarning

        if len(np.unique(samples.classes)) < 2:
            kinds = ", ".join(MOVES[k] for k in np.unique(samples.classes)) or "none"
            raise FitError(
                f"the classes of {len(samples)} training samples were: {kinds}; two or more are needed"
            )
        with one_thread(), warnings.catch_warnings():
            warnings.simplefilter("ignore" if self.stops_when_asked else "error", ConvergenceWarning)
            try:
                return self.estimator(seed).fit(samples.features, samples.classes)
            except ConvergenceWarning as error:
                raise FitError(f"{type(self).__name__} did not converge: {error}") from error


@dataclass(frozen=True, eq=False)
class SklearnFitted(AbstractFittedClassifier):
    """A fitted estimator.

    Attributes:
        spec: the hyper-parameters.
        estimator: the fitted scikit-learn estimator.
        calibration: from its scores to probabilities, or None.
    """

    spec: AbstractSklearnClassifier
    estimator: Any
    calibration: AbstractProbabilityCalibration | None

    def probabilities(self, features: Floats) -> Floats:
        """Return (N, K) probabilities of the moves from (N, F) features, none below ``LEAST_PROBABILITY``."""
        with one_thread():
            scores = self.spec.scores(self.estimator, features)
        raw = np.exp(scores) if self.calibration is None else self.calibration.probabilities(scores)
        return _floored(raw)

    def predict(self, history: History, rng: RandomStreams) -> CategoricalForecast:
        """Return the probability of each move for every series that can be forecast; no chance is involved."""
        asked = self.spec
        window = context_window(history, asked.field, asked.context)
        require_positive(window.values, window.series, asked.field)
        values = np.empty((len(window.series), 1, len(MOVES)))
        for s in range(len(window.series)):
            # One row at a time: in a shared matrix product the company of a row can change its last bit.
            logs = np.log(np.ascontiguousarray(window.values[:, s]))[None]
            values[s] = self.probabilities(class_features(logs, asked.lags))
        times = history.clock.next(history.cutoff, asked.horizon)[-1:]
        return CategoricalForecast(history.cutoff, times, window.series, MOVES, values)

    def save(self, folder: Path) -> None:
        """Write the estimator with skops, and the calibration as arrays."""
        store_estimator(self.estimator, folder / _MODEL)
        arrays = {} if self.calibration is None else self.calibration.arrays()
        write_state(folder, arrays, {"format": FORMAT})


@spec
class Logistic(AbstractSklearnClassifier):
    """Multinomial logistic regression with a ridge penalty on scaled features (Cox 1958).

    It loses where moves depend on their past in no linear way.

    Attributes:
        inverse_penalty: larger is weaker.
    """

    inverse_penalty: Annotated[float, at.Gt(0)] = 0.1

    def estimator(self, seed: int) -> Any:
        """Return scaler and regression."""
        from sklearn.linear_model import LogisticRegression

        return _scaled(LogisticRegression(C=self.inverse_penalty, max_iter=1000))


@spec
class NearestNeighbours(AbstractSklearnClassifier):
    """The shares among the nearest training samples (Cover and Hart 1967), on scaled features.

    It loses with many features, where every sample is equally far, and takes neighbours in time for evidence: windows one
    bar apart are nearly the same sample.

    Attributes:
        neighbours: how many vote.
    """

    neighbours: Count = 100

    def estimator(self, seed: int) -> Any:
        """Return scaler and vote; by brute force, so that no search tree has to be stored."""
        from sklearn.neighbors import KNeighborsClassifier

        return _scaled(KNeighborsClassifier(n_neighbors=self.neighbours, algorithm="brute", n_jobs=1))


@spec
class Tree(AbstractSklearnClassifier):
    """One tree (Breiman, Friedman, Olshen and Stone 1984).

    It loses nearly always to its own forest: its cuts are noise beyond the first few.

    Attributes:
        least_leaf: fewest samples of a leaf.
    """

    least_leaf: Count = 100

    def estimator(self, seed: int) -> Any:
        """Return the tree."""
        from sklearn.tree import DecisionTreeClassifier

        return DecisionTreeClassifier(min_samples_leaf=self.least_leaf, random_state=seed)


@spec
class Bagging(AbstractSklearnClassifier):
    """Trees on bootstrap samples, averaged (Breiman 1996).

    It loses where overlapping windows make the bootstrap samples alike: the trees then agree on noise.

    Attributes:
        trees: how many.
        least_leaf: fewest samples of a leaf.
    """

    trees: Count = 50
    least_leaf: Count = 50

    def estimator(self, seed: int) -> Any:
        """Return the trees."""
        from sklearn.ensemble import BaggingClassifier
        from sklearn.tree import DecisionTreeClassifier

        tree = DecisionTreeClassifier(min_samples_leaf=self.least_leaf)
        return BaggingClassifier(tree, n_estimators=self.trees, n_jobs=1, random_state=seed)


@spec
class AdaBoost(AbstractSklearnClassifier):
    """Small trees, each on what the former ones missed (Freund and Schapire 1997; SAMME: Zhu and others 2009).

    It loses where labels are mostly noise, which it keeps chasing; its probabilities are far too even uncalibrated.

    Attributes:
        trees: how many.
        depth: of each tree.
    """

    trees: Count = 50
    depth: Count = 2

    def estimator(self, seed: int) -> Any:
        """Return the boosted trees."""
        from sklearn.ensemble import AdaBoostClassifier
        from sklearn.tree import DecisionTreeClassifier

        return AdaBoostClassifier(
            DecisionTreeClassifier(max_depth=self.depth), n_estimators=self.trees, random_state=seed
        )


@spec
class RandomForest(AbstractSklearnClassifier):
    """Trees on bootstrap samples and random features (Breiman 2001).

    With leaves of one sample it remembers its training set: on a random split of overlapping windows that looks like skill.

    Attributes:
        trees: how many.
        least_leaf: fewest samples of a leaf.
    """

    trees: Count = 100
    least_leaf: Count = 20

    def estimator(self, seed: int) -> Any:
        """Return the forest."""
        from sklearn.ensemble import RandomForestClassifier

        return RandomForestClassifier(
            n_estimators=self.trees, min_samples_leaf=self.least_leaf, n_jobs=1, random_state=seed
        )


@spec
class Perceptron(AbstractSklearnClassifier):
    """A network with one hidden layer (Rumelhart, Hinton and Williams 1986), on scaled features, for a fixed number of epochs.

    It loses on small samples, and with every epoch too many. scikit-learn's own early stopping is not used: it holds
    out rows drawn at random, which overlap those it trains on.

    Attributes:
        units: of the hidden layer.
        epochs: passes over the samples.
        penalty: on squared weights.
    """

    units: Count = 16
    epochs: Count = 20
    penalty: Annotated[float, at.Ge(0)] = 1e-3

    def estimator(self, seed: int) -> Any:
        """Return scaler and network."""
        from sklearn.neural_network import MLPClassifier

        return _scaled(
            MLPClassifier((self.units,), alpha=self.penalty, max_iter=self.epochs, random_state=seed)
        )

    @property
    def stops_when_asked(self) -> bool:
        """True: stopping after the asked epochs is what was asked for."""
        return True


@spec
class SupportVectors(AbstractSklearnClassifier):
    """The widest margin between classes under a Gaussian kernel (Cortes and Vapnik 1995), on scaled features.

    Its decision values are no probabilities, so it must be calibrated. It loses on large samples by its cost (quadratic), and
    wherever classes overlap as much as those of returns do.

    Attributes:
        inverse_penalty: larger fits the training set more closely.
    """

    calibration: Literal["platt", "isotonic"] = "platt"
    most_samples: Annotated[int, at.Ge(500)] = 3000
    inverse_penalty: Annotated[float, at.Gt(0)] = 1.0

    def estimator(self, seed: int) -> Any:
        """Return scaler and machine; no chance is involved."""
        from sklearn.svm import SVC

        return _scaled(SVC(C=self.inverse_penalty))

    def scores(self, estimator: Any, features: Floats) -> Floats:
        """Return the decision value of each class, (N, K); 0 for a class that training did not hold."""
        raw = estimator.decision_function(features)
        return _by_class(estimator, np.column_stack([-raw, raw]) if raw.ndim == 1 else raw)


def _scaled(estimator: Any) -> Any:
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), estimator)


def _by_class(estimator: Any, columns: Floats) -> Floats:
    """Return the columns of the classes the estimator knows among all K; 0 for the others."""
    table = np.zeros((len(columns), len(MOVES)))
    table[:, estimator.classes_] = columns
    return table


def _floored(values: Floats) -> Floats:
    """Return probabilities drawn towards even ones, so that none is below ``LEAST_PROBABILITY``; rows sum to 1."""
    share = LEAST_PROBABILITY * values.shape[1]
    even = values / values.sum(axis=1, keepdims=True)
    mixed = (1.0 - share) * even + LEAST_PROBABILITY
    return np.asarray(mixed / mixed.sum(axis=1, keepdims=True))
