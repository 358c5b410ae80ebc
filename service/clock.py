"""The clock: the one place that knows what time it is."""

from datetime import UTC, datetime


def now_utc() -> datetime:
    """Return the present instant in UTC."""
    return datetime.now(UTC)
