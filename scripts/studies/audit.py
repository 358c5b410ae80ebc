"""What the audit finds and how often it is wrong: twelve leaks and two clean columns, and pipelines in worlds without an edge."""

import argparse
import importlib.util
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from backtest.audit.cuts import choose_cuts
from backtest.audit.leakage import audit_leakage
from backtest.audit.null_test import ALPHA, run_null_test, searched
from backtest.audit.span import Span, make_span
from backtest.audit.worlds import KINDS, make_world
from backtest.metrics.returns import Returns
from backtest.metrics.significance import deflated_sharpe
from backtest.spec import build_spec
from data.panel import Panel
from data.sources.synthetic import SyntheticSource
from forecast.lookahead import PERTURBATIONS, perturbed, row_moved

CUTS = 8
BARS = 1500
SEARCH: dict[str, Any] = {
    "name": "search",
    "data": {"kind": "bundled", "series": ["AAPL", "IBM", "MSFT"], "start": "2009-01-01"},
    "forecaster": [
        {"kind": kind, "context": 16, "horizon": 5, "levels": [0.1, 0.5, 0.9]} for kind in ("ridge", "drift")
    ],
    "folds": {"kind": "rolling", "train": 250, "test": 100},
    "policy": "long_short",
    "costs": {"kind": "custom", "half_spread_bps": 1.0},
}
"""A cheap search: two models on three stocks, long or short, costs of 1 bp."""


def fixtures() -> ModuleType:
    path = Path(__file__).resolve().parents[2] / "tests" / "oracles" / "leaks.py"
    described = importlib.util.spec_from_file_location("wayfold_leaks", path)
    assert described is not None and described.loader is not None
    leaks = importlib.util.module_from_spec(described)
    sys.modules["wayfold_leaks"] = leaks
    described.loader.exec_module(leaks)
    leaks.register()
    return leaks


def detection_rates(leaks: ModuleType, worlds: int) -> None:
    """Whole-frame comparison of one column at 8 cuts drawn at random, each world other bars."""
    print(
        f"\ncolumns alone: share of {worlds} worlds of {BARS} bars in which {CUTS} cuts drawn at random find it"
    )
    print(
        f"{'column':32s}{'truncation':>11s}{'perturbation':>13s}{'of one cut:':>13s}"
        + "".join(f"{h:>11s}" for h in PERTURBATIONS)
    )
    for name, column in {**leaks.LEAKS, **leaks.CLEAN}.items():
        found = np.array([detected(column, seed) for seed in range(worlds)])  # (worlds, cuts, ways)
        any_cut = found.any(axis=1)
        truncated, changed = any_cut[:, -1].mean(), any_cut[:, :-1].any(axis=1).mean()
        single = "".join(f"{share:11.2f}" for share in found.mean(axis=(0, 1)))
        print(f"{name:32s}{truncated:11.2f}{changed:13.2f}{'':13s}{single}", flush=True)


def detected(column: Any, seed: int) -> list[list[bool]]:
    history = SyntheticSource(process="garch_t", calendar="XNYS", bars=BARS, count=1, seed=seed).load(Path())
    rows = np.random.default_rng(seed).choice(np.arange(50, BARS - 1), CUTS, replace=False)

    def filled(panel: Panel) -> Panel:
        return panel.with_field("planted", column(panel))

    whole = filled(history.panel)
    return [
        [row_moved("features", whole, filled(perturbed(history, cut, how).panel), cut) is not None for how in PERTURBATIONS]
        for cut in history.times[np.sort(rows)]
    ]  # fmt: skip


def pipelines(leaks: ModuleType) -> None:
    """The whole experiment with a LightGBM trained on the column."""
    shown = ("features", "fits", "forecasts", "targets", "fills", "equity")
    print(
        f"\nwhole experiments with a trained LightGBM: cuts of {CUTS} at which each artefact moved, in any way"
    )
    print(f"{'column':32s}{'verdict':>9s}" + "".join(f"{name:>11s}" for name in shown) + "  first")
    for name in leaks.COLUMNS:
        span = make_span(build_spec(leaks.config(name)), Path(), 3)
        found = audit_leakage(span, choose_cuts(span, CUTS, np.random.default_rng(0)), quiet)
        counts = [
            len({each.cut for each in found.comparisons for movement in each.moved if movement.artefact == artefact})
            for artefact in shown
        ]  # fmt: skip
        first = "" if found.first is None else f"{found.first[0]}, {found.first[1].how}"
        print(
            f"{name:32s}{'LEAK' if found.leaks else 'clean':>9s}"
            + "".join(f"{n:11d}" for n in counts)
            + f"  {first}",
            flush=True,
        )


