"""Wishes: what a book-free policy wants at many decisions, whatever the account holds by then."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from data.panel import Floats


class Wager(NamedTuple):
    """What a growth-optimal weight is chosen from: one unit of weight on each series at each decision.

    Attributes:
        returns: (K, S, Q) possible returns, NaN where nothing was forecast; (0, 0, 0) for a policy that does not wager.
        masses: (Q,) their probabilities.
        fraction: share of the optimal position that is taken.
    """

    returns: Floats
    masses: Floats
    fraction: float


class Wishes(NamedTuple):
    """What is wanted at K decisions of S series in the book's order; ``settlement`` makes it weights of an account.

    Attributes:
        weights: (K, S) wanted; NaN = the growth-optimal weight if there is a wager, else what is held by then.
        risky: (K, S) no position is opened or enlarged.
        long_only: no short position is wanted, not even one that is held.
        once: nothing is wanted of an account that holds anything.
        wager: of a policy that needs the held position to choose the next one.
    """

    weights: Floats
    risky: npt.NDArray[np.bool_]
    long_only: bool
    once: bool
    wager: Wager


NO_WAGER = Wager(np.empty((0, 0, 0)), np.empty(0), 1.0)
"""The wager of a policy whose wishes do not depend on what is held."""


def wishes_of(
    weights: Floats,
    risky: npt.NDArray[np.bool_] | None = None,
    *,
    long_only: bool = False,
    once: bool = False,
    wager: Wager = NO_WAGER,
) -> Wishes:
    """Return wishes with arrays as the compiled settlement takes them; without ``risky`` nothing is."""
    flags = np.zeros(weights.shape, bool) if risky is None else np.array(risky, bool, order="C")
    return Wishes(np.array(weights, np.float64, order="C"), flags, long_only, once, wager)
