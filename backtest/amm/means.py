"""Means over windows: what every policy made against holding and against the passive one, and how sure that is."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from backtest.amm.contest import ALWAYS, Contest
from backtest.amm.inference import BLOCKS, WindowMean, holm_p_values, used_block, verdict, window_mean
from backtest.amm.spec import HOLD
from data.panel import Floats
from forecast.randomness import RandomStreams

SHARES: tuple[str, ...] = ("fees", "divergence", "gas", "conversion", "lvr")
"""Parts of a statement that the summary gives in basis points of the capital."""

AVERAGES: tuple[str, ...] = (
    "in_range_share", "capital_efficiency", "concentration", "fee_apr", "rebalances", "entropy",
)  # fmt: skip


def policies_table(contest: Contest, statements: pd.DataFrame) -> pd.DataFrame:
    """Return one row a policy over all windows: means in basis points of the capital, error, interval and verdict.

    Upper bounds, hold and full range are not tested: they have no Holm p-value.
    """
    means = {label: window_mean(_nets(statements, label), _rng(contest, label)) for label in contest.policies}
    corrected = holm_p_values(means, frozenset(contest.tried))
    rows = [_policy_row(contest, statements, label, means[label], corrected[label]) for label in means]
    return pd.DataFrame(rows)


def _policy_row(
    contest: Contest, statements: pd.DataFrame, label: str, mean: WindowMean, holm_p: float
) -> dict[str, Any]:
    own = statements[statements["lane"] == label]
    bound = contest.policies[label].is_upper_bound
    return {
        "lane": label,
        "windows": mean.windows,
        "net_bps": mean.mean,
        "standard_error": mean.standard_error,
        "low": mean.low,
        "high": mean.high,
        "p_value": mean.p_value,
        "holm_p": holm_p,
        "minimum_detectable_bps": mean.minimum_detectable,
        **{f"{part}_bps": float((own[part] / own["capital"]).mean() * 1e4) for part in SHARES},
        **{name: float(own[name].mean()) for name in AVERAGES},
        "is_upper_bound": bound,
        "verdict": _verdict(label, mean, holm_p, is_bound=bound),
    }


def _verdict(label: str, mean: WindowMean, holm_p: float, *, is_bound: bool) -> str:
    if label == HOLD:
        return "the basket that all are measured against"
    return "upper bound, sees the future" if is_bound else verdict(mean, holm_p)


def paired_table(contest: Contest, statements: pd.DataFrame, against: str) -> pd.DataFrame:
    """Return the table ``paired``: each policy less one policy on the same swaps, window by window, in basis points.

    Columns: lane, against, windows, difference_bps, standard_error, low, high, minimum_detectable_bps, contains_zero.
    """
    rows = []
    for label, values in _differences(contest, statements, against):
        found = window_mean(values, _rng(contest, label))
        rows.append(
            {
                "lane": label,
                "against": against,
                "windows": found.windows,
                "difference_bps": found.mean,
                "standard_error": found.standard_error,
                "low": found.low,
                "high": found.high,
                "minimum_detectable_bps": found.minimum_detectable,
                "contains_zero": bool(found.low <= 0 <= found.high),
            }
        )
    return pd.DataFrame(rows)


def blocks_table(contest: Contest, statements: pd.DataFrame) -> pd.DataFrame:
    """Return the table ``blocks``: how much intervals and p-values depend on the length of the bootstrap's blocks.

    Columns: lane, against, block, used, low, high, p_value: of the mean difference from holding and from full range, in basis
    points; ``used`` is the block where there are fewer than three times as many windows.
    """
    rows = []
    for against in ALWAYS:
        for label, values in _differences(contest, statements, against):
            for block in BLOCKS:
                found = window_mean(values, _rng(contest, label), block=block)
                used = used_block(found.windows, block)
                rows.append((label, against, block, used, found.low, found.high, found.p_value))
    return pd.DataFrame(rows, columns=["lane", "against", "block", "used", "low", "high", "p_value"])


def _differences(contest: Contest, statements: pd.DataFrame, against: str) -> Iterator[tuple[str, Floats]]:
    """Yield every other policy with its net less that of one policy, window by window."""
    base = _nets(statements, against)
    for label in contest.policies:
        if label != against:
            yield label, _nets(statements, label) - base


def _nets(statements: pd.DataFrame, label: str) -> Floats:
    own = statements[statements["lane"] == label].sort_values("fold")
    return own["net_bps"].to_numpy(np.float64)


def _rng(contest: Contest, label: str) -> np.random.Generator:
    return RandomStreams(contest.spec.seed, contest.history.cutoff).of("windows", label)
