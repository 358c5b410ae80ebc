"""How probable it is that a Sharpe ratio is skill: PSR, its deflation by the number of trials, and the record needed.

Every formula works on the per-period Sharpe ratio of the excess returns, with raw kurtosis (3 for a normal variable).
"""

import math
from dataclasses import dataclass, replace

import numpy as np
from scipy.integrate import quad
from scipy.special import ndtr, ndtri

from backtest.errors import MetricError
from backtest.metrics.metric import Metric, if_constant, if_few, measured
from backtest.metrics.ratios import sharpe_per_period
from backtest.metrics.returns import Returns
from backtest.metrics.tails import standardised_moment

EXACT_BELOW = 10
"""Below this many trials the expected maximum is integrated; the approximation is off by up to 8 % there."""

LEVEL = 0.95
"""Confidence asked of a track record."""


@dataclass(frozen=True)
class TrialFamily:
    """All strategies tried on the same data: what a deflated Sharpe ratio has to know of them.

    Attributes:
        count: strategies tried, each counted once.
        sharpe_sd: standard deviation (ddof 1) of their per-period Sharpe ratios; 0 for one.
        mean_correlation: mean pairwise correlation of their returns, in [-1, 1]; 0 for one.

    Raises:
        MetricError: when the count is below 1, the deviation negative, the correlation outside [-1, 1], or one not finite.
    """

    count: int
    sharpe_sd: float
    mean_correlation: float

    def __post_init__(self) -> None:
        if self.count < 1 or not (math.isfinite(self.sharpe_sd) and self.sharpe_sd >= 0):
            raise MetricError(
                f"count was {self.count} and sharpe_sd {self.sharpe_sd}; at least one trial and a finite deviation "
                "of at least 0 are needed"
            )
        if not -1 <= self.mean_correlation <= 1:
            raise MetricError(
                f"mean_correlation was {self.mean_correlation}; a number from -1 to 1 is needed"
            )

    @property
    def effective_count(self) -> float:
        """Independent trials worth these correlated ones; never above their number."""
        return effective_trials(max(0.0, self.mean_correlation), self.count)


@dataclass(frozen=True)
class DeflatedSharpe:
    """The deflated Sharpe ratio, and how much it hangs on counting correlated trials in full.

    Attributes:
        full: the number to report: all trials and the dispersion of their Sharpe ratios.
        effective: the same with the effective number of trials. Too lenient, because correlation has narrowed the
            dispersion already: a sensitivity, no verdict.
        family: the trials.
    """

    full: Metric
    effective: Metric
    family: TrialFamily


def sharpe_variance_factor(sharpe: float, skewness: float, kurtosis: float) -> float:
    """Return T var(S) = 1 - g3 S + (g4 - 1)/4 S^2 (Mertens 2002; Bailey and Lopez de Prado 2012), at least 0."""
    return max(0.0, 1 - skewness * sharpe + (kurtosis - 1) / 4 * sharpe**2)


def probability_above(sharpe: float, benchmark: float, n: int, skewness: float, kurtosis: float) -> float:
    """Return P(true Sharpe > benchmark) = Phi((S - S*) sqrt(n - 1) / sqrt(1 - g3 S + (g4 - 1)/4 S^2)).

    Bailey and Lopez de Prado (2012). All ratios per period, kurtosis raw.

    Raises:
        MetricError: when there are fewer than two periods or the variance of the ratio is zero.
    """
    factor = sharpe_variance_factor(sharpe, skewness, kurtosis)
    if n < 2 or factor <= 0:
        raise MetricError(
            f"n was {n} and the variance factor {factor:g}; n >= 2 and a positive factor are needed"
        )
    return float(ndtr((sharpe - benchmark) * math.sqrt(n - 1) / math.sqrt(factor)))


