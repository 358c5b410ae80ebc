"""One thread: numerical libraries held to one, so that results depend on no machine's number of cores."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any


@contextmanager
def one_thread() -> Iterator[None]:
    """Hold the numerical libraries to one thread, so that results depend on no machine's number of cores."""
    with _controller().limit(limits=1):
        yield


@lru_cache(maxsize=1)
def _controller() -> Any:
    """Return the control over the thread pools of the libraries scikit-learn brings; finding them takes milliseconds."""
    import sklearn.utils.extmath  # noqa: F401 - the pools must be loaded to be found
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()
