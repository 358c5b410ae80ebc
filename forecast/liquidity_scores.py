"""Scores of liquidity forecasts: each beside what happened, and what they say about skill against HAR.

Conventions of the tables:

- A span is scored when the history holds its first and last bar; others are left out.
- ``crps`` and ``pinball`` (mean over levels) are of the tick at the end less that at the cutoff, in ticks.
- ``log_intensity_mae``: mean of abs(log(forecast path / realised path)), all bins and both ways together, as forecast. A profile is
  a mean, and the log of a mean lies above the mean of the log, so honest profiles err upwards here.
- ``r2_log_fee_growth``: 1 - SSE / SST of the log of the span's full-range fee growth, SST about the mean of the scored spans. So
  that a mean is not blamed for being one, the mean log error of the model's earlier spans, those over by the cutoff, is
  taken off each forecast, once there are 20; nothing later enters.
- ``earth_mover``: how far, in ticks, path has to be carried to turn the forecast shape into the realised one; both ways
  together, each shape adding up to 1.
- A path or fee growth below 1 % of the mean realised one counts as that: a span in which nobody traded has no log.
- The verdict compares the squared errors behind the R2 with those of HAR on the same cutoffs: Diebold-Mariano with the HLN
  correction, one-sided, Holm-adjusted over the models beside HAR (``forecast.skill``).
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from data.amm.pool import LOG_TICK
from data.history import History
from data.panel import Floats, Times
from forecast.comparison import Comparison, diebold_mariano, holm
from forecast.liquidity import LiquidityForecast
from forecast.models.liquidity.spans import LEAST_SHARE
from forecast.models.liquidity.truth import RealisedSpan, realised_span
from forecast.scores import crps_from_pinball, pinball_loss
from forecast.skill import least_decisions, overlapping, skill_verdict

REFERENCE = "har"
"""Kind of the model that the others have to beat."""

IS_REFERENCE = "the reference"
NO_REFERENCE = "har was not run beside it"

LEAST_KNOWN = 20
"""Errors known before their mean is taken off a forecast."""

LOSS_COLUMNS: tuple[str, ...] = (
    "model",
    "cutoff",
    "end",
    "path",
    "forecast_path",
    "fee_growth",
    "forecast_fee_growth",
    "crps",
    "pinball",
    "inside_80",
    "inside_95",
    "earth_mover",
)
SCORE_COLUMNS: tuple[str, ...] = (
    "model",
    "n",
    "r2_log_fee_growth",
    "crps",
    "pinball",
    "coverage_80",
    "coverage_95",
    "log_intensity_mae",
    "earth_mover",
    "verdict",
)
PROFILE_COLUMNS: tuple[str, ...] = (
    "model",
    "cutoff",
    "low_ticks",
    "high_ticks",
    "forecast_up",
    "forecast_down",
    "realised_up",
    "realised_down",
)

Issued = Mapping[str, Sequence[LiquidityForecast]]
"""Forecasts by the label of their model."""


def score_liquidity(forecasts: Issued, history: History) -> pd.DataFrame:
    """Return one row a model, ``SCORE_COLUMNS``: its scores over the spans that the history holds, and the verdict."""
    return scores_of(liquidity_losses(forecasts, history))


def liquidity_losses(forecasts: Issued, history: History) -> pd.DataFrame:
    """Return one row a model and span, ``LOSS_COLUMNS``; those of several test windows may be joined and scored together.

    Args:
        forecasts: by model, of one pool.
        history: its bars and swaps known by now.

    Raises:
        ForecastError: when the history has no pool, or no swap is known at a cutoff.
    """
    rows = [
        (label, *_losses(made, happened, history))
        for label, made, happened in _beside_truth(forecasts, history)
    ]
    return pd.DataFrame(rows, columns=list(LOSS_COLUMNS))


def liquidity_profiles(forecasts: Issued, history: History) -> pd.DataFrame:
    """Return one row a model, span and bin, ``PROFILE_COLUMNS``; edges in ticks from the tick of the cutoff."""
    parts = []
    for label, made, happened in _beside_truth(forecasts, history):
        edges = made.profile.edges
        columns = (
            edges[:-1], edges[1:], *made.profile.values[0, 0].T, *happened.profile.T
        )  # fmt: skip
        part = pd.DataFrame(dict(zip(PROFILE_COLUMNS[2:], columns, strict=True)))
        part.insert(0, "cutoff", made.cutoff)
        part.insert(0, "model", label)
        parts.append(part)
    if not parts:
        return pd.DataFrame(columns=list(PROFILE_COLUMNS))
    return pd.concat(parts, ignore_index=True)


def scores_of(losses: pd.DataFrame) -> pd.DataFrame:
    """Return one row a model, ``SCORE_COLUMNS``, from the rows of ``liquidity_losses``, models in their first order."""
    labels = list(dict.fromkeys(losses["model"]))
    verdicts = liquidity_verdicts(losses)
    rows = [
        (label, *_scores(losses[losses["model"] == label].sort_values("cutoff")), verdicts[label])
        for label in labels
    ]
    return pd.DataFrame(rows, columns=list(SCORE_COLUMNS))


def liquidity_verdicts(losses: pd.DataFrame) -> dict[str, str]:
    """Return the verdict of each model: skill shown, no skill shown, or too few forecasts to tell."""
    tests = comparisons_with_har(losses)
    adjusted = holm([np.nan if test is None else test.p_value for test in tests.values()])
    found = {
        label: skill_verdict(False, float(p_value)) for label, p_value in zip(tests, adjusted, strict=True)
    }
    reference = reference_label(losses)
    beside = NO_REFERENCE if reference is None else IS_REFERENCE
    return {label: found.get(label, beside) for label in dict.fromkeys(losses["model"])}


def comparisons_with_har(losses: pd.DataFrame) -> dict[str, Comparison | None]:
    """Return the test of each model against HAR, before any adjustment; None where there are too few shared spans."""
    reference = reference_label(losses)
    if reference is None:
        return {}
    beside = _squared_errors(losses[losses["model"] == reference])
    others = [label for label in dict.fromkeys(losses["model"]) if label != reference]
    return {label: _compared(_squared_errors(losses[losses["model"] == label]), beside) for label in others}


def reference_label(losses: pd.DataFrame) -> str | None:
    """Return the first model of kind HAR, None without one; labels are a kind, with a number when repeated."""
    found = [label for label in losses["model"] if label.split("-", maxsplit=1)[0] == REFERENCE]
    return found[0] if found else None


def log_fee_errors(own: pd.DataFrame) -> Floats:
    """Return realised less forecast log fee growth of one model's spans in order of cutoff, (N,), earlier mean error off."""
    truth, made = _logs(own["fee_growth"], own["forecast_fee_growth"])
    return without_known_mean(truth - made, own["cutoff"].to_numpy(), own["end"].to_numpy())


