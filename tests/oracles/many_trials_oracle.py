"""Slow, obvious twins of ``backtest.metrics.superiority`` and ``overfitting``: plain loops over lists.

``rows`` is a list of resamples, each a list of T drawn positions; returns are lists of T rows of N numbers.
"""

import itertools
import math


def columns(table):
    return [list(column) for column in zip(*table, strict=True)]


def mean(values):
    return math.fsum(values) / len(values)


def deviation(values, ddof):
    centre = mean(values)
    return math.sqrt(math.fsum((v - centre) ** 2 for v in values) / (len(values) - ddof))


def long_run_variance(values, block):
    centre, count = mean(values), len(values)
    away = [v - centre for v in values]
    total = math.fsum(a * a for a in away) / count
    for lag in range(1, count):
        kappa = (1 - lag / count) * (1 - 1 / block) ** lag + lag / count * (1 - 1 / block) ** (count - lag)
        total += 2 * kappa * math.fsum(a * b for a, b in zip(away, away[lag:], strict=False)) / count
    return total


def superiority(table, block, rows):
    """Return (lower, consistent, upper, reality check, stepwise) p-values of differentials."""
    raw = columns(table)
    scaled = [[v / deviation(column, 0) for v in column] for column in raw]
    count = len(table)
    means = [mean(column) for column in scaled]
    limits = [
        -math.sqrt(long_run_variance(column, block) / count * 2 * math.log(math.log(count)))
        for column in scaled
    ]
    centres = {
        "lower": [max(m, 0.0) for m in means],
        "consistent": [m if m >= limit else 0.0 for m, limit in zip(means, limits, strict=True)],
        "upper": means,
    }
    found = {name: p_value(scaled, centre, rows, range(len(raw))) for name, centre in centres.items()}
    found["reality_check"] = p_value(raw, [mean(column) for column in raw], rows, range(len(raw)))
    found["stepwise"] = stepwise(scaled, centres["consistent"], rows)
    return found


def p_value(every, centres, rows, tested):
    observed = max(mean(every[k]) for k in tested)
    above = 0
    for drawn in rows:
        largest = max(mean([every[k][t] for t in drawn]) - centres[k] for k in tested)
        above += largest > observed
    return (1 + above) / (1 + len(rows))


def stepwise(every, centres, rows):
    left = sorted(range(len(every)), key=lambda k: -mean(every[k]))
    found, highest = [0.0] * len(every), 0.0
    while left:
        highest = max(highest, p_value(every, centres, rows, left))
        found[left.pop(0)] = highest
    return found


def ratio(values):
    return mean(values) / deviation(values, 1)


def overfitting(table, blocks):
    """Return [(inside ratio, outside ratio, rank / (N + 1))] of every half."""
    size, extra = divmod(len(table), blocks)
    ends = list(itertools.accumulate([0] + [size + (b < extra) for b in range(blocks)]))
    cut = [table[start:end] for start, end in itertools.pairwise(ends)]
    found = []
    for half in itertools.combinations(range(blocks), blocks // 2):
        here = [ratio(c) for c in columns([row for b in half for row in cut[b]])]
        there = [ratio(c) for c in columns([row for b in range(blocks) if b not in half for row in cut[b]])]
        best = here.index(max(here))
        below = sum(value < there[best] for value in there)
        found.append((here[best], there[best], (below + 1) / (len(here) + 1)))
    return found
