"""Where WBTC/WETH 0.3 % trades over the next day: six forecasters walked forward over 472 days, beside published figures.

    scripts/studies/liquidity_forecasts.py --data FOLDER                 the folder that holds ``amm``
    scripts/studies/liquidity_forecasts.py --data FOLDER --models har    one of them
    scripts/studies/liquidity_forecasts.py --data FOLDER --out FILE.csv  also writes the losses

A forecast is made after every 24 bars and is about the next 24. Fits expand: each sees every bar until its cutoff. The averages
learn nothing and HAR costs little, so they are fitted every day; the others every 30 days. The first fit has 232 days on the
clock of 6,576 blocks a day.

The published figures (R2 of log daily fee growth: HAR .51, seven-day mean .43, last value .38) do not say what a day is. Days of
6,450 blocks counted from the first one, means of daily logs and SST about the mean of the 472 test days reproduce them; the
first table shows that with plain regressions. The second table has the project's models on both clocks.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import pandas as pd

from data.amm.pool import Pool
from data.history import History
from data.sources.pool_files import PoolSwapsSource
from forecast.comparison import holm
from forecast.liquidity import LIQUIDITY_FORECASTERS, LiquidityForecast
from forecast.liquidity_scores import comparisons_with_har, liquidity_losses, scores_of
from forecast.randomness import RandomStreams

DAYS, HORIZON, REFIT_DAYS, SEED = 472, 24, 30, 11
DAILY = ("last_value", "weekly_mean", "har")
BLOCKS_PER_DAY = {"6,576 blocks a day": 6576, "6,450 blocks a day": 6450}
PUBLISHED = {"har": 0.51, "weekly_mean": 0.43, "last_value": 0.38}
SWAPS = "eth_wbtc_weth_030_swaps_2021-05_2023-04.parquet"
RANGES = "eth_wbtc_weth_030_netliquidity.parquet"


def load(folder: Path, blocks_per_day: int) -> History:
    """Return the pool's two years with days of this many blocks."""
    source = PoolSwapsSource(
        pool=Pool(token0="WBTC", token1="WETH", decimals0=8, decimals1=18),
        folder=str(folder / "amm"),
        swaps=SWAPS,
        ranges=RANGES,
        seconds_per_block=86_400 / blocks_per_day,
    )
    return source.load(folder)


def plain_table(history: History, blocks_per_day: int) -> dict[str, float]:
    """Return R2 of the last log, the mean of seven logs, and a HAR of logs (1, 7, 30) fitted every day on all days before."""
    assert history.pool is not None
    swaps = history.pool.swaps
    days = (swaps.blocks - swaps.blocks[0]) // blocks_per_day
    logs = np.log(np.bincount(days, weights=np.abs(swaps.sqrt_after - swaps.sqrt_before)))[:-1]
    means = {lag: pd.Series(logs).rolling(lag).mean().to_numpy() for lag in (1, 7, 30)}
    design = np.column_stack([np.ones(len(logs)), *means.values()])
    test = range(len(logs) - DAYS, len(logs))
    weights = [np.linalg.lstsq(design[29 : t - 1], logs[30:t], rcond=None)[0] for t in test]
    truth, known = logs[-DAYS:], np.array(test) - 1
    made = {
        "last_value": means[1][known],
        "weekly_mean": means[7][known],
        "har": np.einsum("ij,ij->i", design[known], np.array(weights)),
    }
    spread = ((truth - truth.mean()) ** 2).sum()
    return {name: float(1 - ((truth - said) ** 2).sum() / spread) for name, said in made.items()}


def walk(kind: str, history: History, cutoffs: np.ndarray) -> tuple[list[LiquidityForecast], int, float]:
    """Return a forecast at each cutoff, the number of fits and the CPU seconds they took."""
    spec = LIQUIDITY_FORECASTERS.build({"kind": kind, "horizon": HORIZON})
    every = 1 if kind in DAILY else REFIT_DAYS
    made, fits, seconds = [], 0, 0.0
    for i, cutoff in enumerate(cutoffs):
        known = history.until(cutoff)
        if i % every == 0:
            begun = time.process_time()
            fitted = spec.fit(known, RandomStreams(SEED, cutoff))
            fits, seconds = fits + 1, seconds + time.process_time() - begun
        made.append(fitted.predict(known, RandomStreams(SEED, cutoff)))
    return made, fits, seconds


def day_ends(history: History) -> np.ndarray:
    """Return the last 472 cutoffs whose day is known, days counted from the first bar."""
    ends = history.times[::HORIZON]
    return np.asarray(ends[ends + HORIZON * np.timedelta64(1, "h") <= history.cutoff][-DAYS:])


def table(history: History, kinds: list[str]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return scores with the cost of fits and the p-values against HAR, and the losses behind them."""
    issued, costs = {}, {}
    for kind in kinds:
        issued[kind], *costs[kind] = walk(kind, history, day_ends(history))
    losses = liquidity_losses(issued, history)
    scores = scores_of(losses).set_index("model")
    tests = {label: test for label, test in comparisons_with_har(losses).items() if test is not None}
    adjusted = dict(zip(tests, holm([test.p_value for test in tests.values()]), strict=True))
    scores["p (Holm)"] = pd.Series(adjusted, dtype=float)
    for kind in kinds:
        own = losses[losses["model"] == kind]
        ratio = np.log(own["fee_growth"] / own["forecast_fee_growth"])
        spread = ((np.log(own["fee_growth"]) - np.log(own["fee_growth"]).mean()) ** 2).sum()
        scores.loc[kind, "R2 as forecast"] = 1 - (ratio**2).sum() / spread
        scores.loc[kind, ["fits", "fit CPU s"]] = costs[kind]
    return scores, losses


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder that holds 'amm'")
    parser.add_argument(
        "--models", nargs="+", default=["har", *sorted({*LIQUIDITY_FORECASTERS.kinds} - {"har"})]
    )
    parser.add_argument("--out", type=Path, help="CSV file of the losses")
    asked = parser.parse_args()
    parts = []
    for clock, blocks in BLOCKS_PER_DAY.items():
        history = load(asked.data, blocks)
        plain = ", ".join(f"{name} {value:.3f}" for name, value in plain_table(history, blocks).items())
        print(f"\n{clock}: plain regressions of daily logs: {plain}; published: {PUBLISHED}")
        scores, losses = table(history, asked.models)
        with pd.option_context("display.width", 250, "display.max_columns", 20):
            print(scores.drop(columns="verdict").round(3).to_string())
        print("; ".join(f"{model}: {verdict}" for model, verdict in scores["verdict"].items()))
        parts.append(losses.assign(clock=clock))
    if asked.out is not None:
        pd.concat(parts).to_csv(asked.out, index=False)


if __name__ == "__main__":
    main()
