"""Streams depend on seed, cutoff and name, and on nothing else."""

import numpy as np
import pytest

from forecast.randomness import RandomStreams

CUTOFF = np.datetime64("2020-01-01", "ns")


def draw(seed=1, cutoff=CUTOFF, names=("A",)):
    return RandomStreams(seed, cutoff).of(*names).random(4).tobytes()


def test_equal_names_give_equal_streams():
    assert draw() == draw()
    assert draw(cutoff=np.datetime64("2020-01-01")) == draw()


def test_a_stream_does_not_depend_on_what_was_drawn_before():
    streams = RandomStreams(1, CUTOFF)
    streams.of("B").random(100)
    assert streams.of("A").random(4).tobytes() == draw()


@pytest.mark.parametrize(
    "other",
    [{"seed": 2}, {"cutoff": CUTOFF + np.timedelta64(1, "ns")}, {"names": ("B",)}, {"names": ("A", "B")}],
)
def test_another_seed_cutoff_or_name_is_another_stream(other):
    assert draw(**other) != draw()


def test_names_are_not_run_together():
    assert draw(names=("A", "BC")) != draw(names=("AB", "C"))


def test_streams_of_many_names_are_uncorrelated():
    draws = np.array([RandomStreams(1, CUTOFF).of(f"S{i}").normal(size=400) for i in range(30)])
    off = np.corrcoef(draws)[np.triu_indices(30, 1)]
    assert np.abs(off).max() < 0.25
    assert abs(off.mean()) < 0.01


def test_the_bits_are_the_same_in_every_process_and_on_every_day():
    assert RandomStreams(7, CUTOFF).of("AAPL").integers(0, 1 << 32, 3).tolist() == [
        1463203776,
        3118908518,
        2678114893,
    ]
