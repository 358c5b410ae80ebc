"""Pool files: the history of an automated market maker's pool from the user's own tables, checked and never repaired."""

from abc import abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Self

import annotated_types as at
import numpy as np
import pandas as pd
from pydantic import model_validator

from data.amm.bars import pool_bars
from data.amm.event_file import check_protocol, event_log, flash_note
from data.amm.event_log import EventLog
from data.amm.log_checks import check_price_between, check_ranges
from data.amm.minute_file import NOTE, minute_bars
from data.amm.numeraire_file import hourly_prices, known_prices
from data.amm.pool import Pool
from data.amm.pool_log import PoolLog
from data.amm.swap_file import SECONDS_PER_BLOCK, range_changes, swap_path
from data.amm.tables import read_table
from data.errors import DataError, PoolError, SourceError
from data.history import History
from data.panel import Panel
from data.registry import plain, spec
from data.sessions import ALWAYS, BarClock
from data.sources.base import AbstractSource
from data.sources.selection import asked_period, check_period, chosen

Bounds = tuple[Annotated[float, at.Gt(0)], Annotated[float, at.Gt(0)]]

NO_MINTS = (
    "The file does not begin with the pool, so the ranges of its liquidity are not known; the active liquidity is that of the "
    "last swap."
)
INFERRED = (
    "Order within a block is the file's; liquidity changes stand after the swaps of their block. Root prices are estimates "
    "within half a tick."
)


@spec
class AbstractPoolSource(AbstractSource):
    """Files of one pool.

    Attributes:
        pool: its tokens, decimals, fee and numeraire; the files do not say them.
        price_between: bounds of the price, whole quote tokens per whole base token; anything outside means swapped tokens or
            wrong decimals and is refused.
        folder: folder that file names are relative to; empty is the working folder.
    """

    pool: Pool
    price_between: Bounds | None = None
    folder: str = ""

    @model_validator(mode="after")
    def _check(self) -> Self:
        check_period(self)
        if self.price_between is not None and not self.price_between[0] < self.price_between[1]:
            raise ValueError(f"price_between was {list(self.price_between)}; the lower bound comes first")
        return self

    @abstractmethod
    def read(self) -> History:
        """Return everything the files say.

        Raises:
            SourceError: when a file is missing or cannot be read.
            PoolError: when the rows contradict the pool or each other.
        """

    def load(self, lake: Path, as_of: np.datetime64 | None = None) -> History:
        """Return the pool's bars and log; files are read as they are, so the lake and ``as_of`` do not matter.

        Raises:
            SourceError: when a file is missing or cannot be read, or no complete bar lies in the period.
            PoolError: when the rows contradict the pool or each other.
        """
        history = self.read()
        if not len(history.panel):
            raise SourceError(f"the files of {self.pool.name} do not span one complete bar")
        return chosen(history, self)

    def path(self, name: str) -> Path:
        """Return where a file is.

        Raises:
            SourceError: when it is not there.
        """
        path = Path(self.folder) / name
        if not path.is_file():
            raise SourceError(
                f"file '{path}' was not found in {Path.cwd()}; 'folder' says what names are relative to"
            )
        return path

    def identity(self) -> dict[str, Any]:
        """Return source, pool, files and the period asked for; not the folder, which is a matter of the machine."""
        settings = {
            name: value for name, value in plain(self).items() if name not in (*_ASIDE, *asked_period(self))
        }
        return {"source": "pool_files", **settings, **asked_period(self)}


@spec
class PoolSwapsSource(AbstractPoolSource):
    """A swap history without time stamps, on the clock of blocks (``data.amm.swap_file``).

    Attributes:
        swaps: file of the swaps.
        ranges: file of what every range holds; without it the mint history is missing.
        seconds_per_block: nominal length of a block: times are block numbers on this even scale, not dates.
        bar: length of the bars.
    """

    swaps: str
    ranges: str | None = None
    seconds_per_block: Annotated[float, at.Gt(0)] = SECONDS_PER_BLOCK
    bar: str = "1h"

    @model_validator(mode="after")
    def _has_bars(self) -> Self:
        BarClock(ALWAYS, self.bar)
        return self

    def read(self) -> History:
        """Return the bars and the log of the swap history."""
        with _named(path := self.path(self.swaps)):
            swaps = swap_path(read_table(path), self.pool, self.seconds_per_block)
            log = PoolLog(self.pool, swaps)
        note = (
            f"Times are block numbers on an even scale of {self.seconds_per_block:g} seconds a block, not dates: nothing "
            "dated is joined."
        )
        if self.ranges is None:
            return _history(self, log, self.bar, (note, INFERRED, NO_MINTS))
        with _named(path := self.path(self.ranges)):
            changes = range_changes(read_table(path), swaps.blocks, self.seconds_per_block)
            log = replace(log, changes=changes)
            share = check_ranges(log)
        rebuilt = f"The ranges rebuild the active liquidity of {share:.1%} of the swaps looked at."
        return _history(self, log, self.bar, (note, INFERRED, rebuilt))


