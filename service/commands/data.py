"""``wayfold data``: look into, check, store and fetch bars."""

from collections.abc import Hashable
from pathlib import Path
from typing import Annotated, Any

import typer

from service.commands.options import Json, Set
from service.output import is_terminal, print_json, print_line, print_sentences, print_table

app = typer.Typer(help="Data: list and fill the lake, check files.", no_args_is_help=True)
Files = Annotated[
    list[Path], typer.Argument(metavar="FILE...", help="CSV or Parquet files, long, wide or one a series.")
]
Calendar = Annotated[str, typer.Option(help="Exchange calendar (XNYS, XBOM ...), 24/7 or weekdays.")]
Bar = Annotated[str, typer.Option(help="'session', or a length such as 1h or 5min.")]
Stamps = Annotated[str, typer.Option(help="Whether stamps mark the 'end' or the 'start' of their bar.")]
ENDINGS = {"csv": (".csv", ".csv.gz", ".txt"), "parquet": (".parquet", ".pq")}
Zone = Annotated[str | None, typer.Option(help="Time zone of stamps that carry none; default UTC.")]


@app.command("ls")
def list_all(json_output: Json = False) -> None:
    """List the bundled series and every revision in the lake, and verify the lake's files."""
    from dataclasses import asdict

    from data.lake import entries, verify
    from data.sources.base import SOURCES
    from service.settings import read_settings

    lake = read_settings().lake
    bundled = SOURCES.build({"kind": "bundled", "series": _bundled_names()}).load(lake)
    found, faults = entries(lake), verify(lake)
    if json_output:
        lake_rows = [asdict(entry) for entry in found]
        print_json({"bundled": list(bundled.panel.series), "lake": lake_rows, "faults": faults})
        return
    print_table(
        "bundled with the code",
        ("series", "tradable", "first bar", "last bar", "bars"),
        _bundled_rows(bundled),
    )
    columns = ("dataset", "revision", "rows", "series", "first", "last", "fetched at", "source", "licence")
    rows = [
        (e.name, e.revision, e.rows, len(e.series), e.first[:10], e.last[:10], e.fetched_at, e.source, e.licence)
        for e in found
    ]  # fmt: skip
    print_line()
    print_table(f"lake at {lake}", columns, rows)
    for fault in faults:
        print_line(f"fault  {fault}")
    if faults:
        raise typer.Exit(1)


def _bundled_names() -> list[str]:
    from data.sources.bundled import INDICES, STOCKS

    return [*STOCKS, *INDICES]


def _bundled_rows(history: Any) -> list[tuple[Any, ...]]:
    import numpy as np

    rows = []
    close = history.panel.field("close")
    days = history.times.astype("datetime64[D]")
    for s, name in enumerate(history.panel.series):
        seen = np.flatnonzero(~np.isnan(close[:, s]))
        rows.append((name, name not in history.untradable, days[seen[0]], days[seen[-1]], len(seen)))
    return rows


@app.command("check")
def check(
    files: Files,
    calendar: Calendar = "XNYS",
    bar: Bar = "session",
    stamps: Stamps = "end",
    zone: Zone = None,
    json_output: Json = False,
) -> None:
    """Find the defects of bar files; nothing is changed. Exit code 1 when one is an error."""
    from data.findings import findings_frame
    from data.quality import check_bars
    from data.sessions import BarClock

    clock = BarClock(calendar, bar)
    tables = {}
    for path in files:
        long = _read(path, clock, stamps, zone)
        tables[str(path)] = findings_frame(check_bars(long, clock))
    if json_output:
        print_json({name: table.to_dict("records") for name, table in tables.items()})
    else:
        for name, table in tables.items():
            _show_findings(name, table.to_dict("records"))
    if any((table["severity"] == "error").any() for table in tables.values()):
        raise typer.Exit(1)


FINDING_COLUMNS = ("severity", "kind", "series", "field", "time", "until", "count", "value", "message")


