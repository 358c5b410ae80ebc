"""Doctor: what is wrong with an installation is found and makes it exit 1."""

import base64
import hashlib
from importlib.metadata import Distribution, PackageNotFoundError
from pathlib import Path

import pytest

from service.cli import main
from service.commands import doctor


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home of its own."""
    monkeypatch.setenv("WAYFOLD_HOME", str(tmp_path / "home"))
    return tmp_path


def installed(root: Path, name: str, files: dict[str, str]) -> Distribution:
    """Lay out an installed distribution as an installer does and return it."""
    rows = []
    for path, text in files.items():
        place = root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
        rows.append(f"{path},sha256={digest},{len(text)}")
    folder = root / f"{name}-1.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (folder / "RECORD").write_text("\n".join(rows) + "\n")
    return Distribution.at(folder)


def test_this_installation_is_sound(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor"]) == 0
    out = capsys.readouterr().out
    for name in ("data", "forecast", "backtest", "service"):
        assert f"package {name}" in out
    assert " bad " not in out


def test_both_builds_of_xgboost_overwrite_each_other(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(doctor, "_installed", lambda name: "3.2.0")
    assert main(["doctor"]) == 1
    assert "overwrite each other's files; uninstall one" in capsys.readouterr().out


def test_a_missing_core_package_is_bad_and_a_missing_extra_is_a_note(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "_installed", lambda name: None)
    states = {check.name: check for check in doctor._packages()}
    assert states["numpy"].state == "bad"
    assert states["extra deep"].state == "note"
    assert states["extra deep"].detail == "not installed: pip install 'wayfold[deep]'"
    assert doctor._xgboost().state == "bad"


def test_a_file_changed_since_installation_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record = installed(tmp_path, "wayfold", {"data/panel.py": "a = 1\n", "data/events.py": "b = 1\n"})
    monkeypatch.setattr(doctor, "distribution", lambda _: record)
    assert doctor._installed_files().state == "ok"
    (tmp_path / "data" / "panel.py").write_text("a = 2\n")
    assert doctor._installed_files() == doctor.Check(
        "installed files", "bad", "changed since installation: data/panel.py"
    )


def test_a_folder_on_the_path_without_an_installation_is_a_note(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> Distribution:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(doctor, "distribution", missing)
    assert doctor._installed_files().state == "note"


def test_another_distribution_with_our_package_names_is_bad(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed(tmp_path, "rival", {"data/__init__.py": ""})
    monkeypatch.syspath_prepend(tmp_path)
    check = doctor._rivals()
    assert check.state == "bad"
    assert check.detail.startswith("rival uses our package names")


def test_a_package_from_elsewhere_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    real = doctor.find_spec
    monkeypatch.setattr(doctor, "find_spec", lambda name: real("json" if name == "backtest" else name))
    states = {check.name: check.state for check in doctor._own_packages()}
    assert states == {
        "package data": "ok",
        "package forecast": "ok",
        "package backtest": "bad",
        "package service": "ok",
    }


def test_a_home_that_cannot_be_written_is_bad(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("WAYFOLD_HOME", str(tmp_path / "file"))
    assert main(["doctor"]) == 1