def without_known_mean(errors: Floats, cutoffs: Times, ends: Times) -> Floats:
    """Return errors less the mean of those known at their cutoff, (N,); the first ones, with fewer than 20 known, stay.

    Args:
        errors: (N,) in order of cutoff.
        cutoffs: (N,) rising.
        ends: (N,) when each became known, rising.
    """
    known = np.searchsorted(ends, cutoffs, side="right")
    totals = np.concatenate([[0.0], np.cumsum(errors)])
    means = totals[known] / np.maximum(known, 1)
    return np.asarray(errors - np.where(known >= LEAST_KNOWN, means, 0.0))


def earth_mover_ticks(first: Floats, second: Floats, edges: Floats) -> float:
    """Return the earth mover's distance of two shapes (B,) on the same bins, in ticks; NaN where one is empty.

    On a line it is the integral of the distance of the cumulative shapes (Vallender 1974); a bin's mass stands in its
    middle.
    """
    if not (first.sum() > 0.0 and second.sum() > 0.0):
        return float("nan")
    gaps = np.cumsum(first / first.sum() - second / second.sum())[:-1]
    return float(np.abs(gaps) @ np.diff(0.5 * (edges[1:] + edges[:-1])))


def _beside_truth(forecasts: Issued, history: History) -> list[tuple[str, LiquidityForecast, RealisedSpan]]:
    """Return every forecast whose span the history holds, with what happened in it."""
    found = []
    for label, issued in forecasts.items():
        for made in issued:
            happened = realised_span(history, made.cutoff, made.profile.times[-1], made.profile.edges)
            if happened is not None:
                found.append((label, made, happened))
    return found


