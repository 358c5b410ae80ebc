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
        value: our number, NaN where it is not defined.
        low: lower end of its 95 % interval, NaN where it has none.
        high: upper end.
        published: the figure it is compared with, or None.
        is_naive: anyone can make this forecast or choice.
        p_value: how often chance does as well, or None where that is not asked.
    """

    name: str
    value: float
    low: float
    high: float
    published: float | None
    is_naive: bool
    p_value: float | None = None


@dataclass(frozen=True)
class Reproduction:
    """A finished reproduction.

    Attributes:
        claim: the published claim.
        public: what of it is public.
        measure: what the numbers are, with the unit.
        rows: the numbers.
        verdict: one or two sentences.
        digits: decimals that are shown.
    """

    claim: str
    public: str
    measure: str
    rows: tuple[Row, ...]
    verdict: str
    digits: int = 5


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
        """Return the numbers, computed from the data in ``folder`` where the claim needs any.

        Raises:
            DataError: when the data is not there.
        """


REPRODUCTIONS: Registry[AbstractReproduction] = Registry(
    "reproduction",
    {
        "analyst_rating": "backtest.reproductions.analyst_rating:AnalystRating",
        "autoformer": "backtest.reproductions.autoformer:AutoformerReproduction",
        "nifty_cnn_lstm": "backtest.reproductions.nifty_cnn_lstm:NiftyCnnLstm",
        "nifty_ml": "backtest.reproductions.nifty_ml:NiftyMl",
        "nifty_persistence": "backtest.reproductions.nifty_persistence:NiftyPersistence",
        "sharpe_ratio_at_k": "backtest.reproductions.sharpe_ratio_at_k:SharpeRatioAtK",
        "three_slots": "backtest.reproductions.three_slots:ThreeSlots",
        "variance_horizon": "backtest.reproductions.variance_horizon:VarianceHorizonCosts",
    },
    "wayfold.reproductions",
)


def require_file(folder: Path, name: str) -> Path:
    """Return the path of a data file, or raise a DataError that says how to name its folder."""
    path = folder / name
    if not path.is_file():
        raise DataError(f"'{name}' was not found in {folder}; name the folder that holds it with --data")
    return path
