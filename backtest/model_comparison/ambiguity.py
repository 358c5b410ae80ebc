"""Ambiguity: how often equally good models disagree on whether the forecast is up or down.

Predictive multiplicity (Watson-Daniels, Parkes and Ustun 2022) for a trader: where models that cannot be told apart point to
opposite sides, the side is a choice of the modeller, not knowledge.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from data.panel import Floats


@dataclass(frozen=True)
class Ambiguity:
    """The share of cells at which two of the models forecast opposite directions.

    Attributes:
        share: of the cells (cutoff, series) at which two models or more forecast; NaN where there is none.
        cells: number of these cells.
        members: number of forecasts compared.
    """

    share: float
    cells: int
    members: int


def directions(forecasts: pd.DataFrame) -> pd.DataFrame:
    """Return the sign of each model's median move to its last step, one row a (cutoff, series), one column a model.

    Args:
        forecasts: the table ``forecasts`` of an evaluation of levels.
    """
    last_step = forecasts[forecasts["step"] == forecasts["step"].max()]
    signs = last_step.assign(sign=np.sign(last_step["q0.5"] - last_step["last"]))
    return pd.DataFrame(
        signs.pivot_table(index=["cutoff", "series"], columns="model", values="sign", aggfunc="first")
    )


def ambiguity(signs: pd.DataFrame, members: Sequence[str]) -> Ambiguity:
    """Return how often forecasts of the members point to opposite sides; one that does not move takes no side."""
    own: Floats = signs.reindex(columns=list(members)).to_numpy(np.float64)
    compared = (~np.isnan(own)).sum(axis=1) >= 2
    opposite = (own == 1).any(axis=1) & (own == -1).any(axis=1)
    count = int(compared.sum())
    share = float(opposite[compared].mean()) if count else float("nan")
    return Ambiguity(share, count, len(members))
