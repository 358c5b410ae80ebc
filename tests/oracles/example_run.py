"""A plausible finished run with every table, made from a seed: what a report is tested on before any real run.

Nothing here is a measurement: prices are a seeded random walk, and the tables agree with each other only where a report shows
them side by side (equity, fills, drawdowns, monthly and yearly returns).
"""

from typing import Any

import numpy as np
import pandas as pd

Tables = dict[str, pd.DataFrame]

LEVELS = (0.025, *(round(0.05 * i, 2) for i in range(1, 20)), 0.975)
LANES = ("ridge", "naive", "drift", "seasonal_naive", "benchmark")
MODELS = LANES[:-1]
NAMES = ("AAPL", "FB", "GOOG", "IBM", "MSFT")
HORIZON = 5
CAPITAL = 100_000.0
NORMAL_QUANTILES = dict(
    zip(
        LEVELS,
        (-1.96, -1.645, -1.282, -1.036, -0.842, -0.674, -0.524, -0.385, -0.253, -0.126, 0.0, 0.126, 0.253, 0.385,
         0.524, 0.674, 0.842, 1.036, 1.282, 1.645, 1.96),
        strict=True,
    )
)  # fmt: skip


def example_run(
    seed: int = 7, days: int = 2600, names: tuple[str, ...] = NAMES, status: str = "no skill shown"
) -> tuple[dict[str, Any], Tables]:
    """Return the manifest and the tables of a fake run."""
    rng = np.random.default_rng(seed)
    times = pd.bdate_range("2003-01-02", periods=days).astype("datetime64[ns]") + pd.Timedelta(hours=21)
    prices = 40 * np.exp(np.cumsum(rng.normal(0.0002, 0.015, (days, len(names))), axis=0))
    folds = np.minimum(np.arange(days) // max(days // 10, 1), 9)
    equity = _equity(rng, times, folds)
    tables: Tables = {
        "equity": equity,
        "weights": _weights(rng, times, names),
        "forecasts": _forecasts(rng, times, prices, folds, names),
        "targets": _targets(rng, times, names),
        "fills": _fills(rng, times, prices, names),
        "trades": _trades(rng, times, prices, names),
        "folds": _folds(rng, times, folds, equity),
        "scores": _scores(rng),
        "calibration": _calibration(),
        "pit": _pit(rng),
        "metrics": _metrics(equity),
        "luck": _luck(),
        "rejections": _rejections(times, names),
        "costs": _costs(),
        "drawdowns": _drawdowns(equity),
        "monthly": _periodic(equity, "ME"),
        "yearly": _periodic(equity, "YE"),
        "fits": _fits(rng, times, folds),
        "predictions": _predictions(folds),
        "findings": _findings(times, names),
    }
    return _manifest(seed, times, names, status), tables


def _luck() -> pd.DataFrame:
    same = {
        "superiority_p": 0.21, "overfitting": 0.44, "overfitting_null_low": 0.08, "overfitting_null_high": 0.91,
        "trials": 12, "effective_trials": 4.5, "periods": 2599, "flag": "",
    }  # fmt: skip
    rows = [
        {
            "against": against, "strategy": "ridge", "sharpe": ratio, "alone_p": alone, "holm_p": min(1.0, 12 * alone),
            "bonferroni_p": min(1.0, 12 * alone), "deflated_sharpe": deflated, "deflated_sharpe_effective": deflated + 0.1,
            "stepwise_p": alone * 2, "is_superior": False, "confidence_set_p": 1.0, "in_confidence_set": True,
            "verdict": verdict, **same,
        }
        for against, ratio, alone, deflated, verdict in (
            ("cash", 0.61, 0.02, 0.74, "would hold alone, not after the search"),
            ("benchmark", -0.12, 0.64, 0.11, "not told apart from luck"),
        )
    ]  # fmt: skip
    return pd.DataFrame(rows)


def _rejections(times: pd.DatetimeIndex, names: tuple[str, ...]) -> pd.DataFrame:
    when = times[[20, 40, 60]]
    return pd.DataFrame(
        {
            "lane": "ridge",
            "time": when,
            "series": names[0],
            "units": [3.0, -2.0, 1.0],
            "reason": ["cash", "shortable", "cash"],
            "order": 0,
        }
    )


def _equity(rng: np.random.Generator, times: pd.DatetimeIndex, folds: np.ndarray) -> pd.DataFrame:
    market = rng.normal(0.0003, 0.011, len(times))
    market[len(times) // 2] = -0.12
    benchmark = CAPITAL * np.cumprod(1 + market)
    parts = []
    for i, lane in enumerate(LANES):
        own = market if lane == "benchmark" else 0.45 * market + rng.normal(0.00005, 0.004, len(times))
        cost = np.where(rng.random(len(times)) < 0.2, 0.00035 * (1 + i % 3), 0.0)
        cost = np.zeros(len(times)) if lane == "benchmark" else cost
        gross_exposure = np.clip(0.6 + 0.25 * np.sin(np.arange(len(times)) / 90 + i), 0, 1)
        parts.append(
            pd.DataFrame(
                {
                    "time": times,
                    "lane": lane,
                    "fold": folds,
                    "equity": CAPITAL * np.cumprod(1 + own - cost),
                    "equity_gross": CAPITAL * np.cumprod(1 + own),
                    "benchmark": benchmark,
                    "gross_exposure": gross_exposure,
                    "net_exposure": gross_exposure * np.cos(np.arange(len(times)) / 200),
                    "turnover": cost * 300,
                    "costs": cost * CAPITAL,
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


def _weights(rng: np.random.Generator, times: pd.DatetimeIndex, names: tuple[str, ...]) -> pd.DataFrame:
    walks = np.cumsum(rng.normal(0, 0.02, (len(times) // HORIZON + 1, len(names))), axis=0)
    steps = np.repeat(0.2 * np.sin(5 * walks), HORIZON, axis=0)[: len(times)]
    steps[:, -1] = np.where(np.arange(len(times)) < len(times) // 2, np.nan, steps[:, -1])
    parts = [
        pd.DataFrame({"time": times, "lane": lane, "series": name, "weight": steps[:, i].clip(-0.2, 0.2)})
        for lane in ("ridge", "benchmark")
        for i, name in enumerate(names)
    ]
    return pd.concat(parts, ignore_index=True)


def _forecasts(
    rng: np.random.Generator,
    times: pd.DatetimeIndex,
    prices: np.ndarray,
    folds: np.ndarray,
    names: tuple[str, ...],
) -> pd.DataFrame:
    cutoffs = np.arange(260, len(times) - HORIZON, HORIZON)[-60:]
    rows = []
    for model in MODELS[:2]:
        for at in cutoffs:
            for s, name in enumerate(names):
                tilt = rng.normal(0, 0.004) if model == "ridge" else 0.0
                for step in range(1, HORIZON + 1):
                    spread = 0.016 * np.sqrt(step)
                    row = {
                        "model": model,
                        "fold": folds[at],
                        "cutoff": times[at],
                        "series": name,
                        "step": step,
                        "time": times[at + step],
                        "last": prices[at, s],
                        "truth": prices[at + step, s],
                        "unbounded": False,
                    }
                    row |= {
                        f"q{k:g}": prices[at, s] * np.exp(tilt + spread * z)
                        for k, z in NORMAL_QUANTILES.items()
                    }
                    rows.append(row)
    return pd.DataFrame(rows)


def _targets(rng: np.random.Generator, times: pd.DatetimeIndex, names: tuple[str, ...]) -> pd.DataFrame:
    rows = [
        ("ridge", 0, t, n, w)
        for t in times[::50]
        for n, w in zip(names, rng.normal(0, 0.1, len(names)), strict=True)
    ]
    return pd.DataFrame(rows, columns=["lane", "fold", "cutoff", "series", "weight"])


def _fills(
    rng: np.random.Generator, times: pd.DatetimeIndex, prices: np.ndarray, names: tuple[str, ...]
) -> pd.DataFrame:
    at = np.sort(rng.integers(0, len(times), 900))
    which = rng.integers(0, len(names), 900)
    units = rng.integers(-300, 300, 900).astype(float)
    traded = np.abs(units) * prices[at, which]
    return pd.DataFrame(
        {
            "lane": "ridge",
            "time": times[at],
            "series": np.array(names)[which],
            "units": units,
            "price": prices[at, which],
            "commission": 0.0,
            "spread_cost": traded * 2e-4,
            "slippage_cost": traded * 3e-4,
            "reason": "target",
        }
    )


def _trades(
    rng: np.random.Generator, times: pd.DatetimeIndex, prices: np.ndarray, names: tuple[str, ...]
) -> pd.DataFrame:
    entry = np.sort(rng.integers(0, len(times) - 60, 640))
    exit_ = entry + rng.integers(1, 60, 640)
    which = rng.integers(0, len(names), 640)
    units = rng.integers(10, 300, 640) * rng.choice([-1.0, 1.0], 640)
    start, end = prices[entry, which], prices[exit_, which]
    costs = np.abs(units) * (start + end) * 5e-4
    profit = units * (end - start) - costs
    table = pd.DataFrame(
        {
            "lane": "ridge",
            "series": np.array(names)[which],
            "direction": np.where(units > 0, "long", "short"),
            "entry_time": times[entry],
            "exit_time": times[exit_],
            "units": units,
            "entry_price": start,
            "exit_price": end,
            "profit": profit,
            "costs": costs,
            "return": profit / (np.abs(units) * start),
            "bars": exit_ - entry,
        }
    )
    table.loc[table.index[-1], "exit_time"] = pd.NaT
    table.loc[table.index[-1], ["exit_price", "return"]] = np.nan
    return table


def _folds(
    rng: np.random.Generator, times: pd.DatetimeIndex, folds: np.ndarray, equity: pd.DataFrame
) -> pd.DataFrame:
    rows = []
    for lane in LANES:
        curve = equity[equity["lane"] == lane].reset_index(drop=True)
        for fold in np.unique(folds):
            here = curve[folds == fold]
            net = here["equity"].iloc[-1] / here["equity"].iloc[0] - 1
            gross = here["equity_gross"].iloc[-1] / here["equity_gross"].iloc[0] - 1
            rows.append(
                {
                    "fold": fold,
                    "lane": lane,
                    "train_start": times[0] - pd.Timedelta(days=1000),
                    "train_end": here["time"].iloc[0] - pd.Timedelta(days=2),
                    "test_start": here["time"].iloc[0],
                    "test_end": here["time"].iloc[-1],
                    "decisions": len(here) // HORIZON,
                    "gross_return": gross,
                    "costs": gross - net,
                    "net_return": net,
                    "turnover": here["turnover"].sum(),
                    "max_drawdown": (here["equity"] / here["equity"].cummax() - 1).min(),
                    "crps": np.nan if lane == "benchmark" else 0.8 + 0.05 * rng.random(),
                    "skill": np.nan if lane == "benchmark" else rng.normal(-0.01, 0.01),
                }
            )
    return pd.DataFrame(rows)


def _scores(rng: np.random.Generator) -> pd.DataFrame:
    rows = []
    for i, model in enumerate(MODELS):
        for step in range(HORIZON + 1):
            scale = 1 + 0.25 * step
            rows.append(
                {
                    "model": model,
                    "step": step,
                    "n": 2300,
                    "rmse": scale * (1.1 + 0.02 * i),
                    "rmse_over_mean": 0.02 * scale,
                    "mae": 0.8 * scale,
                    "mase": 1.0 + 0.01 * i,
                    "pinball": 0.3 * scale,
                    "crps": 0.6 * scale + 0.01 * i,
                    "winkler_90": 4.1 * scale,
                    "coverage_90": 0.9 - 0.004 * i,
                    "direction_accuracy": np.nan if model == "naive" else 0.51 + 0.005 * rng.random(),
                    "direction_base_rate": 0.523,
                    "best_naive": "drift",
                    "skill": 0.004 - 0.003 * i,
                    "dm_statistic": np.nan if model == "drift" else 0.7 - 0.2 * i,
                    "p_value": np.nan if model == "drift" else 0.24,
                    "holm_p_value": np.nan if model == "drift" else 0.72,
                    "verdict": "naive" if model != "ridge" else "no skill shown",
                }
            )
    return pd.DataFrame(rows)


def _calibration() -> pd.DataFrame:
    rows = [
        (model, level, float(np.clip(level + (0.02 + 0.01 * i) * np.sin(2 * np.pi * level), 0, 1)), 2300)
        for i, model in enumerate(MODELS)
        for level in LEVELS
    ]
    return pd.DataFrame(rows, columns=["model", "level", "empirical", "n"])


def _pit(rng: np.random.Generator) -> pd.DataFrame:
    edges = np.linspace(0, 1, 11)
    rows = []
    for model in MODELS:
        share = rng.dirichlet(np.full(10, 60.0))
        rows += [(model, low, high, s) for low, high, s in zip(edges[:-1], edges[1:], share, strict=True)]
    return pd.DataFrame(rows, columns=["model", "low", "high", "share"])


def _metrics(equity: pd.DataFrame) -> pd.DataFrame:
    rows = []
    for lane, part in equity.groupby("lane", sort=False):
        curve = part["equity"].to_numpy()
        returns = curve[1:] / curve[:-1] - 1
        sharpe = returns.mean() / returns.std(ddof=1) * np.sqrt(252)
        years = len(returns) / 252
        facts = [
            ("total_return", curve[-1] / curve[0] - 1, None, "net of all costs"),
            (
                "cagr",
                (curve[-1] / curve[0]) ** (1 / years) - 1,
                None,
                "compound, periods per year of the calendar",
            ),
            (
                "volatility",
                returns.std(ddof=1) * np.sqrt(252),
                None,
                "ddof 1, times the root of periods per year",
            ),
            ("sharpe", sharpe, 0.6, "ddof 1, excess over cash, stationary bootstrap interval"),
            ("sortino", sharpe * 1.4, None, "downside deviation over all periods"),
            (
                "max_drawdown",
                (curve / np.maximum.accumulate(curve) - 1).min(),
                None,
                "on net equity, start included",
            ),
            ("hit_rate", (returns > 0).mean(), None, "zero returns count as misses"),
            ("deflated_sharpe", np.nan if lane != "ridge" else 0.41, None, "probability, 3 trials"),
        ]
        for name, value, half, convention in facts:
            low, high = (np.nan, np.nan) if half is None else (value - half, value + half)
            flag = "no trials are counted for it" if np.isnan(value) else ""
            rows.append((lane, name, value, low, high, len(returns), 252.0, convention, flag))
    return pd.DataFrame(
        rows,
        columns=["lane", "metric", "value", "low", "high", "n", "periods_per_year", "convention", "flag"],
    )


def _costs() -> pd.DataFrame:
    rows = []
    for i, lane in enumerate(LANES):
        for multiplier in (0.0, 1.0, 2.0, 4.0):
            total = 0.42 - 0.05 * i - (0.0 if lane == "benchmark" else 0.11) * multiplier
            rows.append((lane, multiplier, CAPITAL * (1 + total), total, total / 10, 0.5 - 0.1 * multiplier))
    return pd.DataFrame(
        rows, columns=["lane", "multiplier", "final_equity", "total_return", "cagr", "sharpe"]
    )


def _drawdowns(equity: pd.DataFrame) -> pd.DataFrame:
    rows = []
    for lane, part in equity.groupby("lane", sort=False):
        curve = part.reset_index(drop=True)
        under = curve["equity"] / curve["equity"].cummax() - 1
        episode = (under == 0).cumsum()
        for _, here in under.groupby(episode):
            if here.min() < -0.02:
                last = here.index[-1] + 1
                recovery = curve["time"][last] if last < len(curve) else pd.NaT
                start, trough = curve["time"][here.index[0]], curve["time"][here.idxmin()]
                rows.append((lane, start, trough, recovery, here.min(), len(here)))
    table = pd.DataFrame(rows, columns=["lane", "start", "trough", "recovery", "depth", "bars"])
    table["recovery"] = pd.to_datetime(table["recovery"]).astype("datetime64[ns]")
    return table


def _periodic(equity: pd.DataFrame, period: str) -> pd.DataFrame:
    rows = []
    for lane, part in equity.groupby("lane", sort=False):
        ends = part.set_index("time")["equity"].resample(period).last()
        returns = ends / ends.shift(1).fillna(CAPITAL) - 1
        rows.append(pd.DataFrame({"lane": lane, "year": returns.index.year, "month": returns.index.month,
                                  "return": returns.to_numpy()}))  # fmt: skip
    table = pd.concat(rows, ignore_index=True)
    return table if period == "ME" else table.drop(columns="month")


def _fits(rng: np.random.Generator, times: pd.DatetimeIndex, folds: np.ndarray) -> pd.DataFrame:
    rows = []
    for model in MODELS:
        for fold in np.unique(folds):
            start = int(np.argmax(folds == fold))
            rows.append({
                "model": model, "fold": fold, "cutoff": times[start], "reason": "new fold", "rows": 750 + start,
                "cpu_seconds": rng.random() / 10, "cost_proxy": 3e4, "serves_from": times[start], "reference": np.nan,
                "state": "{}", "failure": "",
            })  # fmt: skip
    return pd.DataFrame(rows)


def _predictions(folds: np.ndarray) -> pd.DataFrame:
    rows = [
        {"model": model, "fold": fold, "predictions": 52, "cpu_seconds": 0.01}
        for model in MODELS
        for fold in np.unique(folds)
    ]
    return pd.DataFrame(rows)


def _findings(times: pd.DatetimeIndex, names: tuple[str, ...]) -> pd.DataFrame:
    rows = [
        (
            names[0],
            "open",
            "stale_open",
            "warning",
            times[0],
            times[200],
            371,
            0.93,
            "opens equal the previous close",
        ),
        (names[1], "close", "short_history", "note", times[0], pd.NaT, 196, np.nan, "196 rows only"),
        (names[-1], "volume", "zero_volume", "warning", times[77], pd.NaT, 1, 0.0, "no volume on a session"),
    ]
    table = pd.DataFrame(
        rows, columns=["series", "field", "kind", "severity", "time", "until", "count", "value", "message"]
    )
    table["until"] = pd.to_datetime(table["until"]).astype("datetime64[ns]")
    return table


def _manifest(seed: int, times: pd.DatetimeIndex, names: tuple[str, ...], status: str) -> dict[str, Any]:
    return {
        "id": "3f9a1c" + "0123456789abcdef" * 3 + "0123456789",
        "name": "quickstart",
        "recorded_at": "2025-06-02T09:14:03+00:00",
        "code_version": "c0ffee" + "0" * 58,
        "seed": seed,
        "spec": {
            "name": "quickstart",
            "data": {"kind": "bundled", "series": list(names), "start": None, "end": None},
            "forecaster": [{"kind": "ridge", "context": 64, "horizon": HORIZON, "quantity": "level"}],
            "retraining": {"kind": "every_fold"},
            "folds": {"kind": "calendar", "anchor": "no", "test": 252},
            "policy": {"kind": "kelly", "fraction": 0.25},
            "benchmark": {"kind": "buy_and_hold"},
            "costs": {"kind": "us_equities", "half_spread_bps": 2.0, "slippage_bps": 3.0},
            "seed": seed,
        },
        "data": {
            "identity": {
                "source": "bundled",
                "series": list(names),
                "fields": ["open", "high", "low", "close"],
            },
            "fingerprint": "ab12" * 16,
            "first": str(times[0]),
            "last": str(times[-1]),
            "bars": len(times),
            "calendar": "XNYS",
            "bar": "session",
            "periods_per_year": 252.0,
            "series": list(names),
            "untradable": [],
            "notes": [
                "Five names picked with hindsight are no evidence of selection skill.",
                "FB has only 196 rows; GOOG starts in August 2004.",
                "Adjusted closes contain later corporate actions and are used as forward ratios only.",
            ],
        },
        "primary": "ridge",
        "benchmark": "benchmark",
        "folds": 10,
        "trials": {
            "count": 12,
            "sharpe_dispersion": 0.31,
            "mean_correlation": 0.68,
            "effective_count": 4.5,
            "expected_best_sharpe": 0.5,
            "years_for_a_sharpe_of_1": 2.7,
            "sentence": "12 trials have been recorded on this data; the deflated Sharpe ratio counts all of them.",
        },
        "verdict": {
            "status": status,
            "sentences": [
                "Ridge's CRPS is 0.4 % lower than that of the best naive model (drift); the Holm-adjusted p-value is 0.72.",
                "Over the same days buying and holding ended higher, with a deeper drawdown.",
            ],
        },
        "conventions": [
            "Returns are net of commission, spread, slippage and borrowing.",
            "Annual figures use 252 periods, the sessions of XNYS.",
        ],
        "break_even_bps": {"ridge": 14.2, "naive": None, "drift": 3.1, "benchmark": None},
        "packages": {"wayfold": "0.1.0", "numpy": "2.4.6", "pandas": "3.1.1", "scipy": "1.16.0"},
        "python": "3.11.9",
        "cpu_seconds": 21.4,
        "defaults": [
            "Decisions are made at the close and filled at the next bar's open.",
            "Each trade pays 2 bp half-spread and 3 bp slippage; short positions pay 50 bp a year.",
            "Cash earns nothing.",
        ],
    }
