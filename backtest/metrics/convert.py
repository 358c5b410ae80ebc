"""Convert: what another tool would print for an account, so that a user sees why the numbers differ."""

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd

from backtest.errors import MetricError
from backtest.metrics.dated import DatedEquity
from backtest.metrics.metric import Metric
from backtest.metrics.table import METRICS
from backtest.metrics.tools import DEFINITIONS, SENTINEL, Definition

TOOLS: tuple[str, ...] = tuple(dict.fromkeys(each.tool for each in DEFINITIONS))
"""The tools whose definitions are known."""

CONVERTED: tuple[str, ...] = tuple(dict.fromkeys(each.metric for each in DEFINITIONS))
"""The metrics at least one of them defines."""

COLUMNS = ("tool", "metric", "variant", "wayfold", "value", "formula", "flag")


def convert(metric: str, account: DatedEquity, *, to: str, variant: str | None = None) -> Metric:
    """Return a metric of an account as another tool defines it, with the formula in words as its convention.

    Several values of one date are read as one, the last: the tools' defaults are made for daily data. A definition that
    divides by zero gives NaN with a flag; freqtrade's -100 for it is kept, and said.

    Args:
        metric: our name, one of ``CONVERTED``.
        account: the curve with its dates, and its trades for definitions that count trades.
        to: one of ``TOOLS``.
        variant: the tool's setting, such as ``product`` for qlib; None means the tool's default.

    Raises:
        MetricError: when the tool, the metric or the variant is not known; the message names those that are.
    """
    return _converted(_definition(metric, to, variant), account.by_day())


def tools_table(account: DatedEquity, metric: str = "sharpe") -> pd.DataFrame:
    """Return one row a definition of the metric, every tool's on the same curve.

    Columns: tool, metric, variant, wayfold (our own value), value (theirs, NaN with a flag), formula in words, flag.

    Raises:
        MetricError: when no tool's definition of the metric is known; the message names the metrics that are.
    """
    if metric not in CONVERTED:
        raise MetricError(
            f"metric was '{metric}'; other tools' definitions are known of {', '.join(CONVERTED)}"
        )
    return _table(account, [each for each in DEFINITIONS if each.metric == metric])


def tool_table(account: DatedEquity, tool: str) -> pd.DataFrame:
    """Return one row a metric of the tool, with the columns of ``tools_table``.

    Raises:
        MetricError: when the tool is not known; the message names those that are.
    """
    if tool not in TOOLS:
        raise MetricError(f"tool was '{tool}'; known are {', '.join(TOOLS)}")
    return _table(account, [each for each in DEFINITIONS if each.tool == tool])


def _table(account: DatedEquity, definitions: Sequence[Definition]) -> pd.DataFrame:
    days, returns = account.by_day(), account.returns
    rows = []
    for each in definitions:
        theirs = _converted(each, days)
        ours = METRICS[each.metric](returns).value
        rows.append((each.tool, each.metric, each.variant, ours, theirs.value, each.formula, theirs.flag))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _definition(metric: str, tool: str, variant: str | None) -> Definition:
    if tool not in TOOLS:
        raise MetricError(f"tool was '{tool}'; known are {', '.join(TOOLS)}")
    own = [each for each in DEFINITIONS if each.tool == tool]
    found = [each for each in own if each.metric == metric]
    if not found:
        known = ", ".join(dict.fromkeys(each.metric for each in own))
        raise MetricError(f"metric was '{metric}'; of {tool} the definitions of {known} are known")
    if variant is None:
        return found[0]
    for each in found:
        if each.variant == variant:
            return each
    known = ", ".join(f"'{each.variant}'" for each in found)
    raise MetricError(f"variant was '{variant}'; {metric} of {tool} has {known}")


def _converted(definition: Definition, days: DatedEquity) -> Metric:
    """Return the metric of a curve by day."""
    value, flag = math.nan, _refusal(definition, days)
    if not flag:
        with np.errstate(all="ignore"):
            value = _computed(definition, days)
        if not math.isfinite(value):
            value, flag = math.nan, "the formula divides by zero or leaves the range of a number"
        elif value == SENTINEL and definition.tool == "freqtrade":
            flag = "freqtrade's sentinel: the formula divides by zero"
        elif definition.needs_trades and days.trades is not None and days.trades.still_open:
            flag = f"{days.trades.still_open} open positions left out, which the tool may close at the end"
    return Metric(
        definition.metric, value, len(days.equity) - 1, days.periods_per_year, definition.formula, flag
    )


def _computed(definition: Definition, days: DatedEquity) -> float:
    try:
        return definition.compute(days)
    except (ZeroDivisionError, OverflowError, ValueError):
        return math.nan


def _refusal(definition: Definition, days: DatedEquity) -> str:
    """Return why nothing can be said, else nothing."""
    if definition.needs_trades and days.trades is None:
        return "needs the trades of the account"
    if definition.needs_trades and not len(days.trades or ()):
        return "no closed trade"
    if len(days.equity) < 3:
        return f"n/a ({len(days.equity) - 1} < 2 days)"
    if definition.tool == "quantstats" and _looks_like_prices(days):
        return "quantstats takes returns that are never below 0 and reach 1 for prices"
    return ""


def _looks_like_prices(days: DatedEquity) -> bool:
    values = days.equity[1:] / days.equity[:-1] - 1
    return bool(values.min() >= 0 and values.max() >= 1)
