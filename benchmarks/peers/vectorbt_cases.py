"""Times vectorbt on one case: vectorbt_cases.py CASE ENGINE WAY ROUNDS.

ENGINE is ``numba`` or ``rust``. WAY ``targets`` sizes at the close before and fills at the open in whole units, which gives
the exact engine's fills; ``signals`` is the library's own idiom and does less: sized at the open it fills at, fractional
units; ``averages`` is the sweep of c from prices, moving averages and crossings included.
"""

import sys
import time
from collections.abc import Callable

BEGUN = time.process_time()

import cases  # noqa: E402
import measuring  # noqa: E402
import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402
import vectorbt as vbt  # noqa: E402

IMPORTED = time.process_time() - BEGUN


def next_bar(array: cases.Floats) -> cases.Floats:
    """Return decisions moved to the bar that fills them."""
    moved = np.full(array.shape, np.nan)
    moved[1:] = array[:-1]
    return moved


def one_asset(case: str, orders: cases.Floats, engine: str, way: str) -> Callable[[], vbt.Portfolio]:
    """Return the simulation of (T,) or (T, K) targets on the single asset of a case."""
    bars, account = cases.prices(case), cases.ACCOUNTS[case]
    index = pd.DatetimeIndex(bars.times)
    close, opened = (pd.Series(array[:, 0], index) for array in (bars.close, bars.open))
    before = pd.Series(next_bar(bars.close)[:, 0], index)
    asked = next_bar(orders)
    fixed = {"price": opened, "fees": account.commission, "init_cash": account.cash, "engine": engine}
    fixed["freq"] = index[1] - index[0]
    if way == "signals":
        entries, exits = asked == account.weight, asked == 0.0
        return lambda: vbt.Portfolio.from_signals(
            close, entries, exits, size=account.weight, size_type="percent", **fixed
        )
    return lambda: vbt.Portfolio.from_orders(
        close, asked, size_type="targetpercent", val_price=before, size_granularity=1.0, **fixed
    )


def many_assets(engine: str) -> Callable[[], vbt.Portfolio]:
    """Return the simulation of case b, sized at the close before."""
    bars, account = cases.prices("b"), cases.ACCOUNTS["b"]
    frame = {
        name: pd.DataFrame(array, pd.DatetimeIndex(bars.times))
        for name, array in vars(bars).items()
        if name != "times"
    }
    before, asked = pd.DataFrame(next_bar(bars.close), frame["close"].index), next_bar(cases.weights())
    return lambda: vbt.Portfolio.from_orders(
        frame["close"],
        asked,
        size_type="targetpercent",
        price=frame["open"],
        val_price=before,
        size_granularity=1.0,
        fees=account.commission,
        init_cash=account.cash,
        cash_sharing=True,
        group_by=True,
        call_seq="auto",
        freq="1D",
        engine=engine,
    )


def with_averages(engine: str) -> Callable[[], vbt.Portfolio]:
    """Return the sweep of case c from prices: moving averages, crossings, simulation."""
    bars, account = cases.prices("c"), cases.ACCOUNTS["c"]
    index = pd.DatetimeIndex(bars.times)
    close, opened = pd.Series(bars.close[:, 0], index), pd.Series(bars.open[:, 0], index)
    fast, slow = (list(windows) for windows in zip(*cases.pairs(), strict=True))

    def run() -> vbt.Portfolio:
        made = [
            vbt.MA.run(close, window=windows, short_name=name) for name, windows in (("f", fast), ("s", slow))
        ]
        entries, exits = made[0].ma_crossed_above(made[1]), made[0].ma_crossed_below(made[1])
        return vbt.Portfolio.from_signals(
            close,
            entries.vbt.signals.fshift(1),
            exits.vbt.signals.fshift(1),
            size=account.weight,
            size_type="percent",
            price=opened,
            fees=account.commission,
            init_cash=account.cash,
            freq="1h",
            engine=engine,
        )

    return run


def orders_of(case: str) -> cases.Floats:
    """Return (T,) targets of a, (T, K) of c; NaN = no order."""
    account, close = cases.ACCOUNTS[case], cases.prices(case).close[:, 0]
    if case == "a":
        return cases.on_change(cases.is_long(close, 50, 200), account.weight, 199)
    made = [
        cases.on_change(cases.is_long(close, *pair), account.weight, pair[1] - 1) for pair in cases.pairs()
    ]
    return np.stack(made, axis=1)


def simulation(case: str, engine: str, way: str) -> tuple[Callable[[], vbt.Portfolio], int]:
    """Return a call that simulates, with its inputs made, and the number of cells."""
    if case == "b":
        return many_assets(engine), 2520 * 500
    if way == "averages":
        return with_averages(engine), len(cases.pairs())
    orders = orders_of(case)
    return one_asset(case, orders, engine, way), len(orders) if case == "a" else orders.shape[1]


def final(case: str, portfolio: vbt.Portfolio) -> float:
    """Return the last equity; of a sweep the mean over the first pairs, without making curves."""
    if case == "c":
        return float(portfolio.final_value().iloc[: cases.CHECKED_PAIRS].mean())
    return float(portfolio.value().iloc[-1])


def main() -> None:
    """Print one measurement."""
    case, engine, way, rounds = *sys.argv[1:4], int(sys.argv[4])
    simulate, cells = simulation(case, engine, way)
    found = measuring.measured(lambda: final(case, simulate()), rounds=rounds)
    measuring.say(f"vectorbt {engine} {way}", case, cells, {**found, "import_seconds": IMPORTED})


if __name__ == "__main__":
    main()
