"""Paths: each lane's account through the whole test, replayed from its decisions and checked against the walk."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from backtest.engine.advance import Advance
from backtest.engine.bars import Bars
from backtest.engine.role import AbstractEngine
from backtest.errors import RunError
from backtest.policies.base import Decision
from backtest.table_rows import joined, of_lane
from backtest.walk import Lane, Plan, Walked
from data.panel import Floats, Times


@dataclass(frozen=True, eq=False)
class LanePath:
    """One lane's account, bar by bar.

    Attributes:
        lane: whose account it is.
        targets: (T, S) weights decided at each bar, NaN where nothing was decided.
        net: what happened, costs paid.
        gross: the same targets with every cost at zero.
    """

    lane: Lane
    targets: Floats
    net: Advance
    gross: Advance


def traded_bars(walked: Walked) -> Bars:
    """Return the bars from the first decision to the end of the last test."""
    first, last = walked.folds[0].cutoffs[0], walked.folds[-1].test_end
    known = walked.history.until(last)
    before = known.times[known.times < first]
    return walked.plan.spec.engine.bars(known, before[-1] if len(before) else None)


def lane_paths(walked: Walked, bars: Bars) -> list[LanePath]:
    """Return every lane's path from one call of the engine over all bars.

    Raises:
        RunError: when the replay does not end in the walk's own state, bit for bit.
    """
    paths = []
    for i, lane in enumerate(walked.plan.lanes):
        targets = target_matrix(bars, [record.lanes[i].decision for record in walked.records])
        net, gross = _run(walked.plan, bars, targets, 1.0), _run(walked.plan, bars, targets, 0.0)
        _check_replay(lane.label, walked.plan.spec.engine, net.state, walked.state.lanes[i].engine)
        paths.append(LanePath(lane, targets, net, gross))
    return paths


def target_matrix(bars: Bars, decisions: Sequence[Decision]) -> Floats:
    """Return the weights decided at each bar, (T, S), NaN where nothing was decided."""
    targets = np.full((len(bars.times), len(bars.series)), np.nan)
    for decision in decisions:
        targets[np.searchsorted(bars.times, decision.cutoff)] = decision.weights
    return targets


def _run(plan: Plan, bars: Bars, targets: Floats, multiplier: float) -> Advance:
    costs = plan.spec.costs if multiplier == 1.0 else plan.spec.costs.scaled(multiplier)
    return plan.spec.engine.replay(bars, costs, plan.periods_per_year, targets)


def _check_replay(label: str, engine: AbstractEngine, replayed: Any, walked: Any) -> None:
    once, stepped = engine.to_arrays(replayed), engine.to_arrays(walked)
    differing = [name for name in once if once[name].tobytes() != stepped[name].tobytes()]
    if differing:
        raise RunError(f"account '{label}' differs between the walk and its replay in {', '.join(differing)}")


def fold_of(walked: Walked, times: Times) -> np.ndarray:
    """Return the number of the fold that earns each bar, (T,): the bars after a test's first decision are its own."""
    starts = np.array([fold.test_start for fold in walked.folds])
    return np.maximum(np.searchsorted(starts, times, side="left") - 1, 0)


def equity_table(walked: Walked, paths: Sequence[LanePath]) -> pd.DataFrame:
    """Return the table ``equity``: one row a bar and lane, in account currency; costs and turnover are per bar."""
    benchmark = paths[-1].net.equity
    folds = fold_of(walked, paths[0].net.times)
    parts = [
        pd.DataFrame(
            {
                "time": path.net.times,
                "lane": path.lane.label,
                "fold": folds,
                "equity": path.net.equity,
                "equity_gross": path.gross.equity,
                "benchmark": benchmark,
                "gross_exposure": path.net.gross_exposure,
                "net_exposure": path.net.net_exposure,
                "turnover": path.net.turnover,
                "costs": path.net.costs,
            }
        )
        for path in paths
    ]
    return pd.concat(parts, ignore_index=True)


def weights_table(paths: Sequence[LanePath]) -> pd.DataFrame:
    """Return the table ``weights``: one row a bar, lane and series that was held."""
    parts = []
    for path in paths:
        rows, columns = np.nonzero(path.net.weights)
        parts.append(
            pd.DataFrame(
                {
                    "time": path.net.times[rows],
                    "lane": path.lane.label,
                    "series": np.array(path.net.state.series, dtype=object)[columns],
                    "weight": path.net.weights[rows, columns],
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


def fills_table(paths: Sequence[LanePath]) -> pd.DataFrame:
    """Return the table ``fills``: every change of units of every lane."""
    parts = [of_lane(path.lane.label, path.net.fills.frame()) for path in paths]
    return joined(parts)


def rejections_table(paths: Sequence[LanePath]) -> pd.DataFrame:
    """Return the table ``rejections``: every order, or part of one, that an account did not carry out, with the reason."""
    return joined([of_lane(path.lane.label, path.net.rejections.frame()) for path in paths])


def targets_table(walked: Walked) -> pd.DataFrame:
    """Return the table ``targets``: the weight of each series at each decision, NaN meaning "leave alone"."""
    lanes = walked.plan.lanes
    cutoffs = np.array([record.cutoff for record in walked.records])
    folds = np.array([record.fold for record in walked.records])
    count, series = len(cutoffs), walked.plan.series
    parts = [
        pd.DataFrame(
            {
                "lane": lane.label,
                "fold": np.repeat(folds, len(series)),
                "cutoff": np.repeat(cutoffs, len(series)),
                "series": np.tile(np.array(series, dtype=object), count),
                "weight": np.concatenate([record.lanes[i].decision.weights for record in walked.records]),
            }
        )
        for i, lane in enumerate(lanes)
    ]
    return pd.concat(parts, ignore_index=True)


def fits_table(walked: Walked) -> pd.DataFrame:
    """Return the table ``fits``: every fit of every model, with its reason and cost; the benchmark's naive is left out."""
    rows = [
        {"model": lane.label, **vars(record.lanes[i].fit)}
        for i, lane in enumerate(walked.plan.lanes)
        for record in walked.records
        if record.lanes[i].fit is not None and lane.role != "benchmark"
    ]
    columns = ["model", "fold", "cutoff", "reason", "rows", "cpu_seconds", "cost_proxy", "serves_from", "reference",
               "state", "failure"]  # fmt: skip
    return pd.DataFrame(rows)[columns].assign(
        state=[json.dumps(dict(row["state"])) for row in rows],
        reference=[np.nan if row["reference"] is None else row["reference"] for row in rows],
    )


def predictions_table(walked: Walked) -> pd.DataFrame:
    """Return the table ``predictions``: how many forecasts each model made and the CPU time they took, fold by fold."""
    rows = [
        {
            "model": lane.label,
            "fold": record.fold,
            "predictions": 1,
            "cpu_seconds": record.lanes[i].predict_seconds,
        }
        for i, lane in enumerate(walked.plan.lanes)
        for record in walked.records
        if lane.role != "benchmark"
    ]
    return pd.DataFrame(rows).groupby(["model", "fold"], sort=False, as_index=False).sum()
