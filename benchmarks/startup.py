"""How long `wayfold --help` takes beside an empty typer application, and beside importing one heavy package.

python benchmarks/startup.py
"""

import argparse
import subprocess
import sys
import time
from pathlib import Path

PEERS = {
    "wayfold --help": [str(Path(sys.executable).parent / "wayfold"), "--help"],
    "empty typer app --help": [
        sys.executable,
        "-c",
        "import typer; app = typer.Typer()\n@app.command()\ndef one(): ...\n@app.command()\ndef two(): ...\napp(['--help'])",
    ],
    "import pandas": [sys.executable, "-c", "import pandas"],
    "import torch": [sys.executable, "-c", "import torch"],
}


def seconds(command: list[str]) -> float:
    begun = time.perf_counter()
    subprocess.run(command, capture_output=True, check=True)
    return time.perf_counter() - begun


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, help="not used; every benchmark takes it")
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    best = {name: min(seconds(command) for _ in range(arguments.rounds)) for name, command in PEERS.items()}
    for name, value in best.items():
        print(
            f"{name:24s} {value:6.3f} s   {value / best['empty typer app --help']:5.2f} x an empty typer app"
        )


if __name__ == "__main__":
    main()
