"""Conclusions: the metrics with their trial count, the verdict, and the sentences every report must carry."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from backtest.metrics.lane import lane_samples
from backtest.metrics.table import headline, metrics_frame
from backtest.paths import traded_bars
from backtest.table_rows import Row, rows_by
from backtest.trial_luck import luck_sentences, luck_table, trial_facts, trial_sentence
from backtest.trials import TrialCount
from backtest.walk import Walked
from forecast.randomness import RandomStreams
from forecast.skill import SKILL, TOO_FEW

RESAMPLES = 1000


@dataclass(frozen=True, eq=False)
class Conclusions:
    """What a run concludes: manifest entries, and all of its tables."""

    manifest: Mapping[str, Any]
    tables: Mapping[str, pd.DataFrame]


def conclude(walked: Walked, tables: Mapping[str, pd.DataFrame], trials: TrialCount) -> Conclusions:
    """Return the metrics of every lane, the verdict and the sentences, given all trials on these data."""
    metrics = metrics_table(walked, tables, trials)
    periods = _periods_per_year(walked)
    streams = RandomStreams(walked.plan.spec.seed, walked.folds[-1].test_end)
    luck = luck_table(walked.plan.lanes, tables["equity"], trials, periods, streams.of("luck"))
    manifest = {
        "trials": {**trial_facts(trials, periods), "sentence": trial_sentence(trials.count)},
        "verdict": verdict(walked, tables["scores"], metrics, luck),
        "break_even_bps": break_evens(tables["costs"]),
        "conventions": _conventions(walked),
        "defaults": _assumptions(walked),
    }
    return Conclusions(manifest, {**tables, "metrics": metrics, "luck": luck})


def metrics_table(walked: Walked, tables: Mapping[str, pd.DataFrame], trials: TrialCount) -> pd.DataFrame:
    """Return the table ``metrics``: every metric of every lane; the deflated Sharpe ratios count all trials."""
    periods, bars = _periods_per_year(walked), traded_bars(walked)
    streams = RandomStreams(walked.plan.spec.seed, walked.folds[-1].test_end)
    parts = []
    for lane in walked.plan.lanes:
        returns, beside = lane_samples(tables, lane.label, bars, periods)
        found = headline(
            returns, streams.of("metrics"), beside=beside, family=trials.family, resamples=RESAMPLES
        )
        parts.append(metrics_frame(lane.label, found))
    return pd.concat(parts, ignore_index=True)


def _periods_per_year(walked: Walked) -> float:
    return walked.history.clock.periods_per_year(walked.history.times[0], walked.history.times[-1])


def verdict(
    walked: Walked, scores: pd.DataFrame, metrics: pd.DataFrame, luck: pd.DataFrame
) -> dict[str, Any]:
    """Return the status of the traded model's forecasts and sentences on forecasts and account, in plain words."""
    label = walked.plan.lanes[0].label
    overall = {
        str(model): row for (model, step), row in rows_by(scores, "model", "step").items() if step == 0
    }
    row = overall[label]
    sentences = [
        _forecast_sentence(label, row),
        *_direction_sentences(label, overall),
        *_account_sentences(label, metrics, walked),
        *luck_sentences(label, luck),
    ]
    return {"status": str(row["verdict"]), "scope": _scope(row), "sentences": sentences}


def _scope(row: Row) -> str:
    """Return where shown skill lies when it is not in the direction, else nothing."""
    is_blind = row["direction_accuracy"] <= row["direction_base_rate"]
    return "in width, not in direction" if row["verdict"] == SKILL and is_blind else ""


def _forecast_sentence(label: str, row: Row) -> str:
    if row["verdict"] == TOO_FEW:
        return f"{label} made {int(row['n'])} scored forecasts: too few to tell skill from luck."
    if np.isnan(row["holm_p_value"]):
        return f"{label} is itself a naive forecast: it is what skill is measured against."
    found = f"skill {row['skill']:+z.1%}, Holm-adjusted p {_p_value(row['holm_p_value'])}"
    if row["verdict"] == SKILL:
        return (
            f"The forecasts of {label} beat those of the best naive forecast ({row['best_naive']}): {found}."
        )
    return f"The forecasts of {label} are not shown to be better than the best naive forecast ({row['best_naive']}): {found}."


