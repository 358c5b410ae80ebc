"""Slow twins of the forecast scores and comparisons: loops, one number at a time, straight from the definitions."""

import math

import numpy as np


def pinball(truth: float, quantile: float, level: float) -> float:
    return level * (truth - quantile) if truth >= quantile else (1 - level) * (quantile - truth)


def crps_of_grid(truth: float, quantiles: np.ndarray, levels: np.ndarray) -> float:
    """Return twice the pinball integral: trapezoids inside, a fine sum over tails held at the outermost quantile."""
    inside = 0.0
    for i in range(len(levels) - 1):
        pair = [pinball(truth, quantiles[j], levels[j]) for j in (i, i + 1)]
        inside += (levels[i + 1] - levels[i]) * sum(pair) / 2
    cells = 2000
    low = (np.arange(cells) + 0.5) / cells * levels[0]
    high = levels[-1] + (np.arange(cells) + 0.5) / cells * (1 - levels[-1])
    tails = sum(pinball(truth, quantiles[0], level) for level in low) * levels[0] / cells
    tails += sum(pinball(truth, quantiles[-1], level) for level in high) * (1 - levels[-1]) / cells
    return 2 * (inside + tails)


def normal_crps(truth: float, mean: float, deviation: float) -> float:
    """Return the closed form of Gneiting and Raftery (2007), eq. 21."""
    z = (truth - mean) / deviation
    below = 0.5 * (1 + math.erf(z / math.sqrt(2)))
    density = math.exp(-z * z / 2) / math.sqrt(2 * math.pi)
    return deviation * (z * (2 * below - 1) + 2 * density - 1 / math.sqrt(math.pi))


def interval_score(truth: float, lower: float, upper: float, coverage: float) -> float:
    miss = 1 - coverage
    if truth < lower:
        return (upper - lower) + 2 / miss * (lower - truth)
    if truth > upper:
        return (upper - lower) + 2 / miss * (truth - upper)
    return upper - lower


def probability_integral(truth: float, quantiles: np.ndarray, levels: np.ndarray) -> float:
    equal = [level for quantile, level in zip(quantiles, levels, strict=True) if quantile == truth]
    if equal:
        return (equal[0] + equal[-1]) / 2
    if truth < quantiles[0]:
        return levels[0] / 2
    if truth > quantiles[-1]:
        return (1 + levels[-1]) / 2
    return float(np.interp(truth, quantiles, levels))


def hln(d: np.ndarray, lags: int) -> tuple[float, float]:
    """Return the Diebold-Mariano statistic with equal weights, and with the HLN correction."""
    count, mean = len(d), sum(d) / len(d)
    variance = 0.0
    for k in range(-lags, lags + 1):
        terms = [(d[i] - mean) * (d[i - abs(k)] - mean) for i in range(abs(k), count)]
        variance += sum(terms) / count
    plain = mean / math.sqrt(variance / count)
    h = lags + 1
    return plain, plain * math.sqrt((count + 1 - 2 * h + h * (h - 1) / count) / count)


def conformal_rank(scores: list[float], alpha: float) -> float:
    """Return the smallest score that at least (n + 1)(1 - alpha) of the n scores do not exceed, or infinity."""
    known = sorted(score for score in scores if not math.isnan(score))
    for i, score in enumerate(known, start=1):
        if i >= (len(known) + 1) * (1 - alpha) - 1e-9:
            return score
    return math.inf


def adaptive_levels(misses: list[bool], alpha: float, gamma: float) -> list[float]:
    """Return a_1 .. a_{T+1} of adaptive conformal inference for given misses."""
    trail = [alpha]
    for missed in misses:
        trail.append(trail[-1] + gamma * (alpha - (1 if missed else 0)))
    return trail
