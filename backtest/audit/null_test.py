"""Null test: how often does the whole pipeline, searched lanes and all, do as well where nothing can be known?"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from backtest.audit.recording import walked_until
from backtest.audit.span import Span
from backtest.audit.worlds import BLIND, KINDS, make_world
from backtest.experiment import Report
from backtest.metrics.returns import NOISE, until_ruin
from backtest.paths import lane_paths, traded_bars
from backtest.walk import Walked
from data.errors import SpecError
from data.history import History
from data.panel import Floats
from data.prices import adjusted
from forecast.windows import carried

ALPHA = 0.05
"""The level at which luck is called unlikely."""


ABSURD = 3.0
"""Mean result in blind worlds, in standard deviations of one account's, that luck does not reach."""


@dataclass(frozen=True)
class NullTest:
    """The experiment's result beside the same pipeline in worlds without an edge.

    Attributes:
        statistic: largest over the asked accounts of the per-bar Sharpe ratio of net excess returns.
        lane: the account that has it.
        lanes: how many accounts were searched.
        excess_growth: that account's log growth a year above its volatility-matched buy-and-hold, net of costs.
        bars: bars it was measured on.
        worlds: kind -> the statistic of each of its worlds.
    """

    statistic: float
    lane: str
    lanes: int
    excess_growth: float
    bars: int
    worlds: dict[str, tuple[float, ...]]

    @property
    def count(self) -> int:
        """Worlds of all kinds."""
        return sum(map(len, self.worlds.values()))

    @property
    def p_value(self) -> float:
        """(1 + b) / (B + 1) over all worlds, see ``p_value``."""
        return p_value(self.statistic, [each for found in self.worlds.values() for each in found])

    @property
    def least_p_value(self) -> float:
        """The smallest p-value that so many worlds can give."""
        return 1.0 / (self.count + 1)

    def reached(self, kind: str) -> int:
        """Return how many worlds of a kind did as well or better."""
        return sum(each >= self.statistic for each in self.worlds[kind])

    @property
    def earns_from_nothing(self) -> bool:
        """Whether the mean account is absurdly good in worlds in which no direction can be known: something sees the future.

        Without an edge the statistic's standard deviation is 1 / sqrt(bars), and the best of 100 accounts has a mean of 2.5
        of these.
        """
        blind = [each for kind in BLIND for each in self.worlds.get(kind, ())]
        return bool(blind) and float(np.mean(blind)) * math.sqrt(self.bars) > ABSURD

    def sentences(self) -> list[str]:
        """Return the result in words."""
        if self.earns_from_nothing:
            sentence = (
                "LEAK: the experiment earns money in worlds in which nothing can be known of the next bar, so something in it "
                "sees the future (a fill at a price already known, or bars that hold what came later)."
            )
            return [sentence]
        reached = sum(self.reached(kind) for kind in self.worlds)
        best = (
            f"the best of {self.lanes} accounts ({self.lane})"
            if self.lanes > 1
            else f"the account of {self.lane}"
        )
        luck = "luck alone is unlikely" if self.p_value <= ALPHA else "luck is not ruled out"
        found = (
            f"Null worlds: where nothing can be known, the whole search did as well or better in {reached} of {self.count} "
            f"worlds: p = {self.p_value:.3f} (smallest possible {self.least_p_value:.3f}), so {luck}."
        )
        measured = (
            f"Measured on {best}: net of costs {self.excess_growth:+.1%} a year against buy-and-hold at the same volatility, "
            f"{self.statistic:+.3f} standard deviations a bar."
        )
        return [found, measured]


def p_value(statistic: float, worlds: Sequence[float]) -> float:
    """Return (1 + b) / (B + 1) with b the worlds at or above the statistic (Davison and Hinkley 1997, eq. 4.11)."""
    return (1 + sum(each >= statistic for each in worlds)) / (len(worlds) + 1)


