"""Multivariate adaptive regression splines: products of hinges, grown forward and pruned by GCV (Friedman 1991)."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from data.panel import Floats

Whole = npt.NDArray[np.int64]

ALPHA = 0.05
"""Chance with which noise may bend a spline between two knots (Friedman 1991, eq. 43 and 45)."""

LEAST_GAIN = 1e-4
"""Growing stops when a pair explains less than this share of the variance."""

TINY = 1e-6
"""A column of which less than this share is new counts as already there."""


@dataclass(frozen=True, eq=False)
class Splines:
    """Basis functions and their coefficients: f(x) = sum_m c_m prod_k [s_km (x_v(k,m) - t_km)]+ (Friedman 1991, eq. 16).

    A basis function is its parent times one hinge; the first is the constant 1. Parents come before their children, and
    functions that pruning dropped stay, with coefficient 0, for the children that may need them.

    Attributes:
        parents: (M,) index of the function multiplied, -1 for the constant.
        variables: (M,) the feature of the hinge, -1 for the constant.
        knots: (M,) t.
        signs: (M,) s, +1 or -1; 0 for the constant.
        coefficients: (M,) c.
    """

    parents: Whole
    variables: Whole
    knots: Floats
    signs: Floats
    coefficients: Floats

    def basis(self, features: Floats) -> Floats:
        """Return every basis function at features (N, F), (N, M)."""
        columns = [np.ones(len(features))]
        for parent, variable, knot, sign in self._hinges():
            columns.append(columns[parent] * hinge(features[:, variable], knot, sign))
        return np.column_stack(columns)

    def answer(self, features: Floats) -> Floats:
        """Return f at features (N, F), (N,); each row's bits are its own, whatever stands beside it."""
        return np.asarray((self.basis(features) * self.coefficients).sum(axis=1))

    def arrays(self) -> dict[str, npt.NDArray[np.generic]]:
        """Return all that defines it, by name."""
        return dict(vars(self))

    @classmethod
    def of(cls, arrays: Mapping[str, npt.NDArray[np.generic]]) -> "Splines":
        """Return the splines that ``arrays`` described."""
        return cls(**{name: np.asarray(arrays[name]) for name in cls.__dataclass_fields__})

    def _hinges(self) -> list[tuple[int, int, float, float]]:
        columns = (self.parents[1:], self.variables[1:], self.knots[1:], self.signs[1:])
        return list(zip(*(column.tolist() for column in columns), strict=True))


def hinge(values: Floats, knot: float, sign: float) -> Floats:
    """Return [sign (values - knot)]+, same shape."""
    return np.asarray(np.maximum(sign * (values - knot), 0.0))


@dataclass(frozen=True)
class Candidate:
    """The best pair of hinges of one parent and feature: how much squared error it takes away, and its knot."""

    gain: float
    parent: int
    variable: int
    knot: float


@dataclass(frozen=True, eq=False)
class Growth:
    """The forward pass so far.

    Attributes:
        features: (N, F).
        order: (N, F) rows in falling order of each feature.
        degree: most hinges a function multiplies.
        functions: parent, variable, knot and sign of every function.
        columns: (N, M) their values.
        span: (N, R) an orthonormal basis of the columns.
        left: (N,) what the functions leave of the labels.
    """

    features: Floats
    order: Whole
    degree: int
    functions: tuple[tuple[int, int, float, float], ...]
    columns: Floats
    span: Floats
    left: Floats

    def depth(self, function: int) -> int:
        """Return how many hinges a function multiplies."""
        parent = self.functions[function][0]
        return 0 if parent < 0 else 1 + self.depth(parent)

    def uses(self, function: int, variable: int) -> bool:
        """Return whether a function already holds a hinge in that feature; each may come once (Friedman 1991, 3.2)."""
        parent, own = self.functions[function][:2]
        return parent >= 0 and (own == variable or self.uses(parent, variable))

    def best(self) -> Candidate | None:
        """Return the pair that takes away most, or None when there is none."""
        found = [
            best_knot(self, parent, variable)
            for parent in range(len(self.functions))
            if self.depth(parent) < self.degree
            for variable in range(self.features.shape[1])
            if not self.uses(parent, variable)
        ]
        return max((each for each in found if each is not None), key=lambda each: each.gain, default=None)

    def fresh(self, column: Floats) -> Floats | None:
        """Return the unit vector of what a column (N,) adds to the span, or None when that is rounding."""
        new = column
        for _ in range(2):
            new = new - self.span @ (self.span.T @ new)
        length = float(np.linalg.norm(new))
        return None if length <= TINY * float(np.linalg.norm(column)) else np.asarray(new / length)

    def with_pair(self, chosen: Candidate) -> "Growth":
        """Return the growth with the hinges of a candidate, less those that are already spanned."""
        grown = self
        for sign in (1.0, -1.0):
            column = self.columns[:, chosen.parent] * hinge(
                self.features[:, chosen.variable], chosen.knot, sign
            )
            fresh = grown.fresh(column)
            if fresh is not None:
                grown = replace(
                    grown,
                    functions=(*grown.functions, (chosen.parent, chosen.variable, chosen.knot, sign)),
                    columns=np.column_stack([grown.columns, column]),
                    span=np.column_stack([grown.span, fresh]),
                    left=grown.left - fresh * (fresh @ grown.left),
                )
        return grown


def first_growth(features: Floats, labels: Floats, degree: int) -> Growth:
    """Return the growth that holds the constant only."""
    ones = np.ones((len(labels), 1))
    order = np.argsort(-features, axis=0, kind="stable")
    start = ((-1, -1, 0.0, 0.0),)
    return Growth(features, order, degree, start, ones, ones / np.sqrt(len(labels)), labels - labels.mean())


