"""A Redis of a turn's own, for the peers that need a broker: each change is appended to a file, synced every second."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from contenders.processes import free_port, said_version, server

PROGRAM = "redis-server"
INSTALL = "pip install '.[bench]'; apt-get install redis-server"

NOTE = "with Redis: appendonly yes, synced every second (its default), no snapshots"


@contextmanager
def redis_server(scratch: Path) -> Iterator[str]:
    """Have a Redis running for as long as the ``with`` block lasts; give its URL."""
    port = free_port()
    folder = scratch / "redis"
    folder.mkdir()
    command = [PROGRAM, "--bind", "127.0.0.1", "--port", str(port), "--dir", str(folder)]
    with server([*command, "--appendonly", "yes", "--save", ""], scratch, port):
        yield f"redis://127.0.0.1:{port}/0"


def redis_version() -> dict[str, str]:
    """Return the version of the server."""
    words = said_version([PROGRAM, "--version"]).split()
    return {PROGRAM: next((word[2:] for word in words if word.startswith("v=")), "?")}
