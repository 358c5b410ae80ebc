"""A sweep gives each point the account of a run of its own, whatever the threads, and holds few points at a time."""

import importlib.util
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backtest.costs import CustomCosts, NoCosts
from backtest.engine.advance import advance
from backtest.engine.bars import Bars
from backtest.engine.rules import EngineSpec, Margin
from backtest.engine.state import start_state
from backtest.errors import EngineError
from backtest.metrics.drawdown import max_drawdown
from backtest.metrics.returns import returns_from_equity, until_ruin
from backtest.metrics.trial_correlation import trial_family
from backtest.sweep import sweep as sweep_module
from backtest.sweep.kernel import COLUMNS, sources_digest
from backtest.sweep.rules import AbstractRule, MovingAverageCross, running_sums
from backtest.sweep.sweep import Ground, in_threads, stream, sweep_points, sweep_rule
from backtest.trials import sharpe_of
from data.registry import spec as as_spec

_PATH = Path(__file__).resolve().parents[1] / "oracles" / "cross_oracle.py"
_SPEC = importlib.util.spec_from_file_location("cross_oracle", _PATH)
oracle = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(oracle)

DEAR = CustomCosts(commission_bps=7, half_spread_bps=3, slippage_bps=5, borrow_bps_per_year=900)
POINTS = [(2, 5), (3, 7), (1, 2), (4, 20), (5, 6), (2, 30)]
few = settings(max_examples=25, deadline=None, derandomize=True)
seeds = given(seed=st.integers(0, 10_000))


@as_spec
class Random(AbstractRule):
    """Target weights drawn at random, shorts among them; a point is a seed."""

    gross: float = 0.4

    def writer(self, bars: Bars) -> Callable:
        def write(points, targets):
            for row, point in enumerate(points):
                targets[row] = drawn(bars, point, self.gross)

        return write

    def check(self, point, bars):
        if len(point) != 1:
            raise EngineError(f"point was {point}; one seed is needed")


def drawn(bars, point, gross):
    rng = np.random.default_rng(point[0])
    targets = rng.normal(0.1, gross, bars.close.shape)
    targets[rng.random(targets.shape) < 0.8] = np.nan
    return targets


def random_bars(seed, length=60, count=3, calm=False):
    """Bars in binary ticks with absent bars and thin volume; splits, dividends and funding unless they are calm."""
    rng = np.random.default_rng(seed)
    shape = (length, count)
    closes = np.round(50 * np.exp(np.cumsum(rng.normal(0, 0.03, shape), axis=0)) * 64) / 64
    opens = np.round(closes * np.exp(rng.normal(0, 0.01, shape)) * 64) / 64
    absent = rng.random(shape) < 0.1
    absent[0] = False
    opens[absent | (rng.random(shape) < 0.05)] = np.nan
    closes[absent] = np.nan
    ratios = np.where(rng.random(shape) < 0.02, rng.choice([2.0, 1 / 3, 1.5]), 1.0)
    paid = np.where(rng.random(shape) < 0.05, rng.random(shape), 0.0)
    splits, dividends = (np.ones(shape), np.zeros(shape)) if calm else (ratios, paid)
    volume = np.where(rng.random(shape) < 0.3, np.nan, rng.integers(0, 400_000, shape))
    times = np.datetime64("2024-01-01", "ns") + np.arange(length) * np.timedelta64(1, "D")
    high, low = np.fmax(opens, closes), np.fmin(opens, closes)
    return Bars(
        times,
        tuple("abcde"[:count]),
        opens,
        high,
        low,
        closes,
        volume,
        splits,
        dividends,
        np.ones(count, bool),
    )


def random_spec(seed):
    rng = np.random.default_rng(seed)
    return EngineSpec(
        capital=float(rng.choice([20_000.0, 1_000_000.0])),
        units=str(rng.choice(["integer", "fractional"])),
        participation=[None, 0.05, 0.5][rng.integers(3)],
        fill=str(rng.choice(["open", "close"])),
        margin=[None, None, Margin()][rng.integers(3)],
    )


def random_ground(seed, **other):
    costs = [DEAR, NoCosts()][seed % 2]
    return Ground(random_bars(seed, calm=seed % 3 == 0, **other), random_spec(seed), costs, 252.0)


