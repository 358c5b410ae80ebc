"""A plausible finished liquidity run with every table, made from a seed: what its report is tested on before any real run.

Nothing here is a measurement: prices are a seeded random walk and fees are drawn. The tables agree with each other where the
report shows them side by side: net is fees less divergence, gas and conversion, and the means of windows are those of windows.
"""

from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

Tables = dict[str, pd.DataFrame]

LANES = ("plan", "full_range", "hold", "static", "recentre", "volatility_band", "learned", "oracle_width")
CAPITAL = 100.0
BARS = 720
WIDTHS = {
    "plan": 0.22,
    "static": 0.25,
    "recentre": 0.1,
    "volatility_band": 0.3,
    "learned": 0.18,
    "oracle_width": 0.2,
}
MODELS = ("har", "lstm", "garch_normal", "last_value", "weekly_mean")
EDGES = (np.arange(62) - 30.5) * 120.0


def example_liquidity_run(
    seed: int = 7, windows: int = 14, lanes: tuple[str, ...] = LANES, status: str = "no edge shown"
) -> tuple[dict[str, Any], Tables]:
    """Return the manifest and the tables of a fake run."""
    rng = np.random.default_rng(seed)
    bars = windows * BARS + 1
    times = pd.Timestamp("2021-10-01") + pd.to_timedelta(np.arange(bars), unit="h")
    times = times.astype("datetime64[ns]")
    close = 14.0 * np.exp(np.cumsum(rng.normal(0, 0.0045, bars)))
    statements = _statements(rng, times, windows, lanes)
    ranges = _ranges(rng, times, close, windows, lanes)
    tables: Tables = {
        "equity": _equity(rng, times, statements),
        "statements": statements,
        "policies": _policies(statements),
        "paired": _paired(statements),
        "blocks": _blocks(statements),
        "frontier": _frontier(statements),
        "ranges": ranges,
        "actions": _actions(times, close, ranges),
        "forecast_scores": _forecast_scores(),
        "profiles": _profiles(rng, times, windows),
        "heat": _heat(times, close),
        "prices": pd.DataFrame({"time": times[::6], "close": close[::6]}),
        "slippage": _slippage(rng, times),
        "placebo": _placebo(lanes),
        "findings": pd.DataFrame(
            [("WBTC/WETH 0.3%", "close", "stale", "note", times[40], times[47], 8, 0.0, "8 bars without a swap")],
            columns=["series", "field", "kind", "severity", "time", "until", "count", "value", "message"],
        ),
        "fits": pd.DataFrame(
            {
                "model": np.repeat(MODELS, windows), "fold": np.tile(np.arange(windows), len(MODELS)),
                "cutoff": np.tile(times[:-1:BARS], len(MODELS)), "reason": "window", "rows": 4320, "cpu_seconds": 0.4,
            }
        ),
    }  # fmt: skip
    return _manifest(seed, times, lanes, windows, status), tables


def _statements(rng, times, windows, lanes) -> pd.DataFrame:
    rows = []
    for fold in range(windows):
        market = rng.gamma(3.0, 1.0)
        for lane in lanes:
            width = WIDTHS.get(lane, 40.0)
            strength = 0.0 if lane == "hold" else 1 / (1 - (1 + width) ** -0.25)
            fees = 0.055 * strength**0.75 * market / 3 * rng.uniform(0.85, 1.15)
            divergence = 0.058 * strength**0.85 * market**1.3 / 4 * rng.uniform(0.5, 1.5)
            divergence *= 0.6 if lane == "oracle_width" else 1.0
            moves = {"recentre": 9, "volatility_band": 5, "plan": 3, "learned": 4}.get(lane, 0)
            moves = int(rng.poisson(moves)) if moves else 0
            gas, conversion = (0.0 if lane == "hold" else 0.02) * (1 + moves), 0.05 * moves
            net = fees - divergence - gas - conversion
            rows.append(
                {
                    "lane": lane, "fold": fold, "start": times[fold * BARS], "end": times[(fold + 1) * BARS],
                    "capital": CAPITAL, "fees": fees, "divergence": divergence, "gas": gas, "conversion": conversion,
                    "net": net, "net_bps": net / CAPITAL * 1e4, "lvr": divergence * rng.uniform(0.9, 1.2),
                    "in_range_share": 0.0 if lane == "hold" else 1.0 if width > 1 else rng.uniform(0.5, 0.95),
                    "capital_efficiency": strength, "rebalances": float(moves),
                    "entropy": rng.uniform(0.4, 1.2) if lane == "learned" else np.nan,
                    "concentration": strength * 0.8, "fee_apr": fees / CAPITAL * 12, "fees_over_lvr": fees / max(divergence, 1e-9),
                    "net_usd": np.nan, "chosen": f'{{"kind": "{lane}", "width": {width:g}, "on_exit": true}}' if lane in WIDTHS else "",
                }
            )  # fmt: skip
    return pd.DataFrame(rows)


