"""The role of a reproduction: a published claim, our number with its interval, the naive row, and the verdict."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path

from data.errors import DataError
from data.registry import Registry, spec


@dataclass(frozen=True)
class Row:
    """One number of a reproduction.

    Attributes:
        name: what it is.
        value: our number.
        low: lower end of its 95 % interval.
        high: upper end.
        published: the figure it is compared with, or None.
        is_naive: anyone can make this forecast.
    """

    name: str
    value: float
    low: float
    high: float
    published: float | None
    is_naive: bool


@dataclass(frozen=True)
class Reproduction:
    """A finished reproduction.

    Attributes:
        claim: the published claim.
        public: what of it is public.
        rows: the numbers.
        verdict: one or two sentences.
    """

    claim: str
    public: str
    rows: tuple[Row, ...]
    verdict: str


@spec
class AbstractReproduction(ABC):
    """A published claim and the settings of its re-run.

    Attributes:
        claim: the claim in one sentence.
        public: what of the original (data, code, tables) is public.
    """

    claim: str
    public: str

    @abstractmethod
    def run(self, folder: Path) -> Reproduction:
        """Return the numbers, computed from the data in ``folder``.

        Raises:
            DataError: when the data is not there.
        """


REPRODUCTIONS: Registry[AbstractReproduction] = Registry(
    "reproduction",
    {"nifty_persistence": "backtest.reproductions.nifty_persistence:NiftyPersistence"},
    "wayfold.reproductions",
)


def require_file(folder: Path, name: str) -> Path:
    """Return the path of a data file, or raise a DataError that says how to name its folder."""
    path = folder / name
    if not path.is_file():
        raise DataError(f"'{name}' was not found in {folder}; name the folder that holds it with --data")
    return path