def alone(ground, targets):
    begun = start_state(ground.bars.series, ground.spec)
    return advance(begun, ground.bars, ground.spec, ground.costs, ground.periods_per_year, targets)


def bits(array):
    return np.ascontiguousarray(array).tobytes()


def same_account(row, curve, run, capital):
    found = dict(zip(COLUMNS, row.tolist(), strict=True))
    assert bits(curve) == bits(run.equity)
    assert found["final_equity"] == run.equity[-1]
    assert found["total_return"] == run.equity[-1] / capital - 1.0
    assert found["turnover"] == pytest.approx(run.turnover.sum(), rel=1e-12, abs=1e-12)
    assert found["costs"] == pytest.approx(run.costs.sum(), rel=1e-12, abs=1e-9)
    assert found["fills"] == int((np.asarray(run.fills.reasons) == 0).sum())
    curve = until_ruin(run.equity)
    assert found["sharpe"] == pytest.approx(sharpe_of(curve[1:] / curve[:-1] - 1.0), rel=1e-9, nan_ok=True)
    assert found["max_drawdown"] == pytest.approx(
        max_drawdown(returns_from_equity(curve, 252.0)).value, abs=1e-12
    )


@few
@seeds
def test_a_point_of_random_targets_is_the_run_of_the_engine_to_the_bit(seed):
    ground, rule = random_ground(seed), Random()
    points = [(seed + i,) for i in range(3)]
    swept = sweep_points(ground, rule, points, keep_equity=True)
    for row, curve, point in zip(swept.rows, swept.equity, points, strict=True):
        same_account(row, curve, alone(ground, drawn(ground.bars, point, rule.gross)), ground.spec.capital)


@few
@seeds
def test_a_cross_is_its_slow_twin_traded_by_the_engine(seed):
    ground, rule = random_ground(seed), MovingAverageCross(weight=0.9)
    swept = sweep_points(ground, rule, POINTS, keep_equity=True)
    for row, curve, point in zip(swept.rows, swept.equity, POINTS, strict=True):
        slow = np.column_stack([oracle.targets(c, *point, 0.9 / 3) for c in ground.bars.close.T.tolist()])
        same_account(row, curve, alone(ground, slow), ground.spec.capital)


def test_a_ruined_account_has_the_numbers_of_its_days_until_then():
    prices = np.array([[10.0], [10.0], [10.0], [40.0], [40.0], [40.0]])
    times = np.arange("2024-01-01", "2024-01-07", dtype="datetime64[D]")
    one = np.ones_like(prices)
    bars = Bars(times, ("a",), prices, prices, prices, prices, one * np.nan, one, one * 0, np.array([True]))
    ground = Ground(bars, EngineSpec(capital=1000.0), NoCosts(), 252.0)

    class Short(Random):
        def writer(self, bars):
            def write(points, targets):
                targets[:] = np.nan
                targets[:, 0] = -1.0

            return write

    swept = sweep_points(ground, Short(), [(0,)], keep_equity=True)
    run = alone(ground, np.where(np.arange(6)[:, None] == 0, -1.0, np.nan))
    assert run.equity[-1] < 0
    same_account(swept.rows[0], swept.equity[0], run, 1000.0)
    assert swept.rows[0][COLUMNS.index("max_drawdown")] == -1.0


def test_neither_threads_nor_what_is_kept_change_a_bit(monkeypatch):
    monkeypatch.setattr(sweep_module, "CHUNK_CELLS", 400)  # two points a chunk
    ground = random_ground(1)
    points = [(fast, slow) for fast in range(1, 6) for slow in range(fast + 1, 12)]
    one = sweep_points(ground, MovingAverageCross(), points)
    for threads, keeps in ((1, True), (2, False), (3, True)):
        other = sweep_points(ground, MovingAverageCross(), points, threads=threads, keep_equity=keeps)
        assert other.points == one.points and bits(other.rows) == bits(one.rows)
        assert bits(other.correlation.total) == bits(one.correlation.total)
        assert (other.equity is not None) == keeps


