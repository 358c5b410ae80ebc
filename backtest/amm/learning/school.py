"""School: networks taught in simulated pools first, then in a pool's own past."""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np

from backtest.amm.environment import environment_of
from backtest.amm.learning.features import CONTEXT, feature_scaler, first_context, pool_features, scaled_rows
from backtest.amm.learning.lesson import Lesson
from backtest.amm.learning.network import Weights, new_network, weights_of
from backtest.amm.learning.training import Classroom, taught
from backtest.amm.terms import PoolTerms
from backtest.errors import EngineError
from data.amm.bars import pool_bars
from data.amm.simulator import reference_of, simulate
from data.amm.world import PoolWorld
from data.history import History
from data.panel import Floats
from data.sources.synthetic import SyntheticSource
from forecast.randomness import RandomStreams

WORLDS: tuple[tuple[float, float], ...] = ((0.5, 100.0), (0.8, 10.0), (1.2, 10.0))
"""Volatility a year and noise trades a day of each simulated pool. With a fee of 0.3 % ranges pay in the first, come out even in the
second and lose in the last, so that a network must look which one it is in."""

PATHS = 2
"""Prices that each of them follows."""

WORLD_BARS = 3600
"""Hourly bars of each: five windows, as many as a network learns from afterwards."""

FROM_NOTHING, FROM_SIMULATOR = 1.0, 0.3
"""Share of actions taken by chance at first by a new network, and by one that has been to the simulator."""

_EPOCH = np.datetime64(0, "ns")
_NOWHERE = Path()


def classroom(history: History, lesson: Lesson, terms: PoolTerms, capital: float) -> Classroom:
    """Return a history to learn in, its features standardised by itself.

    Raises:
        EngineError: when the history has no pool, no week of bars that each have a day before them, or no bar after those.
    """
    features = pool_features(history.panel)
    first = first_context(features)
    if first + 1 >= len(features):
        raise EngineError(
            f"the history ends after the first {CONTEXT} bars that can be read; learning needs later ones"
        )
    rows = scaled_rows(features, feature_scaler(features))
    return Classroom(environment_of(history, lesson.grid, terms, capital, lesson.due), rows, first)


@lru_cache(maxsize=8)
def pretrained(
    lesson: Lesson, terms: PoolTerms, capital: float, steps: int, members: int, seed: int
) -> tuple[Weights, ...]:
    """Return the weights of each member after so many updates in simulated pools of the same tokens and fee.

    Nothing of any real pool is in them, so one experiment needs them once; the same arguments give the same bits.

    Args:
        lesson: how networks are taught.
        terms: pool and costs.
        capital: worth of an account at its start.
        steps: updates of each member, in the worlds by turns.
        members: networks.
        seed: of worlds, first weights and chance.
    """
    streams = RandomStreams(seed, _EPOCH)
    made = [
        weights_of(new_network(len(lesson.grid), lesson.hidden, _seed(streams, "weights", member)))
        for member in range(members)
    ]
    if not steps:
        return tuple(made)
    rooms = [
        classroom(simulated(terms, number, seed), lesson, terms, capital)
        for number in range(PATHS * len(WORLDS))
    ]
    return tuple(
        taught(lesson, weights, rooms, steps, FROM_NOTHING, streams.of("simulator", str(member)))
        for member, weights in enumerate(made)
    )


def finished(
    lesson: Lesson, weights: Sequence[Weights], room: Classroom, steps: int, rng: RandomStreams
) -> tuple[Weights, ...]:
    """Return the weights of each member after so many more updates in a pool's own past."""
    return tuple(
        taught(lesson, each, [room], steps, FROM_SIMULATOR, rng.of("learned", str(member)))
        for member, each in enumerate(weights)
    )


def simulated(terms: PoolTerms, number: int, seed: int) -> History:
    """Return the bars and swaps of a simulated pool of the terms, the worlds by turns.

    The price it follows is tied down at both ends: a path that had risen would teach to hold one token, which is a bet and no
    way to provide liquidity.
    """
    volatility, trades = WORLDS[number % len(WORLDS)]
    own = _seed(RandomStreams(seed, _EPOCH), "world", str(number))
    source = SyntheticSource(
        process="garch_t", count=1, bars=WORLD_BARS + 1, bar="1h", volatility=volatility, drift=0.0, seed=own
    )
    panel = source.load(_NOWHERE).panel
    closes = tied_down(panel.field("close")[:, 0])
    world = PoolWorld(pool=terms.pool, noise_per_day=trades, seed=own)
    log = simulate(world, reference_of(panel.times, closes)).log
    clock = source.clock()
    return History(pool_bars(log, clock, panel.times[1], panel.times[-1]), clock, pool=log)


def tied_down(closes: Floats) -> Floats:
    """Return prices (T,) less their trend on the log scale, so that the last one is the first."""
    trend = np.linspace(0.0, np.log(closes[-1] / closes[0]), len(closes))
    return np.asarray(closes * np.exp(-trend))


def _seed(streams: RandomStreams, *names: object) -> int:
    return int(streams.of(*map(str, names)).integers(2**31))
