"""Pools as a person reads them: a replay, a quote, and a position with what to do about it."""

import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from service.output import cell, percent, print_line, print_sentences, print_table

if TYPE_CHECKING:
    from backtest.amm.review import Review
    from backtest.amm.suggestion import Suggestion

MOST_FINDINGS = 5
Document = Mapping[str, Any]


def show_replay(document: Document) -> None:
    """Print what a replay reproduced and the fees that positions collected beside the formula's."""
    counts = ", ".join(f"{count:,} {kind}" for kind, count in document["events"].items())
    print_line(f"pool    {document['pool']}")
    print_line(f"events  {counts}; blocks {document['first_block']} to {document['last_block']}")
    print_line(f"ticks   {_ticks(document)}")
    modes = ", ".join(f"{count:,} {mode.replace('_', ' ')}" for mode, count in document["modes"].items())
    print_line(
        f"swaps   {document['swaps_reproduced']:,} of {document['swaps_replayed']:,} reproduced to the last unit"
        + (f" ({modes})" if modes else "")
    )
    ranges = document["events"]["mints"] + document["events"]["burns"]
    print_line(f"ranges  {document['ranges_wrong']:,} of {ranges:,} mints and burns had other amounts")
    for title in ("conflicts", "findings"):
        _show_sentences(title, document[title])
    columns = ("opened", "closed", "ticks", document["token0"], document["token1"], "path formula's error")
    print_line()
    print_table(
        "fees collected by positions opened and closed within the events", columns, _positions(document)
    )
    if document["largest_error"] is not None:
        print_line(
            f"relative error of the path formula: largest {document['largest_error']:.1e}, median {document['median_error']:.1e}"
        )


def show_quote(document: Document) -> None:
    """Print what a trade would have cost."""
    base, quote = document["base"], document["quote"]
    paid, got = (quote, base) if document["side"] == "buy" else (base, quote)
    print_line(f"pool      {document['pool']} at {_stamp(document)}")
    print_line(f"trade     {document['side']} {cell(document['size'])} {document['unit']}")
    print_line(f"paid      {_amount(document['paid'])} {paid}, of it fee {_amount(document['fee'])}")
    print_line(f"received  {_amount(document['received'])} {got}")
    print_line(
        f"price     {_amount(document['price_before'])} before, {_amount(document['price_after'])} after, {quote} per {base}"
    )
    print_line(
        f"average   {_amount(document['average_price'])} without the fee, {_amount(document['effective_price'])} with it"
    )
    print_line(f"slippage  {document['slippage_bps']:.2f} bp; ticks crossed: {document['crossings']}")
    print_sentences(document["notes"])


def review_document(found: "Review", policy: str, suggested: "Suggestion") -> dict[str, Any]:
    """Return a position's review and a policy's suggestion as one document."""
    pool, [position] = found.account.pool, found.account.positions
    prices = sorted(_price_at(pool, tick) for tick in (position.lower, position.upper))
    statement = {name: _text(value) for name, value in asdict(found.statement).items()}
    usd = found.in_usd
    return {
        "pool": pool.name,
        "base": pool.base,
        "quote": pool.numeraire,
        "ticks": [position.lower, position.upper],
        "range": prices,
        "liquidity": position.liquidity,
        "price_then": pool.price(found.opening.sqrt_price),
        "price_now": pool.price(found.account.sqrt_price),
        "in_range": found.account.in_range,
        "statement": {**statement, "net_bps": found.statement.net_bps},
        "usd": None if usd is None else {name: _text(value) for name, value in asdict(usd).items()},
        "policy": policy,
        "suggestion": {
            "moves": suggested.moves,
            "reason": suggested.decision.reason,
            "ranges": [asdict(each) for each in suggested.ranges],
            "act_below": suggested.act_below,
            "act_above": suggested.act_above,
            "next_decision": str(suggested.next_decision)[:19],
        },
    }


def show_review(document: Document) -> None:
    """Print what a position has made and what a policy would do with it today."""
    made, usd = document["statement"], document["usd"]
    low, high = document["range"]
    print_line(
        f"position  {document['pool']}, {_amount(low)} to {_amount(high)} {document['quote']} per {document['base']}"
    )
    print_line(f"opened    {_stamp(document['opened_at'])} at {_amount(document['price_then'])}")
    where = "in range" if document["in_range"] else "OUT of range"
    print_line(f"now       {_stamp(document['now_at'])} at {_amount(document['price_now'])}, {where}")
    print_line()
    print_table("since the mint", ("", document["quote"], *(("USD now",) if usd else ())), _money(made, usd))
    print_line(
        f"net {made['net_bps']:+.1f} bp of the deposit in {made['days']:.1f} days; in range {percent(made['in_range_share'])} of bar "
        f"ends; fees {percent(made['fee_apr'])} a year, simple; {made['capital_efficiency']:.2f} times those of the full range"
    )
    print_line()
    _show_suggestion(document)
    print_sentences(document["notes"])


def _show_suggestion(document: Document) -> None:
    said = document["suggestion"]
    verb = "would move it now" if said["moves"] else "would leave it as it is"
    because = f": {said['reason']}" if said["reason"] else ""
    print_line(f"policy    {document['policy']} {verb}{because}")
    for each in said["ranges"]:
        print_line(
            f"range     {_amount(each['lower_price'])} to {_amount(each['upper_price'])}, {percent(each['share'])} of the account"
        )
    if said["act_below"] is not None:
        print_line(
            f"trigger   below {_amount(said['act_below'])} or above {_amount(said['act_above'])} at a bar's end"
        )
    print_line(f"next      regular decision at {said['next_decision']}")


def _money(made: Document, usd: Document | None) -> list[tuple[str, ...]]:
    rows = (
        ("deposit and gas", "capital", 1),
        ("fees", "fees", 1),
        ("divergence", "divergence", -1),
        ("gas", "gas", -1),
        ("conversion", "conversion", -1),
        ("net against holding", "net", 1),
        ("worth now", "equity", 1),
        ("worth if held", "hold_value", 1),
        ("(loss versus rebalancing)", "lvr", -1),
    )
    return [
        (name, *(_amount(sign * each[key] + 0.0) for each in (made, usd) if each is not None))
        for name, key, sign in rows
    ]


def _positions(document: Document) -> list[tuple[Any, ...]]:
    return [
        (
            each["opened"],
            each["closed"],
            f"{each['tick_lower']} to {each['tick_upper']}",
            _amount(each["collected0"]),
            _amount(each["collected1"]),
            "nothing collected" if math.isnan(each["error"]) else f"{each['error']:+.1e}",
        )
        for each in document["positions"]
    ]


def _ticks(document: Document) -> str:
    if document["is_whole"]:
        return "from the pool's own mints"
    return (
        f"inferred from the swaps, the mints before them are not in the data: {document['ticks_solved']} solved, "
        f"{document['stretches_unseen']} stretches of which only a sum is known"
    )


def _show_sentences(title: str, sentences: list[str]) -> None:
    if sentences:
        print_line(f"{title}, {len(sentences)} in all")
        print_sentences(sentences[:MOST_FINDINGS])


def _stamp(when: Document) -> str:
    return f"{when['time']} (block {when['block']})"


def _amount(value: float) -> str:
    """Return an amount with six significant digits."""
    return f"{value:,.0f}" if abs(value) >= 1e6 else f"{value:,.6g}"


def _price_at(pool: Any, tick: int) -> float:
    from data.amm.pool import sqrt_of

    return float(pool.price(sqrt_of(tick)))


def _text(value: Any) -> Any:
    return str(value)[:19] if hasattr(value, "dtype") and value.dtype.kind == "M" else value