def run_null_test(span: Span, worlds: int, report: Report, kinds: Sequence[str] = KINDS) -> NullTest:
    """Return the experiment's statistic beside that of ``worlds`` null worlds of each kind.

    Everything is run again in each world: derived fields, training, calibration, decisions, costs. The one p-value is for
    the whole search, as the statistic is the largest over the accounts the user asked for. Null worlds count as no trial.

    Raises:
        SpecError: when ``worlds`` is below 1, or the bars allow no null world.
        WayfoldError: when the pipeline does not run in a world.
    """
    if worlds < 1:
        raise SpecError(f"worlds was {worlds}; at least 1 is needed")
    own = searched(span, span.raw)
    found: dict[str, list[float]] = {kind: [] for kind in kinds}
    for number in range(worlds):
        for place, kind in enumerate(kinds):
            report(number * len(kinds) + place, worlds * len(kinds), f"null world {number + 1}, {kind}")
            world = make_world(span.raw, kind, number, span.spec.seed)
            found[kind].append(max(each.statistic for each in searched(span, world)))
    best = max(own, key=lambda each: each.statistic)
    return NullTest(
        best.statistic,
        best.lane,
        len(own),
        best.excess_growth,
        len(best.returns),
        {kind: tuple(values) for kind, values in found.items()},
    )


@dataclass(frozen=True, eq=False)
class Searched:
    """One asked account: its statistic, its growth above the matched buy-and-hold, and its net returns."""

    lane: str
    statistic: float
    excess_growth: float
    returns: Floats


def searched(span: Span, raw: History) -> list[Searched]:
    """Return every account the user asked for, run through the audited folds on these bars.

    Raises:
        WayfoldError: when the pipeline does not run on them.
    """
    history = span.derive(raw)
    plan = span.plan(history)
    asked = tuple(lane for lane in plan.lanes if lane.role == "asked")
    walked, failure = walked_until(
        replace(plan, lanes=asked), span.folds, history, history.cutoff, lambda *_: None
    )
    if failure is not None:
        raise failure
    held = held_returns(walked)
    return [
        _measured(path.lane.label, net_returns(path.net.equity), held, plan.periods_per_year)
        for path in lane_paths(walked, traded_bars(walked))
    ]


def held_returns(walked: Walked) -> Floats:
    """Return the (T,) returns of holding every tradable series from the first decision on, at equal weights, never rebalanced.

    A series without a price at the first decision is left out, as the benchmark leaves it out.
    """
    history = walked.history
    since = int(np.searchsorted(history.times, walked.folds[0].cutoffs[0]))
    listed = [s for s, name in enumerate(history.panel.series) if name not in history.untradable]
    closes = carried(adjusted(history.panel, "close"))[since:, listed]
    closes = closes[:, ~np.isnan(closes[0])]
    if not closes.shape[1]:
        return np.zeros(len(history.times) - since - 1)
    value = (closes / closes[0]).mean(axis=1)
    return np.asarray(value[1:] / value[:-1] - 1)


def net_returns(equity: Floats) -> Floats:
    """Return the (T,) returns of an equity curve (T+1,); after ruin they are 0."""
    curve = until_ruin(equity)
    returns = np.zeros(len(equity) - 1)
    returns[: len(curve) - 1] = curve[1:] / curve[:-1] - 1
    return returns


def excess_over_matched(returns: Floats, held: Floats) -> Floats:
    """Return r - k h with k = sd(r) / sd(h): the return above buy-and-hold levered to the same volatility, (T,)."""
    spread = float(held.std())
    return np.asarray(returns - (float(returns.std()) / spread if spread > NOISE else 0.0) * held)


def _measured(lane: str, returns: Floats, held: Floats, periods_per_year: float) -> Searched:
    excess = excess_over_matched(returns, held)
    spread = float(excess.std(ddof=1)) if len(excess) > 1 else 0.0
    statistic = float(excess.mean()) / spread if spread > NOISE else 0.0
    matched = np.log1p(np.maximum(returns - excess, -1 + NOISE)).mean()
    growth = np.log1p(np.maximum(returns, -1 + NOISE)).mean() - matched
    return Searched(
        lane, statistic, float(growth) * periods_per_year if math.isfinite(growth) else -math.inf, returns
    )
