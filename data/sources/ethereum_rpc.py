"""Ethereum source: a pool's logs from any node's JSON-RPC, fetched into the lake stretch by stretch.

Only ``eth_getLogs`` and ``eth_getBlockByNumber`` are asked: nothing can be signed or sent through this module. Stretches that
are finished stay in the lake, so a fetch goes on after an interruption; a stretch is trusted only while its last block still
has the hash it was read under and the next one names it as its parent.
"""

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any, Self

import annotated_types as at
import httpx  # noqa: TID251 (this is the room of the network)
import numpy as np
import pandas as pd
from pydantic import Field, model_validator

from data.amm.bars import pool_bars
from data.amm.chain_logs import decode_log
from data.amm.event_file import COLUMNS, check_protocol, event_log, flash_note
from data.amm.event_log import EventLog
from data.amm.log_checks import check_price_between
from data.amm.pool import Pool
from data.amm.tables import instants
from data.errors import LakeError, ReorgError, SourceError, SpecError
from data.frames import ID, TIME
from data.history import History
from data.lake import Entry, Origin, add_revision, find_entry, read_entry
from data.registry import plain, spec
from data.sessions import ALWAYS, BarClock
from data.sources.fetched import AbstractFetchedSource, Machine
from data.sources.pool_batches import Batch, drop, finished, folder_of, store
from data.sources.pool_files import NO_MINTS, Bounds
from data.sources.rpc_client import Header, RpcClient, TooManyResultsError
from data.sources.selection import asked_period, check_period, chosen

ROWS: tuple[str, ...] = (*COLUMNS, "owner", "transaction_hash", "block_hash")
"""Columns of a stretch, all text."""

FINALIZED = "finalized"
SECONDS = 30.0
"""Patience for one answer."""
URL_VARIABLE = "WAYFOLD_ETHEREUM_URL"
"""What the user sets to name the node, for messages; service/settings.py reads it."""

Block = Annotated[int, at.Ge(0)]


@spec
class PoolRpcSource(AbstractFetchedSource):
    """The logs of one pool's contract; which node sends them is the machine's affair.

    Attributes:
        address: address of the pool's contract.
        pool: its tokens, decimals, fee, protocol share and numeraire; the logs do not say them.
        from_block: first block read; the block the pool was made in gives its whole history.
        to_block: last block read; None reads to the newest final block.
        blocks_per_request: most blocks asked for at once; halved whenever the node finds them too many.
        price_between: bounds of the price, as of pool files.
        bar: length of the bars.
    """

    dataset: str = "pool"
    address: Annotated[str, Field(pattern="^0x[0-9a-fA-F]{40}$")]
    pool: Pool
    from_block: Block
    to_block: Block | None = None
    blocks_per_request: Annotated[int, at.Ge(1)] = 2000
    price_between: Bounds | None = None
    bar: str = "1h"

    @model_validator(mode="after")
    def _check(self) -> Self:
        check_period(self)
        BarClock(ALWAYS, self.bar)
        if self.to_block is not None and self.to_block < self.from_block:
            raise ValueError(f"to_block {self.to_block} is before from_block {self.from_block}")
        return self

    def transport(self, machine: Machine) -> RpcClient:
        """Return a client of the machine's node.

        Raises:
            SpecError: when the machine names no node, or what it names is no address.
        """
        return RpcClient(httpx.Client(timeout=SECONDS), _node(machine.ethereum_url), machine.pause)

    def fetch(self, lake: Path, fetched_at: str, transport: RpcClient) -> Entry:
        """Read what is missing of the logs and store all of them as a revision of ``dataset``.

        Raises:
            OfflineError: when the node cannot be reached; finished stretches stay for the next time.
            SourceError: when it refuses, or the blocks hold no log of the pool.
            ReorgError: when a block that was final has another hash now, or the chain changes while it is read.
        """
        long = self._long(transport, folder_of(lake, self.address))
        return add_revision(lake, self.dataset, long, self.origin(fetched_at))

    def download(self, transport: RpcClient) -> pd.DataFrame:
        """Return the logs, one row each, without keeping any stretch."""
        with TemporaryDirectory() as folder:
            return self._long(transport, Path(folder))

    def load(self, lake: Path, as_of: np.datetime64 | None = None) -> History:
        """Return the bars and the log of what the lake holds; never reaches the network.

        Raises:
            SourceError: when the lake holds none of it, or no complete bar lies in the period.
            PoolError: when the logs contradict the pool, or its protocol share is another one.
        """
        entry, table = self._stored(lake, as_of)
        log = event_log(table).to_pool_log(self.pool)
        if self.price_between is not None:
            check_price_between(log.swaps, self.pool, self.price_between)
        clock = BarClock(ALWAYS, self.bar)
        panel = pool_bars(log, clock)
        if not len(panel):
            raise SourceError(f"the logs of {self.pool.name} do not span one complete bar")
        return chosen(History(panel, clock, notes=_notes(entry, table, log.changes is None), pool=log), self)

    def event_log(self, lake: Path, as_of: np.datetime64 | None = None) -> EventLog:
        """Return the events in exact integers; never reaches the network.

        Raises:
            SourceError: when the lake holds none of them.
            PoolError: when the logs contradict each other, or the pool's protocol share is another one.
        """
        return event_log(self._stored(lake, as_of)[1])

    def _stored(self, lake: Path, as_of: np.datetime64 | None) -> tuple[Entry, pd.DataFrame]:
        try:
            entry = find_entry(lake, self.dataset, as_of)
        except LakeError as error:
            raise SourceError(f"{error}; fetch it first with: wayfold data fetch CONFIG") from error
        table = read_entry(lake, entry)
        check_protocol(table, self.pool)
        return entry, table

    def origin(self, fetched_at: str) -> Origin:
        """Return the source, licence and clock of the logs."""
        return Origin(f"Ethereum logs of {self.address}", "public chain data", fetched_at, ALWAYS, self.bar)

    def identity(self) -> dict[str, Any]:
        """Return contract, pool, blocks and the period asked for."""
        blocks = {"from_block": self.from_block, "to_block": self.to_block}
        named = {"source": "pool_rpc", "address": self.address.lower(), "pool": plain(self.pool)}
        return {**named, **blocks, "bar": self.bar, **asked_period(self)}

    def _long(self, client: RpcClient, folder: Path) -> pd.DataFrame:
        final = client.header(FINALIZED).number
        last = final if self.to_block is None else self.to_block
        if last < self.from_block:
            raise SourceError(f"from_block {self.from_block} is after block {last}, the newest final one")
        kept = _still_true(client, finished(folder, self.from_block, last), final)
        batches = [*kept, *_read_on(self, client, folder, kept, last)]
        table = pd.concat([batch.read() for batch in batches], ignore_index=True)
        if not len(table):
            raise SourceError(f"blocks {self.from_block} to {last} hold no log of {self.address}")
        table[ID] = self.pool.name
        table[TIME] = instants(table, "block_timestamp")
        return table


