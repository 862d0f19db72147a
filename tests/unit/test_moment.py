from __future__ import annotations

from datetime import UTC, datetime

import pytest

from imgray.errors import RequestError
from imgray.moment import parse_moment, seconds_of

NEW_YEAR = 1_893_456_000.0


@pytest.mark.parametrize(
    "text",
    ["1893456000", "1893456000.0", "2030-01-01T00:00:00Z", "2030-01-01T01:00:00+01:00", "20300101T000000+0000"],
)
def test_a_moment_is_written_in_iso_8601_or_in_seconds(text: str) -> None:
    assert parse_moment(text) == NEW_YEAR


@pytest.mark.parametrize("text", ["", "tomorrow", "2030-13-01T00:00:00Z", "2030-01-01T01:00:00 01:00", "1893456000s"])
def test_what_is_no_moment_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(RequestError, match="ISO 8601 with an offset"):
        parse_moment(text)


def test_a_time_of_day_without_an_offset_is_no_moment() -> None:
    with pytest.raises(RequestError, match="no offset"):
        parse_moment("2030-01-01T00:00:00")
    with pytest.raises(RequestError, match="no offset"):
        seconds_of(datetime(2030, 1, 1))  # noqa: DTZ001  # that is the point


def test_a_datetime_is_a_moment() -> None:
    assert seconds_of(datetime(2030, 1, 1, tzinfo=UTC)) == NEW_YEAR == seconds_of(NEW_YEAR)
