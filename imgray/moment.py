"""Moments, as people and programs give them, in seconds since the epoch."""

from __future__ import annotations

from datetime import datetime

from imgray.errors import RequestError


def parse_moment(text: str) -> float:
    """Read a moment in ISO 8601 with an offset, or in seconds since the epoch.

    Raises:
        RequestError: it is neither.
    """
    try:
        return float(text)
    except ValueError:
        pass
    try:
        return seconds_of(datetime.fromisoformat(text))
    except ValueError as error:
        raise RequestError(
            f"'{text}' is no time: write ISO 8601 with an offset, as in 2030-01-31T18:00:00Z or"
            " 2030-01-31T19:00:00+01:00 (in a URL, + is %2B), or seconds since the epoch."
        ) from error


def seconds_of(moment: datetime | float) -> float:
    """Return a moment in seconds since the epoch.

    Raises:
        RequestError: it is a time of day at an unknown place.
    """
    if not isinstance(moment, datetime):
        return float(moment)
    if moment.tzinfo is None:
        raise RequestError(f"'{moment.isoformat()}' has no offset from UTC, so it is no moment: write one, as in Z.")
    return moment.timestamp()
