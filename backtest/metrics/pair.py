"""Pair: an account beside its benchmark: alpha, beta, information ratio and capture.

Both series are net simple returns of the same bars, earned between the same two closes. No lag is allowed for: where the
benchmark closes at another hour than the account, beta and correlation come out too low (Scholes and Williams 1977).
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from backtest.errors import MetricError
from backtest.metrics.dependence import long_run_variance, newey_west_lags
from backtest.metrics.growth import compounded_annually
from backtest.metrics.metric import Metric, if_constant, if_few, if_short, measured
from backtest.metrics.returns import NOISE, Returns
from data.panel import Floats


@dataclass(frozen=True, eq=False)
class Pair:
    """The returns of an account and of its benchmark over the same periods.

    Attributes:
        returns: net returns of the account, (T,).
        benchmark: returns of the benchmark over the same T periods.

    Raises:
        MetricError: when lengths, periods a year or risk-free returns differ.
    """

    returns: Returns
    benchmark: Returns

    def __post_init__(self) -> None:
        own, other = self.returns, self.benchmark
        if len(own) != len(other):
            raise MetricError(
                f"returns have {len(own)} periods and the benchmark {len(other)}; the same periods are needed"
            )
        if own.periods_per_year != other.periods_per_year:
            raise MetricError(
                f"periods_per_year were {own.periods_per_year} and {other.periods_per_year}; they must be equal"
            )
        if not np.array_equal(own.risk_free, other.risk_free):
            raise MetricError("risk-free returns of account and benchmark differ; they must be equal")

    def __len__(self) -> int:
        return len(self.returns)

    @property
    def periods_per_year(self) -> float:
        """Periods in a year."""
        return self.returns.periods_per_year

    @property
    def active(self) -> Floats:
        """Returns less those of the benchmark, (T,)."""
        return np.asarray(self.returns.values - self.benchmark.values)


def regression(excess: Floats, market: Floats) -> tuple[Floats, Floats]:
    """Return intercept and slope of excess on market over the last axis, least squares, (..., T) -> (...) twice."""
    away = market - market.mean(axis=-1, keepdims=True)
    slope = (away * excess).sum(axis=-1) / (away * away).sum(axis=-1)
    return np.asarray(excess.mean(axis=-1) - slope * market.mean(axis=-1)), np.asarray(slope)


def ratio_of_active(active: Floats, periods_per_year: float) -> Floats:
    """Return mean / sd (ddof 1) sqrt(q) over the last axis, (..., T) -> (...)."""
    return np.asarray(active.mean(axis=-1) / active.std(axis=-1, ddof=1) * math.sqrt(periods_per_year))


def alpha(pair: Pair) -> Metric:
    """Return Jensen's alpha a year: q times the intercept of r - rf on m - rf (Jensen 1968); not compounded."""
    return measured(
        "alpha", pair, f"intercept of r - rf on benchmark - rf, x q; {pair.returns.terms}",
        if_short(pair) or _if_flat(pair), lambda: float(_fitted(pair)[0]) * pair.periods_per_year,
    )  # fmt: skip


def alpha_standard_error(pair: Pair) -> Metric:
    """Return the annual HAC standard error of alpha (Newey and West 1987, without a small-sample correction).

    The influence of period t on the intercept is (1 - mbar (m_t - mbar) / var(m)) u_t with the residual u; its Bartlett
    long-run variance over floor(4 (T/100)^(2/9)) lags is divided by T.
    """
    lags = newey_west_lags(len(pair))
    return measured(
        "alpha_standard_error", pair, f"HAC, Bartlett over {lags} lags, x q; {pair.returns.terms}",
        if_short(pair) or if_few(pair) or _if_flat(pair),
        lambda: math.sqrt(long_run_variance(_alpha_influence(pair), lags) / len(pair)) * pair.periods_per_year,
    )  # fmt: skip


def beta(pair: Pair) -> Metric:
    """Return the slope of r - rf on m - rf (Sharpe 1964); NaN when the benchmark's returns are constant."""
    return measured(
        "beta", pair, "slope of r - rf on benchmark - rf", _if_flat(pair), lambda: float(_fitted(pair)[1])
    )


