"""Slow twins of the probability scores: loops over samples, straight from the definitions."""

import math


def brier(classes, probabilities):
    total = 0.0
    for truth, row in zip(classes, probabilities, strict=True):
        total += sum((p - (1.0 if k == truth else 0.0)) ** 2 for k, p in enumerate(row))
    return total / len(classes)


def log_loss(classes, probabilities):
    return -sum(math.log(row[truth]) for truth, row in zip(classes, probabilities, strict=True)) / len(
        classes
    )


def binary_balance(p, y):
    """Return f(p, y) of arXiv 2309.06248."""
    if p >= 0.5:
        return 1 - p if y == 1 else -p
    return p if y == 0 else p - 1


def calibration_error(classes, probabilities, bins):
    total = 0.0
    for b in range(bins):
        held = []
        for truth, row in zip(classes, probabilities, strict=True):
            confidence = max(row)
            asked = max(k for k, p in enumerate(row) if p == confidence)
            if b / bins <= confidence < (b + 1) / bins or (b == bins - 1 and confidence == 1.0):
                held.append((confidence, asked == truth))
        if held:
            gap = sum(hit for _, hit in held) / len(held) - sum(c for c, _ in held) / len(held)
            total += len(held) / len(classes) * abs(gap)
    return total