def _equity(rng, times, statements) -> pd.DataFrame:
    parts = []
    for row in statements.to_dict("records"):
        span = times[(times >= row["start"]) & (times <= row["end"])]
        hold = CAPITAL * np.exp(np.cumsum(np.append(0.0, rng.normal(0, 0.002, len(span) - 1))))
        share = np.linspace(0, 1, len(span))
        bridge = np.cumsum(rng.normal(0, 0.02, len(span)))
        noise = 0.0 if row["lane"] == "hold" else bridge - bridge[0] - share * (bridge[-1] - bridge[0])
        in_range = rng.random(len(span)) < row["in_range_share"]
        parts.append(
            pd.DataFrame(
                {
                    "time": span, "lane": row["lane"], "fold": row["fold"], "equity": hold + share * row["net"] + noise,
                    "hold": hold, "in_range": in_range,
                }
            )
        )  # fmt: skip
    return pd.concat(parts, ignore_index=True)


def _policies(statements) -> pd.DataFrame:
    rows = []
    for lane, own in statements.groupby("lane", sort=False):
        net = own["net_bps"].to_numpy()
        error = net.std(ddof=1) / np.sqrt(len(net)) if len(net) > 1 else np.nan
        bound, tested = lane == "oracle_width", lane not in ("hold", "full_range", "oracle_width")
        rows.append(
            {
                "lane": lane, "windows": len(net), "net_bps": net.mean(), "standard_error": error,
                "low": net.mean() - 1.9 * error, "high": net.mean() + 1.9 * error, "p_value": 0.7,
                "holm_p": 1.0 if tested else np.nan, "minimum_detectable_bps": 2.8 * error,
                **{f"{part}_bps": (own[part] / CAPITAL).mean() * 1e4 for part in ("fees", "divergence", "gas", "conversion", "lvr")},
                **{part: own[part].mean() for part in ("in_range_share", "capital_efficiency", "concentration", "fee_apr", "rebalances", "entropy")},
                "is_upper_bound": bound,
                "verdict": "upper bound, sees the future" if bound else "loses to holding" if net.mean() + 1.9 * error < 0 else "no edge shown",
            }
        )  # fmt: skip
    return pd.DataFrame(rows)


def _paired(statements) -> pd.DataFrame:
    wide = statements.pivot_table(index="fold", columns="lane", values="net_bps", sort=False)
    rows = []
    for lane in wide.columns.drop("full_range"):
        apart = wide[lane] - wide["full_range"]
        error = apart.std(ddof=1) / np.sqrt(len(apart))
        low, high = apart.mean() - 1.9 * error, apart.mean() + 1.9 * error
        rows.append(
            (lane, "full_range", len(apart), apart.mean(), error, low, high, 2.8 * error, low <= 0 <= high)
        )
    columns = [
        "lane",
        "against",
        "windows",
        "difference_bps",
        "standard_error",
        "low",
        "high",
        "minimum_detectable_bps",
        "contains_zero",
    ]
    return pd.DataFrame(rows, columns=columns)


