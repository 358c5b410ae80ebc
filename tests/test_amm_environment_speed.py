"""The benchmark of the environment: its steps are counted, and the twin it is compared with earns the same."""

import importlib.util
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from backtest.amm.environment import Due, environment_of

PATH = Path(__file__).resolve().parents[1] / "benchmarks" / "amm_environment_speed.py"
SPEC = importlib.util.spec_from_file_location(PATH.stem, PATH)
speed = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(speed)


@pytest.fixture(scope="module")
def made():
    history = speed.World("short", 50.0, 45).history()
    return environment_of(history, speed.GRID, speed.terms(), speed.CAPITAL, Due()), history


def test_environment_and_twin_earn_the_same(made):
    steps, taken = speed.check_equal(*made)
    assert steps > 0 and taken > 0


def test_an_environment_that_differs_from_its_twin_stops_the_benchmark(made):
    environment, history = made
    dearer = replace(environment, rules=environment.rules._replace(mint_gas=20.0))
    with pytest.raises(SystemExit, match="the environment and its twin differ by"):
        speed.check_equal(dearer, history)


def test_accounts_at_their_last_bar_make_no_steps(made):
    environment, history = made
    openings, _ = speed.drawn(history, 3, 1)
    waiting = np.zeros((40, 3), np.int64)
    _, steps, bars = speed.played(environment, openings, waiting, ready=True)
    assert (steps, bars) == (3 * 30, 3 * 720)
