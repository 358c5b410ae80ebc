"""The variance horizon, slow and obvious: every window's distances from scratch; and the made matrices it is judged on."""

import numpy as np


def spread_ratio(features, horizon, t, has_diagonal):
    """s_H(t) / s_W(t), NaN where the window has no spread."""
    window, ahead = features[len(features) - horizon - t :], features[len(features) - horizon :]
    inside = np.sqrt(((window[:, None, :] - window[None, :, :]) ** 2).sum(axis=2))
    across = np.sqrt(((window[:, None, :] - ahead[None, :, :]) ** 2).sum(axis=2))
    kept = inside.ravel() if has_diagonal else inside[~np.eye(len(window), dtype=bool)]
    return across.std() / kept.std() if kept.size and kept.std() > 0 else np.nan


def training_rows(features, horizon, *, step, values, least, tolerance, has_diagonal, test_rows):
    """Rows to train on; ``least`` ratios must be there before it may stop."""
    ratios = []
    for t in range(0, len(features) - horizon, step):
        ratios.append(spread_ratio(features, horizon, t, has_diagonal))
        if len(ratios) >= least and np.mean(np.abs(np.diff(ratios[-values:]))) < tolerance:
            return min(t + test_rows, len(features))
    return len(features)


def minmax(columns):
    low, high = columns.min(axis=0), columns.max(axis=0)
    return 2 * (columns - low) / (high - low) - 1


def made_matrices(rows=500, columns=4):
    """Four kinds of features by name, each column between -1 and 1: the cases of the equality with datasieve."""
    rng = np.random.default_rng(0)
    noise = rng.standard_normal((4, rows, columns))
    memory = noise[1].copy()
    for t in range(1, rows):
        memory[t] += 0.95 * memory[t - 1]
    hours = np.arange(rows)[:, None]
    diurnal = np.sin(2 * np.pi * hours / 24 + np.arange(columns)) + 0.3 * noise[3]
    made = {
        "iid": noise[0],
        "AR(.95)": memory,
        "random walk": np.cumsum(noise[2], axis=0),
        "diurnal": diurnal,
    }
    return {name: minmax(matrix) for name, matrix in made.items()}


def garch_returns(rng, rows):
    """60 returns more than ``rows``: variance 2e-6 + .08 r^2 + .90 v from 1e-4 on, t shocks of 5 degrees, unit variance."""
    returns, variance = np.empty(rows + 60), 1e-4
    for t in range(len(returns)):
        returns[t] = np.sqrt(variance) * rng.standard_t(5) / np.sqrt(5 / 3)
        variance = 2e-6 + 0.08 * returns[t] ** 2 + 0.90 * variance
    return returns


def garch_features(returns, *, with_volatility):
    """The returns of each day and the five before it, and the root mean square of the last 20, from day 60 on."""
    days = np.arange(60, len(returns))
    columns = [returns[days - lag] for lag in range(6)]
    if with_volatility:
        columns.append(np.array([np.sqrt(np.mean(returns[day - 19 : day + 1] ** 2)) for day in days]))
    return np.column_stack(columns)
