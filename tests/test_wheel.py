"""What a user installs: four packages, the samples and the configurations, and nothing else."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    subprocess.run(command, capture_output=True, check=True)
    [path] = folder.glob("*.whl")
    with zipfile.ZipFile(path) as archive:
        return archive.namelist()


def test_the_wheel_holds_our_packages_only(wheel: list[str]) -> None:
    tops = {name.split("/")[0] for name in wheel}
    assert {top for top in tops if not top.endswith(".dist-info")} == {
        "data",
        "forecast",
        "backtest",
        "service",
    }


def test_the_wheel_holds_every_module(wheel: list[str]) -> None:
    for package in ("data", "forecast", "backtest", "service"):
        for path in (ROOT / package).rglob("*.py"):
            assert path.relative_to(ROOT).as_posix() in wheel


def test_the_wheel_carries_configurations_samples_and_templates(wheel: list[str]) -> None:
    assert "service/_configs/quickstart.yaml" in wheel
    assert any(name.startswith("data/samples/") and name.endswith(".parquet") for name in wheel)
    assert any(name.startswith("backtest/report/templates/") for name in wheel)


def test_the_wheel_carries_the_licence_and_nothing_private(wheel: list[str]) -> None:
    assert any(name.endswith("licenses/LICENSE") for name in wheel)
    assert not [name for name in wheel if name.startswith("tests") or name.endswith((".ipynb", ".pyc"))]
