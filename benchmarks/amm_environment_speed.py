"""The environment a liquidity policy learns in beside its slow twin in ``tests/oracles``: equal rewards, and steps a second.

    python benchmarks/amm_environment_speed.py

A step is one account brought from one decision to the next: an action of the grid executed with its costs, then the swaps of
at most 24 hourly bars up to the next decision, and the reward. "Ready" steps are those with what a policy needs to choose the next
action, its view of the account and the actions it may take. Half of the actions leave everything as it is. Simulated pools, one
about as busy as WBTC/WETH 0.3 % was and one as USDC/WETH 0.05 %. CPU seconds, median of five.
"""

import argparse
import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from backtest.amm import environment_kernel as kernel
from backtest.amm.action_grid import ActionGrid
from backtest.amm.environment import Due, Environment, environment_of
from backtest.amm.terms import PoolCosts, PoolTerms
from benchmarks.tools.measuring import oracle, seconds
from data.amm.pool import Pool
from data.amm.world import PoolWorld
from data.history import History
from data.sources.pool_simulated import PoolSimulatedSource
from data.sources.synthetic import SyntheticSource

GRID = ActionGrid((0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, math.inf), (-0.5, 0.0, 0.5))
CAPITAL, LIFE, ACCOUNTS, FIRST = 30_000.0, 720, 256, 24
TARGET = 100_000.0
COMPARED = 4


@dataclass(frozen=True)
class World:
    """A simulated pool: noise trades a day, and days."""

    name: str
    trades: float
    days: int

    def history(self) -> History:
        reference = SyntheticSource(
            process="garch_t",
            count=1,
            bars=24 * self.days + 1,
            bar="1h",
            price=2000.0,
            volatility=0.6,
            seed=1,
        )
        return PoolSimulatedSource(
            reference=reference, world=PoolWorld(pool=pool(), noise_per_day=self.trades)
        ).load(Path())


WORLDS = (World("220 swaps a day", 100.0, 365), World("6,000 swaps a day", 5800.0, 60))


def pool() -> Pool:
    return Pool(token0="WETH", token1="USDC", decimals0=18, decimals1=6, fee_pips=3000)


def terms() -> PoolTerms:
    return PoolTerms(pool=pool(), costs=PoolCosts(mint_gas=15.0, burn_gas=10.0, swap_gas=5.0))


def drawn(history: History, accounts: int, rounds: int, seed: int = 0) -> tuple[Any, Any]:
    """Return openings (B,) and actions (K, B); half of them leave everything as it is."""
    rng = np.random.default_rng(seed)
    actions = rng.integers(0, len(GRID), (rounds, accounts))
    actions[rng.random(actions.shape) < 0.5] = 0
    return rng.integers(FIRST, len(history.times) - LIFE, accounts), actions


def played(
    environment: Environment, openings: Any, actions: Any, *, ready: bool = False
) -> tuple[Any, int, int]:
    """Return the rewards (K, B), how many steps there were (accounts at their last bar make none), and the bars passed."""
    seats, rewards, steps = environment.seats(openings, LIFE), [], 0
    for row in actions:
        steps += int((seats.places[:, kernel.BAR] < seats.places[:, kernel.END]).sum())
        rewards.append(environment.step(seats, row)[0])
        if ready:
            environment.observe(seats)
            environment.legal(seats)
    return np.array(rewards), steps, int((seats.places[:, kernel.BAR] - openings).sum())


def check_equal(environment: Environment, history: History) -> tuple[int, float]:
    """Return the steps of the twin and its CPU time, once its rewards are those of the environment."""
    openings, actions = drawn(history, COMPARED, 10, seed=1)
    ours, steps, _ = played(environment, openings, actions)
    begun = time.process_time()
    slow, _ = oracle("amm_environment_oracle").played(
        history, GRID, terms(), (CAPITAL, 24, LIFE), openings, actions
    )
    taken = time.process_time() - begun
    if not np.allclose(ours, slow, rtol=1e-9, atol=1e-8):
        raise SystemExit(f"the environment and its twin differ by {np.abs(ours - slow).max():g} bp")
    return steps, taken


def row(world: World) -> str:
    history = world.history()
    environment = environment_of(history, GRID, terms(), CAPITAL, Due())
    steps, taken = check_equal(environment, history)
    twin = steps / taken
    openings, actions = drawn(history, ACCOUNTS, 25)
    _, count, bars = played(environment, openings, actions)
    alone, ready = (
        count / seconds(lambda ready=ready: played(environment, openings, actions, ready=ready))
        for ready in (False, True)
    )
    met = "met" if ready >= TARGET else "MISSED"
    return (
        f"{world.name:<18} {len(history.pool.swaps):>8,} swaps {bars / count:>5.1f} bars a step {alone:>10,.0f} steps/s "
        f"{ready:>10,.0f} ready steps/s  twin {twin:>6,.0f}/s  ratio {ready / twin:>7,.0f}  {met} (>= {TARGET:,.0f})"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="not needed: the pools are simulated")
    parser.parse_args()
    for world in WORLDS:
        print(row(world), flush=True)


if __name__ == "__main__":
    main()
