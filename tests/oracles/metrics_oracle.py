"""Slow, obvious twins of ``backtest.metrics``: plain Python sums and loops over lists of returns.

``SLOW`` maps a metric's name to a function of (returns, risk-free returns per period, periods a year). The inputs vary, are
long enough to annualise, and have at least one loss.
"""

import math
from statistics import NormalDist

NORMAL = NormalDist()


def mean(values):
    return math.fsum(values) / len(values)


def deviation(values, ddof):
    centre = mean(values)
    return math.sqrt(math.fsum((v - centre) ** 2 for v in values) / (len(values) - ddof))


def excess(values, risk_free):
    return [v - f for v, f in zip(values, risk_free, strict=True)]


def curve(values):
    money = [1.0]
    for value in values:
        money.append(money[-1] * (1 + value))
    return money


def drawdowns(values):
    peak, found = 1.0, []
    for money in curve(values)[1:]:
        peak = max(peak, money)
        found.append(money / peak - 1)
    return found


def lengths(values):
    """Bars from each peak to its recovery, or to the end."""
    found, running = [], 0
    for depth in drawdowns(values):
        if depth < 0:
            running += 1
        elif running:
            found.append(running + 1)
            running = 0
    return [*found, running] if running else found


def cagr(values, risk_free, q):
    return curve(values)[-1] ** (q / len(values)) - 1


def sharpe_per_period(values, risk_free):
    above = excess(values, risk_free)
    return mean(above) / deviation(above, 1)


def sortino(values, risk_free, q):
    above = excess(values, risk_free)
    downside = math.sqrt(math.fsum(v * v for v in above if v < 0) / len(above))
    return mean(above) / downside * math.sqrt(q)


def gain_to_loss(values, risk_free, q):
    return math.fsum(v for v in values if v > 0) / -math.fsum(v for v in values if v < 0)


