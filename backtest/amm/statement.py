"""Statement: what an account earned, what it lost and to what, against having held its first basket.

fees - divergence - gas - conversion = net = equity - hold value. ``backtest.amm.account`` says how fees are valued.
"""

from dataclasses import dataclass, replace

import numpy as np

from backtest.amm.account import PoolAccount
from backtest.amm.advance import Advanced
from backtest.amm.efficiency import full_range_value
from data.history import History
from data.panel import Floats

YEAR_DAYS = 365.0

_MONEY = (
    "capital",
    "equity",
    "hold_value",
    "fees",
    "divergence",
    "gas",
    "conversion",
    "net",
    "lvr",
    "lvr_closed_form",
    "mean_invested",
)


@dataclass(frozen=True)
class Statement:
    """One account over one window; money in ``currency``.

    Attributes:
        currency: what money is counted in.
        start: when the account began.
        end: what has happened up to here is in it.
        capital: worth of the basket at the start.
        equity: worth of everything held at the end.
        hold_value: worth of the basket of the start at the end.
        fees: earned, net of the protocol's cut.
        divergence: what the basket gained more than the tokens provided; below 0 where it gained less.
        gas: paid.
        conversion: lost to fees and impact of conversions.
        net: equity less the hold value.
        lvr: loss versus rebalancing at the account's reference prices, in exact steps; a part of the divergence's cause,
            not of the sum.
        lvr_closed_form: the same from squared log returns, liquidity * variance * s / 4.
        mean_invested: worth inside positions, mean over bar ends.
        days: length.
        in_range_share: share of bar ends with the price inside an open range.
        concentration: liquidity at work over what the equity would be over the full range, mean over bar ends, 0 outside.
        capital_efficiency: fees over those the capital would have earned over the full range on the same swaps; NaN when
            nothing was traded.
        fee_apr: fees over the mean invested worth, times 365 / days, simple; NaN when nothing was invested.
        fees_over_lvr: fees over the loss versus rebalancing; NaN without one.
        fees_over_divergence: fees over the absolute divergence; NaN without one.
        actions: decisions executed.
        rebalances: of them, those after the first.
    """

    currency: str
    start: np.datetime64
    end: np.datetime64
    capital: float
    equity: float
    hold_value: float
    fees: float
    divergence: float
    gas: float
    conversion: float
    net: float
    lvr: float
    lvr_closed_form: float
    mean_invested: float
    days: float
    in_range_share: float
    concentration: float
    capital_efficiency: float
    fee_apr: float
    fees_over_lvr: float
    fees_over_divergence: float
    actions: int
    rebalances: int

    @property
    def net_bps(self) -> float:
        """Net in basis points of the capital."""
        return self.net / self.capital * 1e4


def statement(account: PoolAccount) -> Statement:
    """Return the statement of an account from its start to where it stands, in its quote token."""
    days = float((account.time - account.start_time) / np.timedelta64(1, "D"))
    invested = _ratio(account.invested, account.bars)
    return Statement(
        currency=account.pool.numeraire,
        start=account.start_time,
        end=account.time,
        capital=account.capital,
        equity=account.equity,
        hold_value=account.hold_value,
        fees=account.fees,
        divergence=account.divergence,
        gas=account.gas,
        conversion=account.conversion,
        net=account.net,
        lvr=account.lvr,
        lvr_closed_form=account.lvr_closed_form,
        mean_invested=invested,
        days=days,
        in_range_share=_ratio(account.bars_in_range, account.bars),
        concentration=_ratio(account.concentration, account.bars),
        capital_efficiency=_ratio(account.fees, full_range_fees(account)),
        fee_apr=_ratio(account.fees * YEAR_DAYS, invested * days),
        fees_over_lvr=_ratio(account.fees, account.lvr),
        fees_over_divergence=_ratio(account.fees, abs(account.divergence)),
        actions=account.actions,
        rebalances=max(account.actions - 1, 0),
    )


def full_range_fees(account: PoolAccount) -> float:
    """Return what the capital would have earned over the full range since the start, undiluted, at the present price."""
    liquidity = account.capital / full_range_value(account.pool, account.start_sqrt_price)
    rate0, rate1 = account.pool.rates
    return account.value(liquidity * rate0 * account.path_down, liquidity * rate1 * account.path_up)


def in_currency(given: Statement, price: float, currency: str) -> Statement:
    """Return a statement in another currency, every amount at one price; shares and ratios stay.

    Net is the difference of two baskets held at the end, so the price of the end is the one that makes it true.

    Args:
        given: in the quote token.
        price: of one quote token at the statement's end, in the other currency.
        currency: its name, as ``USD``.
    """
    return replace(given, currency=currency, **{name: getattr(given, name) * price for name in _MONEY})


def in_usd(given: Statement, history: History) -> Statement | None:
    """Return a statement in US dollars, at the price of the quote token known at its end; None where the data have none."""
    if "usd" not in history.panel.fields:
        return None
    price = float(history.panel.until(given.end).field("usd")[-1, 0])
    return None if np.isnan(price) else in_currency(given, price, "USD")


def rewards(before: PoolAccount, advanced: Advanced) -> Floats:
    """Return the change of equity less the change of the hold basket in each bar, (M,); their sum is the change of net.

    Args:
        before: the account that was advanced.
        advanced: what came of it.
    """
    return np.diff(advanced.equity - advanced.hold, prepend=before.net)


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else float("nan")
