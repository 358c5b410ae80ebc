"""``wayfold runs metrics``: every metric of an account of a run, or the same account in other tools' definitions."""

from typing import Annotated, Any

import typer

from service.commands.options import Json
from service.commands.runs import RunName
from service.output import print_json, print_line, print_table

EVERY = "all"
"""The word that asks for every tool."""


def metrics(
    run: RunName,
    lane: Annotated[
        str | None, typer.Option("--lane", help="Account to show; default: the judged one.")
    ] = None,
    tool: Annotated[
        str | None,
        typer.Option(
            "--as",
            metavar="TOOL",
            help="As another tool defines them, such as vectorbt; 'all' for every tool.",
        ),
    ] = None,
    metric: Annotated[
        str, typer.Option("--metric", help="With '--as all': the metric to compare.")
    ] = "sharpe",
    json_output: Json = False,
) -> None:
    """Show every metric of an account, or what other tools would print for it and why."""
    from backtest.amm.spec import is_liquidity
    from backtest.metrics.run_account import run_account, run_lane
    from backtest.run import find_run, load_run
    from data.errors import SpecError
    from service.settings import read_settings

    found = load_run(find_run(read_settings().runs, run))
    if is_liquidity(found.manifest):
        raise SpecError(
            f"run {found.id[:12]} is a liquidity experiment; its accounts start anew in every window and have no metrics of "
            "one curve, see 'wayfold runs show'"
        )
    if tool is None:
        _show_stored(found.tables["metrics"], run_lane(found, lane), json_output=json_output)
        return
    _show_converted(run_account(found, lane), tool, metric, json_output=json_output)


def _show_stored(table: Any, lane: str, *, json_output: bool) -> None:
    own = table[table["lane"] == lane]
    if json_output:
        print_json(own.to_dict("records"))
        return
    columns = ("metric", "value", "low", "high", "n", "note")
    shown = own.assign(metric=own["metric"].str.replace("_", " "), note=own["flag"])
    print_table(f"metrics of {lane}", columns, _rows(shown, columns))


def _show_converted(account: Any, tool: str, metric: str, *, json_output: bool) -> None:
    from backtest.metrics.convert import tool_table, tools_table

    table = (
        tools_table(account, _known_metric(metric))
        if tool == EVERY
        else tool_table(account, _known_tool(tool))
    )
    if json_output:
        print_json(table.to_dict("records"))
        return
    name = "tool" if tool == EVERY else "metric"
    title = f"{metric} of the same account by tool" if tool == EVERY else f"the account as {tool} defines it"
    columns = (name, "variant", "wayfold", "value", "flag")
    print_table(title, columns, _rows(table, columns))
    print_line()
    for row in table.to_dict("records"):
        label = f"{row[name]} {row['variant']}".strip()
        print_line(f"{label}: {row['formula']}")


def _known_tool(tool: str) -> str:
    from backtest.metrics.convert import TOOLS
    from data.errors import SpecError, nearest

    if tool not in TOOLS:
        raise SpecError(f"tool was '{tool}'{nearest(tool, [*TOOLS, EVERY])}")
    return tool


def _known_metric(metric: str) -> str:
    from backtest.metrics.convert import CONVERTED
    from data.errors import SpecError, nearest

    if metric not in CONVERTED:
        raise SpecError(f"metric was '{metric}'{nearest(metric, CONVERTED)}")
    return metric


def _rows(table: Any, columns: tuple[str, ...]) -> list[tuple[Any, ...]]:
    return [tuple(row[name] for name in columns) for row in table.to_dict("records")]
