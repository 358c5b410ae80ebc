"""Run check: the decisions of a stored run through Wayfold's exact engine and through backtrader itself."""

import numpy as np

from backtest.cross_check import CrossCheck, cross_check, free_of_borrowing
from backtest.engine.bars import Bars
from backtest.engine.exact import adjusted_bars
from backtest.engine.exact_rules import AbstractExact, ExactRules
from backtest.run import Run
from backtest.spec import RunSpec
from data.history import History
from data.panel import Floats
from data.registry import validated


def check_run(run: Run, spec: RunSpec, history: History) -> dict[str, CrossCheck]:
    """Return, for each account the user asked for, whether both engines make the same of its decisions.

    The weights are those the run decided and stored. Both engines trade them at adjusted prices, since backtrader books no
    corporate actions, from the run's capital, with its commission, half-spread and slippage; shares are lent for free.

    Args:
        run: stored; its tables ``targets`` and ``equity`` are read.
        spec: the experiment that made it.
        history: the data it was made on.

    Raises:
        EngineError: when backtrader is not installed, or prices cannot be adjusted.
    """
    bars = _bars(run, history)
    rules = spec.engine
    if not isinstance(rules, AbstractExact):
        rules = validated(ExactRules, {"capital": rules.capital}, "engine")
    costs = free_of_borrowing(spec.costs)
    lanes = list(dict.fromkeys(run.tables["targets"]["lane"]))[: len(spec.forecaster)]
    return {lane: cross_check(bars, rules, costs, _targets(run, lane, bars)) for lane in lanes}


def _bars(run: Run, history: History) -> Bars:
    """Return the adjusted bars of the run's accounts, from the first decision to the end of the last test."""
    times = run.tables["equity"]["time"].to_numpy()
    known = history.until(times.max())
    before = known.times[known.times < times.min()]
    return adjusted_bars(known, before[-1] if len(before) else None)


def _targets(run: Run, lane: str, bars: Bars) -> Floats:
    decided = run.tables["targets"]
    decided = decided[decided["lane"] == lane]
    column = {name: s for s, name in enumerate(bars.series)}
    weights = np.full((len(bars), len(bars.series)), np.nan)
    rows = np.searchsorted(bars.times, decided["cutoff"].to_numpy().astype("datetime64[ns]"))
    weights[rows, [column[name] for name in decided["series"]]] = decided["weight"].to_numpy()
    return weights
