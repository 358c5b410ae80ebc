"""Selection written down slowly and plainly: one loop a definition."""

import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np


def ranking(estimates: Sequence[float], costs: Sequence[float], ids: Sequence[str]) -> list[int]:
    def key(i: int) -> tuple[float, float, str]:
        return (-estimates[i] if math.isfinite(estimates[i]) else math.inf, costs[i], ids[i])

    return sorted(range(len(estimates)), key=key)


def ratio(chosen: Sequence[float], baseline: float, ddof: int, includes: bool, floor: float = 0.0) -> float:
    """SharpeRatio@k of the values chosen; NaN where it is not defined."""
    members = [baseline, *chosen] if includes else list(chosen)
    if len(members) < 2:
        return math.nan
    mean = sum(members) / len(members)
    variance = sum((each - mean) ** 2 for each in members) / (len(members) - ddof)
    if max(members) == min(members):
        variance = 0.0
    scale = math.sqrt(variance + floor)
    return max(max(chosen) - baseline, 0.0) / scale if scale > 0 else math.nan


def exact_p_value(values: Sequence[float], observed: float, k: int, baseline: float) -> float:
    """Share of all subsets of size k whose ratio (code convention) is as large."""
    found = [ratio(subset, baseline, 1, False) for subset in itertools.combinations(values, k)]
    return sum(math.isnan(each) or each >= observed - 1e-9 for each in found) / len(found)


def distinct(order: Sequence[int], cluster: Sequence[int]) -> list[int]:
    kept: list[int] = []
    for i in order:
        if cluster[i] not in [cluster[j] for j in kept]:
            kept.append(i)
    return kept


def volatility(excess: Sequence[float], q: float, half_life: float, least: int) -> list[float]:
    """Exponentially weighted root mean square of everything before each period, annual."""
    found = []
    for t in range(len(excess)):
        weights = [0.5 ** ((t - 1 - s) / half_life) for s in range(t)]
        if t < least:
            found.append(math.nan)
        else:
            squares = sum(w * x * x for w, x in zip(weights, excess[:t], strict=True))
            found.append(math.sqrt(squares / sum(weights) * q))
    return found


def value(returns: Sequence[float], rf: float, q: float) -> list[float]:
    """Utilities of each period with the target 10 % and the cap 3; NaN while fewer than 20 periods are known."""
    sigma = volatility([r - rf for r in returns], q, q / 12, 20)
    found = []
    for r, s in zip(returns, sigma, strict=True):
        scale = min(0.1 / s, 3.0) if s > 0 else 3.0
        found.append(math.nan if math.isnan(s) else math.log(1 + rf + scale * (r - rf)) - math.log(1 + rf))
    return found


def best_p_value(null: Any, row: int) -> float:
    """The smallest p-value over k of one null row among all rows (exact enumeration)."""
    return min(
        sum(null[b][k] >= null[row][k] - 1e-9 for b in range(len(null))) / len(null)
        for k in range(len(null[0]))
    )


def corrected_p_values(null: Any, observed: Sequence[float]) -> list[float]:
    alone = [np.mean([row[k] >= observed[k] - 1e-9 for row in null]) for k in range(len(observed))]
    best = [best_p_value(null, b) for b in range(len(null))]
    return [float(np.mean([each <= p + 1e-12 for each in best])) for p in alone]