def _blocks(statements) -> pd.DataFrame:
    wide = statements.pivot_table(index="fold", columns="lane", values="net_bps", sort=False)
    rows = []
    for against in ("hold", "full_range"):
        for lane in wide.columns.drop(against, errors="ignore"):
            apart = wide[lane] - wide.get(against, 0.0)
            error = apart.std(ddof=1) / np.sqrt(len(apart))
            for block in (2, 4, 6, 8):
                half = (1.7 + 0.05 * block) * error
                rows.append((lane, against, block, block, apart.mean() - half, apart.mean() + half, 0.7))
    return pd.DataFrame(rows, columns=["lane", "against", "block", "used", "low", "high", "p_value"])


def _frontier(statements) -> pd.DataFrame:
    rows = []
    for lane, own in statements.groupby("lane", sort=False):
        for capital in (0.5, 2.0, 10.0, 100.0):
            for gas in (0.0, 0.002, 0.01, 0.05):
                moved = 0 if lane == "hold" else own["rebalances"] + 1
                net = (
                    (own["fees"] - own["divergence"] - own["conversion"]) / CAPITAL - gas * moved / capital
                ) * 1e4
                rows.append((lane, capital, gas, net.mean(), net.std(ddof=1) / np.sqrt(len(net))))
    return pd.DataFrame(rows, columns=["lane", "capital", "gas", "net_bps", "standard_error"])


def _ranges(rng, times, close, windows, lanes) -> pd.DataFrame:
    rows = []
    for lane in lanes:
        for fold in range(windows):
            begin, end = fold * BARS, (fold + 1) * BARS
            if lane in ("full_range", "static"):
                cuts = [begin, end]
            else:
                cuts = [begin, *np.sort(rng.choice(np.arange(begin + 24, end), 4, replace=False)), end]
            for start, stop in pairwise(cuts):
                half = np.sqrt(1 + WIDTHS.get(lane, 0.2) * rng.uniform(0.6, 1.5))
                low, high = (
                    (1e-32, 1e36) if lane == "full_range" else (close[start] / half, close[start] * half)
                )
                if lane != "hold":
                    rows.append(
                        (lane, fold, times[start], times[stop], low, high, 1.0, "width 0.22, shift 0")
                    )
    return pd.DataFrame(
        rows, columns=["lane", "fold", "start", "end", "lower_price", "upper_price", "share", "reason"]
    )


def _actions(times, close, ranges) -> pd.DataFrame:
    at = times.searchsorted(ranges["start"])
    return pd.DataFrame(
        {
            "lane": ranges["lane"], "fold": ranges["fold"], "decided": ranges["start"],
            "executed": ranges["start"] + pd.Timedelta(seconds=96), "price": close[at],
            "kind": np.where(at % BARS == 0, "open", "move"), "gas": 0.02, "conversion": 0.05, "reason": ranges["reason"],
        }
    )  # fmt: skip


def _forecast_scores() -> pd.DataFrame:
    rows = [
        ("har", 480, 0.51, 0.0113, 0.0081, 0.79, 0.94, 0.41, 130.0, "the reference"),
        ("lstm", 480, 0.53, 0.0112, 0.0080, 0.81, 0.95, 0.40, 118.0, "no skill over HAR"),
        ("garch_normal", 480, 0.47, 0.0115, 0.0083, 0.83, 0.96, 0.44, 141.0, "no skill"),
        ("weekly_mean", 480, 0.43, 0.0119, 0.0085, 0.75, 0.9, 0.47, 160.0, "no skill"),
        ("last_value", 480, 0.38, 0.0125, 0.0090, 0.71, 0.88, 0.52, 190.0, "no skill"),
    ]
    columns = [
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
    ]
    return pd.DataFrame(rows, columns=columns)