def expected_maximum(count: float) -> float:
    """Return the expected maximum of ``count`` independent standard normal variables; 0 for one.

    From 10 on (1 - g) Phi^-1(1 - 1/N) + g Phi^-1(1 - 1/(N e)), g = Euler's constant (Bailey and Lopez de Prado 2014);
    below, the integral of N x phi(x) Phi(x)^(N - 1). ``count`` may be an effective number, not whole.

    Raises:
        MetricError: when the count is below 1 or not finite.
    """
    if not (math.isfinite(count) and count >= 1):
        raise MetricError(f"number of trials was {count}; at least 1 is needed")
    if count >= EXACT_BELOW:
        gamma = float(np.euler_gamma)
        return float((1 - gamma) * ndtri(1 - 1 / count) + gamma * ndtri(1 - 1 / (count * math.e)))
    value, _ = quad(lambda x: x * count * math.exp(-x * x / 2) * ndtr(x) ** (count - 1), -12, 12)
    return float(value) / math.sqrt(2 * math.pi)


def effective_trials(mean_correlation: float, count: int) -> float:
    """Return the number of independent trials worth ``count`` correlated ones, rho + (1 - rho) N.

    Bailey and Lopez de Prado (2014), appendix; ``mean_correlation`` is the mean pairwise correlation of trial returns.

    Raises:
        MetricError: when the correlation is outside [0, 1] or the count below 1.
    """
    if not 0 <= mean_correlation <= 1 or count < 1:
        raise MetricError(
            f"mean correlation was {mean_correlation}, count {count}; a correlation in [0, 1] and a count from 1 on are needed"
        )
    return mean_correlation + (1 - mean_correlation) * count


def track_record_length(
    sharpe: float, benchmark: float, skewness: float, kurtosis: float, level: float = LEVEL
) -> float:
    """Return the periods needed to show S > S* at ``level``; infinity when S <= S*.

    1 + (1 - g3 S + (g4 - 1)/4 S^2) (z / (S - S*))^2 (Bailey and Lopez de Prado 2012). Ratios per period.

    Raises:
        MetricError: when the level is not inside (0.5, 1).
    """
    if not 0.5 < level < 1:
        raise MetricError(f"level was {level}; a confidence between 0.5 and 1 is needed")
    if sharpe <= benchmark:
        return math.inf
    factor = sharpe_variance_factor(sharpe, skewness, kurtosis)
    return float(1 + factor * (ndtri(level) / (sharpe - benchmark)) ** 2)


def probabilistic_sharpe(returns: Returns, benchmark: float = 0.0) -> Metric:
    """Return P(true Sharpe > benchmark) of the excess returns (Bailey and Lopez de Prado 2012).

    Args:
        returns: the returns; moments and ratio come from the same excess series.
        benchmark: annual Sharpe ratio to beat, divided by sqrt(q).

    Raises:
        MetricError: when the benchmark is not finite.
    """
    per_period = _finite_benchmark(benchmark) / math.sqrt(returns.periods_per_year)
    convention = f"P(Sharpe > {benchmark:g} a year), raw kurtosis; {returns.terms}"
    return _probability("probabilistic_sharpe", returns, _evidence(returns), per_period, convention)


def deflated_sharpe(returns: Returns, trials: float = 1, trial_sharpe_sd: float = 0.0) -> Metric:
    """Return P(true Sharpe > the best of ``trials`` without skill) (Bailey and Lopez de Prado 2014).

    Args:
        returns: the returns of the chosen strategy.
        trials: strategies tried on these data, this one included; may be an effective number.
        trial_sharpe_sd: standard deviation of the per-period Sharpe ratios over all trials.

    Raises:
        MetricError: when trials is below 1, or the deviation negative or not finite.
    """
    return _deflated(returns, _evidence(returns), trials, trial_sharpe_sd)


def deflated_sharpes(returns: Returns, family: TrialFamily) -> DeflatedSharpe:
    """Return the deflated Sharpe ratio by all trials and, as a sensitivity, by their effective number.

    Args:
        returns: the returns of the chosen strategy.
        family: every strategy tried on these data, this one included.
    """
    evidence = _evidence(returns)
    full = _deflated(returns, evidence, family.count, family.sharpe_sd)
    effective = _deflated(returns, evidence, family.effective_count, family.sharpe_sd)
    words = f"{effective.convention}; effective number of {family.count} trials, a sensitivity"
    return DeflatedSharpe(
        full, replace(effective, name="deflated_sharpe_effective", convention=words), family
    )