def correlation(pair: Pair) -> Metric:
    """Return the correlation of the returns with the benchmark's, in [-1, 1]; NaN when either is constant."""
    own, other = pair.returns.values, pair.benchmark.values
    return measured(
        "correlation", pair, "Pearson, period returns", if_constant(own) or _if_flat(pair),
        lambda: float(np.clip(np.corrcoef(own, other)[0, 1], -1, 1)),
    )  # fmt: skip


def active_return(pair: Pair) -> Metric:
    """Return the CAGR less the benchmark's CAGR."""
    q = pair.periods_per_year
    return measured(
        "active_return", pair, f"CAGR less the benchmark's CAGR, exponent {q:g}/n", if_short(pair),
        lambda: float(compounded_annually(pair.returns.values, q) - compounded_annually(pair.benchmark.values, q)),
    )  # fmt: skip


def tracking_error(pair: Pair) -> Metric:
    """Return the annual standard deviation of returns less the benchmark's, ddof 1; 0 for the benchmark itself."""
    q = pair.periods_per_year
    return measured(
        "tracking_error", pair, f"sd (ddof 1) of r - benchmark, x sqrt({q:g})", if_short(pair) or if_short(pair, 2),
        lambda: float(pair.active.std(ddof=1)) * math.sqrt(q),
    )  # fmt: skip


def information_ratio(pair: Pair) -> Metric:
    """Return mean(r - m) / sd(r - m; ddof 1) sqrt(q) (Goodwin 1998); NaN when the difference does not vary."""
    flat = if_constant(pair.active).replace(
        "returns are constant", "returns less the benchmark's are constant"
    )
    return measured(
        "information_ratio", pair, f"mean/sd (ddof 1) of r - benchmark, x sqrt(q); {pair.periods_per_year:g} periods/year",
        if_short(pair) or flat, lambda: float(ratio_of_active(pair.active, pair.periods_per_year)),
    )  # fmt: skip


def up_capture(pair: Pair) -> Metric:
    """Return the geometric mean return in periods the benchmark rose over the benchmark's own there (Morningstar).

    (prod(1 + r_t)^(1/n) - 1) / (prod(1 + m_t)^(1/n) - 1) over the n periods with m_t > 0. NaN without such a period.
    """
    return _capture("up_capture", pair, pair.benchmark.values > 0, "rose")


def down_capture(pair: Pair) -> Metric:
    """Return the geometric mean return in periods the benchmark fell over the benchmark's own there (Morningstar).

    As ``up_capture`` over the periods with m_t < 0: below 1 loses less than the benchmark, below 0 gains while it falls.
    """
    return _capture("down_capture", pair, pair.benchmark.values < 0, "fell")


def _capture(name: str, pair: Pair, inside: npt.NDArray[np.bool_], verb: str) -> Metric:
    own, other = (_geometric_mean(each.values[inside]) for each in (pair.returns, pair.benchmark))
    flag = "" if inside.any() and abs(other) > NOISE else f"the benchmark never {verb}"
    words = f"geometric mean return over the benchmark's, {int(inside.sum())} periods in which it {verb}"
    return measured(name, pair, words, flag, lambda: own / other)


def _geometric_mean(values: Floats) -> float:
    """Return prod(1 + r)^(1/n) - 1, 0 without values."""
    with np.errstate(divide="ignore"):
        return math.expm1(float(np.log1p(values).mean())) if len(values) else 0.0


def _fitted(pair: Pair) -> tuple[Floats, Floats]:
    return regression(pair.returns.excess, pair.benchmark.excess)


def _alpha_influence(pair: Pair) -> Floats:
    intercept, slope = _fitted(pair)
    market = pair.benchmark.excess
    residual = pair.returns.excess - intercept - slope * market
    centre = market.mean()
    return np.asarray((1 - centre * (market - centre) / market.var()) * residual)


def _if_flat(pair: Pair) -> str:
    """Return a flag when the benchmark does not vary, so that no line can be fitted to it."""
    return if_constant(pair.benchmark.excess).replace("returns are", "the benchmark's returns are")
