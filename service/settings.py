"""Settings: the only reader of the environment."""

import os
from dataclasses import dataclass
from pathlib import Path

from platformdirs import user_data_path

HOME_VARIABLE = "WAYFOLD_HOME"


@dataclass(frozen=True)
class Settings:
    """Where this machine keeps Wayfold's files.

    Attributes:
        home: folder of runs, lake and trial ledger.
    """

    home: Path

    @property
    def runs(self) -> Path:
        """Folder with one folder a run."""
        return self.home / "runs"

    @property
    def lake(self) -> Path:
        """Folder of immutable data files."""
        return self.home / "lake"

    @property
    def audits(self) -> Path:
        """Folder with one JSON file an audited run."""
        return self.home / "audits"

    @property
    def trials(self) -> Path:
        """The trial ledger."""
        return self.home / "trials.jsonl"


def read_settings() -> Settings:
    """Return the settings of this process: ``WAYFOLD_HOME``, or the platform's user data folder."""
    home = os.environ.get(HOME_VARIABLE, "").strip()
    return Settings(Path(home).expanduser() if home else user_data_path("wayfold"))
