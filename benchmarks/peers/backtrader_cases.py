"""Times backtrader on the corner of case b: backtrader_cases.py ASSETS BARS; its feeds are lists, its quickest way."""

import sys
import time

BEGUN = time.process_time()

import backtrader  # noqa: E402
import cases  # noqa: E402
import measuring  # noqa: E402
import numpy as np  # noqa: E402

IMPORTED = time.process_time() - BEGUN


class Listed(backtrader.feed.DataBase):
    """Bars from a list of (date number, open, high, low, close)."""

    params = (("rows", ()),)

    def start(self) -> None:
        super().start()
        self.left = iter(self.p.rows)

    def _load(self) -> bool:
        row = next(self.left, None)
        if row is None:
            return False
        lines = self.lines
        lines.datetime[0], lines.open[0], lines.high[0], lines.low[0], lines.close[0] = row
        lines.volume[0] = lines.openinterest[0] = 0.0
        return True


class Retarget(backtrader.Strategy):
    """Asks for every asset's weight at every close."""

    params = (("weights", None),)

    def next(self) -> None:
        for data, weight in zip(self.datas, self.p.weights[len(self) - 1], strict=True):
            self.order_target_percent(data, weight)


def simulate(bars: cases.Prices, weights: cases.Floats) -> float:
    """Return the final value."""
    account = cases.ACCOUNTS["b"]
    days = bars.times.astype("datetime64[D]").astype(np.int64) + 719_163.0
    cerebro = backtrader.Cerebro(stdstats=False)
    for s in range(bars.close.shape[1]):
        columns = (days, bars.open[:, s], bars.high[:, s], bars.low[:, s], bars.close[:, s])
        cerebro.adddata(Listed(rows=list(zip(*(column.tolist() for column in columns), strict=True))))
    cerebro.addstrategy(Retarget, weights=weights.tolist())
    cerebro.broker.setcash(account.cash)
    cerebro.broker.setcommission(commission=account.commission)
    cerebro.run()
    return float(cerebro.broker.getvalue())


def main() -> None:
    """Print one measurement of one run."""
    assets, count = int(sys.argv[1]), int(sys.argv[2])
    bars, weights = cases.prices("b", assets, count), cases.weights(assets, count)
    found = measuring.measured(lambda: simulate(bars, weights), rounds=0)
    measuring.say(
        "backtrader", f"b {assets} x {count}", assets * count, {**found, "import_seconds": IMPORTED}
    )


if __name__ == "__main__":
    main()
