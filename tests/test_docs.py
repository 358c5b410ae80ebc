"""The documents are true: their commands run, their links and scripts exist, and every kind is named in them."""

import json
import os
import re
import shlex
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import get_args

import pytest

import data.quality
from backtest.spec import SECTIONS
from data.repairs import Repairs
from service.cli import main

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```bash\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[[^]]*\]\(([^)#\s]+)")
SCRIPT = re.compile(r"\bscripts/(\w+)")
SHARED = "../shared/data"


def named(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def commands(page: Path) -> Iterator[str]:
    for block in BLOCK.findall(page.read_text()):
        yield from (line for line in block.splitlines() if line.strip())


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_command_of_a_page_runs(
    page: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("WAYFOLD_HOME", str(tmp_path))
    monkeypatch.chdir(ROOT)
    for line in commands(page):
        program, *arguments = shlex.split(line, comments=True)
        assert program == "wayfold", f"{line}: only wayfold is run here; mark other blocks as console"
        if SHARED in arguments and not (ROOT / SHARED).is_dir():
            continue
        assert main(arguments) == 0, f"{line}: {capsys.readouterr().err}"
        assert capsys.readouterr().out, line
    if page.name == "README.md":
        assert main(["runs", "show", "latest", "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["verdict"]["status"] == "no skill shown"


def test_the_readme_shows_commands() -> None:
    assert len(list(commands(ROOT / "README.md"))) >= 5


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    links = [link for link in LINK.findall(page.read_text()) if "://" not in link]
    missing = [link for link in links if not (page.parent / link).exists()]
    assert not missing


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_script_named_exists_and_can_be_run(page: Path) -> None:
    for name in set(SCRIPT.findall(page.read_text())):
        path = ROOT / "scripts" / name
        assert path.is_file(), f"scripts/{name}"
        assert os.access(path, os.X_OK), f"scripts/{name} is not executable"


KINDS = sorted({(role, kind) for role, registry in SECTIONS.items() for kind in registry.names()})


@pytest.mark.parametrize(("role", "kind"), KINDS, ids=[f"{role}-{kind}" for role, kind in KINDS])
def test_every_kind_is_explained(role: str, kind: str) -> None:
    text = "\n".join(page.read_text() for page in PAGES)
    assert f"`{kind}`" in text, f"{role} kind {kind} is named nowhere in docs/"


def test_every_shipped_configuration_is_named_in_the_readme() -> None:
    text = (ROOT / "README.md").read_text()
    for path in (ROOT / "configs").glob("*.yaml"):
        assert f"`{path.stem}`" in text


def test_the_stored_tables_are_those_the_architecture_lists(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import pandas as pd

    from backtest.yaml12 import dump_yaml

    config = {
        "data": {"kind": "synthetic", "count": 1, "bars": 260},
        "forecaster": {"kind": "naive", "context": 20},
        "folds": {"kind": "rolling", "train": 160, "test": 50},
        "policy": "long_flat",
        "costs": "us_equities",
    }
    monkeypatch.setenv("WAYFOLD_HOME", str(tmp_path))
    (tmp_path / "small.yaml").write_text(dump_yaml(config))
    assert main(["backtest", str(tmp_path / "small.yaml"), "--quiet"]) == 0
    rows = re.findall(r"^\| `(\w+)` \| (.+) \|$", (ROOT / "docs/architecture.md").read_text(), re.MULTILINE)
    documented = {
        name: re.sub(r"\(.*?\)|: `q.*", "", columns)
        for name, columns in rows
        if "," in columns and name != "data"
    }
    stored = {path.stem: pd.read_parquet(path) for path in (tmp_path / "runs").glob("*/*.parquet")}
    assert set(documented) == set(stored)
    for name, table in stored.items():
        written = [word.strip() for word in documented[name].split(",")]
        columns = [c for c in table.columns if not re.fullmatch(r"q0\.\d+", c)]
        assert [word for word in written if word and "then" not in word] == columns, name


def test_every_finding_and_every_repair_is_explained() -> None:
    page = (ROOT / "docs" / "data.md").read_text()
    kinds = set(re.findall(r"\b([a-z]+(?:_[a-z]+)*) (?:[eiw]\b)", data.quality.__doc__ or "")) - {"or"}
    choices = {choice for part in fields(Repairs) for choice in get_args(part.type)}
    assert len(kinds) > 20
    words = {*kinds, *choices, *(part.name for part in fields(Repairs))}
    assert not {word for word in words if f"`{word}`" not in page}
