"""Worlds without an edge: what each keeps of real returns, and rules that cannot see the future."""

import numpy as np
import pytest

from backtest.errors import MetricError
from backtest.metrics import null_worlds as worlds
from backtest.metrics.dependence import autocorrelations

LONG = 40_000
MADE = {
    "independent": worlds.independent,
    "garch_t": worlds.garch_t,
    "autoregressive": worlds.autoregressive,
    "seasonal_hours": worlds.seasonal_hours,
}
PAST = np.random.default_rng(3).standard_t(4, (300, 3)) * 0.01 + 0.002


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.mark.parametrize("name", MADE)
def test_made_up_worlds_have_no_mean_and_repeat_their_bits(name: str) -> None:
    found = MADE[name](rng(), LONG)
    assert found.shape == (LONG,)
    assert abs(found.mean()) < 4 * found.std() * 1.11 / np.sqrt(LONG)
    assert found.tobytes() == MADE[name](rng(), LONG).tobytes()


def test_each_world_has_the_dependence_it_is_named_for() -> None:
    for name, expected in (
        ("independent", 0),
        ("garch_t", 0),
        ("autoregressive", 0.1),
        ("seasonal_hours", 0),
    ):
        assert autocorrelations(MADE[name](rng(1), LONG), 1)[0] == pytest.approx(expected, abs=0.03)
    clustered = autocorrelations(np.abs(worlds.garch_t(rng(1), LONG)), 5)
    assert clustered.min() > 0.03
    assert np.abs(autocorrelations(np.abs(worlds.independent(rng(1), LONG)), 5)).max() < 0.02


def test_garch_has_the_variance_of_its_parameters_and_heavy_tails() -> None:
    found = worlds.garch_t(rng(2), LONG) / worlds.VOLATILITY
    assert found.var() == pytest.approx(1.0, rel=0.1)
    assert np.mean(found**4) / found.var() ** 2 > 4


def test_afternoons_are_loud_and_weekends_quiet() -> None:
    found = worlds.seasonal_hours(rng(), 24 * 7 * 400).reshape(400, 7, 24)
    by_hour, by_day = found.std(axis=(0, 1)), found.std(axis=(0, 2))
    assert by_hour[6] > 2 * by_hour[18]
    assert by_day[5:].max() < 0.8 * by_day[:5].min()


def test_random_signs_keep_the_sizes() -> None:
    found = worlds.sign_randomised(rng(4), 300, PAST)
    assert any(np.array_equal(np.abs(found), np.abs(column)) for column in PAST.T)
    assert 0.4 < np.mean(found > 0) < 0.6


def test_shuffled_blocks_are_the_returns_less_their_mean() -> None:
    found = worlds.block_permuted(rng(4), 300, PAST)
    assert any(np.allclose(np.sort(found), np.sort(column - column.mean())) for column in PAST.T)
    assert found.sum() == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("correlation", [0.0, 0.5, 0.9])
def test_strategies_are_as_correlated_as_asked(correlation: float) -> None:
    found = np.corrcoef(worlds.equicorrelated(rng(), LONG, 4, correlation).T)
    assert found[np.triu_indices(4, 1)] == pytest.approx(np.full(6, correlation), abs=0.03)


def test_a_rule_is_long_while_its_fast_average_is_above_its_slow_one() -> None:
    returns = worlds.independent(rng(5), 400)
    prices = np.cumprod(1 + returns)
    found = worlds.crossover_positions(returns)
    assert found.shape == (400, 20)
    for number, (fast, slow) in enumerate(worlds.WINDOWS):
        for row in (worlds.WARM_UP, 233, 399):
            is_long = prices[row - fast + 1 : row + 1].mean() > prices[row - slow + 1 : row + 1].mean()
            assert found[row, number] == (1 if is_long else -1)


def test_rules_do_not_see_the_future_but_the_leak_does() -> None:
    returns = worlds.independent(rng(5), 400)
    changed = returns.copy()
    changed[300:] *= -3
    before, after = worlds.crossover_positions(returns), worlds.crossover_positions(changed)
    assert np.array_equal(before[:300], after[:300])
    assert not np.array_equal(before[300:], after[300:])
    honest, leak = worlds.rule_returns(returns, before), worlds.rule_returns(returns, before, lag=0)
    assert honest.shape == leak.shape == (250, 20)
    assert honest[10, 3] == before[worlds.WARM_UP + 9, 3] * returns[worlds.WARM_UP + 10]
    assert leak[10, 3] == before[worlds.WARM_UP + 10, 3] * returns[worlds.WARM_UP + 10]


@pytest.mark.parametrize(
    "call",
    [
        lambda: worlds.sign_randomised(rng(), 301, PAST),
        lambda: worlds.block_permuted(rng(), 301, PAST),
        lambda: worlds.equicorrelated(rng(), 100, 3, 1.1),
        lambda: worlds.equicorrelated(rng(), 100, 3, np.nan),
    ],
)
def test_misuse_is_an_error(call: object) -> None:
    with pytest.raises(MetricError, match="was|were"):
        call()
