"""Settings: the only reader of the environment."""

import os
from dataclasses import dataclass, field
from pathlib import Path

from platformdirs import user_data_path

HOME_VARIABLE = "WAYFOLD_HOME"
ETHEREUM_URL_VARIABLE = "WAYFOLD_ETHEREUM_URL"


@dataclass(frozen=True)
class Settings:
    """Where this machine keeps Wayfold's files, and the network service it names.

    Attributes:
        home: folder of runs, lake and trial ledger.
        ethereum_url: address of an Ethereum node, None when none is named; it may hold a key, so nothing shows it.
    """

    home: Path
    ethereum_url: str | None = field(default=None, repr=False)

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
    """Return the settings of this process.

    ``WAYFOLD_HOME`` is the home, else the platform's user data folder; ``WAYFOLD_ETHEREUM_URL`` is the node. An empty variable
    is none.
    """
    home = os.environ.get(HOME_VARIABLE, "").strip()
    url = os.environ.get(ETHEREUM_URL_VARIABLE, "").strip()
    return Settings(Path(home).expanduser() if home else user_data_path("wayfold"), url or None)
