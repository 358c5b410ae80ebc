"""The eight regressors of the NIFTY papers: linear, splines, tree, bagging, boosting, forest, network and vectors.

Mehtab, Sen and Dutta (2020, arXiv 2009.10819) and Mehtab and Sen (2020, arXiv 2004.11697) name the families; their settings
are not public, and these are ordinary ones.
"""

import warnings
from abc import abstractmethod
from pathlib import Path
from typing import Annotated, Any

import annotated_types as at
import numpy as np

from data.panel import Floats
from data.registry import spec
from forecast.base import Count
from forecast.errors import ForecastError
from forecast.models.mars import Splines, fit_splines
from forecast.models.one_thread import one_thread
from forecast.models.regression import AbstractRegressor
from forecast.models.stored_estimators import TREE, restore_estimator, store_estimator
from forecast.storage import read_arrays, write_arrays

_ARRAYS, _ESTIMATOR, _BOOSTER = "model.npz", "model.skops", "model.json"

Arrays = dict[str, Floats]


def _read(path: Path) -> Arrays:
    try:
        return read_arrays(path)
    except (OSError, ValueError) as error:
        raise ForecastError(f"{path.name} cannot be read: {error}") from error


@spec
class LinearRegression(AbstractRegressor):
    """Ordinary least squares with an intercept (multivariate linear regression); see ``AbstractRegressor``.

    It loses when nothing linear is to be learnt: every useless feature adds its own noise, which ridge would take away.
    """

    def learn(self, features: Floats, labels: Floats, seed: int) -> Arrays:
        """Return intercept and weights, the shortest ones where features repeat each other."""
        table = np.column_stack([np.ones(len(features)), features])
        return {"weights": np.asarray(np.linalg.lstsq(table, labels, rcond=None)[0])}

    def answer(self, model: Arrays, features: Floats) -> Floats:
        """Return the labels of each row."""
        weights = model["weights"]
        return np.asarray(weights[0] + (features * weights[1:]).sum(axis=1))

    def store(self, model: Arrays, folder: Path) -> None:
        """Write the weights."""
        write_arrays(folder / _ARRAYS, model)

    def restore(self, folder: Path) -> Arrays:
        """Return the weights."""
        return _read(folder / _ARRAYS)


@spec
class AdaptiveSplines(AbstractRegressor):
    """Multivariate adaptive regression splines (Friedman 1991), see ``forecast.models.mars`` and ``AbstractRegressor``.

    It loses on noise with heavy tails: a knot near the edge is bent by a few rows, and beyond the rows it goes on straight.

    Attributes:
        terms: most basis functions grown before pruning.
        degree: most hinges that are multiplied.
        penalty: cost of a knot, in coefficients, when pruning.
    """

    terms: Annotated[int, at.Ge(1), at.Le(100)] = 21
    degree: Annotated[int, at.Ge(1), at.Le(3)] = 1
    penalty: Annotated[float, at.Ge(0)] = 3.0
    most_samples: Annotated[int, at.Ge(1000)] = 5_000

    def learn(self, features: Floats, labels: Floats, seed: int) -> Splines:
        """Return the pruned splines."""
        return fit_splines(features, labels, terms=self.terms, degree=self.degree, penalty=self.penalty)

    def answer(self, model: Splines, features: Floats) -> Floats:
        """Return the labels of each row."""
        return model.answer(features)

    def store(self, model: Splines, folder: Path) -> None:
        """Write functions and coefficients."""
        write_arrays(folder / _ARRAYS, model.arrays())

    def restore(self, folder: Path) -> Splines:
        """Return the splines."""
        return Splines.of(_read(folder / _ARRAYS))


@spec
class AbstractEstimatorRegressor(AbstractRegressor):
    """A regressor that scikit-learn fits, on one thread."""

    @abstractmethod
    def estimator(self, seed: int) -> Any:
        """Return the estimator, not fitted."""

    @property
    def trusted(self) -> tuple[str, ...]:
        """Types in its file beyond those that skops takes for harmless."""
        return (TREE,)

    def learn(self, features: Floats, labels: Floats, seed: int) -> Any:
        """Return the fitted estimator."""
        return self.estimator(seed).fit(features, labels)

    def answer(self, model: Any, features: Floats) -> Floats:
        """Return the labels of each row."""
        return np.asarray(model.predict(features), np.float64)

    def store(self, model: Any, folder: Path) -> None:
        """Write the estimator."""
        store_estimator(model, folder / _ESTIMATOR)

    def restore(self, folder: Path) -> Any:
        """Return the estimator."""
        return restore_estimator(folder / _ESTIMATOR, type(self.estimator(0)), self.trusted)


