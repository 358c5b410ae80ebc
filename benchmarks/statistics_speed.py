"""The statistics of a report that take time, each beside a named twin that does the same work in the usual way.

python benchmarks/statistics_speed.py

Ten years of daily returns. Bootstrap intervals beside a loop over ``arch``'s resamples, one metric after the other;
superiority beside ``arch.bootstrap.SPA`` (which gives the three p-values of Hansen, but neither the reality check nor the
stepwise ones); overfitting beside the definition, a loop over the halves with numpy. CPU seconds, median of three.
"""

import argparse
import itertools
from pathlib import Path

import numpy as np
from arch.bootstrap import SPA, StationaryBootstrap

from backtest.metrics.bootstrap import RESAMPLED, stationary_intervals
from backtest.metrics.overfitting import winners
from backtest.metrics.returns import Returns
from backtest.metrics.strategy_returns import StrategyReturns
from backtest.metrics.superiority import superiority
from benchmarks.tools.measuring import seconds
from data.panel import Floats

DAYS, STRATEGIES, RESAMPLES, BLOCK, HALVED = 2520, 100, 1000, 10, 12


def intervals_by_arch(returns: Returns) -> list[Floats]:
    """Return the same percentile intervals, one resample and one metric at a time."""
    drawn = {name: np.empty(RESAMPLES) for name in RESAMPLED}
    resamples = StationaryBootstrap(BLOCK, returns.values, returns.excess, seed=0).bootstrap(RESAMPLES)
    for row, (columns, _) in enumerate(resamples):
        pair = tuple(column[None, :] for column in columns)
        for name, statistic in RESAMPLED.items():
            drawn[name][row] = statistic(pair, returns.periods_per_year)[0]
    return [np.quantile(values, [0.025, 0.975]) for values in drawn.values()]


def superiority_by_arch(strategies: StrategyReturns) -> Floats:
    """Return Hansen's three p-values on differentials of unit sd."""
    scaled = strategies.differentials / strategies.differentials.std(axis=0)
    tested = SPA(np.zeros(DAYS), -scaled, BLOCK, RESAMPLES, "stationary", studentize=False, seed=0)
    tested.compute()
    return np.asarray(tested.pvalues)


def overfitting_by_loop(values: Floats) -> float:
    """Return the share of halves whose best strategy is at or below the median in the other half."""
    blocks, below = np.array_split(values, HALVED), []
    for chosen in itertools.combinations(range(HALVED), HALVED // 2):
        inside = np.concatenate([blocks[k] for k in chosen])
        outside = np.concatenate([blocks[k] for k in range(HALVED) if k not in chosen])
        best = int(np.argmax(inside.mean(axis=0) / inside.std(axis=0, ddof=1)))
        ratios = outside.mean(axis=0) / outside.std(axis=0, ddof=1)
        rank = ((ratios < ratios[best]).sum() + 1) / (len(ratios) + 1)
        below.append(rank <= 0.5)
    return float(np.mean(below))


def main() -> None:
    """Print one line a statistic."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="not used; every benchmark takes it")
    parser.parse_args()
    rng = np.random.default_rng(5)
    values = rng.normal(0.0003, 0.01, (DAYS, STRATEGIES)) + rng.normal(0, 0.005, (DAYS, 1))
    times = np.busday_offset("2014-01-01", np.arange(DAYS), roll="forward").astype("datetime64[ns]")
    names = tuple(f"strategy {n}" for n in range(STRATEGIES))
    strategies = StrategyReturns(times, names, values, np.zeros(DAYS))
    returns = Returns(values[:, 0], 252.0)
    halves = overfitting_by_loop(values), winners(values, HALVED).overfit_share
    if halves[0] != halves[1]:
        raise SystemExit(f"the two shares of overfit halves differ: {halves}")

    def intervals() -> object:
        return stationary_intervals(returns, np.random.default_rng(0), resamples=RESAMPLES, block=BLOCK)

    def superior() -> object:
        return superiority(strategies, np.random.default_rng(0), block=BLOCK, resamples=RESAMPLES)

    rows = [
        (f"intervals of {len(RESAMPLED)} metrics", intervals, "arch loop", lambda: intervals_by_arch(returns)),
        (f"superiority of {STRATEGIES}", superior, "arch SPA", lambda: superiority_by_arch(strategies)),
        (f"{HALVED} blocks, best of {STRATEGIES}", lambda: winners(values, HALVED), "plain loop", lambda: overfitting_by_loop(values)),
    ]  # fmt: skip
    print(f"{'statistic':<26}{'ours, CPU s':>12}  {'twin':<12}{'CPU s':>8}{'ratio':>8}")
    for name, ours, twin, theirs in rows:
        mine, other = seconds(ours), seconds(theirs)
        print(f"{name:<26}{mine:>12.3f}  {twin:<12}{other:>8.3f}{other / mine:>8.1f}", flush=True)


if __name__ == "__main__":
    main()
