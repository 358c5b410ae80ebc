"""Prints what a user sees for each malformed configuration and broken file of tests/service/test_bad_input.py."""

import importlib.util
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


def cases() -> Any:
    path = ROOT / "tests" / "service" / "test_bad_input.py"
    specification = importlib.util.spec_from_file_location("bad_input", path)
    assert specification is not None and specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def main() -> None:
    bad = cases()
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        configs = [(name, bad.changed(path, value)) for name, path, value, *_ in bad.SETTINGS]
        for name, make, _ in bad.FILES:
            (place / name.replace(" ", "-")).mkdir()
            configs.append((name, bad.changed("data", bad.csv(place / name.replace(" ", "-"), make()))))
        for number, (name, config) in enumerate(configs, start=1):
            (place / "bad.yaml").write_text(bad.dump_yaml(config))
            command = [str(Path(sys.executable).parent / "wayfold"), "backtest", "bad.yaml"]
            environment = {**os.environ, "WAYFOLD_HOME": str(place / "home")}
            done = subprocess.run(
                command, cwd=place, env=environment, capture_output=True, text=True, check=False
            )
            print(
                f"{number:2d} {name} [exit {done.returncode}]\n   {done.stderr.strip().replace(folder, '.')}"
            )


if __name__ == "__main__":
    main()
