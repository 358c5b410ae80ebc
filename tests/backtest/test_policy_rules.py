"""Each policy's own rule, and the moments they share."""

import math
from statistics import NormalDist

import numpy as np
import pytest

from backtest.book import Book
from backtest.errors import EngineError
from backtest.policies.base import POLICIES, Market
from backtest.policies.quantile_moments import level_weights, normal_scale
from backtest.policies.settlement import best_position
from backtest.policies.wishes import Wager
from data.errors import SpecError
from forecast.distribution import DEFAULT_LEVELS, QuantileForecast
from forecast.errors import ForecastError, LevelError
from forecast.randomness import RandomStreams

CUTOFF = np.datetime64("2024-03-01", "ns")
TIMES = CUTOFF + np.arange(1, 5) * np.timedelta64(1, "D")
RNG = RandomStreams(7, CUTOFF)
LEVELS = np.array(DEFAULT_LEVELS)
NORMAL = np.array([NormalDist().inv_cdf(level) for level in DEFAULT_LEVELS])


def forecast_of(drifts, volatility=0.01, quantity="log_return", levels=LEVELS):
    drifts = np.asarray(drifts, float)
    steps = np.arange(1, len(TIMES) + 1)[None, :, None]
    shape = np.array([NormalDist().inv_cdf(level) for level in levels])
    values = drifts[:, None, None] * steps / len(TIMES) + volatility * np.sqrt(steps) * shape
    names = tuple("abcdefgh"[: len(drifts)])
    return QuantileForecast(CUTOFF, TIMES, names, levels, values, quantity, np.ones(len(drifts)))


def book_of(weights):
    weights = np.asarray(weights, float)
    return Book(tuple("abcdefgh"[: len(weights)]), 1 - weights.sum(), weights, np.ones(len(weights)))


def market_of(count, cost=0.001, max_weight=0.5, max_gross=1.0):
    return Market(np.ones(count, bool), np.full(count, cost), 252.0, max_gross, max_weight)


def weights_of(config, drifts, held=None, **market):
    book = book_of(np.zeros(len(drifts)) if held is None else held)
    policy = POLICIES.build(config)
    return policy.decide(forecast_of(drifts), book, market_of(len(drifts), **market), RNG).weights.tolist()


def test_level_masses_are_positive_and_add_up_to_one():
    masses = level_weights(LEVELS)
    assert masses.min() > 0 and masses.sum() == pytest.approx(1, abs=1e-15)
    assert level_weights(np.array([0.3])).tolist() == [1.0]


def test_moments_of_a_normal_grid():
    values, masses = 0.02 + 0.1 * NORMAL, level_weights(LEVELS)
    assert values @ masses == pytest.approx(0.02, abs=1e-12)
    assert normal_scale(values, LEVELS) == pytest.approx(0.1)
    assert 0.9 * 0.01 < (values - 0.02) ** 2 @ masses < 0.01
    assert normal_scale(np.array([2.0]), np.array([0.5])) == 0


def test_sign_policies_follow_the_median_and_keep_what_is_not_worth_a_round_trip():
    drifts, held = [0.01, -0.01, 0.0005, -0.0005], [0.0, 0.1, 0.2, 0.0]
    long_flat = weights_of("long_flat", drifts, held, max_weight=0.25)
    assert long_flat[:2] == [0.25, 0.0] and np.isnan(long_flat[2]) and long_flat[3] == 0
    long_short = weights_of("long_short", drifts, held, max_weight=0.25)
    assert long_short[:2] == [0.25, -0.25] and np.isnan(long_short[2]) and long_short[3] == 0


def test_long_flat_closes_a_short_it_would_keep():
    assert weights_of("long_flat", [0.0], held=[-0.3]) == [0.0]


def test_weights_shrink_together_to_the_gross_limit():
    assert weights_of("long_short", [0.01, -0.01, 0.01], max_weight=0.5) == pytest.approx(
        [1 / 3, -1 / 3, 1 / 3]
    )


def test_top_k_ranks_by_median_and_ties_share_their_weights():
    top = {"kind": "top_k", "k": 2}
    assert weights_of(top, [0.02, 0.03, 0.01, 0.01]) == [0.5, 0.5, 0.0, 0.0]
    assert weights_of(top, [0.01, 0.03, 0.01, 0.00]) == [0.25, 0.5, 0.25, 0.0]


def test_a_forecast_that_tells_no_difference_takes_no_side():
    assert weights_of({"kind": "top_k", "k": 1, "long_short": True}, [0.01] * 4) == [0.0] * 4
    assert weights_of({"kind": "top_k", "k": 2}, [0.01] * 4) == [0.25] * 4


def test_top_k_sells_the_lowest_with_the_same_weight():
    both = {"kind": "top_k", "k": 3, "long_short": True}
    assert weights_of(both, [0.01, 0.03, 0.02, -0.01]) == [-0.25, 0.25, 0.25, -0.25]


def test_volatility_target_meets_the_target_under_either_weighting():
    for weighting in ("equal", "inverse"):
        for correlation in (0.0, 0.4, 1.0):
            policy = POLICIES.build(
                {
                    "kind": "volatility_target",
                    "target": 0.1,
                    "weighting": weighting,
                    "assumed_correlation": correlation,
                }
            )
            drifts = [0.0, 0.0, 0.0]
            forecast = forecast_of(
                drifts, volatility=np.array([0.01, 0.02, 0.03])[:, None, None], quantity="level"
            )
            forecast = QuantileForecast(
                CUTOFF, TIMES, forecast.series, LEVELS, 1 + forecast.values, "level", np.ones(3)
            )
            market = market_of(3, max_weight=10, max_gross=10)
            weights = policy.decide(forecast, book_of(np.zeros(3)), market, RNG).weights
            risk = weights * np.array([0.01, 0.02, 0.03]) * math.sqrt(252)
            account = math.sqrt(correlation * risk.sum() ** 2 + (1 - correlation) * (risk**2).sum())
            assert account == pytest.approx(0.1)
            assert np.ptp(weights if weighting == "equal" else risk) == pytest.approx(0)


