"""The role of a policy: from a forecast and a book to target weights."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from backtest.book import Book
from backtest.policies.outlook import Outlook
from backtest.policies.wishes import Wishes
from data.panel import Floats, read_only
from data.registry import Registry, spec
from forecast.distribution import QuantileForecast
from forecast.randomness import RandomStreams


@dataclass(frozen=True, eq=False)
class Market:
    """What a decision may know about trading conditions at the cutoff.

    Attributes:
        tradable: (S,) bool, in the book's order: the series may be traded and its bar at the cutoff was observed.
        round_trip_cost: (S,) cost of buying and selling again, as a fraction of traded value.
        periods_per_year: bars in a year, from the calendar.
        max_gross: largest allowed sum of absolute weights.
        max_weight: largest allowed absolute weight of one series.
    """

    tradable: npt.NDArray[np.bool_]
    round_trip_cost: Floats
    periods_per_year: float
    max_gross: float
    max_weight: float

    @property
    def terms(self) -> "Terms":
        """What of it is the same at every decision of a run."""
        return Terms(self.round_trip_cost, self.periods_per_year, self.max_gross, self.max_weight)


@dataclass(frozen=True, eq=False)
class Terms:
    """Trading conditions that are the same at every decision of a run.

    Attributes:
        round_trip_cost: (S,) cost of buying and selling again, as a fraction of traded value.
        periods_per_year: bars in a year, from the calendar.
        max_gross: largest allowed sum of absolute weights.
        max_weight: largest allowed absolute weight of one series.
    """

    round_trip_cost: Floats
    periods_per_year: float
    max_gross: float
    max_weight: float


@dataclass(frozen=True, eq=False)
class Decision:
    """Target weights decided at a close, to be filled from the next bar on.

    Attributes:
        cutoff: the close at which it was decided.
        series: S names, in the book's order.
        weights: (S,) target value of each position over equity; NaN means "leave this position alone".
    """

    cutoff: np.datetime64
    series: tuple[str, ...]
    weights: Floats

    def __post_init__(self) -> None:
        object.__setattr__(self, "weights", read_only(np.asarray(self.weights, np.float64)))


@spec
class AbstractPolicy(ABC):
    """A rule that turns a distribution into target weights; frozen settings only, no memory of its own."""

    @abstractmethod
    def decide(self, forecast: QuantileForecast, book: Book, market: Market, rng: RandomStreams) -> Decision:
        """Return the weights wanted, for every series of the book.

        Args:
            forecast: made at the same close; may hold fewer series than the book (the others are left alone or
                closed, as the policy documents) and series that are not tradable.
            book: the account at that close.
            market: costs, limits and what is tradable.
            rng: streams for policies that randomise.
        """


@spec
class AbstractBookFreePolicy(AbstractPolicy):
    """A policy whose wishes do not depend on the account; only ``settlement``, the same for all of them, reads it.

    So all decisions of a walk can be wished at once, and a sweep settles them on thousands of accounts in compiled code.
    A tradable series the forecast left out is wished 0: what cannot be forecast is not held.
    """

    @abstractmethod
    def decide_many(self, outlook: Outlook, terms: Terms) -> Wishes:
        """Return what is wanted at each decision, decision k from forecast k alone.

        Args:
            outlook: K forecasts in the book's order, with what is tradable.
            terms: costs and limits.
        """

    def decide(self, forecast: QuantileForecast, book: Book, market: Market, rng: RandomStreams) -> Decision:
        """Return the wishes of this one forecast, settled on the account."""
        # The settlement imports numba, which reading a configuration should not.
        from backtest.policies.settlement import settled

        outlook = Outlook((forecast,), book.series, np.asarray(market.tradable)[None], (rng,))
        wishes = self.decide_many(outlook, market.terms)
        return Decision(forecast.cutoff, book.series, settled(wishes, 0, book, market))


POLICIES: Registry[AbstractPolicy] = Registry(
    "policy",
    {
        "long_flat": "backtest.policies.sign:LongFlat",
        "long_short": "backtest.policies.sign:LongShort",
        "kelly": "backtest.policies.kelly:QuantileKelly",
        "volatility_target": "backtest.policies.volatility_target:VolatilityTarget",
        "top_k": "backtest.policies.top_k:TopK",
        "equal_weight": "backtest.policies.constant:EqualWeight",
        "buy_and_hold": "backtest.policies.constant:BuyAndHold",
        "cash": "backtest.policies.constant:Cash",
    },
    "wayfold.policies",
)
