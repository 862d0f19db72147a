"""A generator of HTTP load that takes little of the processor itself: threads, sockets, a connection per request."""

from __future__ import annotations

import hashlib
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from typing import Protocol

from contenders.base import Shot

_CHUNK = 1 << 18
_TIMEOUT_S = 60.0
_KEPT = 20  # different bodies that are kept to be looked at


class UnexpectedAnswerError(Exception):
    """A server answered otherwise than it should."""


@dataclass(frozen=True, slots=True)
class Volley:
    """What came of many requests: how long they took together, and the different bodies."""

    requests: int
    elapsed_s: float
    bodies: tuple[bytes, ...]

    @property
    def rate(self) -> float:
        """Requests per second."""
        return self.requests / self.elapsed_s


class Fire(Protocol):
    """Makes many requests, from another process."""

    def __call__(self, shot: Shot, count: int, connections: int) -> Volley:
        """Raise `UnexpectedAnswerError` if one is not answered as expected."""


@contextmanager
def gunner() -> Iterator[Fire]:
    """Have a process that makes requests."""
    with ProcessPoolExecutor(1, get_context("spawn")) as process:
        yield lambda shot, count, connections: process.submit(fire, shot, count, connections).result()


def fire(shot: Shot, count: int, connections: int) -> Volley:
    """Make a request so many times, over so many connections at a time.

    Raises:
        UnexpectedAnswerError: one is not answered as expected.
    """
    request = _request(shot)
    bodies: dict[bytes, bytes] = {}

    def one(_number: int) -> None:
        body = _exchange(shot, request)
        digest = hashlib.sha256(body).digest()
        if len(bodies) < _KEPT:
            bodies.setdefault(digest, body)

    begun = time.perf_counter()
    with ThreadPoolExecutor(connections) as threads:
        for _ in threads.map(one, range(count)):
            pass
    return Volley(count, time.perf_counter() - begun, tuple(bodies.values()))


def _request(shot: Shot) -> bytes:
    body = shot.body.read_bytes() if shot.body else b""
    head = [f"{shot.method} {shot.target} HTTP/1.1", f"Host: 127.0.0.1:{shot.port}", "Connection: close", "Accept: */*"]
    if shot.body:
        head += [f"Content-Length: {len(body)}", "Content-Type: application/octet-stream"]
    return "\r\n".join([*head, "", ""]).encode("ascii") + body


def _exchange(shot: Shot, request: bytes) -> bytes:
    """Make a request, and return the body of the answer, which ends with the connection."""
    with socket.create_connection(("127.0.0.1", shot.port), _TIMEOUT_S) as connection:
        connection.sendall(request)
        answer = b"".join(iter(lambda: connection.recv(_CHUNK), b""))
    head, _, body = answer.partition(b"\r\n\r\n")
    status, *headers = head.decode("latin-1").lower().split("\r\n")
    if status.split()[1:2] != [str(shot.expects)]:
        raise UnexpectedAnswerError(f"answered with '{status}', not {shot.expects}: {body[:200]!r}")
    if "transfer-encoding: chunked" in headers:
        return _joined(body)
    lengths = [header.split(":")[1].strip() for header in headers if header.startswith("content-length:")]
    if lengths and int(lengths[0]) != len(body):
        raise UnexpectedAnswerError(f"answered with {len(body)} bytes of {lengths[0]}")
    return body


def _joined(body: bytes) -> bytes:
    """Join the chunks of a body (RFC 9112, 7.1).

    Raises:
        UnexpectedAnswerError: the last one is missing.
    """
    chunks: list[bytes] = []
    while body:
        size, _, rest = body.partition(b"\r\n")
        length = int(size.split(b";")[0], 16)
        if length == 0:
            return b"".join(chunks)
        chunks.append(rest[:length])
        body = rest[length + 2 :]
    raise UnexpectedAnswerError("a chunked answer was cut")
