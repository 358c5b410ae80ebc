"""Prices as models see them: adjusted forward by the actions dated so far."""

import numpy as np

from data.panel import Floats, Panel

ADJUSTED_FIELDS = ("open", "high", "low", "close")


def adjusted(panel: Panel, field: str) -> Floats:
    """Return a field as (T, S), NaN where not observed; prices are multiplied by the panel's ``factor`` if it has one.

    The factor is the product of the actions dated up to each row, so nothing later rescales the past.
    """
    values = panel.field(field)
    if "factor" in panel.fields and field in ADJUSTED_FIELDS:
        return np.asarray(values * panel.field("factor"))
    return np.asarray(values)
