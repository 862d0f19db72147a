"""Server-sent events of a service, in which a command follows what a job writes."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from imgray.cli.http import AWAY, answer_of
from imgray.errors import ServiceError
from imgray.retry import Backoff

_ATTEMPTS = 5  # to reach a service again
_AGAIN = Backoff(base_s=0.5, cap_s=5.0)


@dataclass(frozen=True, slots=True)
class Event:
    """One event. One without a kind is a sign of life."""

    kind: str
    data: dict[str, Any]
    id: str


def output_events(url: str, path: str, offset: int, *, follow: bool) -> Iterator[Event]:
    """Yield the events of a job's output, from an offset on; the last is ``end``, unless the job goes on.

    A connection that breaks is taken up again behind the last event.

    Raises:
        AnsweredError: the service refuses; it says why.
        ServiceError: it does not answer.
    """
    failures = _ATTEMPTS  # what was never reached is not tried again
    while True:
        try:
            for event in _connection(url, path, offset, follow=follow):
                failures = 0
                offset = int(event.id or offset)
                yield event
        except AWAY:
            failures += 1
            if failures > _ATTEMPTS:
                raise
            time.sleep(_AGAIN.delay_s(failures, random.Random()))  # noqa: S311  # jitter
        else:
            return


def _connection(url: str, path: str, offset: int, *, follow: bool) -> Iterator[Event]:
    """Yield what comes through one connection."""
    query = {"offset": offset, "follow": follow}
    with answer_of(url, path, query=query, headers={"Accept": "text/event-stream"}) as answer:
        for event in _parsed(answer):
            yield event
            if event.kind == "end":
                return
    if follow:
        raise ServiceError(f"The service at {url} broke off.")


def _parsed(lines: Iterable[bytes]) -> Iterator[Event]:
    fields: dict[str, str] = {}
    for line in lines:
        name, _, value = line.decode().rstrip("\r\n").partition(":")
        if name or value:
            fields[name] = value.removeprefix(" ")
            continue
        yield Event(fields.get("event", ""), json.loads(fields.get("data", "{}")), fields.get("id", ""))
        fields = {}
