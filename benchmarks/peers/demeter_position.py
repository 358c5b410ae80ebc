"""Times demeter on one position held all the way: demeter_position.py MINUTES.csv DAYS LOWER UPPER.

MINUTES.csv is one day of minute bars of USDC/WETH 0.05 %; DAYS copies of it follow one another. LOWER and UPPER are ticks. A
tenth of an ether and its worth in dollars go in, so that the position does not thin out the pool. Nothing is printed or saved by
the library. CPU seconds of the whole run of the bars, data preparation left out, printed as one JSON line.
"""

import io
import json
import logging
import sys
import time
from contextlib import redirect_stderr, redirect_stdout
from decimal import Decimal

import pandas as pd
from demeter import Actuator, MarketInfo, MarketTypeEnum, Strategy, TokenInfo
from demeter.uniswap import UniLpMarket, UniV3Pool

DOLLAR, ETHER = TokenInfo(name="usdc", decimal=6), TokenInfo(name="eth", decimal=18)
KEY = MarketInfo("pool", MarketTypeEnum.uniswap_v3)


class Position(Strategy):
    """One range, opened in the first bar."""

    def __init__(self, lower: int, upper: int) -> None:
        super().__init__()
        self.lower, self.upper = lower, upper

    def initialize(self) -> None:
        market = self.broker.markets[KEY]
        market.add_liquidity_by_tick(self.lower, self.upper, trim_tick=False)


def bars(file: str, days: int, market: UniLpMarket) -> pd.DataFrame:
    """Return the minutes of one day, repeated, with the columns the library adds."""
    exact = ("inAmount0", "inAmount1", "netAmount0", "netAmount1", "currentLiquidity")
    day = pd.read_csv(file, converters=dict.fromkeys(exact, Decimal), parse_dates=["timestamp"])
    every = pd.concat([day] * days, ignore_index=True)
    every.index = pd.date_range(day["timestamp"][0], periods=len(every), freq="1min")
    every = every.drop(columns="timestamp")
    market.add_statistic_column(every)
    return every


def main() -> None:
    """Print one measurement."""
    file, days, lower, upper = sys.argv[1], *map(int, sys.argv[2:5])
    logging.disable(logging.CRITICAL)
    market = UniLpMarket(KEY, UniV3Pool(DOLLAR, ETHER, 0.05, DOLLAR))
    market.data = bars(file, days, market)
    actuator = Actuator()
    actuator.broker.add_market(market)
    actuator.broker.set_balance(DOLLAR, 227)
    actuator.broker.set_balance(ETHER, Decimal("0.1"))
    actuator.strategy = Position(lower, upper)
    actuator.set_price(market.get_price_from_data())
    with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
        begun = time.process_time()
        actuator.run(print_result=False)
        seconds = time.process_time() - begun
    (held,) = market.positions.values()
    found = {
        "bars": len(market.data),
        "seconds": seconds,
        "liquidity": float(held.liquidity),
        "fees0": float(held.pending_amount0) * 1e6,
        "fees1": float(held.pending_amount1) * 1e18,
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