@spec
class DecisionTree(AbstractEstimatorRegressor):
    """One regression tree (CART: Breiman, Friedman, Olshen and Stone 1984); see ``AbstractRegressor``.

    It loses to the forest of the same trees nearly always: its steps lie where noise put them.

    Attributes:
        depth: most splits above a leaf.
        least_leaf: fewest samples of a leaf.
    """

    depth: Annotated[int, at.Ge(1), at.Le(30)] = 4
    least_leaf: Count = 50

    def estimator(self, seed: int) -> Any:
        """Return the tree."""
        from sklearn.tree import DecisionTreeRegressor

        return DecisionTreeRegressor(
            max_depth=self.depth, min_samples_leaf=self.least_leaf, random_state=seed
        )


@spec
class Bagging(AbstractEstimatorRegressor):
    """The mean of trees grown on bootstrap samples (Breiman 1996); see ``AbstractRegressor``.

    It loses when nothing is to be learnt; samples that overlap in time are nearer to each other than a bootstrap assumes.

    Attributes:
        trees: how many.
        least_leaf: fewest samples of a leaf.
    """

    trees: Annotated[int, at.Ge(1), at.Le(1000)] = 50
    least_leaf: Count = 50

    def estimator(self, seed: int) -> Any:
        """Return the ensemble."""
        from sklearn.ensemble import BaggingRegressor
        from sklearn.tree import DecisionTreeRegressor

        tree = DecisionTreeRegressor(min_samples_leaf=self.least_leaf)
        return BaggingRegressor(tree, n_estimators=self.trees, random_state=seed)


@spec
class RandomForest(AbstractEstimatorRegressor):
    """Bagged trees that see a random third of the features at each split (Breiman 2001); see ``AbstractRegressor``.

    It loses when nothing is to be learnt, and cannot go beyond the changes it has seen.

    Attributes:
        trees: how many.
        least_leaf: fewest samples of a leaf.
        share: share of the features that a split may use.
    """

    trees: Annotated[int, at.Ge(1), at.Le(1000)] = 50
    least_leaf: Count = 50
    share: Annotated[float, at.Gt(0), at.Le(1)] = 1 / 3

    def estimator(self, seed: int) -> Any:
        """Return the ensemble."""
        from sklearn.ensemble import RandomForestRegressor

        return RandomForestRegressor(
            self.trees, min_samples_leaf=self.least_leaf, max_features=self.share, random_state=seed
        )


@spec
class SupportVectors(AbstractEstimatorRegressor):
    """Support vector regression with a radial kernel (Vapnik 1995; Smola and Schölkopf 2004); see ``AbstractRegressor``.

    It loses on many samples, as its cost grows with their square, and on tails: beyond its rows it answers the mean.

    Attributes:
        cost: C, what an error outside the tube costs.
        tube: epsilon, the error that costs nothing, in deviations of the label.
    """

    cost: Annotated[float, at.Gt(0)] = 0.1
    tube: Annotated[float, at.Ge(0)] = 0.1
    most_samples: Annotated[int, at.Ge(1000)] = 4_000

    @property
    def trusted(self) -> tuple[str, ...]:
        """Nothing beyond what skops takes for harmless."""
        return ()

    def estimator(self, seed: int) -> Any:
        """Return the machine; its fit knows no chance."""
        from sklearn.svm import SVR

        return SVR(C=self.cost, epsilon=self.tube)