@spec
class PoolEventsSource(AbstractPoolSource):
    """Raw events with the time stamps of their blocks (``data.amm.event_file``).

    Attributes:
        events: file of the events.
        is_whole: whether the file begins where the pool does; its mints and burns are then held against every swap.
        usd_file: hourly CSV ``timestamp,price``: US dollars per quote token. It becomes the field ``usd``, known an hour
            after its stamp.
        bar: length of the bars.
    """

    events: str
    is_whole: bool = False
    usd_file: str | None = None
    bar: str = "1h"

    @model_validator(mode="after")
    def _has_bars(self) -> Self:
        BarClock(ALWAYS, self.bar)
        return self

    def read(self) -> History:
        """Return the bars and the log of the events, with the numeraire in US dollars where it is given."""
        with _named(path := self.path(self.events)):
            table = read_table(path)
            log = self._exact(table).to_pool_log(self.pool)
        notes = (*flash_note(table), *(() if log.changes is not None else (NO_MINTS,)))
        history = _history(self, log, self.bar, notes)
        return history if self.usd_file is None else replace(history, panel=self._with_usd(history.panel))

    def event_log(self, lake: Path = Path(), as_of: np.datetime64 | None = None) -> EventLog:
        """Return the events in exact integers; the lake and ``as_of`` do not matter.

        Raises:
            SourceError: when the file is missing or cannot be read.
            PoolError: when an event is one that no pool could have had, or mints are missing from a whole history.
        """
        with _named(path := self.path(self.events)):
            return self._exact(read_table(path))

    def _exact(self, table: pd.DataFrame) -> EventLog:
        check_protocol(table, self.pool)
        return event_log(table, is_whole=self.is_whole)

    def _with_usd(self, panel: Panel) -> Panel:
        with _named(path := self.path(str(self.usd_file))):
            known, prices = hourly_prices(read_table(path))
        return panel.with_field("usd", known_prices(known, prices, panel.times)[:, None])


@spec
class PoolMinutesSource(AbstractPoolSource):
    """Minute bars in demeter's schema (``data.amm.minute_file``): prices and volumes, but no path and so no fees.

    Attributes:
        minutes: file of the minutes.
    """

    minutes: str

    def read(self) -> History:
        """Return the minutes; there is no log of the pool."""
        with _named(path := self.path(self.minutes)):
            panel = minute_bars(read_table(path), self.pool)
            if self.price_between is not None:
                _check_closes(panel, self.pool, self.price_between)
        return History(panel, BarClock(ALWAYS, "1min"), notes=(NOTE,))


_ASIDE = ("folder", "series", "price_between")


def _history(source: AbstractPoolSource, log: PoolLog, bar: str, notes: tuple[str, ...]) -> History:
    if source.price_between is not None:
        check_price_between(log.swaps, source.pool, source.price_between)
    clock = BarClock(ALWAYS, bar)
    return History(pool_bars(log, clock), clock, notes=notes, pool=log)


def _check_closes(panel: Panel, pool: Pool, between: tuple[float, float]) -> None:
    close = panel.field("close")[:, 0]
    outside = ~((close >= between[0]) & (close <= between[1]))
    if outside.any():
        row = int(np.argmax(outside))
        raise PoolError(
            f"the minute that ends at {panel.times[row]} has a price of {close[row]:.6g} {pool.numeraire} per {pool.base}; "
            f"price_between allows {between[0]:g} to {between[1]:g}: check the order of the tokens and their decimals"
        )


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Say in which file an error lies."""
    try:
        yield
    except DataError as error:
        if str(path) in str(error):
            raise
        raise type(error)(f"{path}: {error}") from error
