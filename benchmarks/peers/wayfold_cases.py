"""Times this project's engines on one case: wayfold_cases.py ENGINE CASE ROUNDS [ASSETS BARS].

ENGINE is ``exact`` or ``realistic``; c takes ``sweep:THREADS``. An engine starts from arrays that were checked once
(``Bars``, timed beside) and returns all it ever returns: fills, equity, cash, weights, exposures, turnover and costs. A
sweep makes its moving averages, runs the realistic engine, and returns the numbers of every parameter set.
"""

import sys
import time
from collections.abc import Callable

BEGUN = time.process_time()

import cases  # noqa: E402
import measuring  # noqa: E402
import numpy as np  # noqa: E402

from backtest.costs import CustomCosts  # noqa: E402
from backtest.engine.bars import Bars  # noqa: E402
from backtest.engine.exact_rules import ExactRules  # noqa: E402
from backtest.engine.role import AbstractEngine  # noqa: E402
from backtest.engine.rules import EngineSpec  # noqa: E402

IMPORTED = time.process_time() - BEGUN


def bars_of(prices: cases.Prices) -> Bars:
    """Return a case's bars: no volumes, splits or dividends, every asset tradable."""
    shape = prices.close.shape
    return Bars(
        times=prices.times,
        series=tuple(f"asset {s}" for s in range(shape[1])),
        open=prices.open,
        high=prices.high,
        low=prices.low,
        close=prices.close,
        volume=np.full(shape, np.nan),
        splits=np.ones(shape),
        dividends=np.zeros(shape),
        tradable=np.ones(shape[1], bool),
    )


def engine_of(name: str, account: cases.Account) -> AbstractEngine:
    """Return an engine with whole units."""
    if name == "exact":
        return ExactRules(capital=account.cash)
    return EngineSpec(capital=account.cash, participation=None)


def costs_of(account: cases.Account) -> CustomCosts:
    """Return the commission of a case and nothing else."""
    return CustomCosts(commission_bps=account.commission * 1e4)


def targets_of(case: str, prices: cases.Prices) -> cases.Floats:
    """Return (T, S) targets of a or b."""
    if case == "b":
        return cases.weights(prices.close.shape[1], len(prices.close))
    close = prices.close[:, 0]
    return cases.on_change(cases.is_long(close, 50, 200), cases.ACCOUNTS["a"].weight, 199)[:, None]


def engine_run(name: str, case: str, assets: int, count: int) -> tuple[Callable[[], float], int, float]:
    """Return a call that gives the final equity, the number of cells, and the CPU seconds of making the bars."""
    prices, account = cases.prices(case, assets, count), cases.ACCOUNTS[case]
    targets = targets_of(case, prices)
    begun = time.process_time()
    bars = bars_of(prices)
    prepared = time.process_time() - begun
    engine, costs = engine_of(name, account), costs_of(account)
    return (
        lambda: float(engine.replay(bars, costs, account.periods_per_year, targets).equity[-1]),
        targets.size,
        prepared,
    )


def sweep_run(threads: int) -> tuple[Callable[[], float], int, float]:
    """Return a call that gives the mean final equity of the first pairs, and the rest as ``engine_run`` does."""
    from backtest.sweep.rules import MovingAverageCross
    from backtest.sweep.sweep import sweep_rule

    account = cases.ACCOUNTS["c"]
    begun = time.process_time()
    bars = bars_of(cases.prices("c"))
    prepared = time.process_time() - begun
    spec, costs, points = (
        EngineSpec(capital=account.cash, participation=None),
        costs_of(account),
        cases.pairs(),
    )
    rule = MovingAverageCross(weight=account.weight)

    def run() -> float:
        swept = sweep_rule(bars, spec, costs, account.periods_per_year, rule, points, threads=threads)
        return float(swept.frame()["final_equity"].iloc[: cases.CHECKED_PAIRS].mean())

    return run, len(points), prepared


def main() -> None:
    """Print one measurement."""
    name, case, rounds = sys.argv[1], sys.argv[2], int(sys.argv[3])
    assets, count = (int(text) for text in sys.argv[4:6] or ("500", "2520"))
    if name.startswith("sweep:"):
        run, cells, prepared = sweep_run(int(name.removeprefix("sweep:")))
    else:
        run, cells, prepared = engine_run(name, case, assets, count)
    label = case if len(sys.argv) < 5 else f"{case} {assets} x {count}"
    found = measuring.measured(run, rounds=rounds)
    measuring.say(name, label, cells, {**found, "import_seconds": IMPORTED, "prepare_seconds": prepared})


if __name__ == "__main__":
    main()
