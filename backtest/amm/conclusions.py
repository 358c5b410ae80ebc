"""Conclusions of a liquidity run: the verdict in plain words, and the sentences every report must carry."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from backtest.amm.contest import Contest
from backtest.amm.inference import BLOCK, BLOCKS, FEWEST, RESAMPLES
from backtest.amm.rebalance import REFUSED
from backtest.amm.spec import PASSIVE
from backtest.table_rows import Row, rows_by


def verdict_of(contest: Contest, tables: Mapping[str, pd.DataFrame]) -> dict[str, Any]:
    """Return the status of the policy the run is judged by, and sentences on it and on what could have been seen."""
    label = next(iter(contest.policies))
    statements, rows = tables["statements"], rows_by(tables["policies"], "lane")
    row = rows[(label,)]
    sentences = [_net_sentence(label, row), _parts_sentence(row)]
    beside = rows_by(tables["paired"], "lane")
    if (label,) in beside:
        sentences.append(_paired_sentence(label, beside[label,]))
    if (refused := _refused_sentence(tables["actions"], label)) is not None:
        sentences.append(refused)
    if (static := _static_sentence(statements[statements["lane"] == label])) is not None:
        sentences.append(static)
    positive = [each["lane"] for each in rows.values() if each["net_bps"] > 0 and not each["is_upper_bound"]]
    sentences.append(
        f"Of {len(rows)} accounts {len(positive)} ended above holding on average"
        + (f": {', '.join(positive)}." if positive else ".")
    )
    status = str(row["verdict"])
    scope = "" if "holding" in status else "against holding the same tokens"
    return {"status": status, "scope": scope, "sentences": sentences}


def _net_sentence(label: str, row: Row) -> str:
    return (
        f"{label} made {row['net_bps']:+.1f} bp of its capital a window against holding (standard error "
        f"{row['standard_error']:.1f}, 95 % interval {row['low']:+.1f} to {row['high']:+.1f}, {int(row['windows'])} windows); "
        f"an edge below {row['minimum_detectable_bps']:.0f} bp could not have been seen."
    )


def _parts_sentence(row: Row) -> str:
    return (
        f"Fees {row['fees_bps']:.1f}, divergence loss {row['divergence_bps']:.1f}, gas {row['gas_bps']:.1f}, conversion "
        f"{row['conversion_bps']:.1f} bp a window; loss versus rebalancing {row['lvr_bps']:.1f} bp beside them."
    )


def _paired_sentence(label: str, row: Row) -> str:
    shown = "which is not shown to differ" if row["contains_zero"] else "which is shown to differ"
    if row["windows"] < FEWEST:
        shown = f"which shows nothing in fewer than {FEWEST} windows"
    return (
        f"On the same swaps that is {row['difference_bps']:+.1f} bp a window against {row['against']} (interval "
        f"{row['low']:+.1f} to {row['high']:+.1f}), {shown}."
    )


def _refused_sentence(actions: pd.DataFrame, label: str) -> str | None:
    """Say how often the account could not do what was decided, and why it first could not."""
    own = actions[actions["lane"] == label]
    refused = own[own["kind"] == REFUSED]
    if refused.empty:
        return None
    return f"{len(refused)} of its {len(own)} decisions to move could not be carried out; the first: {refused['reason'].iloc[0]}."


def _static_sentence(own: pd.DataFrame) -> str | None:
    """Say how often a learned policy was no policy: one place for its liquidity, or none, all through a window."""
    static = int(own["selection"].str.startswith("static").sum())
    if not static:
        return None
    return f"In {static} of {len(own)} windows its actions amount to static selection: one place for its liquidity, or none."


def conventions(contest: Contest) -> list[str]:
    """Return what every figure of the run rests on."""
    spec, pool = contest.spec, contest.terms.pool
    return [
        f"Money is in {pool.numeraire}; basis points are of the capital at the start of each window.",
        (
            f"A window is {spec.windows.bars} bars and one observation; settings are chosen on the window before, models fitted on "
            f"the {spec.windows.train} before that and again with it; {spec.windows.embargo} bars are left out in between."
        ),
        (
            f"Intervals are 95 % percentile intervals of a circular block bootstrap of windows (blocks of {BLOCK}, {RESAMPLES:,} "
            f"resamples; those of {', '.join(str(each) for each in BLOCKS if each != BLOCK)} stand beside); p-values are one-sided and Holm-adjusted for the policies asked for."
        ),
        (
            "Divergence is what the entry's basket gained more than the position without its fees; it is never re-based. Net versus "
            "holding = fees - divergence - gas - conversion."
        ),
        "Loss versus rebalancing is against the pool's own price at the bar ends, in exact steps.",
        (
            f"The reference on the same swaps is {PASSIVE}; intervals of differences from it are not corrected for the number of "
            "policies."
        ),
    ]


def assumptions(contest: Contest) -> list[str]:
    """Return the terms the accounts acted under, in words."""
    costs, pool, spec = contest.terms.costs, contest.terms.pool, contest.spec
    fee = pool.fee if costs.conversion_fee is None else costs.conversion_fee
    shared = "shared with the account's own liquidity, as on noise flow" if spec.own_dilution else (
        "those of a position too small to matter, as on arbitrage flow"
    )  # fmt: skip
    return [
        (
            f"Each account starts with {spec.capital:g} {pool.numeraire}, half in each token; that split is free, and the basket is "
            "what it is compared with."
        ),
        (
            f"A move costs {costs.burn_gas:g} to close, {costs.swap_gas:g} to convert and {costs.mint_gas:g} to open, in "
            f"{pool.numeraire}; conversions pay {fee:.2%}{' and the price impact' if costs.impact else ''}."
        ),
        f"A decision is carried out after the first swap {costs.latency_seconds:g} seconds or more later, at its price.",
        f"Fees follow the exact path of every swap through the range, net of the protocol's cut; they are {shared}.",
    ]
