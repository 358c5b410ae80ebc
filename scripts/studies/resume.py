"""Kill storm: a run killed with SIGKILL at random moments and started again must end in the bits of an uninterrupted run."""

import argparse
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

WAYFOLD = [str(Path(sys.executable).parent / "wayfold"), "backtest"]
SETTINGS = ["crypto_hourly", "--quiet", "--set", "folds.test=120", "--set", "data.bars=2400"]
VOLATILE = {"fits": ["cpu_seconds"]}


def start(home: Path) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "WAYFOLD_HOME": str(home)}
    return subprocess.Popen([*WAYFOLD, *SETTINGS], env=environment, stdout=subprocess.DEVNULL)


def tables(home: Path) -> dict[str, pd.DataFrame]:
    [folder] = [path.parent for path in home.glob("runs/*/run.json")]
    assert not list(home.glob("runs/.*")), "something half-written is left"
    found = {path.stem: pd.read_parquet(path) for path in folder.glob("*.parquet")}
    return {name: table.drop(columns=VOLATILE.get(name, [])) for name, table in found.items()}


def storm(home: Path, rng: np.random.Generator, longest: float) -> int:
    kills = 0
    while True:
        run = start(home)
        try:
            code = run.wait(timeout=float(rng.uniform(1.5, longest)))
        except subprocess.TimeoutExpired:
            run.send_signal(signal.SIGKILL)
            run.wait()
            kills += 1
            continue
        assert code == 0, f"exit code {code}"
        return kills


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--longest", type=float, default=5.0, help="seconds a try may live")
    arguments = parser.parse_args()
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        calm = Path(folder) / "calm"
        assert start(calm).wait() == 0
        expected = tables(calm)
        for number in range(arguments.rounds):
            home = Path(folder) / f"storm-{number}"
            kills = storm(home, rng, arguments.longest)
            got = tables(home)
            assert got.keys() == expected.keys()
            for name, table in expected.items():
                pd.testing.assert_frame_equal(got[name], table, check_exact=True, obj=name)
            print(
                f"round {number + 1}: {kills} SIGKILLs, {len(got)} tables equal to the last bit, nothing half-written"
            )


if __name__ == "__main__":
    main()