def _profiles(rng, times, windows) -> pd.DataFrame:
    middle = (EDGES[1:] + EDGES[:-1]) / 2
    parts = []
    for cutoff in times[: windows * BARS : 240]:
        spread = rng.uniform(120, 420)
        realised = (
            0.02 * np.exp(-0.5 * ((middle - rng.normal(0, 200)) / spread) ** 2) * rng.uniform(0.4, 1.6, 61)
        )
        for i, model in enumerate(MODELS):
            expected = 0.016 * np.exp(-0.5 * (middle / (220 + 60 * i)) ** 2)
            parts.append(
                pd.DataFrame(
                    {
                        "model": model, "cutoff": cutoff, "low_ticks": EDGES[:-1], "high_ticks": EDGES[1:],
                        "forecast_up": expected, "forecast_down": expected * 0.97, "realised_up": realised,
                        "realised_down": realised * rng.uniform(0.8, 1.2),
                    }
                )
            )  # fmt: skip
    return pd.concat(parts, ignore_index=True)


def _heat(times, close) -> pd.DataFrame:
    at = np.linspace(0, len(times) - 1, 60).astype(int)
    low, high = np.log(close.min()), np.log(close.max())
    edges = np.exp(np.linspace(low - 0.25 * (high - low), high + 0.25 * (high - low), 61))
    middle = np.sqrt(edges[1:] * edges[:-1])
    parts = []
    for row in at:
        near = np.abs(np.log(middle / close[row // BARS * BARS]))
        liquidity = 1e17 * (1 + 9 * (near < 0.3) + 30 * (near < 0.1))
        liquidity[:2] = 0.0
        parts.append(
            pd.DataFrame(
                {"time": times[row], "low_price": edges[:-1], "high_price": edges[1:], "liquidity": liquidity}
            )
        )
    return pd.concat(parts, ignore_index=True)


def _slippage(rng, times) -> pd.DataFrame:
    rows = [
        (size, side, size * 0.6 * rng.uniform(0.5, 2.0), time)
        for time in times[::BARS]
        for size in (1.0, 10.0, 100.0)
        for side in ("buy", "sell")
    ]
    return pd.DataFrame(rows, columns=["size", "side", "slippage_bps", "time"])


def _placebo(lanes) -> pd.DataFrame:
    rows = [
        (world, lane, "full_range", 14, mean - 30, mean, 9.0, mean - 17, mean + 17, 25.2, True)
        for world, mean in (("random signs, 2 worlds", -4.1), ("reversed time", 6.3))
        for lane in lanes
        if lane != "full_range"
    ]
    columns = [
        "world", "lane", "against", "windows", "net_bps", "difference_bps", "standard_error", "low", "high",
        "minimum_detectable_bps", "contains_zero",
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=columns)


def _manifest(seed, times, lanes, windows, status) -> dict[str, Any]:
    return {
        "id": "5a7e10" + "0123456789abcdef" * 3 + "0123456789",
        "experiment": "liquidity",
        "name": "amm-example",
        "recorded_at": "2025-06-02T09:14:03+00:00",
        "code_version": "c0ffee" + "0" * 58,
        "seed": seed,
        "spec": {"experiment": "liquidity", "name": "amm-example", "capital": CAPITAL, "seed": seed},
        "pool": "WBTC/WETH 0.3%",
        "numeraire": "WETH",
        "capital": CAPITAL,
        "data": {
            "identity": {"source": "pool_events"},
            "fingerprint": "ab12" * 16,
            "first": str(times[0]),
            "last": str(times[-1]),
            "bars": len(times),
            "calendar": "24/7",
            "bar": "1h",
            "periods_per_year": 8766.0,
            "series": ["WBTC/WETH 0.3%"],
            "untradable": [],
            "notes": ["The times are block numbers on an even scale of 13.14 seconds."],
        },
        "primary": lanes[0],
        "benchmark": "full_range",
        "folds": windows,
        "trials": {"count": 6, "sentence": "6 trials have been recorded on this data."},
        "verdict": {
            "status": status,
            "scope": "against holding the same tokens",
            "sentences": ["plan made -31.0 bp of its capital a window against holding."],
        },
        "conventions": ["Money is in WETH; basis points are of the capital at the start of each window."],
        "defaults": ["Each account starts with 100 WETH, half in each token; that split is free."],
        "packages": {"wayfold": "0.1.0", "numpy": "2.4.6"},
        "python": "3.11.9",
        "cpu_seconds": 61.2,
    }  # fmt: skip
