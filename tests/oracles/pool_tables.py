"""Tables of a made pool in the schemas of the readers, exact by the formulas, to be broken one cell at a time."""

import math

import numpy as np
import pandas as pd

from data.amm.liquidity_amounts import amounts
from data.amm.pool import LOG_TICK, Pool
from data.amm.tick_math import Q96, sqrt_at_tick, tick_at_sqrt

WBTC = Pool(token0="WBTC", token1="WETH", decimals0=8, decimals1=18, fee_pips=3000)
HELD = 3 * 10**18
"""Liquidity of the one range that holds everything, 240000 to 276000."""


def swap_table(count=40, seed=1, first_block=12_400_000):
    """Swaps at one liquidity in the swap history's schema: up to three a block."""
    rng = np.random.default_rng(seed)
    root = 390_000.0 * np.exp(np.cumsum(rng.normal(0, 0.002, count)))
    before = np.concatenate([[390_000.0], root[:-1]])
    kept = 1.0 - WBTC.fee
    in1, in0 = (root - before) * HELD, (1 / root - 1 / before) * HELD
    is_up = root > before
    amount0 = np.round(np.where(is_up, in0, in0 / kept))
    amount1 = np.where(is_up, in1 / kept, in1)
    return pd.DataFrame(
        {
            "block_number": first_block + np.sort(rng.integers(0, count // 2, count)),
            "tick": np.floor(2 * np.log(root) / LOG_TICK).astype(int),
            "amount0_raw": amount0.astype(np.int64),
            "amount0_adjusted": amount0 / 1e8,
            "amount1_adjusted": amount1 / 1e18,
            "liquidity": float(HELD),
            "sqrt_price_est": root,
        }
    )


def range_table(first_block=12_400_000):
    """The range of ``swap_table``, minted before it, and one beside that comes and goes."""
    return pd.DataFrame(
        {
            "block_number": [first_block - 9, first_block - 5, first_block + 3],
            "tick_lower": [240_000, 120_000, 120_000],
            "tick_upper": [276_000, 180_000, 180_000],
            "liquidity": [float(HELD), 5e17, -3e-9],
        }
    )


def event_table(count=20, seed=2, is_whole=False):
    """Swaps at one liquidity, exact in integers, in the raw event schema; whole ones begin with the pool and its mint."""
    rng = np.random.default_rng(seed)
    root = 390_000 * Q96
    rows = []
    if is_whole:
        rows.append(_row(100, 0, "INITIALIZE", sqrtPriceX96=root, current_tick=tick_at_sqrt(root)))
        place = {"tick_lower": 240_000, "tick_upper": 276_000, "liquidity": HELD, "owner": f"0x{0xABC:040x}"}
        ends = sqrt_at_tick(240_000), sqrt_at_tick(276_000)
        amount0, amount1 = amounts(root, *ends, HELD, is_paid_in=True)
        rows.append(_row(100, 1, "MINT", amount0=amount0, amount1=amount1, **place))
    for i in range(count):
        paid = int(rng.integers(10**17, 9 * 10**18))
        row = _up(root, paid) if rng.random() < 0.5 else _down(root, paid // 10**11)
        root = row["sqrtPriceX96"]
        rows.append(
            _row(
                101 + i // 2, 3 + i % 2, "SWAP", total_liquidity=HELD, current_tick=tick_at_sqrt(root), **row
            )
        )
    return pd.DataFrame(rows)


def _up(root, paid):
    """A swap of ``paid`` token1 for token0, exact input."""
    net = paid * 997_000 // 1_000_000
    after = root + net * Q96 // HELD
    out = HELD * Q96 * (after - root) // after // root
    return {"amount0": -out, "amount1": paid, "sqrtPriceX96": after}


def _down(root, paid):
    """A swap of ``paid`` token0 for token1, exact input."""
    net = paid * 997_000 // 1_000_000
    after = -(-HELD * Q96 * root // (HELD * Q96 + net * root))
    return {"amount0": paid, "amount1": -(HELD * (root - after) // Q96), "sqrtPriceX96": after}


def _row(block, place, kind, **values):
    stamp = pd.Timestamp("2024-01-05") + pd.Timedelta(12 * (block - 100), "s")
    columns = ("amount0", "amount1", "total_liquidity", "sqrtPriceX96", "current_tick")
    ranges = ("tick_lower", "tick_upper", "liquidity", "owner")
    texts = {name: str(values[name]) if name in values else math.nan for name in (*columns, *ranges)}
    return {
        "block_number": str(block),
        "block_timestamp": str(stamp),
        "tx_type": kind,
        "log_index": str(place),
        **texts,
    }


def minute_table(count=30, seed=3):
    """Minutes of a USDC/WETH pool in demeter's schema."""
    rng = np.random.default_rng(seed)
    ticks = 199_000 + np.cumsum(rng.integers(-4, 5, count + 1)).astype(float)
    opened, closed = ticks[:-1], ticks[1:]
    net1 = rng.integers(-(10**18), 10**18, count)
    price = np.exp(LOG_TICK * closed)
    net0 = np.round(-net1 / price).astype(np.int64)
    return pd.DataFrame(
        {
            "timestamp": (pd.Timestamp("2024-01-05") + pd.to_timedelta(np.arange(count), "min")).astype(str),
            "netAmount0": net0,
            "netAmount1": net1,
            "closeTick": closed,
            "openTick": opened,
            "lowestTick": np.minimum(opened, closed) - 1,
            "highestTick": np.maximum(opened, closed) + 2,
            "inAmount0": np.maximum(net0, 0),
            "inAmount1": np.maximum(net1, 0),
            "currentLiquidity": 10**19,
        }
    )
