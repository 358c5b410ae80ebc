"""``wayfold amm``: replay a pool exactly, quote a trade against it, look after one position."""

from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from service.commands.options import Json, Set
from service.output import print_json

if TYPE_CHECKING:
    import numpy as np

    from data.history import History
    from data.sources.base import AbstractSource

app = typer.Typer(help="Liquidity pools: replay, quote and look after a position.", no_args_is_help=True)

Config = Annotated[
    str,
    typer.Argument(
        metavar="CONFIG", help="A YAML file whose data section is a pool, or the name of a shipped one."
    ),
]
Instant = "an ISO date or time (UTC), or block:NUMBER"


@app.command("replay")
def replay(config: Config, overrides: Set = None, json_output: Json = False) -> None:
    """Run raw events through the exact pool: which are reproduced to the last unit, and what positions really collected.

    The data section must hold exact events (kind pool_events or pool_rpc). A log that begins with its pool is replayed from
    its own mints, and exit code 1 says that some event was not reproduced; any other from ticks inferred from its swaps.

    Raises:
        Exit: with code 1 when a whole log is not reproduced, or events are missing.
    """
    from service.amm_replay import replayed
    from service.amm_view import show_replay
    from service.settings import read_settings

    document = replayed(_source(config, overrides or []), read_settings().lake)
    if json_output:
        print_json(document)
    else:
        show_replay(document)
    if document["conflicts"] or (document["is_whole"] and document["findings"]):
        raise typer.Exit(1)


@app.command("quote")
def quote(
    config: Config,
    size: Annotated[float, typer.Argument(help="Whole tokens.")],
    side: Annotated[Literal["buy", "sell"], typer.Option(help="What happens to the base token.")] = "buy",
    unit: Annotated[Literal["base", "quote"], typer.Option(help="Which token the size is in.")] = "base",
    at: Annotated[str | None, typer.Option(help=f"When: {Instant}; default the last event.")] = None,
    overrides: Set = None,
    json_output: Json = False,
) -> None:
    """Say what a trade would have cost against the pool as it stood: slippage, fee and the price after it."""
    from dataclasses import asdict

    from data.amm.quote import Trade, quote_at
    from data.registry import validated
    from service.amm_view import show_quote

    trade = validated(Trade, {"side": side, "size": size, "unit": unit}, "trade")
    history = _history(_source(config, overrides or []))
    log = _log(history)
    time = log.swaps.times[-1] if at is None else _instant(history, at)
    found = quote_at(log, trade, time)
    document = {
        "pool": log.pool.name,
        "base": log.pool.base,
        "quote": log.pool.numeraire,
        **_when(history, time),
        "side": side,
        "size": size,
        "unit": log.pool.base if unit == "base" else log.pool.numeraire,
        **asdict(found),
        "slippage_bps": found.slippage_bps,
        "notes": list(history.notes),
    }
    if json_output:
        print_json(document)
    else:
        show_quote(document)


@app.command("positions")
def positions(
    config: Config,
    lower: Annotated[float, typer.Option(help="Lower price of the range, quote tokens per base token.")],
    upper: Annotated[float, typer.Option(help="Upper price of the range.")],
    opened: Annotated[str, typer.Option(help=f"When it was minted: {Instant}.")],
    capital: Annotated[
        float | None,
        typer.Option(help="Worth of the deposit then, quote tokens; default the configuration's."),
    ] = None,
    policy: Annotated[
        str | None,
        typer.Option(help="Policy of the configuration that is asked for today; default the first."),
    ] = None,
    overrides: Set = None,
    json_output: Json = False,
) -> None:
    """Say what one position has made since its mint, net and against holding, and what a policy would do with it today.

    The configuration is a liquidity experiment: its costs, policies and forecasters are used; nothing is stored or counted.
    """
    from backtest.amm.review import HeldPosition, review, ticks_between, todays_suggestion
    from backtest.amm.spec import build_liquidity_spec
    from service.amm_view import review_document, show_review

    spec = build_liquidity_spec(_settings(config, overrides or []))
    history = _history(spec.data)
    ticks = ticks_between(_log(history).pool, lower, upper)
    held = HeldPosition(ticks, _instant(history, opened), spec.capital if capital is None else capital)
    found = review(spec, history, held)
    name, suggested = todays_suggestion(spec, history, found.account, policy)
    document = {
        **review_document(found, name, suggested),
        "opened_at": _when(history, held.opened),
        "now_at": _when(history, history.cutoff),
        "notes": list(history.notes),
    }
    if json_output:
        print_json(document)
    else:
        show_review(document)


def _settings(config: str, overrides: list[str]) -> dict[str, Any]:
    from backtest.configuration import apply_overrides, read_config
    from service.configs import config_path

    return apply_overrides(read_config(config_path(config)), overrides)


def _source(config: str, overrides: list[str]) -> "AbstractSource":
    from data.sources.base import SOURCES

    return SOURCES.build(_settings(config, overrides).get("data"), "data")


def _history(source: "AbstractSource") -> "History":
    from service.settings import read_settings

    return source.load(read_settings().lake)


def _log(history: "History") -> Any:
    from data.errors import SpecError

    if history.pool is None:
        raise SpecError(
            "the data section is no pool with a log of its swaps; allowed: kind pool_swaps, pool_events, pool_rpc or "
            "pool_simulated"
        )
    return history.pool


def _instant(history: "History", text: str) -> "np.datetime64":
    """Return the instant of a date, a time, or the last swap of a block or before."""
    import numpy as np

    from data.errors import SpecError
    from data.sources.selection import instant

    word, _, number = text.partition(":")
    if word != "block":
        return instant(text)
    swaps = _log(history).swaps
    if not number.isdigit() or int(number) < swaps.blocks[0]:
        raise SpecError(f"time was '{text}'; allowed: block:{swaps.blocks[0]} or later")
    return np.datetime64(swaps.times[int(np.searchsorted(swaps.blocks, int(number), side="right")) - 1])


def _when(history: "History", time: "np.datetime64") -> dict[str, Any]:
    """Return an instant as text, with the block of the last swap known then."""
    known = _log(history).swaps.until(time)
    return {"time": str(time)[:19], "block": int(known.blocks[-1]) if len(known) else None}