def best_knot(growth: Growth, parent: int, variable: int) -> Candidate | None:
    """Return the best knot of one parent and feature, None when the pair adds nothing.

    The pair spans b x and b [x - t]+, b the parent. With rows in falling order of x, every inner product with [x - t]+ is
    a running sum (Friedman 1991, section 3.9), so all knots together cost one pass.
    """
    rows = growth.order[:, variable]
    values, b = growth.features[rows, variable], growth.columns[rows, parent]
    line = growth.fresh(growth.columns[:, parent] * growth.features[:, variable])
    if line is None:
        span, slope = growth.span, 0.0
    else:
        span, slope = np.column_stack([growth.span, line]), float(line @ growth.left)
    places = knot_places(values, b, growth.features.shape[1])
    if not len(places):
        return None if line is None else Candidate(slope**2, parent, variable, float(values[-1]))
    # Measured from the lowest value, which keeps the running sums small.
    height = values - values[-1]
    size = _hinge_sums(height, places, (b**2)[:, None], 2)[:, 0]
    weighed = np.column_stack([span, growth.left])[rows] * b[:, None]
    products = _hinge_sums(height, places, weighed, 1)
    inside, outside = products[:, :-1], products[:, -1]
    if line is not None:
        outside = outside - inside[:, -1] * slope
    fresh = size - (inside**2).sum(axis=1)
    gains = np.divide(outside**2, fresh, out=np.zeros(len(places)), where=fresh > TINY * size)
    top = int(np.argmax(gains))
    return Candidate(slope**2 + float(gains[top]), parent, variable, float(values[places[top]]))


def _hinge_sums(height: Floats, places: Whole, weights: Floats, power: Literal[1, 2]) -> Floats:
    """Return sum_i w_i [h_i - h_place]+^power for every place and column of weights, (P, K); heights fall."""
    t = height[places][:, None]
    sums = [np.cumsum(weights * (height**k)[:, None], axis=0)[places] for k in range(power + 1)]
    if power == 1:
        return np.asarray(sums[1] - t * sums[0])
    return np.asarray(sums[2] - 2.0 * t * sums[1] + t**2 * sums[0])


def knot_places(values: Floats, parent: Floats, features: int) -> Whole:
    """Return the rows whose value may be a knot, from values (N,) in falling order.

    Rows where the parent is 0 do not count. The outer ones and those nearer to each other than noise can bend are left
    out: L_e = 3 - log2(alpha / n) and L = -log2(-ln(1 - alpha) / (n N_m)) / 2.5 (Friedman 1991, eq. 45 and 43).
    """
    active = np.flatnonzero(parent > 0.0)
    count = len(active)
    if count == 0:
        return active
    ends = int(np.ceil(3.0 - np.log2(ALPHA / features)))
    between = max(1, int(-np.log2(-np.log(1.0 - ALPHA) / (features * count)) / 2.5))
    chosen = active[ends : count - ends : between]
    return np.asarray(chosen[values[chosen] > values[-1]])


def fit_splines(features: Floats, labels: Floats, *, terms: int, degree: int, penalty: float) -> Splines:
    """Return the splines fitted to a table.

    Args:
        features: (N, F) finite, of about unit spread.
        labels: (N,) finite.
        terms: most basis functions grown, the constant among them.
        degree: most hinges that a basis function multiplies; 1 is additive.
        penalty: d, the cost of a knot in coefficients (Friedman 1991, eq. 32); 3 is his choice, 2 for additive models.
    """
    growth = first_growth(features, labels, degree)
    enough = LEAST_GAIN * float(growth.left @ growth.left)
    while len(growth.functions) + 2 <= terms:
        chosen = growth.best()
        if chosen is None or chosen.gain <= enough:
            break
        growth = growth.with_pair(chosen)
    kept = prune(growth.columns, labels, penalty)
    coefficients = np.zeros(growth.columns.shape[1])
    coefficients[kept] = np.linalg.lstsq(growth.columns[:, kept], labels, rcond=None)[0]
    parents, variables, knots, signs = zip(*growth.functions, strict=True)
    return Splines(
        np.array(parents, np.int64),
        np.array(variables, np.int64),
        np.array(knots),
        np.array(signs),
        coefficients,
    )


def gcv(squares: float, rows: int, terms: int, penalty: float) -> float:
    """Return the generalised cross-validation score of a fit: (S / N) / (1 - C / N)^2, infinite where C >= N.

    C = M + d (M - 1) / 2: a coefficient a function and d a knot, two functions sharing one (Friedman 1991, eq. 30 to 32).
    """
    cost = terms + penalty * (terms - 1) / 2.0
    return float("inf") if cost >= rows else squares / rows / (1.0 - cost / rows) ** 2


def prune(basis: Floats, labels: Floats, penalty: float) -> Whole:
    """Return the functions that are kept, increasing, the constant always: the subset of least GCV on the way down.

    From all functions, the one whose loss raises the squared error least goes first (Friedman 1991, algorithm 3). The
    basis is replaced by the triangle of its QR decomposition, which has the same squared errors but for a constant.
    """
    rotation, triangle = np.linalg.qr(basis)
    target = rotation.T @ labels
    outside = max(float(labels @ labels) - float(target @ target), 0.0)

    def squares(kept: Whole) -> float:
        found = np.linalg.lstsq(triangle[:, kept], target, rcond=None)[0]
        return outside + float(((triangle[:, kept] @ found - target) ** 2).sum())

    way = [np.arange(basis.shape[1])]
    while len(way[-1]) > 1:
        way.append(min((np.delete(way[-1], i) for i in range(1, len(way[-1]))), key=squares))
    return min(way[::-1], key=lambda kept: gcv(squares(kept), len(labels), len(kept), penalty))
