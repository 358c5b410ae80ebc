"""Simulated pool: swaps and bars of a made pool that follows the price of any other source, offline."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Self

import numpy as np
from pydantic import PlainValidator, model_validator

from data.amm.world import PoolWorld
from data.errors import PoolError, SourceError, SpecError, nearest
from data.history import History
from data.registry import Registry, plain, spec
from data.sessions import ALWAYS, BarClock
from data.sources.base import SOURCES, AbstractSource
from data.sources.selection import asked_period, check_period, chosen
from data.sources.synthetic import SyntheticSource


def _built(value: Any) -> AbstractSource:
    return value if isinstance(value, AbstractSource) else SOURCES.build(value, "data.reference")


@spec
class PoolSimulatedSource(AbstractSource):
    """A pool between noise traders and arbitrageurs who follow a reference price; see ``data.amm.simulator``.

    Hourly bars as of any pool (``data.amm.bars``), with the swaps and liquidity changes beside them. Between two closes of
    the reference the price is a Brownian bridge: of the process's own volatility where that is constant (synthetic ``gbm``),
    else of that of the closes so far. Longer data change no earlier swap.

    Attributes:
        reference: the source whose price arbitrageurs follow, one series, bars that end at whole hours.
        field: field of the reference that holds the price, in quote tokens per base token.
        world: the pool, its liquidity and its traders.
    """

    nested: ClassVar[Mapping[str, Registry[AbstractSource]]] = {"reference": SOURCES}

    reference: Annotated[AbstractSource, PlainValidator(_built)]
    field: str = "close"
    world: PoolWorld = PoolWorld()

    @model_validator(mode="after")
    def _check(self) -> Self:
        check_period(self)
        if isinstance(self.reference, PoolSimulatedSource):
            raise ValueError("reference is a simulated pool; a source of prices is needed")
        for name in self.series:
            if name != self.world.pool.name:
                raise SpecError(f"series '{name}' is not made{nearest(name, [self.world.pool.name])}")
        return self

    def load(self, lake: Path, as_of: np.datetime64 | None = None) -> History:
        """Return the pool's bars and log; the same spec and reference give the same bits.

        Raises:
            SourceError: when the reference has no price to follow, or no bar lies in the period.
        """
        return chosen(self.derive(self.raw(lake, as_of)), self)

    def raw(self, lake: Path, as_of: np.datetime64 | None = None) -> History:
        """Return the reference's bars."""
        return self.reference.load(lake, as_of)

    def derive(self, history: History) -> History:
        """Return the pool that follows the reference; what happens up to a bar depends on no later one.

        Raises:
            SourceError: when the reference has several series, lacks the field, or has no price to follow.
        """
        from data.amm.bars import pool_bars
        from data.amm.simulator import reference_of, simulate

        panel = history.panel
        if len(panel.series) != 1:
            raise SourceError(
                f"the reference has {len(panel.series)} series; choose one with reference.series"
            )
        try:
            reference = reference_of(panel.times, panel.field(self.field)[:, 0], self._volatility())
        except PoolError as error:
            raise SourceError(f"the reference of the simulated pool cannot be followed: {error}") from error
        log = simulate(self.world, reference).log
        clock = BarClock(ALWAYS, "1h")
        first = panel.times[0] + np.timedelta64(1, "h")
        return History(
            panel=pool_bars(log, clock, first, panel.times[-1]),
            clock=clock,
            notes=(*history.notes, *self._notes()),
            pool=log,
        )

    def _volatility(self) -> float | None:
        source = self.reference
        return source.volatility if isinstance(source, SyntheticSource) and source.process == "gbm" else None

    def _notes(self) -> tuple[str, ...]:
        world = self.world
        made = f"The pool {world.pool.name} is simulated (seed {world.seed}): its swaps are no evidence about markets."
        chosen_by = (
            f"Arbitrageurs look every {12 * world.arbitrage_blocks} seconds, noise traders come {world.noise_per_day:g} times "
            "a day: fee income against loss is a choice of settings here."
        )
        return made, chosen_by

    def identity(self) -> dict[str, Any]:
        """Return reference, field, world and the period asked for."""
        return {
            "source": "pool_simulated",
            "reference": self.reference.identity(),
            "field": self.field,
            "world": plain(self.world),
            **asked_period(self),
        }
