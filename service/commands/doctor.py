"""``wayfold doctor``: is this installation sound?"""

from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution, version
from pathlib import Path

import typer

from service.commands.options import Json
from service.output import print_json, print_table

CORE = (
    "numpy",
    "pandas",
    "scipy",
    "statsmodels",
    "arch",
    "scikit-learn",
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
    checks = [*_packages(), _xgboost(), *_own_packages(), _home(), _samples()]
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
    """Compare where our packages came from with where this file lies, and with the hashes of the installed record."""
    import backtest
    import forecast

    home = Path(__file__).resolve().parents[2]
    checks = []
    for package in (forecast, backtest):
        found = Path(str(package.__file__)).resolve().parent.parent
        name = package.__name__
        checks.append(Check(f"package {name}", "ok" if found == home else "bad", str(found)))
    changed = _changed_files()
    detail = f"changed since installation: {', '.join(changed[:3])}" if changed else "as installed"
    return [*checks, Check("installed files", "bad" if changed else "ok", detail)]


def _changed_files() -> list[str]:
    import base64
    import hashlib

    changed = []
    for entry in distribution("wayfold").files or []:
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
