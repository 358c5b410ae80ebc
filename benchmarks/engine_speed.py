"""The engines beside vectorbt and backtrader on three cases: one asset, many assets, many parameters.

python benchmarks/engine_speed.py

The cases are in ``peers/cases.py``. Each engine runs in a process of its own, one thread, the peers in an environment of
their own (``build/peers-venv``, made on first use). Times are CPU seconds, those of a call the median of several; ``first
call`` finds an empty cache of compiled code and ``cached`` a full one. Ratios are to peers of this same run. Only the
sweep with two threads is judged by wall time, the least of several calls; on a busy machine it means little: look at ``load``.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
PEERS = HERE / "peers"
PEERS_VENV = ROOT / "build" / "peers-venv"
PEERS_PYTHON = PEERS_VENV / "bin" / "python"

SUBSET = (100, 252)
"""Assets and days of b on which backtrader is timed."""

ROUNDS = {"a": 15, "b": 11, "c": 7}

VECTORBT = {"a": ("targets", "signals"), "b": ("targets",), "c": ("targets", "signals", "averages")}

UNITS = {"a": ("ns/bar", 1e9), "b": ("ns/asset-bar", 1e9), "c": ("us/parameter", 1e6)}


@dataclass(frozen=True)
class Measurement:
    """One engine on one case; ``cold_seconds`` is the first call with an empty cache of compiled code, else None."""

    engine: str
    case: str
    cells: int
    peak_mb: float
    first_seconds: float
    seconds: float
    least_seconds: float
    wall_seconds: float
    final: float
    golden: float | None
    import_seconds: float
    prepare_seconds: float = 0.0
    cold_seconds: float | None = None
    load: float = 0.0

    @property
    def unit(self) -> float:
        """CPU time of one cell in the unit of its case."""
        return self.seconds / self.cells * UNITS[self.case[0]][1]


@dataclass(frozen=True)
class Target:
    """What was to be reached: ``value`` is at most or at least ``limit``."""

    name: str
    value: float
    limit: float
    is_ceiling: bool

    @property
    def is_met(self) -> bool:
        return self.value <= self.limit if self.is_ceiling else self.value >= self.limit

    def line(self) -> str:
        """Return the target beside what was measured."""
        sign = "<=" if self.is_ceiling else ">="
        return f"{'met   ' if self.is_met else 'MISSED'} {self.name:<58} {self.value:>9.4g}  {sign} {self.limit:g}"


Found = dict[tuple[str, str], Measurement]


def ensure_peers() -> None:
    """Make the peers' environment when it is not there or its requirements changed."""
    wanted, mark = (PEERS / "requirements.txt").read_text(), PEERS_VENV / "installed.txt"
    if mark.exists() and mark.read_text() == wanted:
        return
    print(f"installing the peers into {PEERS_VENV.relative_to(ROOT)} ...", file=sys.stderr, flush=True)
    subprocess.run([sys.executable, "-m", "venv", str(PEERS_VENV)], check=True)
    install = [
        str(PEERS_PYTHON),
        "-m",
        "pip",
        "install",
        "--quiet",
        "--requirement",
        str(PEERS / "requirements.txt"),
    ]
    subprocess.run(install, check=True)
    mark.write_text(wanted)


def worker(python: str | Path, script: str, *arguments: str, cache: str) -> Measurement:
    """Return what a worker printed, run in its own process with compiled code kept in the folder ``cache``."""
    load = os.getloadavg()[0]
    settings = [f"{name}_NUM_THREADS=1" for name in ("OMP", "OPENBLAS", "NUMBA")]
    command = ["env", *settings, f"NUMBA_CACHE_DIR={cache}", str(python), str(PEERS / script), *arguments]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return parsed(done.stdout, load)


def parsed(printed: str, load: float = 0.0) -> Measurement:
    """Return the measurement in the last line of a worker's output."""
    return Measurement(**json.loads(printed.strip().splitlines()[-1]), load=load)


def peer(script: str, *arguments: str) -> Measurement:
    """Return a peer's measurement; its first call finds an empty cache."""
    with tempfile.TemporaryDirectory() as cache:
        found = worker(PEERS_PYTHON, script, *arguments, cache=cache)
    return Measurement(**{**vars(found), "cold_seconds": found.first_seconds})


def ours(engine: str, case: str, *shape: str) -> Measurement:
    """Return our measurement: a first process finds an empty cache, the second, which is timed, a full one."""
    with tempfile.TemporaryDirectory() as cache:
        cold = worker(sys.executable, "wayfold_cases.py", engine, case, "0", *shape, cache=cache)
        found = worker(
            sys.executable, "wayfold_cases.py", engine, case, str(ROUNDS[case]), *shape, cache=cache
        )
    return Measurement(**{**vars(found), "cold_seconds": cold.first_seconds})


