"""Tables: everything a report shows of a walk, computed once and stored by the run."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from backtest.engine.bars import Bars
from backtest.engine.cost_ladder import break_even_bps, cost_ladder
from backtest.equity_tables import drawdown_table, monthly_table, session_dates, yearly_table
from backtest.metrics.returns import until_ruin
from backtest.paths import (
    LanePath,
    equity_table,
    fills_table,
    fits_table,
    lane_paths,
    predictions_table,
    rejections_table,
    targets_table,
    traded_bars,
    weights_table,
)
from backtest.table_rows import joined, of_lane, rows_by
from backtest.trades import round_trips
from backtest.walk import Plan, Walked
from data.findings import findings_frame
from data.panel import Floats
from data.quality import check_panel
from forecast.distribution import QuantileForecast
from forecast.evaluation import Evaluation, evaluate

MULTIPLIERS = (0.0, 1.0, 2.0, 4.0)


def run_tables(walked: Walked) -> dict[str, pd.DataFrame]:
    """Return every table of a run except ``metrics``, which needs the trial count."""
    bars = traded_bars(walked)
    paths = lane_paths(walked, bars)
    scored = evaluation(walked)
    return {
        "equity": equity_table(walked, paths),
        "weights": weights_table(paths),
        "targets": targets_table(walked),
        "fills": fills_table(paths),
        "rejections": rejections_table(paths),
        "trades": trades_table(paths, bars),
        "forecasts": scored.forecasts,
        "scores": scored.scores,
        "calibration": scored.calibration,
        "pit": scored.pit,
        "folds": folds_table(walked, paths, scored),
        "costs": costs_table(walked.plan, paths, bars),
        "fits": fits_table(walked),
        "predictions": predictions_table(walked),
        "findings": findings_frame(check_panel(walked.history)),
        **curve_tables(walked, paths),
    }


def evaluation(walked: Walked) -> Evaluation:
    """Return the scores of every model's issued forecasts, naive models included; the benchmark's are left out."""
    issued: dict[str, Sequence[QuantileForecast]] = {
        lane.label: [record.lanes[i].forecast for record in walked.records]
        for i, lane in enumerate(walked.plan.lanes)
        if lane.role != "benchmark"
    }
    folds = {record.cutoff: record.fold for record in walked.records}
    spec = walked.plan.spec
    field, rows = spec.forecaster[0].field, spec.folds.train_rows
    return evaluate(issued, walked.history, field=field, folds=folds, train_rows=rows)


def trades_table(paths: Sequence[LanePath], bars: Bars) -> pd.DataFrame:
    """Return the table ``trades``: positions from flat to flat, of every lane."""
    marks = pd.DataFrame(
        np.array(bars.close), index=pd.DatetimeIndex(np.array(bars.times)), columns=list(bars.series)
    )
    parts = [of_lane(path.lane.label, round_trips(path.net.fills.frame(), marks)) for path in paths]
    return joined(parts)


def costs_table(plan: Plan, paths: Sequence[LanePath], bars: Bars) -> pd.DataFrame:
    """Return the table ``costs``: every lane's decisions under 0, 1, 2 and 4 times the costs, and its break-even."""
    spec, periods = plan.spec, plan.periods_per_year
    parts = []
    for path in paths:
        ladder = cost_ladder(bars, spec.engine, spec.costs, periods, path.targets, MULTIPLIERS)
        extra = break_even_bps(bars, spec.engine, spec.costs, periods, path.targets)
        ladder = ladder.assign(break_even_bps=np.nan if extra is None else extra)
        parts.append(of_lane(path.lane.label, ladder))
    return pd.concat(parts, ignore_index=True)


def curve_tables(walked: Walked, paths: Sequence[LanePath]) -> dict[str, pd.DataFrame]:
    """Return the tables ``drawdowns``, ``monthly`` and ``yearly`` of every lane, up to its ruin if it is ruined."""
    dates = session_dates(paths[0].net.times, walked.history.clock)
    curves = [(path.lane.label, until_ruin(path.net.equity)) for path in paths]
    times = paths[0].net.times
    return {
        "drawdowns": joined([drawdown_table(lane, times[: len(c)], c) for lane, c in curves]),
        "monthly": joined([monthly_table(lane, dates[: len(c)], c) for lane, c in curves]),
        "yearly": joined([yearly_table(lane, dates[: len(c)], c) for lane, c in curves]),
    }


def folds_table(walked: Walked, paths: Sequence[LanePath], scored: Evaluation) -> pd.DataFrame:
    """Return the table ``folds``: each lane's returns, costs and forecast skill, fold by fold."""
    losses = rows_by(scored.fold_losses, "model", "fold")
    rows = []
    for fold in walked.folds:
        inside = (paths[0].net.times >= fold.test_start) & (paths[0].net.times <= fold.test_end)
        for path in paths:
            scores = losses.get((path.lane.label, fold.number))
            rows.append(
                {
                    "fold": fold.number,
                    "lane": path.lane.label,
                    "train_start": fold.train_start,
                    "train_end": fold.train_end,
                    "test_start": fold.test_start,
                    "test_end": fold.test_end,
                    "decisions": len(fold.cutoffs),
                    **_fold_account(path, inside),
                    "crps": np.nan if scores is None else scores["crps"],
                    "skill": np.nan if scores is None else scores["skill"],
                }
            )
    return pd.DataFrame(rows)


def _fold_account(path: LanePath, inside: npt.NDArray[np.bool_]) -> dict[str, float]:
    """Return what an account did in a fold, as shares of its equity at the start; NaN where nothing was left by then."""
    net, gross = _solvent(path.net.equity)[inside], _solvent(path.gross.equity)[inside]
    begun = net[0] if net[0] > 0 else np.nan
    return {
        "gross_return": float(gross[-1] / gross[0] - 1.0) if gross[0] > 0 else np.nan,
        "costs": float(path.net.costs[inside][1:].sum() / begun),
        "net_return": float(net[-1] / begun - 1.0),
        "turnover": float(path.net.turnover[inside][1:].sum()),
        "max_drawdown": float((net / np.maximum.accumulate(net) - 1.0).min()) if net[0] > 0 else np.nan,
    }


def _solvent(equity: Floats) -> Floats:
    """Return the curve with 0 from its ruin on: what is owed beyond the capital is no return."""
    known = until_ruin(equity)
    return np.concatenate([known, np.zeros(len(equity) - len(known))])
