"""A learned policy that was fitted to almost nothing, for tests of what any fitted one must do."""

from backtest.amm.policies.learned import LearnedPolicy
from forecast.randomness import RandomStreams

TINY = {"hidden": 4, "members": 1, "pretrain_steps": 0, "device": "cpu"}


def untaught(history, terms, capital=100.0, seed=3, **settings):
    """Return a fitted policy whose weights are those of the first draw: its actions vary with what it sees."""
    spec = LearnedPolicy(**{**TINY, "train_steps": 0, **settings})
    return spec.fit(history, terms, capital, RandomStreams(seed, history.cutoff))
