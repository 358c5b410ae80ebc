"""The walls of the house: import direction, rooms of clock, network and environment, and names that are never used."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("data", "forecast", "backtest", "service")
FILES = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]
NETWORK = {
    "socket",
    "ssl",
    "http",
    "urllib.request",
    "requests",
    "httpx",
    "aiohttp",
    "websockets",
    "ftplib",
    "smtplib",
}
CLOCK = {
    ("datetime", "now"),
    ("datetime", "utcnow"),
    ("datetime", "today"),
    ("date", "today"),
    ("time", "time"),
    ("time", "sleep"),
}
FORBIDDEN_MODULES = {"pickle", "cloudpickle", "dill", "shelve", "marshal"}
FORBIDDEN_CALLS = {"eval", "exec", "compile", "__import__"}


def imported(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative import"
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def room(path: Path) -> str:
    return path.relative_to(ROOT).parts[0]


def may_use_network(path: Path) -> bool:
    return room(path) == "service" or path.relative_to(ROOT).parts[:2] == ("data", "sources")


def tree_of(path: Path) -> ast.AST:
    return ast.parse(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_imports_point_downward(path: Path) -> None:
    above = PACKAGES[PACKAGES.index(room(path)) + 1 :]
    upward = [name for name in imported(tree_of(path)) if name.split(".")[0] in above]
    assert not upward, f"{path} imports {upward}"


def test_nobody_imports_the_bare_data_package_but_the_guard() -> None:
    bare = [
        p
        for p in FILES
        if "data" in {a.name for n in ast.walk(tree_of(p)) if isinstance(n, ast.Import) for a in n.names}
    ]
    assert bare == [ROOT / "forecast" / "__init__.py"]


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_clock_network_and_environment_stay_in_their_rooms(path: Path) -> None:
    tree = tree_of(path)
    if not may_use_network(path):
        assert not {n for n in imported(tree) if n in NETWORK or n.split(".")[0] in NETWORK - {"http"}}
    if room(path) != "service":
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                assert (node.value.id, node.attr) not in CLOCK, f"{path}:{node.lineno} reads the clock"
    if path != ROOT / "service" / "settings.py":
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute):
                assert node.attr not in ("environ", "getenv"), f"{path}:{node.lineno} reads the environment"


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_no_pickle_eval_exec_or_unsafe_load(path: Path) -> None:
    tree = tree_of(path)
    assert not {n for n in imported(tree) if n.split(".")[0] in FORBIDDEN_MODULES}
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        where = f"{path}:{node.lineno}"
        if isinstance(node.func, ast.Name):
            assert node.func.id not in FORBIDDEN_CALLS, where
        keywords = {k.arg: k.value for k in node.keywords}
        pickled = keywords.get("allow_pickle")
        assert pickled is None or (isinstance(pickled, ast.Constant) and pickled.value is False), where
        if isinstance(node.func, ast.Attribute) and isinstance(node.func.value, ast.Name):
            call = (node.func.value.id, node.func.attr)
            assert call not in {
                ("yaml", "unsafe_load"),
                ("yaml", "full_load"),
                ("joblib", "load"),
                ("pd", "read_pickle"),
            }, where
            assert call != ("torch", "load") or "weights_only" in keywords, where
            assert call != ("yaml", "load") or path == ROOT / "backtest" / "yaml12.py", where


def test_functions_and_modules_stay_small() -> None:
    for path in FILES:
        assert len(path.read_text().splitlines()) <= 600, path
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.FunctionDef):
                assert (node.end_lineno or 0) - node.lineno + 1 <= 80, f"{path}:{node.lineno} {node.name}"


def test_help_imports_no_heavy_package() -> None:
    heavy = (
        "torch",
        "sklearn",
        "statsmodels",
        "pandas",
        "lightgbm",
        "xgboost",
        "arch",
        "numba",
        "bokeh",
        "duckdb",
    )
    code = f"""
import sys, typer
from typer.testing import CliRunner
from service.cli import app
result = CliRunner().invoke(app, ["--help"])
assert result.exit_code == 0, result.output
print([name for name in {heavy!r} if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"


def test_a_naive_backtest_imports_no_torch() -> None:
    code = """
import sys
from forecast.registry import FORECASTERS
FORECASTERS.build("naive")
import backtest.walk
print("torch" in sys.modules, "sklearn" in sys.modules, "statsmodels" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "False False False"


def test_git_never_ignores_the_data_package() -> None:
    done = subprocess.run(
        ["git", "check-ignore", "data/panel.py"], capture_output=True, text=True, check=False, cwd=ROOT
    )
    if done.returncode == 128:
        pytest.skip("not a git checkout")
    assert done.stdout == ""
