"""The clock: the one place that knows what time it is, and that waits."""

import time
from datetime import UTC, datetime


def now_utc() -> datetime:
    """Return the present instant in UTC."""
    return datetime.now(UTC)


def pause(seconds: float) -> None:
    """Wait."""
    time.sleep(seconds)