def quantile(values, level):
    ordered = sorted(values)
    place = level * (len(ordered) - 1)
    low = math.floor(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (place - low) * (ordered[high] - ordered[low])


def expected_shortfall(values, risk_free, q, level=0.05):
    """Rockafellar and Uryasev's minimum over thresholds z of z - mean((z - r)+)/a, which lies at a return."""
    return max(z - math.fsum(max(z - v, 0.0) for v in values) / (level * len(values)) for z in values)


def moment(values, order):
    centre, scale = mean(values), deviation(values, 0)
    return mean([((v - centre) / scale) ** order for v in values])


def variance_factor(values, risk_free):
    above, ratio = excess(values, risk_free), sharpe_per_period(values, risk_free)
    return 1 - moment(above, 3) * ratio + (moment(above, 4) - 1) / 4 * ratio**2


def probabilistic_sharpe(values, risk_free, q):
    ratio = sharpe_per_period(values, risk_free)
    return NORMAL.cdf(ratio * math.sqrt(len(values) - 1) / math.sqrt(variance_factor(values, risk_free)))


def minimum_track_record_length(values, risk_free, q):
    ratio = sharpe_per_period(values, risk_free)
    return 1 + variance_factor(values, risk_free) * (NORMAL.inv_cdf(0.95) / ratio) ** 2


def automatic_lags(n):
    return math.floor(4 * (n / 100) ** (2 / 9))


def lagged_product(values, lag):
    centre = mean(values)
    return math.fsum((values[t] - centre) * (values[t - lag] - centre) for t in range(lag, len(values)))


def lo_adjusted_sharpe(values, risk_free, q):
    above = excess(values, risk_free)
    bracket = q
    for lag in range(1, automatic_lags(len(above)) + 1):
        bracket += 2 * (q - lag) * lagged_product(above, lag) / lagged_product(above, 0)
    return sharpe_per_period(values, risk_free) * q / math.sqrt(bracket)


def sharpe_standard_error(values, risk_free, q):
    above = excess(values, risk_free)
    n, m, s = len(above), mean(above), deviation(above, 0)
    influence = [(v - m) / s - m / (2 * s**3) * ((v - m) ** 2 - s**2) for v in above]
    lags = automatic_lags(n)
    variance = lagged_product(influence, 0) / n
    for lag in range(1, lags + 1):
        variance += 2 * (1 - lag / (lags + 1)) * lagged_product(influence, lag) / n
    return math.sqrt(variance / n * q)


def annual_rate(risk_free, q):
    return curve(risk_free)[-1] ** (q / len(risk_free)) - 1


def worst_share(values, level):
    """Mean of the worst share of values, their number repeated so that the share is whole."""
    repeated = sorted(v for v in values for _ in range(20))
    kept = repeated[: round(level * len(repeated))]
    return mean(kept)


def line(ours, theirs):
    """Least-squares intercept and slope, by the normal equations."""
    n, sx, sy = len(ours), math.fsum(theirs), math.fsum(ours)
    sxx, sxy = math.fsum(m * m for m in theirs), math.fsum(r * m for r, m in zip(ours, theirs, strict=True))
    slope = (n * sxy - sx * sy) / (n * sxx - sx * sx)
    return (sy - slope * sx) / n, slope


def geometric_mean(values):
    return math.exp(mean([math.log(1 + v) for v in values])) - 1


def capture(ours, theirs, sign):
    kept = [(r, m) for r, m in zip(ours, theirs, strict=True) if sign * m > 0]
    return geometric_mean([r for r, _ in kept]) / geometric_mean([m for _, m in kept])


def binomial_tail(successes, count, share):
    """P(at least so many successes)."""
    return math.fsum(
        math.comb(count, k) * share**k * (1 - share) ** (count - k) for k in range(successes, count + 1)
    )


def binomial_interval(successes, count, level):
    """Clopper and Pearson's ends, found by halving: the shares at which each tail has (1 - level)/2."""

    def halved(is_above):
        low, high = 0.0, 1.0
        for _ in range(60):
            middle = (low + high) / 2
            low, high = (low, middle) if is_above(middle) else (middle, high)
        return low

    tail = (1 - level) / 2
    low = halved(lambda p: binomial_tail(successes, count, p) > tail) if successes else 0.0
    high = halved(lambda p: 1 - binomial_tail(successes + 1, count, p) < tail) if successes < count else 1.0
    return low, high


def streak(profits):
    longest = running = 0
    for profit in profits:
        running = running + 1 if profit < 0 else 0
        longest = max(longest, running)
    return longest


SLOW = {
    "total_return": lambda r, f, q: curve(r)[-1] - 1,
    "cagr": cagr,
    "volatility": lambda r, f, q: deviation(r, 1) * math.sqrt(q),
    "sharpe": lambda r, f, q: sharpe_per_period(r, f) * math.sqrt(q),
    "sharpe_standard_error": sharpe_standard_error,
    "lo_adjusted_sharpe": lo_adjusted_sharpe,
    "probabilistic_sharpe": probabilistic_sharpe,
    "deflated_sharpe": probabilistic_sharpe,
    "minimum_track_record_length": minimum_track_record_length,
    "sortino": sortino,
    "calmar": lambda r, f, q: cagr(r, f, q) / -min(drawdowns(r)),
    "omega": gain_to_loss,
    "max_drawdown": lambda r, f, q: min(drawdowns(r)),
    "average_drawdown": lambda r, f, q: mean(drawdowns(r)),
    "longest_drawdown": lambda r, f, q: max(lengths(r)),
    "average_drawdown_length": lambda r, f, q: mean(lengths(r)),
    "time_under_water": lambda r, f, q: sum(d < 0 for d in drawdowns(r)) / len(r),
    "ulcer_index": lambda r, f, q: math.sqrt(mean([d * d for d in drawdowns(r)])),
    "conditional_drawdown": lambda r, f, q: worst_share(drawdowns(r), 0.05),
    "pain_ratio": lambda r, f, q: (cagr(r, f, q) - annual_rate(f, q)) / -mean(drawdowns(r)),
    "recovery_factor": lambda r, f, q: (curve(r)[-1] - 1) / -min(drawdowns(r)),
    "value_at_risk": lambda r, f, q: quantile(r, 0.05),
    "expected_shortfall": expected_shortfall,
    "hit_rate": lambda r, f, q: sum(v > 0 for v in r) / len(r),
    "profit_factor": gain_to_loss,
    "tail_ratio": lambda r, f, q: abs(quantile(r, 0.95)) / abs(quantile(r, 0.05)),
    "skewness": lambda r, f, q: moment(r, 3),
    "kurtosis": lambda r, f, q: moment(r, 4),
    "best_period": lambda r, f, q: max(r),
    "worst_period": lambda r, f, q: min(r),
}