def _direction_sentences(label: str, overall: Mapping[str, Row]) -> list[str]:
    """Say whether the forecasts know the direction, which a better width alone does not."""
    row = overall[label]
    if np.isnan(row["direction_accuracy"]):
        return []
    right, base = row["direction_accuracy"], row["direction_base_rate"]
    words = "no better than" if right <= base else "against"
    sentence = f"Its direction was right {right:.1%} of the time, {words} the {base:.1%} of always calling the commoner side"
    best = overall.get(row["best_naive"])
    naive = np.nan if best is None else float(best["mase"])
    if 0 < naive < np.inf and np.isfinite(row["mase"]):
        sentence += f"; its median erred {_compared(row['mase'] / naive - 1)} the naive one"
    if _scope(row):
        sentence += ". The skill is in the width of the forecast, not in its direction"
    return [f"{sentence}."]


def _compared(excess: float) -> str:
    if abs(excess) < 0.0005:
        return "as much as"
    return f"{abs(excess):.1%} {'more' if excess > 0 else 'less'} than"


def _p_value(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"= {value:.3f}"


def _account_sentences(label: str, metrics: pd.DataFrame, walked: Walked) -> list[str]:
    values = rows_by(metrics, "lane", "metric")
    benchmark = walked.plan.lanes[-1].label
    own, other = (float(values[lane, "total_return"]["value"]) for lane in (label, benchmark))
    if own <= -1.0:
        return [f"Its account lost all of its capital; the benchmark's returned {other:+z.1%} ({benchmark})."]
    verb = "more than" if own > other else "less than" if own < other else "as much as"
    sentences = [
        f"Its account returned {own:+z.1%} net of costs, {verb} the benchmark's {other:+z.1%} ({benchmark})."
    ]
    sharpe = values[label, "sharpe"]
    if np.isfinite(sharpe["low"]):
        covers = "covers zero" if sharpe["low"] <= 0 <= sharpe["high"] else "does not cover zero"
        sentences.append(
            f"Its Sharpe ratio is {sharpe['value']:.2f}; the 95 % interval {sharpe['low']:.2f} to {sharpe['high']:.2f} {covers}."
        )
    elif np.isfinite(sharpe["value"]):
        sentences.append(f"Its Sharpe ratio is {sharpe['value']:.2f}, and its 95 % interval is not known.")
    deflated = float(values[label, "deflated_sharpe"]["value"])
    if np.isfinite(deflated):
        sentences.append(
            f"Its deflated Sharpe ratio, the probability that its true ratio is above the best that luck would show among all trials, is {deflated:.2f}."
        )
    return sentences


def break_evens(costs: pd.DataFrame) -> dict[str, float | None]:
    """Return the extra one-way cost at which each lane's profit is gone, bps; None where it has none."""
    known = costs.drop_duplicates("lane").set_index("lane")["break_even_bps"]
    return {str(lane): None if np.isnan(bps) else float(bps) for lane, bps in known.items()}


def _conventions(walked: Walked) -> list[str]:
    return [
        f"Annualised with {_periods_per_year(walked):.2f} bars a year, counted on the calendar {walked.history.clock.calendar}; risk-free rate 0.",
        "Sharpe ratio: mean over standard deviation (ddof 1) of simple net returns, times the root of bars a year.",
        "Drawdowns are compounded and include the starting capital.",
        f"Intervals are 95 % percentile intervals of a stationary block bootstrap ({RESAMPLES} resamples, automatic block).",
        "No skill shown: the Holm-adjusted one-sided Diebold-Mariano test (HLN) against the best naive forecast fails at 5 %.",
    ]


def _assumptions(walked: Walked) -> list[str]:
    spec = walked.plan.spec
    return [
        *spec.engine.terms(),
        spec.costs.terms(),
        "Every account was replayed in one call of the engine and ended in the same bits as the walk.",
    ]
