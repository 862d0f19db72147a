"""Servers that a turn starts, and ends."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

BENCHMARKS = Path(__file__).resolve().parents[1]

_START_S = 60.0
_STOP_S = 15.0
_LOOK_S = 0.05
_SAID = 2000  # characters of a server's last words


class ServerError(Exception):
    """A server did not start."""


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def server(
    command: Sequence[str], scratch: Path, port: int | None = None, env: Mapping[str, str] | None = None
) -> Iterator[None]:
    """Have a program running for as long as the ``with`` block lasts; with a port, from when it can be reached.

    Raises:
        ServerError: it ended, or cannot be reached after a minute.
    """
    log = scratch / f"{Path(command[0]).name}.log"
    paths = {"PYTHONPATH": os.pathsep.join([str(BENCHMARKS), os.environ.get("PYTHONPATH", "")])}
    with log.open("ab") as output:
        process = subprocess.Popen(  # noqa: S603  # the contenders' own programs
            command,
            cwd=scratch,
            env={**os.environ, **paths, **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    try:
        if port is not None:
            _reach(process, port, log)
        yield
    finally:
        process.terminate()
        try:
            process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _reach(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(_LOOK_S)
        else:
            return
    said = log.read_text(encoding="utf-8", errors="replace")[-_SAID:].strip()
    raise ServerError(f"{log.stem} cannot be reached. It said: {said or 'nothing'}")


def said_version(command: Sequence[str]) -> str:
    """Return what a program says when asked for its version."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_START_S)  # noqa: S603
    return (done.stdout or done.stderr).strip().splitlines()[0]
