"""Plan: of a grid of ranges, the one whose expected fees exceed its expected loss, cost and risk by most."""

from dataclasses import dataclass
from typing import Annotated

import annotated_types as at

from backtest.amm.expectation import change_variance, expected_stay, forecast_bars, prospect
from backtest.amm.policies.base import AbstractLiquidityPolicy, PoolView, RangeDecision, WantedRange
from backtest.amm.policies.wanted import tried, unchanged
from backtest.amm.ranges import range_of_width
from backtest.amm.rebalance import REFUSED, rebalance
from backtest.errors import EngineError
from data.registry import spec
from forecast.liquidity import LiquidityForecast
from forecast.randomness import RandomStreams

WIDTHS: tuple[float, ...] = (0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, float("inf"))
"""Widths of the grid: upper over lower price, less one."""

SHIFTS: tuple[float, ...] = (-0.5, 0.0, 0.5)
"""Distances of a range's centre from the price, in widths."""

Aversion = Annotated[float, at.Ge(0)]


@dataclass(frozen=True)
class ScoredAction:
    """One action of the grid and why it is worth what it is; money in quote tokens over the forecast's span.

    Attributes:
        ranges: wanted; None leaves everything as it is, empty closes everything.
        label: in words.
        fees: expected.
        lvr: expected loss versus rebalancing.
        cost: gas and conversion, as often as the price is expected to leave the ranges in the span.
        risk: risk aversion times the mean of the worst losses against the hold basket, fees left out.
    """

    ranges: tuple[WantedRange, ...] | None
    label: str
    fees: float
    lvr: float
    cost: float
    risk: float

    @property
    def score(self) -> float:
        """Fees less loss, cost and risk."""
        return self.fees - self.lvr - self.cost - self.risk


@spec
class Plan(AbstractLiquidityPolicy):
    """The best action of a grid by expected fees, loss, cost and risk over the span of a forecast.

    Each width of ``WIDTHS`` is centred at the price and half a width to either side of it; beside them stand leaving everything as it
    is and closing everything. For a range [a, b] and an account worth V after the move,

        score = l(a, b; V) * (fees - s * variance / 4 * time inside) - cost * span / stay - aversion * CVaR,

    with everything expected over the forecast's span, ``stay`` the time until the price is expected to leave the range (at most
    the window's end), since a range has to pay for its move by then, and CVaR the mean of the worst ``tail`` losses against the hold
    basket at the forecast's quantiles. The highest score wins; at equal scores the earlier row, and the first one leaves everything as it is.
    It reads no other random number and no other data, so ``explain`` gives the whole reason.

    Attributes:
        forecaster: kind of the liquidity forecaster it reads.
        risk_aversion: lambda, quote tokens per quote token of CVaR.
        tail: share of the outcomes that CVaR averages.
        tried: other risk aversions tried on the validation window.
    """

    forecaster: str = "har"
    risk_aversion: Aversion = 0.1
    tail: Annotated[float, at.Gt(0), at.Le(1)] = 0.1
    tried: tuple[Aversion, ...] = (0.0, 0.03, 0.1, 0.3)

    def candidates(self) -> tuple[AbstractLiquidityPolicy, ...]:
        """Return the risk aversions tried on the validation window."""
        return tried(self, "risk_aversion", self.tried)

    def decide(self, view: PoolView, rng: RandomStreams) -> RangeDecision:
        """Return the action with the highest score."""
        best = max(self.explain(view), key=lambda action: action.score)
        if best.ranges is None:
            return unchanged(view, best.label)
        reason = f"{best.label}: fees {best.fees:.4g}, loss {best.lvr:.4g}, cost {best.cost:.4g}, risk {best.risk:.4g}"
        return RangeDecision(view.history.cutoff, best.ranges, converts=bool(best.ranges), reason=reason)

    def explain(self, view: PoolView) -> tuple[ScoredAction, ...]:
        """Return every action with its parts, the one that leaves everything as it is first.

        Raises:
            EngineError: when the view has no forecast.
        """
        if view.forecast is None:
            raise EngineError(f"policy 'plan' reads the forecast of '{self.forecaster}'; the view has none")
        return tuple(
            action
            for ranges, label in ((None, "leave as it is"), *_grid(view))
            if (action := self._scored(view, view.forecast, ranges, label)) is not None
        )

    def _scored(
        self,
        view: PoolView,
        forecast: LiquidityForecast,
        ranges: tuple[WantedRange, ...] | None,
        label: str,
    ) -> ScoredAction | None:
        """Return an action with its parts; None for one that the account cannot do."""
        liquidity = float(view.history.panel.field("liquidity")[-1, 0])
        wanted = RangeDecision(view.history.cutoff, ranges, converts=bool(ranges))
        after, done = rebalance(view.account, wanted, wanted.cutoff, liquidity, view.terms)
        if done.kind == REFUSED:
            return None
        span = forecast_bars(forecast, view.history.clock)
        counted = min(span, view.remaining_bars)
        stay = expected_stay(after, change_variance(forecast) / span)
        moves = counted / max(1.0, min(stay, view.remaining_bars))
        expected = prospect(after, forecast, self.tail)
        own = sum(each.liquidity for each in after.positions)
        diluted = liquidity / (liquidity + own) if view.terms.own_dilution and own > 0 else 1.0
        return ScoredAction(
            ranges=ranges,
            label=label,
            fees=expected.fees * counted / span * diluted,
            lvr=expected.lvr * counted / span,
            cost=(done.gas + done.conversion) * moves,
            risk=self.risk_aversion * expected.shortfall,
        )


def _grid(view: PoolView) -> tuple[tuple[tuple[WantedRange, ...], str], ...]:
    """Return every action but leaving things as they are; a range that two widths share stands once, with the first."""
    pool, price = view.terms.pool, view.account.sqrt_price
    found: dict[tuple[int, int], str] = {}
    for width in WIDTHS:
        for shift in SHIFTS if width < float("inf") else (0.0,):
            side = {-0.5: ", below", 0.0: "", 0.5: ", above"}[shift]
            label = "full range" if width == float("inf") else f"{width:.0%}{side}"
            found.setdefault(range_of_width(pool, price, width, shift), label)
    close = [((), "close everything")] if view.account.positions else []
    return (*close, *(((WantedRange(*ticks),), label) for ticks, label in found.items()))