def measurements() -> Iterable[Measurement]:
    """Measure everything, case by case."""
    for case in "ab":
        yield ours("exact", case)
        yield ours("realistic", case)
        yield from vectorbt(case)
    corner = [str(number) for number in SUBSET]
    yield ours("exact", "b", *corner)
    yield peer("backtrader_cases.py", *corner)
    for threads in (1, 2):
        yield ours(f"sweep:{threads}", "c")
    yield from vectorbt("c")


def vectorbt(case: str) -> Iterable[Measurement]:
    """Measure both engines of vectorbt, each way, on a case."""
    for way in VECTORBT[case]:
        for engine in ("numba", "rust"):
            yield peer("vectorbt_cases.py", case, engine, way, str(ROUNDS[case]))


def targets(found: Found) -> list[Target]:
    """Return the targets beside what was measured; ratios compare medians of CPU time per cell."""

    def unit(engine: str, case: str) -> float:
        return found[engine, case].unit

    corner = f"b {SUBSET[0]} x {SUBSET[1]}"
    exact_a, exact_b, sweep = unit("exact", "a"), unit("exact", "b"), unit("sweep:1", "c")
    reached = [
        Target("a exact, ns per bar", exact_a, 25, True),
        Target(
            "a vectorbt numba, the same fills, over exact",
            unit("vectorbt numba targets", "a") / exact_a,
            5,
            False,
        ),
        Target(
            "a vectorbt numba, its own signals, over exact",
            unit("vectorbt numba signals", "a") / exact_a,
            5,
            False,
        ),
        Target(
            "a vectorbt rust, the same fills, over exact",
            unit("vectorbt rust targets", "a") / exact_a,
            2.5,
            False,
        ),
        Target(
            "a vectorbt rust, its own signals, over exact",
            unit("vectorbt rust signals", "a") / exact_a,
            2.5,
            False,
        ),
        Target("b exact, ns per asset-bar", exact_b, 50, True),
        Target("b vectorbt numba over exact", unit("vectorbt numba targets", "b") / exact_b, 10, False),
        Target("b vectorbt rust over exact", unit("vectorbt rust targets", "b") / exact_b, 10, False),
        Target(
            f"{corner} backtrader over exact", unit("backtrader", corner) / unit("exact", corner), 2000, False
        ),
        Target("b realistic over exact", unit("realistic", "b") / exact_b, 2, True),
        Target("c sweep with moving averages, us per parameter", sweep, 160, True),
        Target(
            "c vectorbt numba from targets, over sweep", unit("vectorbt numba targets", "c") / sweep, 4, False
        ),
        Target(
            "c vectorbt numba from signals, over sweep", unit("vectorbt numba signals", "c") / sweep, 4, False
        ),
        Target(
            "c vectorbt numba with moving averages, over sweep",
            unit("vectorbt numba averages", "c") / sweep,
            4,
            False,
        ),
        Target("c least wall time, one thread over two", threads_ratio(found), 1.7, False),
    ]
    own = [each for each in found.values() if each.prepare_seconds]
    return [
        *reached,
        Target("peak memory of any engine of ours, MB", max(each.peak_mb for each in own), 400, True),
    ]


def threads_ratio(found: Found) -> float:
    """Return the wall time of the sweep with one thread over that with two."""
    return found["sweep:1", "c"].wall_seconds / found["sweep:2", "c"].wall_seconds


def table(found: Found) -> str:
    """Return the lines of the table; ``ratio`` is to our exact engine or sweep on the same cells."""
    lines = [
        (
            f"{'case':<12}{'engine':<24}{'CPU s':>9}{'least':>9}{'per cell':>11} {'':<13}{'ratio':>8}{'MB':>7}"
            f"{'import s':>9}{'first call':>11}{'cached':>8}{'load':>6}  final"
        )
    ]
    for each in found.values():
        base = found["sweep:1" if each.case == "c" else "exact", each.case]
        cold = "-" if each.cold_seconds is None else f"{each.cold_seconds:.2f}"
        cached = f"{each.first_seconds:.2f}" if each.prepare_seconds else "-"
        lines.append(
            f"{each.case:<12}{each.engine:<24}{each.seconds:>9.4f}{each.least_seconds:>9.4f}{each.unit:>11.4g} "
            f"{UNITS[each.case[0]][0]:<13}{each.unit / base.unit:>8.4g}{each.peak_mb:>7.0f}{each.import_seconds:>9.2f}"
            f"{cold:>11}{cached:>8}{each.load:>6.1f}  {each.final!r}{compared(each)}"
        )
    return "\n".join(lines)


def compared(each: Measurement) -> str:
    """Return how a final equity stands to backtrader's."""
    if each.golden is None:
        return ""
    return "  = backtrader" if each.final == each.golden else f"  {each.final / each.golden - 1:+.1e}"


def main() -> None:
    """Print the table and the targets."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="not used; every benchmark takes it")
    parser.parse_args()
    ensure_peers()
    found: Found = {}
    for each in measurements():
        found[each.engine, each.case] = each
    print(table(found))
    print()
    print("\n".join(target.line() for target in targets(found)))


if __name__ == "__main__":
    main()
