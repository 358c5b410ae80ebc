"""Slow, obvious twins: profiles swap by swap and bin by bin, Brownian paths by quadrature, scores by definition."""

import math

import numpy as np
from scipy.integrate import quad
from scipy.stats import norm

LOG_TICK = math.log(1.0001)


def profile(swaps, start, end, edges):
    """Path of each swap in each bin of offsets in ticks, up over s(start) and down times it; outer bins without an end."""
    before = [s for s, t in zip(swaps.sqrt_after, swaps.times, strict=True) if t <= start][-1]
    roots = [before * math.exp(0.5 * LOG_TICK * edge) for edge in edges]
    roots[0], roots[-1] = 1e-300, 1e300
    found = np.zeros((len(edges) - 1, 2))
    for s, to, time in zip(swaps.sqrt_before, swaps.sqrt_after, swaps.times, strict=True):
        if not start < time <= end:
            continue
        for b in range(len(edges) - 1):
            low, high = max(min(s, to), roots[b]), min(max(s, to), roots[b + 1])
            if high > low and to > s:
                found[b, 0] += (high - low) / before
            elif high > low:
                found[b, 1] += (1.0 / low - 1.0 / high) * before
    return found


def occupied_share(low, high, deviation):
    """Share of a Brownian motion's variance spent between two levels, by quadrature over time."""

    def inside(variance):
        return norm.cdf(high / math.sqrt(variance)) - norm.cdf(low / math.sqrt(variance))

    return quad(inside, 0.0, deviation**2, limit=200)[0] / deviation**2


def expected_errors(errors, ends, cutoffs, least):
    """Errors less the mean of those over by each cutoff, one by one."""
    found = []
    for error, cutoff in zip(errors, cutoffs, strict=True):
        known = [e for e, end in zip(errors, ends, strict=True) if end <= cutoff]
        found.append(error - (sum(known) / len(known) if len(known) >= least else 0.0))
    return np.array(found)


def earth_mover(first, second, middles):
    """Least work to turn one shape into the other: mass is carried bin by bin from the left."""
    carried, work = 0.0, 0.0
    for b in range(len(first) - 1):
        carried += first[b] / sum(first) - second[b] / sum(second)
        work += abs(carried) * (middles[b + 1] - middles[b])
    return work
