"""Every feature by name."""

from data.features import calendar, cross_section, returns, technical, volatility
from data.features.feature import Feature

FEATURES: dict[str, Feature] = {
    feature.name: feature
    for feature in (
        returns.LOG_RETURN,
        returns.Z_SCORE,
        volatility.REALISED,
        volatility.PARKINSON,
        volatility.GARMAN_KLASS,
        volatility.YANG_ZHANG,
        technical.RELATIVE_STRENGTH,
        technical.MACD,
        technical.MACD_HISTOGRAM,
        technical.AVERAGE_TRUE_RANGE,
        technical.BOLLINGER,
        technical.RELATIVE_VOLUME,
        calendar.DAY_OF_WEEK,
        calendar.MONTH_OF_YEAR,
        calendar.HOUR_OF_DAY,
        cross_section.RETURN_RANK,
    )
}
"""Name -> feature; all of them pass the contract tests (causal, exact lookback, untouched inputs)."""
