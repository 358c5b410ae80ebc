"""Sweep of an experiment: every point of a grid traded through the kernel, each one counted as a trial."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from queue import Empty, SimpleQueue

import numpy as np

from backtest.engine.bars import Bars
from backtest.engine.rules import EngineSpec
from backtest.metrics.trial_correlation import TrialCorrelation
from backtest.policies.base import POLICIES, AbstractBookFreePolicy
from backtest.policies.settlement import Bounds
from backtest.sweep.forecasts import Forecasts, make_forecasts, question
from backtest.sweep.grid import GridPoint
from backtest.sweep.kernel import COLUMNS, SHARPE, Given, Outcome, Room, given_wishes, outcome_of, run_points
from backtest.sweep.sweep import (
    Ground,
    feed_of,
    in_threads,
    make_room,
    merged,
    rates_of,
    require_done,
)
from backtest.trials import TrialBatch, span_of, trial_id, trial_key
from data.errors import SpecError
from data.history import History
from data.panel import Floats, Times, read_only

Report = Callable[[int, int, str], None]
"""Told after each point: points done, points in all, a short state."""


@dataclass(frozen=True, eq=False)
class Traded:
    """What came of the points of a grid.

    Attributes:
        points: P points.
        ids: P trial ids, each the one that a run of the point alone is counted under.
        rows: (P, 7) the numbers named by ``COLUMNS``.
        times: P times of bars, (T,) each.
        equity: row of a point to its curve, (T,), of the points that were kept.
        batches: the points as trials, one batch for all that span the same time.
    """

    points: tuple[GridPoint, ...]
    ids: tuple[str, ...]
    rows: Floats
    times: tuple[Times, ...]
    equity: Mapping[int, Floats]
    batches: tuple[TrialBatch, ...]


@dataclass(frozen=True, eq=False)
class Account:
    """Everything the kernel needs of one point."""

    row: int
    ground: Ground
    given: Given
    is_counted: bool


def sweepable_policies() -> tuple[str, ...]:
    """Return the kinds of policies a sweep takes."""
    return tuple(kind for kind in POLICIES.names() if issubclass(POLICIES.load(kind), AbstractBookFreePolicy))


def require_sweepable(points: Sequence[GridPoint]) -> None:
    """Refuse points that a sweep cannot trade as a run of their own would.

    Raises:
        SpecError: when a policy reads the account, the engine is not the realistic one, or two points differ in nothing
            that the first model's account depends on.
    """
    seen: dict[str, str] = {}
    for point in points:
        spec = point.spec
        if not isinstance(spec.policy, AbstractBookFreePolicy):
            raise SpecError(
                f"policy '{POLICIES.kind_of(spec.policy)}' reads the account; sweeps take "
                f"{', '.join(sweepable_policies())}"
            )
        if not isinstance(spec.engine, EngineSpec):
            raise SpecError(
                f"grid point {point.label} does not trade on engine 'realistic'; a sweep needs it"
            )
        name = trial_id(spec, spec.forecaster[0])
        if (other := seen.setdefault(name, point.label)) is not point.label:
            raise SpecError(
                f"grid points '{other}' and '{point.label}' are the same strategy: a sweep trades the first forecaster"
            )


def trade_points(
    points: Sequence[GridPoint],
    history: History,
    known: frozenset[str],
    report: Report,
    *,
    run: str,
    threads: int = 1,
    keep: int = 0,
) -> Traded:
    """Return what each point earns, as a run of its own would to the last bit.

    Points whose forecasts are the same share one walk. Results do not depend on the threads.

    Args:
        points: of one grid.
        history: the data all of them share.
        known: ids of trials counted before; their returns stay out of the correlation sums.
        report: told of the progress.
        run: id of the sweep, for the batches.
        threads: accounts side by side.
        keep: how many curves to keep: those of the points with the highest Sharpe ratios.

    Raises:
        SpecError: when a point cannot be swept, or folds or models do not fit the data.
    """
    require_sweepable(points)
    ids = tuple(trial_id(point.spec, point.spec.forecaster[0]) for point in points)
    rows = np.full((len(points), len(COLUMNS)), np.nan)
    times: list[Times] = [np.empty(0, "datetime64[ns]")] * len(points)
    curves: dict[int, Floats] = {}
    sums: dict[str, TrialCorrelation | None] = {}
    counted = [each not in known for each in ids]
    outcomes = _outcomes(points, counted, history, report, threads)
    for done, (account, outcome) in enumerate(outcomes, start=1):
        row, span = account.row, span_of(account.ground.bars.times)
        rows[row], times[row] = outcome.rows[0], account.ground.bars.times
        curves[row] = read_only(outcome.curves[0])
        if len(curves) > keep:
            del curves[by_sharpe(rows, list(curves))[-1]]
        sums[span] = merged(sums.get(span), outcome)
        report(done, len(points), "trading points")
    batches = _batches([span_of(each) for each in times], points, ids, rows[:, SHARPE], run, sums)
    return Traded(tuple(points), ids, read_only(rows), tuple(times), curves, batches)


def by_sharpe(rows: Floats, which: Sequence[int]) -> list[int]:
    """Return these rows by Sharpe ratio, the highest first; equal ones in their order, those without a ratio last."""
    ratios = np.nan_to_num(rows[:, SHARPE], nan=-np.inf)
    return sorted(which, key=lambda row: (-ratios[row], row))


def _outcomes(
    points: Sequence[GridPoint],
    counted: Sequence[bool],
    history: History,
    report: Report,
    threads: int,
) -> Iterator[tuple[Account, Outcome]]:
    """Yield each point's account and outcome, one group of equal forecasts after the other."""
    groups: dict[str, list[int]] = defaultdict(list)
    for row, point in enumerate(points):
        groups[question(point.spec)].append(row)
    for number, rows in enumerate(groups.values(), start=1):
        report(0, 0, f"forecasting, {number} of {len(groups)}")
        forecasts = make_forecasts(points[rows[0]].spec, history)
        accounts = _accounts(points, counted, rows, forecasts)
        yield from in_threads(_trader(), accounts, threads)


