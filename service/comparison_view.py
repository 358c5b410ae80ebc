"""A model comparison as a person reads it: errors, tests, learning curve, compute, and what they say."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from backtest.model_comparison.comparison import ModelComparison
from service.output import cell, fixed, p_value, percent, print_line, print_sentences, print_table

MEANING = (
    """loss: mean over decisions and seeds. skill: share of the best naive model's loss that is avoided. p naive, p ridge:
    Diebold-Mariano with the HLN correction, one-sided, Holm-adjusted for the models tested. set: among those that cannot be told
    from the best.""",
)


def document(found: ModelComparison, name: str) -> dict[str, Any]:
    """Return a comparison as plain values."""
    tables = ("models", "walks", "curve", "laws")
    plain = ("status", "sentences", "loss", "best_naive", "decisions", "convention", "left_out")
    return {
        "name": name,
        **{key: getattr(found, key) for key in plain},
        "direction_ambiguity": vars(found.ambiguity),
        **{table: getattr(found, table).to_dict("records") for table in tables},
    }


def show(found: ModelComparison, name: str) -> None:
    """Print the tables of a comparison, what they mean, and the verdict."""
    rows = found.models.to_dict("records")
    print_line(f"compare-models  {name}; {found.decisions:,} decisions that every model scored")
    print_line()
    print_table(f"loss: {found.loss}; best naive: {found.best_naive}", *_losses(rows))
    print_line()
    print_table("errors, mean and spread over seeds", *_errors(rows))
    if len(found.curve):
        print_line()
        print_table("learning curve: loss by bars learnt from", *_curve(found.curve))
    print_line()
    print_table("compute of one seed", *_compute(rows))
    print_line()
    print_sentences(
        [*(" ".join(text.split()) for text in MEANING), f"{found.convention}.", *_unfitted(found.curve)]
    )
    print_line()
    print_line(f"verdict on the models  {found.status}")
    print_sentences(found.sentences)


def _unfitted(curve: pd.DataFrame) -> list[str]:
    """Return one of the reasons why a window of the learning curve has no loss, where one has none."""
    failed = curve.loc[curve["flag"] != "", "flag"].tolist()
    return (
        [f"Windows without a loss ({len(failed)}) were too short for their model, such as: {failed[0]}"]
        if failed
        else []
    )


Table = tuple[tuple[str, ...], list[tuple[Any, ...]]]


def _losses(rows: Sequence[Mapping[Any, Any]]) -> Table:
    columns = (
        "model",
        "loss",
        "95 % interval",
        "skill",
        "p naive",
        "skill on ridge",
        "p ridge",
        "set",
        "verdict",
    )
    return columns, [
        (
            row["model"],
            _four(row["loss"]),
            _interval(row["low"], row["high"]),
            percent(row["skill"], 2, signed=True),
            p_value(row["holm_p_value"]),
            percent(row["skill_ridge"], 2, signed=True),
            p_value(row["holm_p_value_ridge"]),
            row["in_confidence_set"],
            row["role"] if row["role"] == "naive" else row["verdict"],
        )
        for row in rows
    ]


def _errors(rows: Sequence[Mapping[Any, Any]]) -> Table:
    columns = (
        "model",
        "seeds",
        "n",
        "RMSE",
        "RMSE/mean",
        "MASE",
        "in 90 %",
        "up/down",
        "base",
        "seeds disagree",
    )
    return columns, [
        (
            row["model"],
            row["seeds"],
            row["n"],
            _spread(row, "rmse"),
            _spread(row, "rmse_over_mean"),
            _spread(row, "mase"),
            percent(row["coverage_90"]),
            percent(row["direction_accuracy"]),
            percent(row["direction_base_rate"]),
            percent(row["seeds_disagree"]),
        )
        for row in rows
    ]


def _curve(curve: pd.DataFrame) -> Table:
    """Return one row a model; windows differ between models only where their fits read different rows."""
    sizes = sorted(set(curve["rows"]))
    losses = {(row["model"], row["rows"]): row["loss"] for row in curve.to_dict("records")}
    models = list(dict.fromkeys(curve["model"]))
    return ("model", *(f"{size:,}" for size in sizes)), [
        (model, *(_four(losses.get((model, size), float("nan"))) for size in sizes)) for model in models
    ]


def _compute(rows: Sequence[Mapping[Any, Any]]) -> Table:
    columns = ("model", "fits", "failed", "CPU s of fits", "CPU s of forecasts", "cost proxy")
    return columns, [
        (
            row["model"],
            round(row["fits"]),
            round(row["failed_fits"]),
            fixed(row["fit_seconds"], 3),
            fixed(row["predict_seconds"], 3),
            round(row["cost_proxy"]),
        )
        for row in rows
    ]


def _interval(low: float, high: float) -> str:
    return "n/a" if pd.isna(low) else f"{_four(low)} to {_four(high)}"


def _four(value: float) -> str:
    """Return a loss with four significant digits, ends of zeros kept, so that a column lines up."""
    return "n/a" if pd.isna(value) else f"{value:#.4g}"


def _spread(row: Mapping[Any, Any], name: str) -> str:
    """Return the mean of a measure, and its standard deviation where it was run with more than one seed."""
    return cell(row[name]) if row["seeds"] == 1 else f"{cell(row[name])} ± {row[f'{name}_sd']:.2g}"
