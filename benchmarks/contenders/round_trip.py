"""A client of imgray's HTTP interface, as small as can be: upload, wait, download."""

from __future__ import annotations

import json
import urllib.parse
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from pathlib import Path
from threading import local

from contenders.base import FileJob

_WAIT_S = 30
_ACCEPTED = 202
_OK = 200


class RoundTripError(Exception):
    """A task did not come back as it should."""


def submit(connection: HTTPConnection, pipeline: str, body: bytes) -> str:
    """Submit a task, and return its location.

    Raises:
        RoundTripError: it was refused.
    """
    connection.request("POST", f"/v1/tasks?pipeline={urllib.parse.quote(pipeline)}", body)
    answer = connection.getresponse()
    said = answer.read()
    if answer.status != _ACCEPTED:
        raise RoundTripError(f"a submission was answered with {answer.status}: {said[:200]!r}")
    return str(answer.headers["Location"])


def submit_and_wait(connection: HTTPConnection, pipeline: str, body: bytes) -> None:
    """Submit a task, and wait until it has succeeded.

    Raises:
        RoundTripError: it was refused, or has not.
    """
    location = submit(connection, pipeline, body)
    state = ""
    while state not in {"succeeded", "failed", "cancelled"}:
        connection.request("GET", f"{location}?wait_s={_WAIT_S}")
        task = json.loads(connection.getresponse().read())
        state = task["state"]
    if state != "succeeded":
        raise RoundTripError(f"a task {state}: {task['error']}")


def travel(port: int, pipeline: str, jobs: Sequence[FileJob], clients: int) -> None:
    """Upload each source, download the result when it is there, and write it; each client keeps a connection."""
    mine = local()

    def one(job: FileJob) -> None:
        if not hasattr(mine, "connection"):
            mine.connection = HTTPConnection("127.0.0.1", port)
        location = submit(mine.connection, pipeline, Path(job.source).read_bytes())
        mine.connection.request("GET", f"{location}/outputs/image?wait_s={_WAIT_S}")
        answer = mine.connection.getresponse()
        data = answer.read()
        if answer.status != _OK:
            raise RoundTripError(f"a result was answered with {answer.status}")
        Path(job.destination).write_bytes(data)

    with ThreadPoolExecutor(clients) as pool:
        for _ in pool.map(one, jobs):
            pass
