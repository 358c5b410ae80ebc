"""Random bars, targets and settings on which Wayfold's exact engine, its slow twin and backtrader must agree."""

from dataclasses import dataclass

import numpy as np

from backtest.costs import CustomCosts, NoCosts
from backtest.engine.bars import Bars
from backtest.engine.exact_rules import ExactRules

DAY = np.timedelta64(1, "D")


@dataclass(frozen=True)
class World:
    bars: Bars
    rules: ExactRules
    costs: object
    targets: np.ndarray
    traits: frozenset


def make_bars(open_, high, low, close, step=DAY, tradable=None):
    open_, high, low, close = (np.asarray(prices, float) for prices in (open_, high, low, close))
    length, count = close.shape
    return Bars(
        np.datetime64("2010-01-01", "ns") + np.arange(length) * step,
        tuple(f"s{s}" for s in range(count)),
        open_,
        high=high,
        low=low,
        close=close,
        volume=np.full(close.shape, np.nan),
        splits=np.ones(close.shape),
        dividends=np.zeros(close.shape),
        tradable=np.ones(count, bool) if tradable is None else tradable,
    )


def recipe(rng, length, count, vol, start=100.0):
    """Return open, high, low and close; the draws and their order are those of the published reference runs."""
    close = start * np.exp(np.cumsum(rng.normal(0, vol, (length, count)), axis=0))
    open_ = np.vstack([np.full((1, count), start), close[:-1]])
    open_ = open_ * np.exp(rng.normal(0, 0.3 * vol, (length, count)))
    high = np.maximum(open_, close) * np.exp(np.abs(rng.normal(0, 0.3 * vol, (length, count))))
    low = np.minimum(open_, close) * np.exp(-np.abs(rng.normal(0, 0.3 * vol, (length, count))))
    return open_, high, low, close


def random_world(seed, most_assets=12, most_bars=90):
    rng = np.random.default_rng(seed)
    count, length = int(rng.integers(1, most_assets + 1)), int(rng.integers(10, most_bars + 1))
    bars, traits = _random_bars(rng, length, count)
    capital = float(rng.choice([500.0, 1e4, 1e6, 1e8]))
    kind = str(rng.choice(["percent", "value", "size"]))
    rules = ExactRules(
        capital=capital,
        target=kind,
        slip_open=bool(rng.random() < 0.7),
        slip_match=bool(rng.random() < 0.7),
        slip_out=bool(rng.random() < 0.3),
        slip_limit=bool(rng.random() < 0.5),
        cheat_on_close=bool(rng.random() < 0.25),
        waits_for_all=bool(rng.random() < 0.5),
    )
    commission, slippage = float(rng.choice([0, 5, 100])), float(rng.choice([0, 10, 200]))
    costs = NoCosts()
    if commission or slippage:
        spread = slippage if rng.random() < 0.3 else 0.0
        costs = CustomCosts(commission_bps=commission, half_spread_bps=spread, slippage_bps=slippage - spread)
    targets, wished = _random_targets(rng, bars, rules)
    traits = traits | wished | {f"target {kind}"}
    traits |= {"commission"} if commission else set()
    traits |= {"slippage"} if slippage and rules.slip_open else set()
    for name in ("slip_open", "slip_match", "slip_out", "slip_limit", "cheat_on_close", "waits_for_all"):
        traits |= {f"{name} {'on' if getattr(rules, name) else 'off'}"}
    return World(bars, rules, costs, targets, frozenset(traits))


def _random_bars(rng, length, count):
    vol, start = rng.choice([0.005, 0.03, 0.1]), rng.choice([0.03, 5, 100, 5000])
    prices = recipe(rng, length, count, vol, start)
    traits = set()
    if rng.random() < 0.3:
        open_, _, _, close = (np.maximum(np.round(price, 2), 0.01) for price in prices)
        prices = (open_, np.maximum(open_, close), np.minimum(open_, close), close)
        traits |= {"prices in cents"}
    if rng.random() < 0.45:
        absent = rng.random((length, count)) < 0.2
        traits |= {"absent bars"}
        if rng.random() < 0.5:
            absent[: int(0.3 * length), :2] = True
            traits |= {"late starts"}
        prices = tuple(np.where(absent, np.nan, price) for price in prices)
    tradable = np.ones(count, bool)
    if count > 1 and rng.random() < 0.1:
        tradable[rng.integers(count)] = False
        traits |= {"an untradable series"}
    return make_bars(*prices, tradable=tradable), traits


def _random_targets(rng, bars, rules):
    """Return weights, values or sizes, and what is special about them."""
    length, count = bars.close.shape
    gross = float(rng.choice([0.3, 0.95, 1.0, 1.5, 2.5]))
    targets, traits = rng.dirichlet(np.ones(count), length) * gross, {f"gross {gross:g}"}
    if rng.random() < 0.4:
        targets = targets * rng.choice([-1, 1], targets.shape)
        traits |= {"shorts"}
    if rng.random() < 0.4:
        targets[rng.random(targets.shape) < 0.4] = 0
        traits |= {"zeros"}
    if rng.random() < 0.3:
        targets[rng.random(targets.shape) < 0.5] = np.nan
        traits |= {"gaps"}
    if rules.target != "percent":
        targets = targets * rules.capital
    if rules.target == "size":
        targets = targets / np.nanmean(bars.close)
        if rng.random() < 0.6:
            targets = np.trunc(targets)
        else:
            traits |= {"fractions of units"}
    targets[:, ~bars.tradable] = np.nan
    return targets, traits


def golden_bars(seed, vol, length, count, step):
    return make_bars(*recipe(np.random.default_rng(seed), length, count, vol), step=step)
