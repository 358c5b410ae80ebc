"""The null calibration table: how often each published test calls luck significant, and how often it finds a planted edge.

    scripts/studies/nulls.py                      every family that needs no file, 1,000 worlds each
    scripts/studies/nulls.py --data FOLDER        and the worlds made from real prices
    scripts/studies/nulls.py --out null_table     also writes null_table.json and null_table.md

A world is 1,000 periods after 150 of warm-up and twenty moving-average crossover rules, long or short, that decide at a close
and earn the next return without costs. Equal seeds and numbers of worlds give equal tables, whatever the processes.
"""

import argparse
import json
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from backtest.metrics import null_worlds as worlds
from backtest.metrics.null_table import ALPHA, Effort, best_of, decisions, formula_decisions, rejection_rates
from backtest.metrics.significance import deflated_sharpe
from backtest.metrics.superiority import longest_block, resampled_tests
from backtest.metrics.trial_correlation import trial_family

RULES = len(worlds.WINDOWS)
Made = Callable[[np.random.Generator], dict[str, bool]]


@dataclass(frozen=True)
class Family:
    """One kind of world: what its tests say, whether an edge was planted, and a share of the worlds asked for."""

    decide: Made
    is_null: bool = True
    share: float = 1.0


def rules_on(earned, signal=None):
    """Return what the rules earn; they read the prices they trade, or those of ``signal``."""
    positions = worlds.crossover_positions(earned if signal is None else signal)
    return worlds.rule_returns(earned, positions)


def honest(world, effort, rng):
    return decisions(rules_on(world(rng, effort.periods + worlds.WARM_UP)), rng, effort)


def leaky(world, effort, rng):
    """Return the honest tests, and two of them on rules that trade at the close they have already seen."""
    earned = world(rng, effort.periods + worlds.WARM_UP)
    positions = worlds.crossover_positions(earned)
    found = decisions(worlds.rule_returns(earned, positions), rng, effort)
    leak = worlds.rule_returns(earned, positions, lag=0)
    ratio = leak[:, 0].mean() / leak[:, 0].std(ddof=1) * np.sqrt(len(leak))
    tested = resampled_tests(leak, longest_block(leak), effort.resamples, rng)
    return found | {
        "same-bar leak, one rule, t-test": bool(ratio > 1.645),
        "same-bar leak, SPA": tested.consistent <= ALPHA,
    }


def stale(effort, rng):
    """Rules read one autoregressive market and earn another: dependence without an edge."""
    periods = effort.periods + worlds.WARM_UP
    earned, read = worlds.autoregressive(rng, periods), worlds.autoregressive(rng, periods)
    return decisions(rules_on(earned, read), rng, effort)


def equicorrelated(correlation, effort, rng):
    """Strategies without prices behind them, to see what their correlation does to the corrections."""
    values = worlds.equicorrelated(rng, effort.periods, RULES, correlation)
    family, best = trial_family(values), best_of(values)
    # What the trials' Sharpe ratios would spread by if correlation had not narrowed them.
    unnarrowed = deflated_sharpe(best, family.effective_count, 1 / np.sqrt(effort.periods))
    tested = resampled_tests(values, longest_block(values), effort.resamples, rng)
    return formula_decisions(values) | {
        "best of N, DSR (effective N, sd 1/sqrt(T))": unnarrowed.value > 1 - ALPHA,
        "reality check, returns as they are": tested.reality_check <= ALPHA,
        "SPA, unit sd, automatic block": tested.consistent <= ALPHA,
    }


def planted(edge, effort, rng):
    """An edge of so many standard deviations a period is added to what the first rule earns."""
    values = rules_on(worlds.garch_t(rng, effort.periods + worlds.WARM_UP))
    values[:, 0] += edge * values[:, 0].std()
    tested = resampled_tests(values, longest_block(values), effort.resamples, rng)
    return decisions(values, rng, effort) | {"StepM, the planted rule": bool(tested.stepwise[0] <= ALPHA)}


