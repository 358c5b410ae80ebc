"""Windows: a pool's history as blocks; each test block with the validation and training blocks before it."""

from dataclasses import dataclass

import numpy as np

from backtest.amm.spec import Windows
from backtest.errors import FoldError
from data.history import History
from data.panel import Times


@dataclass(frozen=True)
class Span:
    """Bars an account lives through: it opens at the end of bar ``first`` and is marked last at that of ``last``."""

    first: int
    last: int


@dataclass(frozen=True)
class JudgedWindow:
    """One test block and what may be learnt before it; all are positions of bars.

    Attributes:
        number: 0 for the first.
        first: first bar of the training blocks.
        learn_until: last bar the candidates are fitted on, the embargo before the validation block.
        validation: the block they are chosen on.
        refit_until: last bar the chosen ones are fitted on again, the embargo before the test block.
        test: the block they are judged on, once.
    """

    number: int
    first: int
    learn_until: int
    validation: Span
    refit_until: int
    test: Span


def judged_windows(history: History, windows: Windows) -> tuple[JudgedWindow, ...]:
    """Return every test window of a history, oldest first; blocks are counted from the first bar with a price.

    The bars left over at the end belong to no block.

    Raises:
        FoldError: when the history is too short for one.
    """
    first, bars = first_priced(history), windows.bars
    blocks = (len(history.panel) - first - 1) // bars
    least = windows.train + 2
    if blocks < least:
        raise FoldError(
            f"history has {blocks} blocks of {bars} bars; {least} are needed: {windows.train} to train, one to validate, "
            "one to test"
        )
    return tuple(_window(k, first, windows) for k in range(blocks - least + 1))


def first_priced(history: History) -> int:
    """Return the position of the first bar with a price.

    Raises:
        FoldError: when there is none.
    """
    priced = ~np.isnan(history.panel.field("close")[:, 0])
    if not priced.any():
        raise FoldError("the history has no bar with a price")
    return int(np.argmax(priced))


def span_times(history: History, span: Span) -> Times:
    """Return the bar ends of a span, that of its opening first."""
    return history.times[span.first : span.last + 1]


def _window(number: int, first: int, windows: Windows) -> JudgedWindow:
    start = first + number * windows.bars
    validation = start + windows.train * windows.bars
    test = validation + windows.bars
    return JudgedWindow(
        number=number,
        first=start,
        learn_until=validation - windows.embargo,
        validation=Span(validation, test),
        refit_until=test - windows.embargo,
        test=Span(test, test + windows.bars),
    )
