"""Detectors of change, slow and obvious: each keeps every value and starts from scratch at each one."""

import math

import numpy as np


def climb(values, slack, forgetting, reference=()):
    """Page-Hinkley's climb above the lowest sum, and fall below the highest one, after the last value."""
    rises, falls, rise, fall = [], [], 0.0, 0.0
    for t in range(len(values)):
        deviation = values[t] - np.mean([*reference, *values[: t + 1]])
        rise = forgetting * rise + deviation - slack
        fall = forgetting * fall + deviation + slack
        rises.append(rise)
        falls.append(fall)
    return rises[-1] - min(rises), max(falls) - falls[-1]


def bucket_sizes(count, row=5):
    """Sizes of the buckets after ``count`` values, the oldest first."""
    sizes = []
    for _ in range(count):
        sizes.append(1)
        size = 1
        while sizes.count(size) > row:
            first = sizes.index(size)
            sizes[first : first + 2] = [2 * size]
            size *= 2
    return sizes


def differ(older, newer, variance, delta):
    """The test of two means at confidence delta; 1 to 4 values are left out of each part's size as river does."""
    count = len(older) + len(newer)
    prime = math.log(2 * math.log(count) / delta)
    inverse = 1 / (len(older) - 4) + 1 / (len(newer) - 4)
    bound = math.sqrt(2 * inverse * variance * prime) + 2 / 3 * prime * inverse
    return abs(np.mean(newer) - np.mean(older)) > bound


def any_cut_differs(values, delta):
    """Whether any cut between buckets, with five values on both sides, tells the parts apart."""
    edges = np.cumsum(bucket_sizes(len(values)))[:-1]
    kept = [edge for edge in edges if edge >= 5 and len(values) - edge >= 5]
    return any(differ(values[:edge], values[edge:], np.var(values), delta) for edge in kept)


def repeated_ratio(values, ratio, lower):
    """Totals of a test that begins again at or below the lower bound."""
    totals = [0.0]
    for value in values:
        total = totals[-1] + ratio(value)
        totals.append(0.0 if total <= lower else total)
    return totals[1:]
