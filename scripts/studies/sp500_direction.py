"""S&P 500 direction: eight classifiers of +-1 % in ten days, walked forward and purged, beside the base rates.

Prints the tables and, with --plot FILE, writes the calibration chart as one HTML page.
"""

import argparse
from pathlib import Path

import numpy as np

from backtest.classification import (
    Judgement,
    Split,
    Tested,
    labelled,
    run_parts,
    split_parts,
    walk_parts,
)
from backtest.report.figures import plain_figure
from backtest.report.palette import color
from data.sources.base import SOURCES
from forecast.classification import CLASSIFIERS
from forecast.labels import MOVES, base_rates
from forecast.probability_scores import Reliability, top_reliability

HORIZON, SEED = 10, 0
FOLDS, FIRST_SHARE = 10, 0.5
SETTINGS = {"context": 260, "horizon": HORIZON}
COLUMNS = "accuracy  95 % interval    Brier (base)   log loss (base)      p    ECE  Balance"


def told(name: str, judged: Judgement) -> str:
    return (
        f"{name:34s} {judged.accuracy:.3f}    {judged.low:.3f} to {judged.high:.3f}   {judged.brier:.3f} ({judged.naive_brier:.3f})   "
        f"{judged.log_loss:.3f} ({judged.naive_log_loss:.3f})  {judged.p_value:5.3f}  {judged.calibration_error:.3f}  "
        f"{judged.balance:+.3f}"
    )


def classifier(kind: str, **settings: object) -> object:
    return CLASSIFIERS.build({"kind": kind, **SETTINGS, **settings})


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--plot", type=Path)
    arguments = parser.parse_args()
    history = SOURCES.build({"kind": "bundled", "series": ["SP500"]}).load(Path("unused"))
    samples = classifier("logistic").samples(history)
    times = labelled(samples, history)
    parts = walk_parts(times, FOLDS, FIRST_SHARE)
    tested = np.concatenate([each.test for each in parts])
    shares = base_rates(samples.classes[tested])
    first, last = (str(times.decided[row].astype("datetime64[D]")) for row in (tested[0], tested[-1]))
    print(
        f"S&P 500, +-1 % in {HORIZON} days: {len(tested)} decisions {first} to {last}, {FOLDS} purged folds"
    )
    print(
        "base rates: " + ", ".join(f"{move} {share:.1%}" for move, share in zip(MOVES, shares, strict=True))
    )
    print(f"{'':34s} {COLUMNS}")
    curves: dict[str, Reliability] = {}
    for kind in CLASSIFIERS.names():
        kinds = ("platt",) if kind == "support_vectors" else ("none", "temperature")
        for calibration in kinds:
            made = run_parts(classifier(kind, calibration=calibration), samples, parts, SEED)
            name = kind if calibration == "none" else f"{kind}, {calibration}"
            print(told(name, made.judged(HORIZON, SEED)), flush=True)
            if kind == "random_forest":
                curves[f"walked forward, calibration {calibration}"] = reliability_of(made)
    naive = Tested(made.classes, made.naive, made.naive, made.decided)
    print(told("naive: base rates of the training", naive.judged(HORIZON, SEED)))
    grown = classifier("random_forest", least_leaf=1, trees=150)
    drawn = split_parts(times, Split(kind="random"), np.random.default_rng(SEED))
    leaky = run_parts(grown, samples, [drawn], SEED)
    print(told("random_forest, grown, RANDOM split", leaky.judged(HORIZON, SEED)))
    honest = run_parts(grown, samples, parts, SEED)
    print(told("random_forest, grown, walked", honest.judged(HORIZON, SEED)))
    curves["grown fully, random split (leaks)"] = reliability_of(leaky)
    curves["grown fully, walked forward"] = reliability_of(honest)
    if arguments.plot is not None:
        draw(curves, arguments.plot)


def reliability_of(made: Tested) -> Reliability:
    return top_reliability(made.classes, made.probabilities)


def draw(curves: dict[str, Reliability], path: Path) -> None:
    """One curve a split and calibration; bars are exact 95 % intervals as if forecasts were independent."""
    from bokeh.embed import file_html
    from bokeh.resources import INLINE

    plot = plain_figure(height=460, x_range=(0.3, 0.82), y_range=(0.0, 1.02), number_format="0%")
    plot.line([0, 1], [0, 1], line_color=color("muted"), line_dash="dotted", line_width=1.4)
    plot.xaxis.axis_label = "Probability of the most likely class"
    plot.yaxis.axis_label = "Share of them that happened"
    for (name, table), role in zip(curves.items(), ("gross", "net", "loss", "naive"), strict=True):
        held = table.count >= 20
        x, y = table.forecast[held], table.happened[held]
        plot.segment(x, table.least[held], x, table.most[held], line_color=color(role), line_alpha=0.5)
        plot.line(x, y, line_color=color(role), line_width=1.8, legend_label=name)
        plot.scatter(x, y, color=color(role), size=7, legend_label=name)
    plot.legend.location = "bottom_right"
    plot.background_fill_color = plot.border_fill_color = "white"
    path.write_text(file_html(plot, INLINE, "S&P 500 direction: calibration"))


if __name__ == "__main__":
    main()
