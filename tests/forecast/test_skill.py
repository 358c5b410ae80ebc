"""Skill: one definition, one loss a decision, against the best naive forecast."""

from dataclasses import replace

import numpy as np
import pytest

from forecast.comparison import diebold_mariano
from forecast.errors import ForecastError
from forecast.skill import (
    NO_SKILL,
    SKILL,
    TOO_FEW,
    LossCube,
    avoided,
    best_naive,
    finding_against,
    is_naive,
    least_decisions,
    overlapping,
    per_cutoff,
    skill_findings,
    skill_verdict,
)

LABELS = ("ridge", "naive", "drift")
START = np.datetime64("2020-01-01", "ns")


def days(numbers: np.ndarray) -> np.ndarray:
    return START + np.asarray(numbers).astype("timedelta64[D]")


def cube(
    gain: float = 0.0, *, count: int = 100, every: int = 5, series: int = 3, seed: int = 0, horizon: int = 5
) -> LossCube:
    """Return losses of three models that share most of their noise; ridge is better by ``gain`` on average."""
    rng = np.random.default_rng(seed)
    shared = rng.exponential(size=(1, count, 1, 1))
    own = rng.normal(0, 0.3, (len(LABELS), count, series, horizon))
    losses = 2 + shared + own
    losses[0] -= gain
    losses[2] += 0.2
    at = np.arange(count) * every
    times = days(at[:, None] + np.arange(1, horizon + 1))
    return LossCube(LABELS, "crps", days(at), times, losses, rng.normal(size=losses.shape))


def finding(losses: LossCube, label: str = "ridge", test: str = "diebold_mariano"):
    return next(each for each in skill_findings([losses], test)[0] if each.label == label)


@pytest.mark.parametrize("test", ["diebold_mariano", "giacomini_white"])
def test_a_better_model_shows_skill_and_an_equal_one_does_not(test: str) -> None:
    assert finding(cube(gain=0.2), test=test).verdict == SKILL
    assert finding(cube(gain=0.0), test=test).verdict == NO_SKILL
    assert finding(cube(gain=-0.2), test=test).verdict == NO_SKILL


def test_clark_west_judges_the_errors_of_the_point_forecasts() -> None:
    rng = np.random.default_rng(3)
    base = cube(series=1, horizon=1, every=1)
    signal, noise = rng.normal(0, 0.6, (100, 1, 1)), rng.normal(size=(100, 1, 1))
    better = replace(base, errors=np.stack([noise, noise + signal, noise + signal]))
    useless = replace(base, errors=np.stack([noise + signal, noise, noise]))
    assert finding(better, test="clark_west").verdict == SKILL
    assert finding(useless, test="clark_west").verdict == NO_SKILL


def test_the_opponent_is_the_naive_forecast_with_the_lowest_loss() -> None:
    losses = cube()
    assert best_naive(losses) == "naive"
    worse = losses.losses.copy()
    worse[1] += 1.0
    assert best_naive(replace(losses, losses=worse)) == "drift"
    found = finding(losses)
    own, naive = per_cutoff(losses.losses[:2])
    assert found.skill == pytest.approx(1 - own.mean() / naive.mean())


def test_naive_models_are_never_tested_and_never_show_skill() -> None:
    for label in ("naive", "drift"):
        found = finding(cube(), label)
        assert (found.verdict, found.test) == (NO_SKILL, None)
        assert np.isnan(found.holm_p_value)
    assert is_naive("seasonal_naive-2")
    assert not is_naive("ridge")


@pytest.mark.parametrize(("count", "every"), [(19, 5), (59, 1)])
def test_few_decisions_are_too_few_to_tell(count: int, every: int) -> None:
    assert finding(cube(gain=5.0, count=count, every=every)).verdict == TOO_FEW
    assert finding(cube(gain=5.0, count=count + 1, every=every)).verdict == SKILL


