"""The small null table: honest tests inside generous bounds, the search and the leak far outside, power above the null."""

import importlib.util
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from backtest.metrics import null_worlds as worlds
from backtest.metrics.null_table import TESTS, Effort, best_of, decisions, rejection_rates, verdict
from backtest.metrics.significance import deflated_sharpes
from backtest.metrics.trial_correlation import trial_family

_PATH = Path(__file__).resolve().parents[2] / "scripts" / "studies" / "nulls.py"
_SPEC = importlib.util.spec_from_file_location("nulls", _PATH)
nulls = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(nulls)

SMALL = Effort(periods=300, resamples=199, draws=19)


def rates(decide: object, count: int) -> pd.Series:
    found = [decide(np.random.default_rng([7, world])) for world in range(count)]
    return rejection_rates(found).set_index("test")["rate"]


def deflated(values: np.ndarray) -> dict[str, bool]:
    found = deflated_sharpes(best_of(values), trial_family(values))
    return {
        "best of N, DSR (N)": found.full.value > 0.95,
        "best of N, DSR (effective N)": found.effective.value > 0.95,
    }


@pytest.fixture(scope="module")
def null_rates() -> pd.Series:
    return rates(lambda rng: nulls.honest(worlds.garch_t, SMALL, rng), 40)


def test_honest_tests_call_luck_significant_about_one_time_in_twenty(null_rates: pd.Series) -> None:
    for name, asked in TESTS.items():
        if asked != "nothing":
            assert null_rates[name] <= 0.05 + 3.5 * np.sqrt(0.05 * 0.95 / 40), name


def test_an_uncorrected_search_does_so_far_more_often(null_rates: pd.Series) -> None:
    assert null_rates["best of N, no correction"] > 0.12


def test_the_same_bar_leak_is_always_significant() -> None:
    effort = Effort(resamples=199, draws=19)
    found = rates(lambda rng: nulls.leaky(worlds.garch_t, effort, rng), 10)
    assert found["same-bar leak, one rule, t-test"] == 1.0
    assert found["same-bar leak, SPA"] == 1.0
    assert found["one rule, t-test"] < 1.0


def test_a_planted_edge_is_found_more_often_than_luck(null_rates: pd.Series) -> None:
    power = rates(lambda rng: nulls.planted(0.4, SMALL, rng), 12)
    for name in TESTS:
        assert power[name] > null_rates[name] + 0.2, name
    assert power["StepM, the planted rule"] > 0.7


def test_effective_trials_reject_luck_too_often_when_trials_are_correlated() -> None:
    found = {}
    for correlation in (0.0, 0.9):
        drawn = [
            deflated(worlds.equicorrelated(np.random.default_rng([3, w]), 250, 20, correlation))
            for w in range(200)
        ]
        found[correlation] = rejection_rates(drawn).set_index("test")["rate"]
    full, effective = "best of N, DSR (N)", "best of N, DSR (effective N)"
    assert found[0.0][effective] == pytest.approx(found[0.0][full], abs=0.02)
    assert found[0.9][full] < 0.09
    assert found[0.9][effective] > found[0.9][full] + 0.02


def test_equal_seeds_give_equal_decisions() -> None:
    values = nulls.rules_on(worlds.garch_t(np.random.default_rng(1), 600))
    assert values.shape == (450, 20)
    assert decisions(values, np.random.default_rng(2), SMALL) == decisions(
        values, np.random.default_rng(2), SMALL
    )
    assert set(decisions(values, np.random.default_rng(2), SMALL)) == set(TESTS)


def test_every_family_of_the_study_runs_without_real_data() -> None:
    families = nulls.families(SMALL, None)
    assert len(families) == 10
    tables = nulls.study(families, 1, 2026, map)
    assert all(len(table) >= 10 for table in tables.values())
    assert "| SPA, unit sd, block 10 |" in nulls.markdown("any", tables["independent, normal"])


@pytest.mark.shared_data
def test_real_returns_cover_every_day(shared_data: Path) -> None:
    past = nulls.real_returns(shared_data)
    assert past.shape[0] > 1200
    assert past.shape[1] > 400
    assert np.isfinite(past).all()
    assert worlds.sign_randomised(np.random.default_rng(0), 1150, past).shape == (1150,)


@pytest.mark.parametrize(
    ("kind", "rate", "words"),
    [
        ("exact", 0.05, "inside"), ("exact", 0.071, "outside"), ("exact", 0.02, "outside"),
        ("conservative", 0.0, "inside"), ("conservative", 0.08, "outside"), ("nothing", 0.3, "outside"),
    ],
)  # fmt: skip
def test_a_conservative_test_may_reject_less(kind: str, rate: float, words: str) -> None:
    assert verdict(kind, rate, 0.0207) == words


def test_rates_come_with_their_binomial_error_and_band() -> None:
    table = rejection_rates([{"one rule, PSR": k < 5} for k in range(100)]).iloc[0]
    assert table["rate"] == 0.05
    assert table["standard_error"] == pytest.approx(0.0218, abs=1e-4)
    assert (table["low"], table["high"]) == pytest.approx((-0.0154, 0.1154), abs=1e-4)
