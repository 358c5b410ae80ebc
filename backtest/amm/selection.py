"""Selection: how many different actions a learned policy really used, from what it decided."""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from backtest.amm.policies.base import RangeDecision


def is_learned(decision: RangeDecision) -> bool:
    """Return whether a decision was a choice of a learned policy; those of rules have no entropy."""
    return not np.isnan(decision.entropy)


def action_entropy(decisions: Sequence[RangeDecision]) -> float:
    """Return the entropy in nats of how often each action was taken; NaN for a rule.

    Actions are told apart by their reason, which of a learned policy is the action's name. This is not the mean of the decisions'
    own entropies: those say how close the values of the actions were at each decision.
    """
    counts = np.array(list(Counter(each.reason for each in decisions if is_learned(each)).values()), float)
    if not len(counts):
        return float("nan")
    shares = counts / counts.sum()
    return float(abs((shares * np.log(shares)).sum()))


def selection_verdict(decisions: Sequence[RangeDecision]) -> str:
    """Return what a learned policy's actions amount to, in a sentence; empty for a rule.

    A policy that knows one place for its liquidity, or none, is a static selection, however it found it.
    """
    learned = [each for each in decisions if is_learned(each)]
    if not learned:
        return ""
    placements = Counter(each.reason for each in learned if each.ranges is not None)
    if not placements:
        return f"static selection: all {len(learned)} decisions left everything as it was"
    if len(placements) == 1:
        name, count = next(iter(placements.items()))
        return f"static selection: the only range it opened was '{name}', {count} times in {len(learned)} decisions"
    return (
        f"{len(placements)} kinds of ranges in {len(learned)} decisions, {sum(placements.values())} moves; "
        f"entropy of its actions {action_entropy(learned):.2f} nats"
    )