def _losses(made: LiquidityForecast, happened: RealisedSpan, history: History) -> tuple[object, ...]:
    """Return the row of one span behind the model's label."""
    assert history.pool is not None
    profile, levels = made.profile.values[0, 0], made.offset.levels
    pool, price = history.pool.pool, float(made.offset.last[0])
    rate = pool.fee / (1.0 - pool.fee)
    truth, quantiles = np.array(happened.change / LOG_TICK), made.offset.values[0, 0] / LOG_TICK
    pinball = pinball_loss(truth, quantiles, levels)
    return (
        made.cutoff,
        made.profile.times[-1],
        float(happened.profile.sum()),
        float(profile.sum()),
        happened.fee_growth,
        # Both ways in token1: a way down of 1/s' - 1/s is s - s' over s s', and s' is about s.
        rate * float(np.sqrt(price)) * float(profile.sum()),
        float(crps_from_pinball(pinball, truth, quantiles, levels)),
        float(pinball.mean()),
        _inside(truth, quantiles, levels, 0.8),
        _inside(truth, quantiles, levels, 0.95),
        earth_mover_ticks(profile.sum(axis=1), happened.profile.sum(axis=1), made.profile.edges),
    )


def _inside(truth: Floats, quantiles: Floats, levels: Floats, coverage: float) -> float:
    """Return whether the truth lies in the central interval, 1 or 0; NaN where its ends were not forecast."""
    tail = 0.5 * (1.0 - coverage)
    ends = [np.flatnonzero(np.isclose(levels, level, rtol=0, atol=1e-9)) for level in (tail, 1.0 - tail)]
    if not all(len(end) for end in ends):
        return float("nan")
    low, high = (quantiles[end[0]] for end in ends)
    return float(low <= truth <= high)


def _scores(own: pd.DataFrame) -> tuple[float | int, ...]:
    """Return the scores of one model's spans, in the order of the table."""
    errors = log_fee_errors(own)
    truth = _logs(own["fee_growth"], own["fee_growth"])[0]
    spread = float(((truth - truth.mean()) ** 2).sum())
    paths = _logs(own["path"], own["forecast_path"])
    return (
        len(own),
        float(1.0 - errors @ errors / spread) if spread > 0.0 else float("nan"),
        float(own["crps"].mean()),
        float(own["pinball"].mean()),
        float(own["inside_80"].mean()),
        float(own["inside_95"].mean()),
        float(np.abs(paths[0] - paths[1]).mean()),
        float(own["earth_mover"].mean()),
    )


def _logs(truth: pd.Series, made: pd.Series) -> tuple[Floats, Floats]:
    """Return the logs of both, (N,), raised to what is the least."""
    least = max(LEAST_SHARE * float(truth.mean()), np.finfo(float).tiny)
    return np.log(np.maximum(truth.to_numpy(), least)), np.log(np.maximum(made.to_numpy(), least))


def _squared_errors(own: pd.DataFrame) -> pd.DataFrame:
    ordered = own.sort_values("cutoff")
    return pd.DataFrame(
        {
            "cutoff": ordered["cutoff"].to_numpy(),
            "end": ordered["end"].to_numpy(),
            "loss": log_fee_errors(ordered) ** 2,
        }
    )


def _compared(own: pd.DataFrame, reference: pd.DataFrame) -> Comparison | None:
    pairs = own.merge(reference, on="cutoff", suffixes=("", "_reference"))
    cutoffs, ends = pairs["cutoff"].to_numpy(), pairs["end"].to_numpy()
    lags = overlapping(cutoffs, ends[:, None])
    if len(pairs) < least_decisions(lags):
        return None
    return diebold_mariano(pairs["loss"].to_numpy(), pairs["loss_reference"].to_numpy(), lags)