def test_the_correlation_is_that_of_the_returns():
    swept = sweep_points(random_ground(3), MovingAverageCross(), POINTS, keep_equity=True)
    family = trial_family((swept.equity[:, 1:] / swept.equity[:, :-1] - 1.0).T)
    assert swept.correlation.mean_correlation == pytest.approx(family.mean_correlation, rel=1e-9)
    assert swept.correlation.count + swept.correlation.constant == family.count == len(POINTS)


@pytest.mark.parametrize("threads", [1, 2])
def test_points_are_taken_only_as_they_are_needed(threads, monkeypatch):
    monkeypatch.setattr(sweep_module, "CHUNK_CELLS", 200)  # one point a chunk
    taken = []

    def endless():
        for i in range(10**9):
            taken.append(i)
            yield (1 + i % 5, 10)

    chunks = stream(random_ground(2), MovingAverageCross(), endless(), threads=threads, keep_equity=False)
    for _ in range(5):
        next(chunks)
    assert len(taken) <= 5 + 2 * threads
    chunks.close()


def test_no_points_are_no_error():
    swept = sweep_points(random_ground(2), MovingAverageCross(), [], keep_equity=True)
    assert swept.rows.shape == (0, len(COLUMNS)) and len(swept.frame()) == 0
    assert swept.equity.shape == (0, 60)


def test_a_table_has_one_row_a_point():
    ground = random_ground(5)
    swept = sweep_rule(ground.bars, ground.spec, ground.costs, 252.0, MovingAverageCross(), POINTS, threads=2)
    frame = swept.frame()
    assert list(frame.columns) == ["point", *COLUMNS] and list(frame["point"]) == POINTS


@pytest.mark.parametrize(
    ("points", "message"),
    [
        ([(5, 5)], r"point was \(5, 5\); \(fast, slow\) with 1 <= fast < slow <= 60 is needed"),
        ([(2, 3), (0, 4)], r"point was \(0, 4\)"),
        ([(2, 61)], "slow <= 60"),
        ([(2, 3, 4)], r"point was \(2, 3, 4\)"),
    ],
)
def test_parameters_that_are_not_the_rules_are_refused(points, message):
    with pytest.raises(EngineError, match=message):
        sweep_points(random_ground(1), MovingAverageCross(), points)


def test_what_the_engine_refuses_a_sweep_refuses():
    ground = random_ground(1)
    with pytest.raises(EngineError, match="threads was 0; at least 1 is needed"):
        sweep_points(ground, MovingAverageCross(), POINTS, threads=0)
    with pytest.raises(EngineError, match="there are no bars"):
        sweep_points(Ground(ground.bars.rows(0, 0), ground.spec, ground.costs, 252.0), Random(), [(1,)])
    with pytest.raises(EngineError, match="periods_per_year was 0"):
        sweep_points(Ground(ground.bars, ground.spec, ground.costs, 0.0), Random(), [(1,)])
    closed = random_bars(1)
    object.__setattr__(closed, "tradable", np.array([True, False, True]))
    with pytest.raises(EngineError, match="a position in b was wanted at 2024-01-.* it is untradable"):
        sweep_points(Ground(closed, ground.spec, ground.costs, 252.0), Random(), [(1,)], threads=2)


def test_an_error_in_a_thread_is_raised_and_ends_the_sweep():
    def work(number):
        if number == 3:
            raise EngineError("three")
        return number

    found = []
    with pytest.raises(EngineError, match="three"):
        found.extend(in_threads(work, range(10**9), 2))


def test_running_sums_begin_at_the_first_close_and_repeat_the_last():
    closes = np.array([[np.nan, 5.0, np.nan], [2.0, np.nan, np.nan], [4.0, 6.0, np.nan]])
    sums, first = running_sums(closes)
    assert first.tolist() == [1, 0, 3]
    assert sums.T.tolist() == [[0, 0, 0, 2], [0, 0, 0, 1], [0, 0, 0, 0]]


def test_compiled_code_is_made_again_when_what_it_calls_changes(monkeypatch, tmp_path):
    from backtest.policies import settlement

    before = sources_digest()
    changed = tmp_path / "settlement.py"
    changed.write_bytes(Path(settlement.__file__).read_bytes() + b"#")
    monkeypatch.setattr(settlement, "__file__", str(changed))
    assert sources_digest() != before
