"""The pages that lead to a file are true: every module is listed as it describes itself, and every path named exists."""

import ast
import re
from pathlib import Path

from backtest.spec import SECTIONS

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("data", "forecast", "backtest", "service")
ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text()


def listed_as(path: Path) -> str:
    """The line of a module in docs/modules.md; an ``__init__.py`` stands for its folder."""
    place = (
        f"{path.parent.relative_to(ROOT)}/"
        if path.name == "__init__.py"
        else path.relative_to(ROOT).as_posix()
    )
    return f"- `{place}`: {(ast.get_docstring(ast.parse(path.read_text())) or 'None').splitlines()[0]}"


def test_every_module_is_listed_with_its_own_first_line_and_no_other_is() -> None:
    files = [path for package in PACKAGES for path in (ROOT / package).rglob("*.py")]
    wanted = {
        listed_as(path) for path in files if path.parent.name not in PACKAGES or path.name != "__init__.py"
    }
    written = [line for line in (ROOT / "docs/modules.md").read_text().splitlines() if line.startswith("- ")]
    assert wanted - set(written) == set(), "docs/modules.md lacks these lines"
    assert set(written) - wanted == set(), "docs/modules.md has lines of no module"
    assert len(written) == len(set(written))


def test_every_path_the_architecture_names_exists() -> None:
    paths = re.findall(rf"`((?:{'|'.join(PACKAGES)})/[\w/.]*)`", ARCHITECTURE)
    assert len(paths) > 20
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_every_entry_point_group_is_named() -> None:
    assert [role for role, table in SECTIONS.items() if f"`{table.group}`" not in ARCHITECTURE] == []