def canary(leaks: ModuleType) -> None:
    """A planted next return with nobody checking: what it seems to earn."""
    print(
        "\nwith the check off: Sharpe ratio a year of a model that is given the next return, and of clean ones"
    )
    for name in ("shift(-1)", "SMA", "EWM"):
        config = leaks.config(
            name, policy="long_short", folds={"kind": "rolling", "train": 150, "test": 40, "decide_every": 1}
        )
        config["forecaster"]["horizon"] = 1
        span = make_span(build_spec(config), Path(), 3)
        print(f"{name:32s}{annual_sharpe(searched(span, span.raw)[0].returns, 252):8.1f}")


def annual_sharpe(returns: np.ndarray, periods: float) -> float:
    return float(returns.mean() / returns.std(ddof=1) * np.sqrt(periods)) if returns.std() > 0 else 0.0


def null_worlds(worlds: int, inner: int) -> None:
    """How often a search over bars without an edge is promoted."""
    span = make_span(build_spec(SEARCH), Path(), 2)
    print(f"\n{worlds} worlds without an edge; {span.sentence()} Each is audited with {inner} worlds a kind.")
    begun, rows = time.process_time(), []
    for number in range(worlds):
        world = replace(
            span,
            spec=replace(span.spec, seed=number),
            raw=make_world(span.raw, KINDS[number % len(KINDS)], 10_000 + number, 1),
        )
        rows.append(promoted(world, inner))
        if (number + 1) % 20 == 0:
            show(rows, inner)
    print(f"{time.process_time() - begun:.0f} CPU seconds")


def promoted(span: Span, inner: int) -> tuple[float, float, bool]:
    """Return the audit's p-value, the best account's deflated Sharpe ratio, and whether null worlds look absurd."""
    test = run_null_test(span, inner, quiet)
    accounts = searched(span, span.raw)
    ratios = np.array([annual_sharpe(each.returns, 1.0) for each in accounts])
    best = accounts[int(ratios.argmax())]
    returns = Returns(best.returns, 252.0)
    return (
        test.p_value,
        deflated_sharpe(returns, len(accounts), float(ratios.std(ddof=1))).value,
        test.earns_from_nothing,
    )


def show(rows: Sequence[tuple[float, float, bool]], inner: int) -> None:
    p, deflated, absurd = (np.array(column) for column in zip(*rows, strict=True))
    n, level = len(rows), np.floor(ALPHA * (inner * len(KINDS) + 1)) / (inner * len(KINDS) + 1)
    band = 1.96 * np.sqrt(ALPHA * (1 - ALPHA) / n)
    print(
        f"{n:5d} worlds: audit p <= {ALPHA} in {np.mean(p <= ALPHA):.3f} (attainable level {level:.3f}, +-{band:.3f}); p <= .20 in "
        f"{np.mean(p <= 0.2):.3f}; deflated Sharpe > .95 in {np.nanmean(deflated > 0.95):.3f}; both (promoted) in "
        f"{np.mean((p <= ALPHA) & (deflated > 0.95)):.3f}; called absurd {np.mean(absurd):.3f}",
        flush=True,
    )


def quiet(*_: Any) -> None:
    """Say nothing."""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--worlds", type=int, default=40, help="worlds of the table of columns")
    parser.add_argument("--null", type=int, default=200, help="worlds without an edge that are audited")
    parser.add_argument(
        "--inner", type=int, default=5, help="null worlds of each kind in each of these audits"
    )
    arguments = parser.parse_args()
    leaks = fixtures()
    if arguments.worlds:
        detection_rates(leaks, arguments.worlds)
        pipelines(leaks)
        canary(leaks)
    if arguments.null:
        null_worlds(arguments.null, arguments.inner)


if __name__ == "__main__":
    main()