def _node(url: str | None) -> str:
    """Return the address of a node; no error shows it, nor is raised from one that does."""
    if url is None:
        raise SpecError(f"no Ethereum node is named; set {URL_VARIABLE} to its http:// or https:// address")
    try:
        parsed = httpx.URL(url)
    except (httpx.InvalidURL, ValueError):
        parsed = httpx.URL()
    if parsed.scheme not in {"http", "https"} or not parsed.host:
        raise SpecError(
            f"{URL_VARIABLE} is no address of a node (its value may hold a key and is not shown); "
            "allowed: http:// or https:// and a host"
        )
    return url


def _still_true(client: RpcClient, batches: list[Batch], final: int) -> list[Batch]:
    """Return the batches that are part of the chain; drop those that are not and were not final.

    Raises:
        ReorgError: when a batch of final blocks is no longer part of the chain.
    """
    kept = list(batches)
    while kept and client.header(kept[-1].last).hash != kept[-1].hash:
        if kept[-1].last <= final:
            raise ReorgError(
                f"block {kept[-1].last} was read under hash {kept[-1].hash} and has another one now, though it is final: the node "
                f"is of another chain, or {kept[-1].path} is not of this pool's; delete it to read again"
            )
        drop([kept.pop()])
    return kept


def _read_on(
    source: PoolRpcSource, client: RpcClient, folder: Path, kept: list[Batch], last: int
) -> list[Batch]:
    """Return the stretches after the kept ones, read and stored one by one."""
    found: list[Batch] = []
    span = source.blocks_per_request
    newest = kept[-1] if kept else None
    while newest is None or newest.last < last:
        begin = source.from_block if newest is None else newest.last + 1
        end = min(begin + span - 1, last)
        try:
            header, rows = _stretch(
                client, source.address, begin, end, None if newest is None else newest.hash
            )
        except TooManyResultsError as error:
            if end == begin:
                raise SourceError(f"block {begin} alone is too much for {client.host}: {error}") from error
            span = (end - begin + 1) // 2
            continue
        newest = store(folder, begin, end, header.hash, rows)
        found.append(newest)
        span = min(2 * span, source.blocks_per_request)
    return found


def _stretch(
    client: RpcClient, address: str, first: int, last: int, before: str | None
) -> tuple[Header, pd.DataFrame]:
    """Return the last header of a stretch and its rows, all under one state of the chain.

    Raises:
        ReorgError: when the chain changed since the stretch before, or while this one was read; names the block.
    """
    end = client.header(last)
    logs = client.logs(address, first, last)
    rows = sorted(map(decode_log, logs), key=lambda row: (int(row["block_number"]), int(row["log_index"])))
    numbers = {int(row["block_number"]) for row in rows}
    if wrong := [number for number in numbers if not first <= number <= last]:
        raise SourceError(f"{client.host} sent a log of block {wrong[0]}; {first} to {last} were asked for")
    headers = client.headers(sorted({first, last, *numbers}))
    if headers[last].hash != end.hash:
        raise ReorgError(f"block {last} was replaced while blocks {first} to {last} were read; fetch again")
    if before is not None and headers[first].parent != before:
        raise ReorgError(f"block {first} does not follow block {first - 1} as it was read; fetch again")
    for row in rows:
        if headers[int(row["block_number"])].hash != row["block_hash"]:
            raise ReorgError(
                f"block {row['block_number']} was replaced while its logs were read; fetch again"
            )
    return end, _table(rows, headers)


def _table(rows: list[dict[str, str]], headers: Mapping[int, Header]) -> pd.DataFrame:
    for row in rows:
        time = headers[int(row["block_number"])].time
        row["block_timestamp"] = str(np.datetime64(time, "s")).replace("T", " ")
    return pd.DataFrame({name: pd.array([row.get(name) for row in rows], dtype="string") for name in ROWS})


def _notes(entry: Entry, table: pd.DataFrame, lacks_mints: bool) -> tuple[str, ...]:
    return (
        f"{entry.name}, revision {entry.revision}: {entry.source}, fetched {entry.fetched_at}; {entry.licence}.",
        *flash_note(table),
        *((NO_MINTS,) if lacks_mints else ()),
    )
