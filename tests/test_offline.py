"""The demo needs no network and touches nothing but the project, its environment and its home."""

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

WATCHED = """
import json, os, sys
opened = []

def watch(event, arguments):
    if event.startswith("socket.") and event != "socket.gethostname":
        raise RuntimeError(f"the demo used the network: {event} {arguments}")
    if event == "open" and isinstance(arguments[0], (str, bytes)):
        flags = arguments[2] or 0
        opened.append((os.fsdecode(arguments[0]), bool(flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))))

from service.cli import main
sys.addaudithook(watch)
code = main(sys.argv[1:])
print(json.dumps({"code": code, "opened": sorted(set(opened))}))
"""


def run_watched(home: Path, *arguments: str) -> tuple[dict[str, object], dict[str, object]]:
    """Return the JSON a command printed, and its exit code with every file opened (path, whether to write)."""
    environment = {**os.environ, "WAYFOLD_HOME": str(home), "HOME": str(home), "TMPDIR": str(home)}
    done = subprocess.run(
        [sys.executable, "-c", WATCHED, *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=home,
        env={**environment, "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stderr
    document, _, watched = done.stdout.rstrip().rpartition("\n")
    return json.loads(document), json.loads(watched)


def inside(path: str, folders: list[Path]) -> bool:
    place = Path(os.path.realpath(path))
    return any(place.is_relative_to(folder) for folder in folders)


def test_the_demo_runs_without_a_network_and_reads_nothing_outside(tmp_path: Path) -> None:
    home = tmp_path.resolve()
    result, watched = run_watched(home, "demo", "--json", "--set", "data.start=2009-09-01")
    assert watched["code"] == 0
    assert Path(str(result["report"])).is_file()
    environment = [Path(p).resolve() for p in (sys.prefix, sys.base_prefix, ROOT)]
    system = [Path(p) for p in ("/proc", "/sys", "/dev", "/etc", "/usr", "/lib")]
    opened = watched["opened"]
    assert isinstance(opened, list)
    read = [path for path, is_written in opened if not is_written]
    assert any(path.endswith("quickstart.yaml") for path in read)
    written = [path for path, is_written in opened if is_written]
    assert not [path for path in read if not inside(path, [home, *environment, *system])]
    caches = [path for path in written if "__pycache__" in path]
    assert not [p for p in written if p not in caches and not inside(p, [home, Path("/dev")])]
