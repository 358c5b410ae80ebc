"""The benchmark of the exact pool: its made pools are what it says, and the twin it is compared with ends alike."""

import importlib.util
from pathlib import Path

import pytest

PATH = Path(__file__).resolve().parents[1] / "benchmarks" / "amm_exact_speed.py"
SPEC = importlib.util.spec_from_file_location(PATH.stem, PATH)
speed = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(speed)


@pytest.mark.parametrize("number", [0, 1])
def test_pool_and_twin_end_alike(number):
    assert speed.check_equal(speed.worlds()[number]) > 0


def test_a_pool_that_differs_from_its_twin_stops_the_benchmark(monkeypatch):
    world = speed.worlds()[0]
    monkeypatch.setattr(speed.World, "swapped", lambda self, start: (start, 0))
    with pytest.raises(SystemExit, match="one range: the pool and its twin end at"):
        speed.check_equal(world)


def test_one_pool_crosses_ticks_and_the_other_does_not():
    plain, many = speed.worlds()
    assert len(many.pool().table.ticks) > 300
    few = speed.World(many.name, many.ranges, many.orders[:1000])
    assert few.swapped(many.pool())[1] > 100
    assert plain.swapped(plain.pool())[1] == 0


def test_the_real_day_is_left_out_where_it_is_not_there(tmp_path):
    assert speed.day_row(tmp_path) is None
