"""``wayfold doctor``: is this installation sound?"""

import base64
import hashlib
import json
from dataclasses import dataclass
from importlib.metadata import (
    Distribution,
    PackageNotFoundError,
    distribution,
    packages_distributions,
    version,
)
from importlib.util import find_spec
from pathlib import Path

import typer

from service.commands.options import Json
from service.output import print_json, print_table

PACKAGES = ("data", "forecast", "backtest", "service")
CORE = (
    "numpy",
    "pandas",
    "scipy",
    "statsmodels",
    "arch",
    "lightgbm",
    "numba",
    "pyarrow",
    "bokeh",
)
EXTRAS = {
    "deep": "torch",
    "backtrader": "backtrader",
    "cluster": "dask",
    "yahoo": "yfinance",
    "crypto": "ccxt",
}


@dataclass(frozen=True)
class Check:
    """One thing looked at: ``ok``, ``note`` (fine, but know it) or ``bad``."""

    name: str
    state: str
    detail: str


def doctor(json_output: Json = False) -> None:
    """Check the installation, the folders and what else is named like our packages; exit 1 when something is bad."""
    checks = [*_packages(), _xgboost(), *_own_packages(), _rivals(), _installed_files(), _home(), _samples()]
    if json_output:
        print_json([vars(check) for check in checks])
    else:
        print_table("doctor", ("check", "state", "detail"), [(c.name, c.state, c.detail) for c in checks])
    if any(check.state == "bad" for check in checks):
        raise typer.Exit(1)


def _installed(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _packages() -> list[Check]:
    core = [(name, _installed(name)) for name in CORE]
    checks = [
        Check(name, "ok" if found else "bad", found or "not installed; reinstall wayfold")
        for name, found in core
    ]
    for extra, name in EXTRAS.items():
        found = _installed(name)
        checks.append(
            Check(
                f"extra {extra}",
                "ok" if found else "note",
                found or f"not installed: pip install 'wayfold[{extra}]'",
            )
        )
    return checks


def _xgboost() -> Check:
    both = [name for name in ("xgboost", "xgboost-cpu") if _installed(name)]
    if len(both) == 2:
        return Check("xgboost", "bad", "xgboost and xgboost-cpu overwrite each other's files; uninstall one")
    return Check(
        "xgboost", "ok" if both else "bad", f"{both[0]} {_installed(both[0])}" if both else "not installed"
    )


def _own_packages() -> list[Check]:
    """Compare where our packages come from with where this file lies."""
    home = Path(__file__).resolve().parents[2]
    checks = []
    for name in PACKAGES:
        spec = find_spec(name)
        found = Path(str(spec and spec.origin)).resolve().parent.parent
        detail = str(found) if found == home else f"comes from {found}, not from {home}"
        checks.append(Check(f"package {name}", "ok" if found == home else "bad", detail))
    return checks


def _rivals() -> Check:
    """Look for other distributions that install packages of our names and so overwrite or shadow them."""
    installed = packages_distributions()
    rivals = {other for name in PACKAGES for other in installed.get(name, ()) if other != "wayfold"}
    if rivals:
        words = f"{', '.join(sorted(rivals))} uses our package names; install Wayfold in an environment of its own"
        return Check("package names", "bad", words)
    return Check("package names", "ok", "ours alone")


def _installed_files() -> Check:
    """Compare our source files with the hashes of the installed record."""
    try:
        record = distribution("wayfold")
    except PackageNotFoundError:
        return Check("installed files", "note", "wayfold is not installed; it runs from a folder on the path")
    origin = json.loads(record.read_text("direct_url.json") or "{}")
    if origin.get("dir_info", {}).get("editable"):
        return Check("installed files", "ok", "editable: the checkout is what runs")
    changed = _changed_files(record)
    if changed:
        return Check("installed files", "bad", f"changed since installation: {', '.join(changed[:3])}")
    return Check("installed files", "ok", "as installed")


def _changed_files(record: Distribution) -> list[str]:
    changed = []
    for entry in record.files or []:
        if entry.hash is None or entry.suffix != ".py":
            continue
        path = Path(str(entry.locate()))
        digest = hashlib.new(entry.hash.mode, path.read_bytes()).digest() if path.is_file() else b""
        if base64.urlsafe_b64encode(digest).rstrip(b"=").decode() != entry.hash.value:
            changed.append(str(entry))
    return changed


def _home() -> Check:
    from backtest.errors import RunError
    from backtest.run import require_space
    from service.settings import HOME_VARIABLE, read_settings

    home = read_settings().home
    try:
        require_space(home)
    except RunError as error:
        return Check(HOME_VARIABLE, "bad", str(error))
    return Check(HOME_VARIABLE, "ok", str(home))


def _samples() -> Check:
    from data.sources.base import SOURCES

    panel = SOURCES.build("bundled").load(Path()).panel
    return Check("bundled sample", "ok", f"{len(panel.series)} series, {len(panel):,} bars")
