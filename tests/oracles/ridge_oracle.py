"""The slow, obvious twin of ``forecast.models.ridge`` on complete data: explicit windows, one stacked least squares a penalty."""

import numpy as np


def windows(rows, context, horizon, starts):
    inputs, targets = [], []
    for i in starts:
        window = rows[i : i + context + horizon]
        inputs.append(window[:context] - window[context - 1])
        targets.append(window[context:] - window[context - 1])
    return np.array(inputs), np.array(targets)


def split(count, context, horizon, share):
    """Return the first rows of fitted, bridging and validation windows, by where their targets lie."""
    valid = count - round(share * count)
    fitted, between, validating = [], [], []
    for i in range(count - context - horizon + 1):
        first, last = i + context, i + context + horizon - 1
        (fitted if last < valid else validating if first >= valid else between).append(i)
    return fitted, between, validating


def ridge(inputs, targets, penalty):
    """Return the weights as the least-squares answer to the rows and sqrt(penalty) times the identity below them."""
    size = inputs.shape[1]
    stacked = np.vstack([inputs, np.sqrt(penalty) * np.eye(size)])
    padded = np.vstack([targets, np.zeros((size, targets.shape[1]))])
    return np.linalg.lstsq(stacked, padded, rcond=None)[0]


def fit(columns, context, horizon, share, penalties, *, scaled, refit=False):
    """Return weights, penalty and, by column, the validation errors, of one map over all columns (1-D arrays)."""
    fitted, between, validating = split(len(columns[0]), context, horizon, share)

    def pooled(starts):
        parts = [windows(rows, context, horizon, starts) for rows in columns]
        return np.vstack([x for x, _ in parts]), np.vstack([y for _, y in parts])

    def unit(inputs):
        return len(inputs) * (np.mean(inputs**2) if scaled else 1.0)

    inputs, targets = pooled(fitted)
    seen, truth = pooled(validating)
    errors = {p: np.mean((truth - seen @ ridge(inputs, targets, p * unit(inputs))) ** 2) for p in penalties}
    penalty = min(errors, key=errors.get)
    weights = ridge(inputs, targets, penalty * unit(inputs))
    residuals = []
    for rows in columns:
        x, y = windows(rows, context, horizon, validating)
        residuals.append(y - x @ weights)
    if refit:
        inputs, targets = pooled(fitted + between + validating)
        weights = ridge(inputs, targets, penalty * unit(inputs))
    return weights, penalty, residuals