@spec
class MultilayerPerceptron(AbstractRegressor):
    """A network of one hidden layer of ReLU units, trained by Adam (Rumelhart, Hinton and Williams 1986).

    See ``AbstractRegressor``. It is trained for a fixed number of epochs by scikit-learn; its weights are kept as arrays.

    It loses when nothing is to be learnt: it then fits noise that the linear regression could not reach.

    Attributes:
        units: of the hidden layer.
        epochs: passes over the samples.
        batch: samples a step.
        decay: weight of the squared weights in the loss.
        learning_rate: of Adam.
    """

    units: Annotated[int, at.Ge(1), at.Le(1000)] = 16
    epochs: Count = 20
    batch: Count = 32
    decay: Annotated[float, at.Ge(0)] = 1e-2
    learning_rate: Annotated[float, at.Gt(0)] = 1e-3

    def learn(self, features: Floats, labels: Floats, seed: int) -> Arrays:
        """Return the weights and biases of both layers."""
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.neural_network import MLPRegressor

        network = MLPRegressor(
            hidden_layer_sizes=(self.units,),
            alpha=self.decay,
            learning_rate_init=self.learning_rate,
            batch_size=min(self.batch, len(labels)),
            max_iter=self.epochs,
            n_iter_no_change=self.epochs,
            random_state=seed,
        )
        with one_thread(), warnings.catch_warnings():
            # The number of epochs is a setting; that the loss could still fall is no news.
            warnings.simplefilter("ignore", ConvergenceWarning)
            network.fit(features, labels)
        (inner, outer), (shift, end) = network.coefs_, network.intercepts_
        return {"inner": inner.T.copy(), "shift": shift, "outer": outer[:, 0], "end": end}

    def answer(self, model: Arrays, features: Floats) -> Floats:
        """Return the labels of each row."""
        # A matrix product would give a row other bits in other company.
        hidden = [(features * weights).sum(axis=1) for weights in model["inner"]]
        active = np.maximum(np.column_stack(hidden) + model["shift"], 0.0)
        return np.asarray((active * model["outer"]).sum(axis=1) + model["end"][0])

    def store(self, model: Arrays, folder: Path) -> None:
        """Write weights and biases."""
        write_arrays(folder / _ARRAYS, model)

    def restore(self, folder: Path) -> Arrays:
        """Return weights and biases."""
        return _read(folder / _ARRAYS)


@spec
class GradientBoosting(AbstractRegressor):
    """Boosted trees of squared error (Friedman 2001) by XGBoost (Chen and Guestrin 2016); see ``AbstractRegressor``.

    The forecaster ``xgboost`` boosts quantiles instead and chooses its rounds; this one is the regressor of the papers.

    It loses when nothing is to be learnt: each round then adds a little noise.

    Attributes:
        rounds: trees.
        depth: most splits above a leaf.
        learning_rate: share of each tree that is added.
        least_leaf: fewest samples of a leaf.
    """

    rounds: Annotated[int, at.Ge(1), at.Le(5000)] = 60
    depth: Annotated[int, at.Ge(1), at.Le(16)] = 3
    learning_rate: Annotated[float, at.Gt(0), at.Le(1)] = 0.05
    least_leaf: Count = 50

    def learn(self, features: Floats, labels: Floats, seed: int) -> Any:
        """Return the booster."""
        import xgboost

        settings = {
            "objective": "reg:squarederror",
            "tree_method": "hist",
            "max_depth": self.depth,
            "max_bin": 64,
            "learning_rate": self.learning_rate,
            "min_child_weight": self.least_leaf,
            "nthread": 1,
            "seed": seed,
            "verbosity": 0,
        }
        data = xgboost.QuantileDMatrix(features, labels, max_bin=64, nthread=1)
        return xgboost.train(settings, data, num_boost_round=self.rounds)

    def answer(self, model: Any, features: Floats) -> Floats:
        """Return the labels of each row."""
        import xgboost

        return np.asarray(model.predict(xgboost.DMatrix(features, nthread=1)), np.float64)

    def store(self, model: Any, folder: Path) -> None:
        """Write the booster's own JSON."""
        (folder / _BOOSTER).write_bytes(model.save_raw("json"))

    def restore(self, folder: Path) -> Any:
        """Return the booster."""
        import xgboost

        booster = xgboost.Booster({"nthread": 1})
        try:
            booster.load_model(bytearray((folder / _BOOSTER).read_bytes()))
        except (OSError, xgboost.core.XGBoostError) as error:
            raise ForecastError(f"{_BOOSTER} cannot be read: {error}") from error
        return booster
