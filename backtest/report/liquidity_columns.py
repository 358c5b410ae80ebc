"""Liquidity columns: how the stored tables of a liquidity run are shown, and what each column says."""

import json
from typing import Any

from backtest.report.blocks import Column
from backtest.report.formats import count, label, moment, number, p_value, percent, significant, text

_HELP = {
    "net_bps": "Mean over windows of equity less the worth of the tokens held: fees - divergence - gas - conversion.",
    "standard_error": "Of that mean; a window is one observation.",
    "interval": "95 %, circular block bootstrap of windows.",
    "holm_p": "One-sided, that holding is not beaten; corrected for the policies asked for. Bounds are not tested.",
    "minimum_detectable_bps": "An edge smaller than this could not have been told from luck with so many windows.",
    "fees_bps": "By the exact path of every swap, net of the protocol's cut.",
    "divergence_bps": "What the tokens held gained more than the position without its fees.",
    "lvr_bps": "Loss versus rebalancing against the pool's price at the bar ends; beside the statement, no part of it.",
    "capital_efficiency": "Fees over those the capital would have earned over the full range on the same swaps.",
    "concentration": "Liquidity at work over that of the same equity over the full range, mean of bar ends; 0 out of range.",
    "fee_apr": "Fees over the worth invested, times 365 over the days; simple, and no profit: see the net.",
    "entropy": "Of the actions of a learned policy, in nats; near 0 it is static selection.",
}


def bps(value: object) -> str:
    """Return basis points with one decimal."""
    return number(value, 1)


def settings(value: Any) -> str:
    """Return settings stored as JSON in words: ``width 0.25, on_exit yes``; other text as it is."""
    try:
        stored = json.loads(str(value))
    except ValueError:
        return text(value)
    if not isinstance(stored, dict):
        return text(value)
    return ", ".join(f"{label(name)} {_setting(item)}" for name, item in stored.items() if name != "kind")


def _setting(value: Any) -> str:
    if isinstance(value, list):
        return " ".join(_setting(each) for each in value)
    return "none" if value is None else text(value)


POLICIES = (
    Column("lane", "Policy", label),
    Column("net_bps", "Net, bp", bps, _HELP["net_bps"], is_signed=True),
    Column("standard_error", "s.e.", bps, _HELP["standard_error"]),
    Column("interval", "Interval", text, _HELP["interval"]),
    Column("holm_p", "Holm p", p_value, _HELP["holm_p"], missing="not tested"),
    Column("minimum_detectable_bps", "Detectable", bps, _HELP["minimum_detectable_bps"]),
    Column("windows", "Windows", count),
    Column("verdict", "Verdict", text),
)
PARTS = (
    Column("lane", "Policy", label),
    Column("fees_bps", "Fees", bps, _HELP["fees_bps"]),
    Column("divergence_bps", "− Divergence", bps, _HELP["divergence_bps"], is_signed=True),
    Column("gas_bps", "− Gas", bps),
    Column("conversion_bps", "− Conversion", bps),
    Column("net_bps", "= Net", bps, _HELP["net_bps"], is_signed=True),
    Column("lvr_bps", "LVR", bps, _HELP["lvr_bps"]),
)
MEASURES = (
    Column("lane", "Policy", label),
    Column("in_range_share", "In range", percent, "Share of bar ends with the price in a range."),
    Column("capital_efficiency", "Capital efficiency", number, _HELP["capital_efficiency"]),
    Column("concentration", "Concentration", number, _HELP["concentration"]),
    Column("fee_apr", "Fees a year", percent, _HELP["fee_apr"]),
    Column("rebalances", "Moves", bps, "Of ranges a window, the first opening left out."),
    Column("entropy", "Entropy", number, _HELP["entropy"], missing="rule"),
)
PAIRED = (
    Column("lane", "Policy", label),
    Column("against", "less", label),
    Column("difference_bps", "Difference, bp", bps, is_signed=True),
    Column("standard_error", "s.e.", bps),
    Column("interval", "Interval", text, _HELP["interval"]),
    Column("minimum_detectable_bps", "Detectable", bps, _HELP["minimum_detectable_bps"]),
    Column("contains_zero", "Holds 0", text, "Whether the interval holds 0, so that no difference is shown."),
)
STATEMENTS = (
    Column("lane", "Policy", label),
    Column("fold", "Window", count),
    Column("start", "From", moment),
    Column("end", "to", moment),
    Column("fees", "Fees", significant),
    Column("divergence", "− Divergence", significant, is_signed=True),
    Column("gas", "− Gas", significant),
    Column("conversion", "− Conversion", significant),
    Column("net", "= Net", significant, is_signed=True),
    Column("net_bps", "Net, bp", bps, is_signed=True),
    Column("net_usd", "Net, USD", significant, is_signed=True),
    Column("lvr", "LVR", significant),
    Column("fees_over_lvr", "Fees/LVR", number),
    Column("in_range_share", "In range", percent),
    Column("capital_efficiency", "Capital efficiency", number),
    Column("rebalances", "Moves", count),
)
CHOSEN = (
    Column("lane", "Policy", label),
    Column("fold", "Window", count),
    Column("chosen", "Settings chosen on validation", settings),
)
ACTIONS = (
    Column("decided", "Decided", moment),
    Column("executed", "Done", moment),
    Column("kind", "What", label),
    Column("price", "Price", significant),
    Column("gas", "Gas", significant),
    Column("conversion", "Conversion", significant),
    Column("reason", "Why", text),
)
SCORES = (
    Column("model", "Model", label),
    Column("verdict", "Verdict", text, "No skill where the fee growth of HAR is not beaten."),
    Column("r2_log_fee_growth", "R²", lambda value: number(value, 3), "Of log fee growth over the horizon.", is_signed=True),
    Column("crps", "CRPS", significant, "Of the price at the end, in ticks; smaller is better."),
    Column("pinball", "Pinball", significant, "Of the price at the end, in ticks; smaller is better."),
    Column("coverage_80", "Cover 80", percent, "Honest 80 % intervals cover 80 %."),
    Column("coverage_95", "Cover 95", percent, "Honest 95 % intervals cover 95 %."),
    Column("log_intensity_mae", "Log intensity", lambda value: number(value, 3), "Mean absolute error of the log of the whole path; smaller is better."),
    Column("earth_mover", "Earth mover", significant, "How far the forecast shape has to be moved, in ticks; smaller is better."),
    Column("n", "Forecasts", count),
)  # fmt: skip
PLACEBO = (
    Column("world", "World", text),
    *PAIRED[:2],
    Column("net_bps", "Net, bp", bps, "Against holding; below 0 by divergence and costs.", is_signed=True),
    *PAIRED[2:],
    Column("windows", "Windows", count),
)
SLIPPAGE = (
    Column("size", "Size", significant, "Of the trade, in quote tokens."),
    Column("side", "Side", label),
    Column("mean", "Mean, bp", lambda value: number(value, 2)),
    Column("median", "Median, bp", lambda value: number(value, 2)),
    Column("largest", "Largest, bp", lambda value: number(value, 2)),
    Column("quotes", "Quotes", count),
)
