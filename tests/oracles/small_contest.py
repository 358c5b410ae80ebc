"""A small liquidity experiment on a made pool, for tests of the contest and of the run."""

from dataclasses import replace

import numpy as np

from backtest.amm.spec import build_liquidity_spec

BARS, BLOCK = 24 * 9 + 1, 24


def small_spec(**changes):
    """Return the spec of a week and a half of hourly bars, blocks of a day, two policies and one forecaster."""
    reference = {
        "kind": "synthetic",
        "count": 1,
        "bar": "1h",
        "bars": BARS,
        "price": 2000,
        "volatility": 0.9,
        "seed": 3,
    }
    return build_liquidity_spec(
        {
            "experiment": "liquidity",
            "name": "small",
            "data": {"kind": "pool_simulated", "reference": reference, "world": {"noise_per_day": 100, "seed": 3}},
            "policies": [
                {"kind": "static", "width": 0.05, "tried": [0.02, 0.05], "every": 6},
                {"kind": "recentre", "width": 0.02, "tried": [0.02], "every": 6},
                {"kind": "oracle_width", "every": 6},
            ],
            "forecasters": [{"kind": "last_value", "horizon": 6, "context": 12}],
            "windows": {"bars": BLOCK, "train": 3, "embargo": 6},
            "capital": 10000,
            "costs": {"mint_gas": 2, "burn_gas": 1, "swap_gas": 1},
            "frontier": {"capital": [1000, 10000], "gas": [0, 4]},
            "seed": 5,
            **changes,
        }
    )  # fmt: skip


def with_other_future(history, cutoff):
    """Return a history whose swaps and bars after the cutoff are another world's: every root price there is 3 % higher."""
    swaps = history.pool.swaps
    late = swaps.times > cutoff
    after = np.where(late, swaps.sqrt_after * 1.03, swaps.sqrt_after)
    before = np.concatenate([swaps.sqrt_before[:1], after[:-1]])
    panel = history.panel
    values = panel.values.copy()
    values[panel.times > cutoff] *= 1.03
    return replace(
        history,
        panel=replace(panel, values=values),
        pool=replace(history.pool, swaps=replace(swaps, sqrt_before=before, sqrt_after=after)),
    )