def real_returns(folder):
    """Return the daily returns (P, K) of the S&P 500 names that are there on every day."""
    table = pd.read_parquet(folder / "equities/sp500_daily_2015_2020.parquet")
    prices = table.pivot_table(index="Date", columns="Symbol", values="Adj Close", observed=True).astype(
        float
    )
    returns = prices.dropna(axis=1).pct_change().iloc[1:]
    return returns.loc[:, (returns.abs() < 0.5).all()].to_numpy()


def families(effort, data):
    found = {
        "GARCH, t5 innovations": Family(partial(leaky, worlds.garch_t, effort)),
        "independent, normal": Family(partial(honest, worlds.independent, effort)),
        "autocorrelation .1, rules read another market": Family(partial(stale, effort)),
        "24/7 hourly seasons, t5": Family(partial(honest, worlds.seasonal_hours, effort)),
    }
    if data is not None:
        past = real_returns(data)
        found |= {
            "S&P 500 names, random signs": Family(
                partial(honest, partial(worlds.sign_randomised, past=past), effort), share=0.3
            ),
            "S&P 500 names, 20-day blocks shuffled": Family(
                partial(honest, partial(worlds.block_permuted, past=past), effort), share=0.3
            ),
        }
    for correlation in (0.0, 0.5, 0.9):
        found[f"equicorrelated strategies, rho {correlation:g}"] = Family(
            partial(equicorrelated, correlation, effort)
        )
    for edge in (0.05, 0.1, 0.15):
        found[f"planted Sharpe {edge:g} a period in one rule"] = Family(
            partial(planted, edge, effort), is_null=False, share=0.3
        )
    return found


def decide(task):
    make, seed = task
    return make(np.random.default_rng(seed))


def study(named, count, seed, run):
    """Return the rejection rates of every family, one frame each."""
    tables = {}
    for number, (name, family) in enumerate(named.items()):
        tasks = [(family.decide, [seed, number, world]) for world in range(max(1, int(count * family.share)))]
        found = list(run(decide, tasks))
        table = rejection_rates(found).assign(worlds=len(found))
        tables[name] = table if family.is_null else table.drop(columns=["asked", "low", "high", "verdict"])
        print("\n" + markdown(name, tables[name]), flush=True)
    return tables


def markdown(name, table):
    head = f"### {name} ({int(table['worlds'].iloc[0]):,} worlds)\n\n"
    if "verdict" not in table:
        rows = [f"| {row.test} | {row.rate:.3f} +- {row.standard_error:.3f} |" for row in table.itertuples()]
        return head + "\n".join(["| test | finds it |", "|---|---|", *rows]) + "\n"
    low, high = table["low"].iloc[0], table["high"].iloc[0]
    rows = [
        f"| {row.test} | {row.rate:.3f} +- {row.standard_error:.3f} | {row.asked} | {row.verdict} |"
        for row in table.itertuples()
    ]
    title = f"| test | rejects at 5 % | asked of it | band {low:.3f}-{high:.3f} |"
    return head + "\n".join([title, "|---|---|---|---|", *rows]) + "\n"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--worlds", type=int, default=1000)
    parser.add_argument("--data", type=Path, help="folder of real market data")
    parser.add_argument("--out", type=Path, help="path without ending of the JSON and Markdown tables")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--seed", type=int, default=2026)
    parser.add_argument("--only", default="", help="only families whose name contains this")
    arguments = parser.parse_args()
    # Families keep their number, and so their seeds, when only some of them run.
    named = families(Effort(), arguments.data)
    with ProcessPoolExecutor(arguments.processes) as pool:
        tables = study(
            {name: family for name, family in named.items() if arguments.only in name},
            arguments.worlds,
            arguments.seed,
            partial(pool.map, chunksize=10),
        )
    if arguments.out:
        rows = {name: table.to_dict(orient="records") for name, table in tables.items()}
        arguments.out.with_suffix(".json").write_text(json.dumps(rows, indent=1) + "\n")
        text = "\n".join(markdown(name, table) for name, table in tables.items())
        arguments.out.with_suffix(".md").write_text(text)


if __name__ == "__main__":
    main()
