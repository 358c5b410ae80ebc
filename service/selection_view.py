"""A selection as a person reads it: SharpeRatio@k beside luck, what it means, and the verdict."""

from collections.abc import Mapping
from typing import Any

from backtest.selection.select import Selection
from backtest.selection.settings import SelectionSettings
from service.output import fixed, p_value, percent, print_line, print_sentences, print_table
from service.selections import Done

COLUMNS = ("estimator", "k", "n", "SR@k", "low", "high", "luck", "p", "p over k", "best", "mean", "regret", "unsafe", "SR time")  # fmt: skip
WORDS = {"cash": "cash", "benchmark": "the benchmark at the same volatility target"}
MEANING = (
    """SR@k: what the best of k deployed strategies earned over the baseline, per unit of spread among the k; median over the
    closed deployments, with the 95 % interval of resampled deployments.""",
    """luck: its median when candidates change places at random. It grows with k, so SR@k says nothing without it. p: share of
    random rankings that do as well at this k; p over k: corrected for having looked at all k shown.""",
    """n: closed deployments at which k could be deployed. best, mean, regret: annual log growth over cash at 10 % volatility.
    unsafe: share of the k worth less than the baseline. SR time: annual Sharpe ratio over time of the k at equal risk.""",
)


def document(done: Done, settings: SelectionSettings) -> dict[str, Any]:
    """Return a selection as plain values."""
    found = done.selection
    tables = ("table", "differences", "deployments", "rankings")
    return {
        "first": done.first,
        "last": done.last,
        "tried": done.tried,
        "seal": done.seal,
        "candidates": found.candidates,
        "convention": settings.convention,
        "promotion": {**vars(found.promotion)},
        "ranking_now": list(found.ranking_now),
        **{name: getattr(found, name).to_dict("records") for name in tables},
    }


def show(done: Done, settings: SelectionSettings) -> None:
    """Print the tables of a selection, what they mean, and the verdict."""
    found = done.selection
    closed = int(found.deployments["is_closed"].sum())
    print_line(
        f"select  {found.candidates} candidates on {done.first} to {done.last}; {len(found.deployments)} deployments, "
        f"{closed} with a closed outcome window; {found.draws:,} {'(all)' if found.is_exact else 'random'} orders"
    )
    print_line(f"seal    {done.seal}")
    for baseline in dict.fromkeys([settings.baseline, *WORDS]):
        rows = found.table[found.table["baseline"] == baseline].to_dict("records")
        print_line()
        print_table(f"SharpeRatio@k against {WORDS[baseline]}", COLUMNS, [_cells(row) for row in rows])
    print_line()
    print_sentences(
        [
            *(" ".join(text.split()) for text in MEANING),
            *refusals(found),
            f"Strategies tried on these data so far: {done.tried:,}; each candidate but the naive models is one.",
        ]
    )
    print_line()
    print_line(f"ranking now, by {settings.promote_by}: {', '.join(found.ranking_now) or 'none'}")
    print_line(f"verdict  {found.promotion.reason}")
    if found.promotion.candidates:
        print_line(f"promoted {', '.join(found.promotion.candidates)}")


def refusals(found: Selection) -> list[str]:
    """Return one sentence an estimator that could not tell, with how often and one of its reasons."""
    told = found.rankings
    sentences = []
    for name, rows in told[told["flag"] != ""].groupby("estimator", sort=False):
        total = int((told["estimator"] == name).sum())
        sentences.append(
            f"{name}: {len(rows)} of {total} estimates are missing, such as: {rows['flag'].iloc[0]}"
        )
    return sentences


def _cells(row: Mapping[Any, Any]) -> tuple[Any, ...]:
    ratios = [fixed(row[name]) for name in ("sharpe_ratio_at_k", "low", "high", "null_median")]
    chances = [p_value(row[name]) for name in ("p_value", "p_value_over_k")]
    values = [fixed(row[name], 3) for name in ("best", "mean", "regret")]
    unsafe = percent(row["violation_rate"], 0)
    return (
        row["estimator"],
        row["k"],
        row["deployments"],
        *ratios,
        *chances,
        *values,
        unsafe,
        fixed(row["portfolio_sharpe_at_k"]),
    )
