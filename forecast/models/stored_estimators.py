"""scikit-learn estimators on disk through skops: no pickle, and no type that is not named here."""

import warnings
from collections.abc import Collection
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

from forecast.errors import ForecastError

TREE = "sklearn.tree._tree.Tree"
"""The compiled arrays of a tree: the one type of the ensembles that skops does not take unasked."""


def store_estimator(estimator: Any, path: Path) -> None:
    """Write a fitted scikit-learn estimator."""
    import skops.io

    path.write_bytes(skops.io.dumps(estimator))


def restore_estimator(path: Path, kind: type, trusted: Collection[str] = ()) -> Any:
    """Return the estimator that ``store_estimator`` wrote, to the last bit.

    Args:
        path: the file.
        kind: the class it must be.
        trusted: types beyond those that skops itself takes for harmless.

    Raises:
        ForecastError: when the file is missing or damaged, holds another type or another class, or was written by another
            version of scikit-learn.
    """
    import skops.io
    from sklearn.exceptions import InconsistentVersionWarning
    from skops.io.exceptions import UntrustedTypesFoundException

    with warnings.catch_warnings():
        warnings.simplefilter("error", InconsistentVersionWarning)
        try:
            found = skops.io.loads(path.read_bytes(), trusted=list(trusted))
        except InconsistentVersionWarning as warning:
            raise ForecastError(f"{path.name} was written by another scikit-learn: {warning}") from warning
        except UntrustedTypesFoundException as error:
            raise ForecastError(f"{path.name} holds a type that is not expected: {error}") from error
        except (OSError, ValueError, KeyError, TypeError, BadZipFile) as error:
            raise ForecastError(f"{path.name} cannot be read: {error}") from error
    if type(found) is not kind:
        raise ForecastError(f"{path.name} holds a {type(found).__name__}; {kind.__name__} was expected")
    return found
