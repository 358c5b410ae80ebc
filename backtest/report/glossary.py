"""Glossary: every term of a report in plain words."""

from typing import Final

GLOSSARY: Final[tuple[tuple[str, str], ...]] = (
    ("Walk-forward", "Time is cut into folds. In each, models learn only from the past, then forecast and trade bars they have never seen. Everything in this report comes from such unseen bars."),
    ("Cutoff", "The moment a forecast is made. Nothing after it is known to the model."),
    ("Lane", "One paper account: a model's forecasts traded by the policy, or a benchmark. All lanes share data, costs and folds."),
    ("Naive model", "A forecast that needs no skill: the last value, the last value plus the average drift, or the value one season ago. A model worth its effort beats all of them."),
    ("No skill shown", "The model's forecasts did not beat the best naive forecast by more than chance explains, after correcting for the number of models compared. It does not prove that there is no skill."),
    ("Skill", "One minus the model's loss over that of the best naive model: 0 is no better, 1 is perfect, negative is worse."),
    ("CRPS", "Continuous ranked probability score: how far the whole forecast distribution is from what happened, in the unit of the forecast. Smaller is better."),
    ("Pinball loss", "The loss whose best answer is a quantile; averaged over the forecast levels. Smaller is better."),
    ("Winkler score", "Width of the 90 % band plus a penalty whenever the truth falls outside. Smaller is better."),
    ("Coverage", "How often the truth fell inside the 90 % band. Honest bands cover 90 %."),
    ("MASE", "Mean absolute error over that of the last-value forecast on the training rows. Below 1 is better than that."),
    ("Diebold-Mariano test", "Asks whether two forecasts differ in loss by more than chance; here with the small-sample correction of Harvey, Leybourne and Newbold."),
    ("Holm-adjusted p-value", "How likely so large a difference is by chance alone, corrected for testing several models at once. Small values count as evidence; the usual bar is 0.05."),
    ("PIT", "Probability integral transform: where in its forecast distribution each truth fell. Honest forecasts spread evenly between 0 and 1."),
    ("Sharpe ratio", "Mean return over its standard deviation, per year. The interval says how well this sample determines it."),
    ("Deflated Sharpe ratio", "The probability that the true Sharpe ratio is above what the best of all trials would show by luck."),
    ("Trial", "One configuration tried on the same data. The more are tried, the better the best of them looks by chance."),
    ("Effective trials", "Independent strategies that correlated ones are worth. Deflating by them is too lenient, since correlation has narrowed the spread of their ratios already; it is shown for comparison."),
    ("Superior predictive ability", "Hansen's test: how likely the best of several accounts looks this good when none is any good. It looks at them as they move together."),
    ("Probability of overfitting", "How often the best account on one half of the time is below the median on the other. Its null band is wide, so it is printed beside."),
    ("Null world", "A history made so that nothing can be known of it: what an experiment earns there is luck or a leak."),
    ("Alpha and beta", "Beta is how far the account moves with the benchmark; alpha is what it earns a year beyond that."),
    ("Information ratio", "Mean return above the benchmark over its standard deviation, per year."),
    ("Capacity", "The capital with which one order in twenty would exceed 5 % of its bar's volume."),
    ("Interval", "The range, in brackets, that holds the true value in 95 of 100 samples like this one."),
    ("Drawdown", "Loss from the highest equity so far. An episode runs from the peak until that peak is reached again."),
    ("Turnover", "Value traded over equity."),
    ("Cost proxy", "Bars read times series, added over all fits: a cost that is the same on every machine."),
    ("Error times compute", "Error multiplied by CPU time; smaller is better. Shown only among retraining policies of one model that show skill, as a ratio to the one that fits most often."),
    ("Efficient", "No other model has both a smaller error over naive and less CPU time."),
    ("Break-even costs", "The extra one-way cost, in hundredths of a per cent (bps) on top of those assumed, at which the profit is gone."),
    ("Gross and net", "For returns: before and after trading costs. For exposure: sizes added without and with their signs."),
    ("n/a", "Not available: the sample is too short for the figure, or the figure has no meaning there."),
)  # fmt: skip
"""Term and definition, in the order a reader meets them."""

LIQUIDITY_GLOSSARY: Final[tuple[tuple[str, str], ...]] = (
    ("Range", "Two prices between which liquidity is offered. It earns fees while the price is between them and nothing outside."),
    ("Hold", "The tokens an account had at the start of a window, left alone. Net versus hold is what acting as a provider added."),
    ("Divergence loss", "What the tokens held gained more than the position without its fees: the pool sells what rises and buys what falls."),
    ("Loss versus rebalancing", "LVR: what an account that holds the position's tokens and trades them at the reference price earns more than the position without its fees. It depends on the reference and on how often it is looked at."),
    ("Conversion", "What swapping tokens to fit a new range costs: the pool's fee and the price impact."),
    ("Gas", "What the chain takes for closing, converting and opening."),
    ("Capital efficiency", "Liquidity that a unit of capital gives in its range, as a multiple of the full range."),
    ("Window", "Thirty days or so on which a policy is tested, one observation. Its settings were chosen on the window before, its models fitted on those before that."),
    ("Minimum detectable edge", "The mean that so many windows would have shown with a chance of 80 %; a smaller one could not have been told from luck."),
    ("Upper bound", "A policy that looks at the future. It says how much there was to gain and is no result."),
    ("Tick-traversal profile", "How far the price travels, up and down, in each band of prices. It is the fee income of a unit of liquidity there."),
    ("Slippage", "How much worse than the price before it a trade's average price is, without the fee."),
    ("Basis point", "A hundredth of a per cent, here of the capital at the start of a window."),
)  # fmt: skip
"""Terms of a liquidity run, before those of every run."""