def minimum_backtest_length(trials: float, sharpe: float = 1.0) -> float:
    """Return the years below which the best of ``trials`` without skill is expected to reach an annual ``sharpe``.

    (E[max_N z] / S)^2 (Bailey, Borwein, Lopez de Prado and Zhu 2014, eq. 6).

    Raises:
        MetricError: when trials is below 1, or the ratio not a positive number.
    """
    if not (math.isfinite(sharpe) and sharpe > 0):
        raise MetricError(f"sharpe was {sharpe}; a positive annual Sharpe ratio is needed")
    return (expected_maximum(trials) / sharpe) ** 2


def minimum_track_record_length(returns: Returns, benchmark: float = 0.0, level: float = LEVEL) -> Metric:
    """Return the periods needed to show an annual Sharpe ratio above ``benchmark`` at ``level``.

    NaN when the ratio is not above the benchmark: no record is long enough (Bailey and Lopez de Prado 2012).

    Raises:
        MetricError: when the benchmark is not finite or the level not inside (0.5, 1).
    """
    per_period = _finite_benchmark(benchmark) / math.sqrt(returns.periods_per_year)
    found = _evidence(returns)
    flag, length = found.flag, math.nan
    if not flag:
        length = track_record_length(found.ratio, per_period, found.skewness, found.kurtosis, level)
    if math.isinf(length):
        flag = f"never: the Sharpe ratio is not above {benchmark:g}"
    convention = f"periods needed for P(Sharpe > {benchmark:g} a year) >= {level:g}; {returns.terms}"
    return measured("minimum_track_record_length", returns, convention, flag, lambda: length)


@dataclass(frozen=True)
class _Evidence:
    """Per-period Sharpe ratio, population skewness and raw kurtosis of the excess returns; NaN with a flag."""

    ratio: float
    skewness: float
    kurtosis: float
    flag: str = ""


def _evidence(returns: Returns) -> _Evidence:
    """Return what every probability is made of, flagged when it gives the ratio no positive variance."""
    excess = returns.excess
    flag = if_few(returns) or if_constant(excess)
    if flag:
        return _Evidence(math.nan, math.nan, math.nan, flag)
    ratio = float(sharpe_per_period(excess))
    skewness, kurtosis = standardised_moment(excess, 3), standardised_moment(excess, 4)
    if sharpe_variance_factor(ratio, skewness, kurtosis) <= 0:
        flag = "the Sharpe ratio of these two-valued returns has no variance"
    return _Evidence(ratio, skewness, kurtosis, flag)


def _deflated(returns: Returns, evidence: _Evidence, trials: float, trial_sharpe_sd: float) -> Metric:
    if not (math.isfinite(trial_sharpe_sd) and trial_sharpe_sd >= 0):
        raise MetricError(f"trial_sharpe_sd was {trial_sharpe_sd}; a finite number of at least 0 is needed")
    luck = trial_sharpe_sd * expected_maximum(trials)
    convention = f"P(Sharpe > {luck:.6g} a period, the best of {trials:g} trials by luck), raw kurtosis; {returns.terms}"
    return _probability("deflated_sharpe", returns, evidence, luck, convention)


def _probability(
    name: str, returns: Returns, evidence: _Evidence, benchmark: float, convention: str
) -> Metric:
    """Return P(true per-period Sharpe > benchmark) as a metric."""
    return measured(
        name, returns, convention, evidence.flag,
        lambda: probability_above(
            evidence.ratio, benchmark, len(returns), evidence.skewness, evidence.kurtosis
        ),
    )  # fmt: skip


def _finite_benchmark(benchmark: float) -> float:
    if not math.isfinite(benchmark):
        raise MetricError(f"benchmark was {benchmark}; a finite annual Sharpe ratio is needed")
    return benchmark
