"""Luck: what the best point of a sweep is worth among all the strategies tried on its data, in numbers and in words."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from backtest.metrics.metric import Metric
from backtest.metrics.returns import Returns
from backtest.metrics.significance import LEVEL, DeflatedSharpe, deflated_sharpes
from backtest.trial_luck import trial_facts, trial_sentence
from backtest.trials import TrialCount


@dataclass(frozen=True)
class Luck:
    """How much of the best point luck explains.

    Attributes:
        deflated: its deflated Sharpe ratio by all trials and, as a sensitivity, by their effective number.
        sentences: the same in plain words.
    """

    deflated: DeflatedSharpe
    sentences: tuple[str, ...]


def luck_of(best: Returns, sharpe: Metric, label: str, counts: TrialCount, points: int, new: int) -> Luck:
    """Return what the best of a sweep is worth, given every trial on its data, those of the sweep included.

    Args:
        best: net returns of the point with the highest Sharpe ratio.
        sharpe: its annual Sharpe ratio.
        label: its name.
        counts: all trials on these data.
        points: points of the sweep.
        new: those of them that had not been tried before.
    """
    deflated = deflated_sharpes(best, counts.family)
    expected = float(trial_facts(counts, best.periods_per_year)["expected_best_sharpe"])
    before = "" if new == points else f"; {points - new} of them had been tried before"
    sentences = [
        trial_sentence(counts.count),
        f"This sweep tried {points}{before}.",
        _chance(sharpe, label, counts.count, expected),
        *_verdict(deflated),
        *_sensitivity(deflated, counts),
        "A point picked here was picked by its own past: judge it on data that no point has seen.",
    ]
    return Luck(deflated, tuple(sentences))


def _chance(sharpe: Metric, label: str, count: int, expected: float) -> str:
    shown = f"{sharpe.value:.2f} a year" if math.isfinite(sharpe.value) else f"none ({sharpe.flag})"
    return (
        f"By the spread of their Sharpe ratios, the best of {count:,} strategies without any skill would show about "
        f"{expected:.2f} a year by luck alone; the best point ({label}) shows {shown}."
    )


def _verdict(deflated: DeflatedSharpe) -> Sequence[str]:
    probability = deflated.full.value
    if not math.isfinite(probability):
        return [f"Its deflated Sharpe ratio is not known: {deflated.full.flag}."]
    words = (
        "so it is not shown to be more than luck"
        if probability < LEVEL
        else "so luck alone is an unlikely explanation"
    )
    return [
        f"Its deflated Sharpe ratio, the probability that its true ratio is above what luck shows, is {probability:.2f}, {words}."
    ]


def _sensitivity(deflated: DeflatedSharpe, counts: TrialCount) -> Sequence[str]:
    if not counts.pairs or not math.isfinite(deflated.effective.value):
        return []
    sentence = (
        f"Strategies that resemble each other (mean correlation {counts.mean_correlation:.2f}) are worth "
        f"{counts.family.effective_count:.1f} independent ones, which would make it {deflated.effective.value:.2f}: a "
        "sensitivity, too lenient to decide by."
    )
    return [sentence]