def _show_findings(name: str, findings: list[dict[Hashable, Any]]) -> None:
    """Print findings: one a line in a pipe; on a terminal the sentence stands under its place."""
    stamped = [
        {**each, "time": str(each["time"])[:16], "until": str(each["until"])[:16]} for each in findings
    ]
    if not is_terminal():
        print_table(name, FINDING_COLUMNS, [[each[key] for key in FINDING_COLUMNS] for each in stamped])
        return
    print_line(f"{name}: {len(findings)} findings")
    for each in stamped:
        span = each["time"] if each["time"] == each["until"] else f"{each['time']} to {each['until']}"
        print_line(f"{each['severity']}  {each['kind']}  {each['series']} {each['field']}, {span}")
        print_sentences([each["message"]])


def _read(path: Path, clock: Any, stamps: str, zone: str | None) -> Any:
    from data.errors import SourceError, SpecError
    from data.frames import canonical
    from data.sources.base import SOURCES

    kind = next((kind for kind, endings in ENDINGS.items() if path.name.endswith(endings)), None)
    if kind is None:
        raise SpecError(
            f"file '{path}' is no bar file by its name; allowed: {', '.join(sum(ENDINGS.values(), ()))}"
        )
    options = {
        "files": [str(path)],
        "calendar": clock.calendar,
        "bar": clock.bar,
        "stamps": stamps,
        "zone": zone,
    }
    source: Any = SOURCES.build({"kind": kind, **options})
    if not path.is_file():
        raise SourceError(f"file '{path}' was not found")
    return canonical(
        source.read(path), default_series=path.stem, clock=clock, stamps=source.stamps, zone=source.zone
    )


@app.command("add")
def add(
    name: Annotated[str, typer.Argument(help="Name of the dataset in the lake.")],
    files: Files,
    licence: Annotated[str, typer.Option(help="The data's licence, as stated by its source.")] = "not stated",
    calendar: Calendar = "XNYS",
    bar: Bar = "session",
    stamps: Stamps = "end",
    zone: Zone = None,
    json_output: Json = False,
) -> None:
    """Store files as the newest revision of a dataset; the same content again changes nothing."""
    from dataclasses import asdict

    import pandas as pd

    from data.frames import to_panel
    from data.lake import Origin, add_revision
    from data.sessions import BarClock
    from service.clock import now_utc
    from service.settings import read_settings

    clock = BarClock(calendar, bar)
    long = pd.concat([_read(path, clock, stamps, zone) for path in files], ignore_index=True)
    to_panel(long)
    source = ", ".join(path.name for path in files)
    origin = Origin(source, licence, now_utc().isoformat(timespec="seconds"), calendar, bar)
    entry = add_revision(read_settings().lake, name, long, origin)
    if json_output:
        print_json(asdict(entry))
        return
    print_line(
        f"{entry.name} revision {entry.revision}: {entry.rows:,} rows of {len(entry.series)} series, sha256 {entry.sha256[:12]}"
    )


@app.command("fetch")
def fetch(
    config: Annotated[
        str, typer.Argument(metavar="CONFIG", help="A configuration whose data section needs the network.")
    ],
    overrides: Set = None,
    json_output: Json = False,
) -> None:
    """Fetch the data of a configuration into the lake; the only command that reaches the network."""
    from dataclasses import asdict

    from backtest.configuration import apply_overrides, read_config
    from data.errors import SpecError
    from data.sources.base import SOURCES
    from data.sources.fetched import AbstractFetchedSource, Machine
    from service.clock import now_utc, pause
    from service.configs import config_path
    from service.settings import read_settings

    source = SOURCES.build(
        apply_overrides(read_config(config_path(config)), overrides or []).get("data"), "data"
    )
    if not isinstance(source, AbstractFetchedSource):
        raise SpecError(f"data of kind '{SOURCES.kind_of(source)}' needs no fetching; it is read as it is")
    now, settings = now_utc().isoformat(timespec="seconds"), read_settings()
    transport = source.transport(Machine(pause, settings.ethereum_url))
    entry = source.fetch(settings.lake, now, transport)
    if json_output:
        print_json(asdict(entry))
        return
    print_line(
        f"{entry.name} revision {entry.revision}: {entry.rows:,} rows, {entry.first[:10]} to {entry.last[:10]}"
    )
