"""Packed forecasts come back with every bit, through npz as well."""

from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from forecast.distribution import QuantileForecast
from forecast.packing import pack_forecasts, unpack_forecasts

QUANTITIES = st.sampled_from(["level", "log_return", "variance"])


def forecast(seed: int, series: int, horizon: int, levels: int, quantity: str) -> QuantileForecast:
    rng = np.random.default_rng(seed)
    cutoff = np.datetime64("2020-01-31T21:00", "ns") + np.timedelta64(seed, "ns")
    return QuantileForecast(
        cutoff=cutoff,
        times=cutoff + np.arange(1, horizon + 1) * np.timedelta64(86_400_000_000_001, "ns"),
        series=tuple(f"Ä{i} {'x' * i}" for i in range(series)),
        levels=np.sort(rng.uniform(0, 1, levels)),
        values=np.sort(rng.normal(0, 1e-300, (series, horizon, levels)), axis=2),
        quantity=quantity,
        last=rng.normal(size=series),
        unbounded=rng.random((series, horizon, 2)) < 0.5,
    )


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    st.lists(
        st.tuples(st.integers(0, 10**6), st.integers(0, 3), st.integers(1, 3), st.integers(1, 4), QUANTITIES),
        max_size=4,
    )
)
def test_packed_forecasts_come_back_with_every_bit(shapes: list[tuple[int, int, int, int, str]]) -> None:
    before = [forecast(*shape) for shape in shapes]
    after = unpack_forecasts(pack_forecasts(before))
    assert len(after) == len(before)
    for one, other in zip(before, after, strict=True):
        assert (one.cutoff, one.series, one.quantity) == (other.cutoff, other.series, other.quantity)
        assert one.cutoff.dtype == other.cutoff.dtype
        for name in ("times", "levels", "values", "last", "unbounded"):
            left, right = getattr(one, name), getattr(other, name)
            assert left.dtype == right.dtype
            assert left.shape == right.shape
            assert left.tobytes() == right.tobytes()


def test_packed_forecasts_need_no_pickle(tmp_path: Path) -> None:
    packed = pack_forecasts([forecast(1, 2, 3, 4, "level"), forecast(2, 0, 3, 4, "level")])
    with (tmp_path / "f.npz").open("wb") as file:
        np.savez(file, allow_pickle=False, **packed)
    with np.load(tmp_path / "f.npz", allow_pickle=False) as stored:
        again = unpack_forecasts(dict(stored))
    assert again[0].values.tobytes() == forecast(1, 2, 3, 4, "level").values.tobytes()
    assert again[1].series == ()