def test_copies_of_a_series_add_no_evidence() -> None:
    one = cube(gain=0.03, series=1)
    many = replace(one, losses=np.repeat(one.losses, 7, axis=2), errors=np.repeat(one.errors, 7, axis=2))
    assert finding(many).test.p_value == pytest.approx(finding(one).test.p_value)


def test_lags_count_overlapping_decisions_not_bars() -> None:
    for every, lags in ((5, 0), (7, 0), (3, 1), (2, 2), (1, 4)):
        losses = cube(every=every)
        assert overlapping(losses.cutoffs, losses.times) == lags
        assert finding(cube(every=every)).test.lags == lags
        assert overlapping(losses.cutoffs, losses.at_step(1).times) == 0


def test_cells_that_one_model_did_not_score_are_left_out_of_its_comparison() -> None:
    losses = cube(gain=0.1)
    holes = losses.losses.copy()
    holes[0, :, 2] = np.nan
    holes[1:, :, 2] = 1e9
    kept = replace(losses, losses=losses.losses[:, :, :2], errors=losses.errors[:, :, :2])
    assert finding(replace(losses, losses=holes)).skill == pytest.approx(finding(kept).skill)


def test_nothing_scored_is_too_few_to_tell() -> None:
    losses = cube()
    found = finding(replace(losses, losses=np.full_like(losses.losses, np.nan)))
    assert (found.best_naive, found.verdict) == (None, TOO_FEW)


def test_holm_counts_every_model_tested_beside() -> None:
    base = cube(gain=0.06, seed=4)
    alone = finding(base)
    crowd = replace(
        base,
        labels=("ridge", "naive", "drift", *(f"ar-{i}" for i in range(2, 22))),
        losses=np.concatenate([base.losses, np.repeat(base.losses[1:2] + 0.5, 20, axis=0)]),
        errors=np.concatenate([base.errors, np.repeat(base.errors[1:2], 20, axis=0)]),
    )
    assert finding(crowd).holm_p_value == pytest.approx(min(1.0, 21 * alone.holm_p_value))


def test_equal_models_show_skill_at_most_about_once_in_twenty() -> None:
    shown = [finding(cube(seed=seed, count=60, series=2, horizon=2)).verdict == SKILL for seed in range(300)]
    assert np.mean(shown) < 0.08


def test_skill_of_qlike_does_not_depend_on_the_unit() -> None:
    assert avoided(-9.1, -9.0, "qlike") == pytest.approx(avoided(0.9, 1.0, "qlike"))
    assert avoided(-9.1, -9.0, "qlike") > 0 > avoided(-8.9, -9.0, "qlike")


def test_a_perfect_naive_forecast_cannot_be_beaten() -> None:
    assert avoided(0.0, 0.0, "crps") == 0.0
    assert avoided(0.1, 0.0, "crps") == float("-inf")


def test_the_verdict_follows_the_adjusted_p_value() -> None:
    assert skill_verdict(False, 0.05) == SKILL
    assert skill_verdict(False, 0.0501) == NO_SKILL
    assert skill_verdict(False, float("nan")) == TOO_FEW
    assert skill_verdict(True, float("nan")) == NO_SKILL


def test_skill_without_a_naive_forecast_is_refused() -> None:
    with pytest.raises(ForecastError, match="skill needs one of naive, drift, seasonal_naive"):
        skill_findings([replace(cube(), labels=("ridge", "ar", "ets"))])


def test_any_opponent_can_be_asked_for_and_the_naive_one_is_only_the_default() -> None:
    losses = cube(gain=0.1)
    own, drift = per_cutoff(losses.losses[[0, 2]])
    found = finding_against(losses, "ridge", "drift")
    assert found.skill == pytest.approx(1 - own.mean() / drift.mean())
    assert found.test == diebold_mariano(own, drift, 0)
    assert finding_against(losses, "drift", "ridge").test is None
    assert finding_against(losses, "ridge", None).best_naive is None


def test_overlapping_decisions_need_more_of_them() -> None:
    assert [least_decisions(lags) for lags in (0, 1, 4)] == [20, 24, 60]