def test_volatility_target_reads_variance_forecasts_and_gives_a_constant_series_nothing():
    values = np.zeros((2, 4, 1))
    values[0] = np.array([1.0, 2.0, 3.0, 2.0])[:, None] * 1e-4
    forecast = QuantileForecast(CUTOFF, TIMES, ("a", "b"), np.array([0.5]), values, "variance", np.ones(2))
    policy = POLICIES.build({"kind": "volatility_target", "target": 0.05})
    weights = policy.decide(forecast, book_of([0, 0]), market_of(2, max_weight=1.0), RNG).weights
    assert weights.tolist() == pytest.approx([0.05 / math.sqrt(2e-4 * 252), 0.0])


def growth(returns, held, enter, position):
    """Return the mean log growth by the definition in the policy's docstring."""
    same_side = position * held > 0
    opened = max(abs(position) - abs(held), 0) if same_side else abs(position)
    closed = max(abs(held) - abs(position), 0) if same_side else abs(held)
    wealth = 1 + position * returns - enter * opened - enter / 2 * closed
    return -np.inf if wealth.min() <= 0 else float(np.log(wealth) @ level_weights(LEVELS))


@pytest.mark.parametrize("seed", range(8))
def test_growth_optimal_positions_beat_every_other_on_a_fine_grid(seed):
    rng = np.random.default_rng(seed)
    returns = np.sort(rng.normal(rng.normal(0, 0.02, (20, 1)), 0.05, (20, len(LEVELS))), axis=1)
    held, enter = np.where(rng.random(20) < 0.3, 0.0, rng.normal(0, 3, 20)), rng.random(20) * 0.02
    wager = Wager(returns[None], level_weights(LEVELS), 1.0)
    low, high = (0.0, 4.0) if seed % 2 else (-4.0, 4.0)
    for row in range(20):
        best, stays = best_position(wager, (0, row), (held[row], enter[row]), (low, high))
        others = [
            growth(returns[row], held[row], enter[row], position) for position in np.linspace(low, high, 801)
        ]
        assert low <= best <= high
        assert not stays or best == held[row]
        assert growth(returns[row], held[row], enter[row], best) >= max(others) - 1e-12


def test_kelly_of_a_coin_is_edge_over_odds():
    # Win b with probability p, lose 1 otherwise: f = p - (1 - p) / b (Kelly 1956).
    b = 1.2
    wager = Wager(np.array([[[-1.0, b]]]), np.array([0.45, 0.55]), 1.0)
    best, _ = best_position(wager, (0, 0), (0.0, 0.0), (-1.0, 1.0))
    assert best == pytest.approx(0.55 - 0.45 / b)


def test_quarter_kelly_opens_only_above_the_round_trip_and_may_refuse_shorts():
    gross = float(np.expm1(forecast_of([0.002]).values[0, -1]) @ level_weights(LEVELS))
    assert weights_of("kelly", [0.002], cost=gross * 1.001) == [0.0]
    assert 0 < weights_of("kelly", [0.002], cost=gross * 0.9)[0] < 0.5
    assert weights_of("kelly", [-0.02])[0] < 0
    assert weights_of({"kind": "kelly", "long_only": True}, [-0.02]) == [0.0]


def test_kelly_leaves_a_position_alone_when_no_change_pays_and_closes_a_bad_one():
    free = weights_of("kelly", [0.002], cost=0.0, max_weight=5.0, max_gross=5.0)[0]
    assert np.isnan(
        weights_of("kelly", [0.002], held=[free * 1.001], cost=0.001, max_weight=5.0, max_gross=5.0)[0]
    )
    assert weights_of("kelly", [-0.0008], held=[0.2]) == [0.0]


def test_constant_policies():
    assert weights_of("equal_weight", [0.0] * 4) == [0.25] * 4
    assert weights_of("cash", [0.01, 0.01], held=[0.3, 0.0]) == [0.0, 0.0]
    assert weights_of("buy_and_hold", [0.0, 0.0]) == [0.5, 0.5]
    assert np.isnan(weights_of("buy_and_hold", [0.0, 0.0], held=[0.5, 0.0])).all()


def test_a_policy_refuses_what_it_cannot_read():
    variances = QuantileForecast(CUTOFF, TIMES, ("a",), LEVELS, np.ones((1, 4, 21)), "variance", np.ones(1))
    bad_last = QuantileForecast(CUTOFF, TIMES, ("a",), LEVELS, np.ones((1, 4, 21)), "level", np.zeros(1))
    no_median = forecast_of([0.0], levels=np.array([0.1, 0.9]))
    market, book = market_of(1), book_of([0.0])
    for kind, forecast, error, message in [
        ("kelly", variances, ForecastError, "forecast of variance has no returns"),
        ("kelly", bad_last, ForecastError, r"last value of a was 0\.0"),
        ("long_flat", no_median, LevelError, r"level 0\.5 was not forecast"),
    ]:
        with pytest.raises(error, match=message):
            POLICIES.build(kind).decide(forecast, book, market, RNG)
    with pytest.raises(EngineError, match="market covers"):
        POLICIES.build("long_flat").decide(forecast_of([0.0]), book, market_of(2), RNG)
    with pytest.raises(SpecError, match=r"fraction was 2"):
        POLICIES.build({"kind": "kelly", "fraction": 2})
