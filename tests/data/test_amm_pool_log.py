import numpy as np
import pytest

from data.amm.pool import Pool
from data.amm.pool_log import PoolLog, RangeChanges, SwapPath
from data.errors import EventGapError, EventOrderError, PanelError, PoolError, TickError
from data.history import History
from data.panel import Panel
from data.sessions import BarClock

POOL = Pool(token0="A", token1="B")
HOUR = np.timedelta64(3_600_000_000_000, "ns")
BEGIN = np.datetime64("2022-01-01", "ns")


def swaps(**changes) -> SwapPath:
    columns = {
        "times": BEGIN + HOUR * np.array([1, 1, 2, 4]),
        "blocks": [10, 10, 20, 40],
        "log_indices": [0, 3, 1, 2],
        "sqrt_before": [1.0, 1.1, 1.2, 1.1],
        "sqrt_after": [1.1, 1.2, 1.1, 1.0],
        "amount0": [-1, -1, 1, 1],
        "amount1": [1, 1, -1, -1],
        "liquidity": [5, 5, 5, 5],
        **changes,
    }
    return SwapPath(**{name: np.asarray(column) for name, column in columns.items()})


def changes(**others) -> RangeChanges:
    columns = {
        "times": BEGIN + HOUR * np.array([0, 3]),
        "blocks": [1, 30],
        "log_indices": [0, 0],
        "tick_lower": [-60, -60],
        "tick_upper": [60, 60],
        "liquidity": [9, -4],
        **others,
    }
    return RangeChanges(**{name: np.asarray(column) for name, column in columns.items()})


def test_consecutive_spans_share_no_swap_and_miss_none() -> None:
    path = swaps()
    parts = [path.between(BEGIN + HOUR * i, BEGIN + HOUR * (i + 1)) for i in range(4)]
    assert [len(part) for part in parts] == [2, 1, 0, 1]
    assert np.concatenate([part.sqrt_after for part in parts]).tolist() == path.sqrt_after.tolist()


def test_a_cut_is_a_view_that_cannot_be_written_to() -> None:
    path = swaps()
    cut = path.until(BEGIN + HOUR)
    assert len(cut) == 2 and np.shares_memory(cut.sqrt_after, path.sqrt_after)
    with pytest.raises(ValueError, match="read-only"):
        cut.sqrt_after[0] = 2.0


@pytest.mark.parametrize(
    ("column", "values", "error", "said"),
    [
        ("log_indices", [3, 0, 1, 2], EventOrderError, "swap at block 10, log 0 stands after block 10, log 3"),
        ("log_indices", [3, 3, 1, 2], EventOrderError, "ordered by block and log index, each once"),
        ("blocks", [10, 10, 5, 40], EventOrderError, "swap at block 5, log 1 stands after block 10, log 3"),
        ("sqrt_before", [1.0, 1.1, 1.25, 1.1], EventGapError, "swap at block 20, log 1 begins at root price 1.25"),
        ("sqrt_after", [1.1, 1.2, 1.1, 0.0], PoolError, "sqrt_after of the swap at block 40, log 2 was 0; a pool's root price"),
        ("sqrt_after", [1.1, 1.2, 1.1, np.nan], PoolError, "sqrt_after of the swap at block 40, log 2 was nan"),
        ("sqrt_after", [1.1, 1.2, 1.1, 1.9e19], PoolError, "log 2 was 1.9e.19; a pool's root price lies between 5.4.*e-20 and 1.8"),
        ("amount0", [1, 1], PoolError, "column 'amount0' of the swaps has shape"),
    ],
)  # fmt: skip
def test_events_that_cannot_be_true_are_named_by_block_and_log(column, values, error, said) -> None:
    with pytest.raises(error, match=said):
        swaps(**{column: values})


@pytest.mark.parametrize(
    ("column", "values", "error", "said"),
    [
        ("tick_lower", [-60, 60], TickError, "change at block 30, log 0 was 60 to 60; the lower tick must be below"),
        ("tick_lower", [120, -60], TickError, "change at block 1, log 0 was 120 to 60"),
        ("tick_lower", [-60, -887_280], TickError, "was -887280 to 60; .* within -887272 to 887272"),
        ("tick_upper", [60, 60.5], TickError, "was -60 to 60.5; .* both whole"),
        ("tick_upper", [60, np.nan], TickError, "change at block 30, log 0 was -60 to nan"),
        ("liquidity", [9, np.nan], PoolError, "liquidity change at block 30, log 0 was nan; a number is needed"),
        ("blocks", [30, 1], EventOrderError, "liquidity change at block 1, log 0 stands after block 30, log 0"),
    ],
)  # fmt: skip
def test_ranges_that_no_pool_has_are_named_by_block_and_log(column, values, error, said) -> None:
    with pytest.raises(error, match=said):
        changes(**{column: values})


def test_time_never_runs_backwards() -> None:
    with pytest.raises(EventOrderError, match="block 20, log 1 is earlier than the one before it"):
        swaps(times=BEGIN + HOUR * np.array([1, 2, 1, 4]))


def test_a_history_cuts_its_pool_with_its_bars() -> None:
    times = BEGIN + HOUR * np.arange(1, 5)
    panel = Panel(times, ("pool",), ("close",), np.ones((4, 1, 1)))
    history = History(panel, BarClock("24/7", "1h"), pool=PoolLog(POOL, swaps(), changes()))
    cut = history.until(times[1])
    assert cut.pool is not None and cut.pool.changes is not None
    assert (len(cut.pool.swaps), len(cut.pool.changes)) == (3, 1)
    late = history.between(times[1], times[3])
    assert late.pool is not None and late.pool.changes is not None
    assert (len(late.pool.swaps), len(late.pool.changes)) == (1, 2)
    assert cut.fingerprint() != history.fingerprint()


def test_one_swap_more_is_another_fingerprint() -> None:
    log = PoolLog(POOL, swaps(), changes())
    assert log.fingerprint() == PoolLog(POOL, swaps(), changes()).fingerprint()
    assert log.fingerprint() != log.until(BEGIN + HOUR * 2).fingerprint()
    assert log.fingerprint() != PoolLog(POOL, swaps()).fingerprint()


def test_an_empty_history_has_no_cutoff() -> None:
    panel = Panel(np.empty(0, "datetime64[ns]"), ("pool",), ("close",), np.empty((0, 1, 1)))
    with pytest.raises(PanelError, match="no rows"):
        _ = History(panel, BarClock("24/7", "1h")).cutoff
