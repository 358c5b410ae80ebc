"""From history to a distribution of the future: models, calibration and scores."""

from pathlib import Path

import data

_ours, _theirs = Path(__file__).resolve().parent.parent, Path(data.__file__ or "?").resolve().parent.parent
if _ours != _theirs:
    raise ImportError(
        f"'data' was imported from {_theirs}, not from {_ours}: another folder or package named 'data' is in front on sys.path"
    )