def _accounts(
    points: Sequence[GridPoint], counted: Sequence[bool], rows: Sequence[int], forecasts: Forecasts
) -> Iterator[Account]:
    """Yield what the kernel needs of each point, made only as it is needed."""
    bars_by_fill: dict[str, Bars] = {}
    for row in rows:
        spec = points[row].spec
        assert isinstance(spec.engine, EngineSpec)
        bars = bars_by_fill.setdefault(spec.engine.fill, forecasts.bars(spec))
        terms, limits = forecasts.terms(spec), spec.limits
        assert isinstance(spec.policy, AbstractBookFreePolicy)
        wishes = spec.policy.decide_many(forecasts.outlook, terms)
        bounds = Bounds(
            np.array(terms.round_trip_cost),
            terms.max_gross,
            terms.max_weight,
            limits.min_trade,
            limits.long_only,
        )
        given = given_wishes(wishes, bounds, forecasts.decisions(bars), np.array(forecasts.outlook.tradable))
        yield Account(row, Ground(bars, spec.engine, spec.costs, terms.periods_per_year), given, counted[row])


def _trader() -> Callable[[Account], tuple[Account, Outcome]]:
    """Return the function that trades one account; threads that have finished leave their room to the next."""
    rooms: SimpleQueue[Room] = SimpleQueue()

    def trade(account: Account) -> tuple[Account, Outcome]:
        ground = account.ground
        try:
            room = rooms.get_nowait()
        except Empty:
            room = make_room(ground)
        outcome = outcome_of(1, len(ground.bars), keep_equity=True)
        counted = np.array([account.is_counted])
        run_points(
            feed_of(ground), rates_of(ground), ground.spec.capital, account.given, counted, room, outcome
        )
        rooms.put(room)
        require_done(outcome, ground.bars)
        return account, outcome

    return trade


def _batches(
    spans: Sequence[str], points: Sequence[GridPoint], ids: Sequence[str], sharpes: Floats, run: str,
    sums: dict[str, TrialCorrelation | None],
) -> tuple[TrialBatch, ...]:  # fmt: skip
    key = trial_key(points[0].spec.data.identity())
    batches = []
    for span, correlation in sums.items():
        rows = [row for row, each in enumerate(spans) if each == span]
        batches.append(
            TrialBatch(key, run, tuple(ids[row] for row in rows), sharpes[rows], span, correlation)
        )
    return tuple(batches)
