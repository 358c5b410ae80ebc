"""A moving-average cross the slow way: every mean summed anew."""

import math
from fractions import Fraction


def mean(closes, length):
    return sum(map(Fraction, closes[-length:])) / length


def targets(closes, fast, slow, weight):
    """Target weights of one series from its closes, NaN where nothing is asked for; NaN closes repeat the last one."""
    asked, seen, held = [], [], False
    for close in closes:
        if not math.isnan(close):
            seen.append(close)
        elif seen:
            seen.append(seen[-1])
        wanted = held if len(seen) < slow else mean(seen, fast) > mean(seen, slow)
        asked.append(math.nan if wanted == held else weight if wanted else 0.0)
        held = wanted
    return asked
