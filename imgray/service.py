"""A service on this machine, as a process; the note in its data folder by which it is found and ended."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from imgray.errors import ServiceError

NOTE = "service.json"
LOG = "service.log"

START_TIMEOUT_S = 120.0
STOP_TIMEOUT_S = 60.0
_POLL_S = 0.1  # how often another process is looked at; there is no event to wait for


@dataclass(frozen=True, slots=True)
class Note:
    """Where a service is: written when it is ready, removed when it ends.

    ``born`` is the start of its process as the kernel tells it: a process that got the same id later has another.
    """

    pid: int
    born: str
    url: str

    @property
    def alive(self) -> bool:
        """True when its process is there."""
        return bool(self.born) and _born(self.pid) == self.born


@contextmanager
def noted(data: Path, url: str) -> Iterator[None]:
    """Leave a note for as long as the ``with`` block lasts."""
    note = data / NOTE
    aside = note.with_suffix(".new")
    aside.write_text(json.dumps(asdict(Note(os.getpid(), _born(os.getpid()), url))), encoding="utf-8")
    aside.replace(note)
    try:
        yield
    finally:
        note.unlink(missing_ok=True)


def find(data: Path) -> Note | None:
    """Return the note of the service that runs on a data folder, or None."""
    try:
        note = Note(**json.loads((data / NOTE).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None
    return note if note.alive else None


def running(data: Path) -> Note:
    """Return the note of the service that runs on a data folder.

    Raises:
        ServiceError: there is none.
    """
    note = find(data)
    if note is None:
        raise ServiceError(f"No service is running on '{data}' (--data).")
    return note


def start_detached(data: Path, arguments: Sequence[str]) -> Note:
    """Start a service that outlives this process and its terminal, and wait until it is ready.

    Raises:
        ServiceError: it ended, or did not become ready in time.
    """
    data.mkdir(parents=True, exist_ok=True)
    log = data / LOG
    with log.open("ab") as output:
        start = output.tell()
        process = subprocess.Popen(  # noqa: S603  # ourselves, with arguments that were parsed
            [sys.executable, "-m", "imgray", "serve", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            env={name: value for name, value in os.environ.items() if name != "IMGRAY_DETACH"},  # once is enough
        )
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline:
        note = find(data)
        if note is not None and note.pid == process.pid:
            return note
        if process.poll() is not None:
            with log.open("rb") as written:
                written.seek(start)
                said = written.read().decode(errors="replace").strip()
            raise ServiceError(f"The service ended at once. It said: {said or 'nothing'}")
        time.sleep(_POLL_S)
    raise ServiceError(f"The service (process {process.pid}) is not ready after {START_TIMEOUT_S:g} s; see {log}.")


def stop(data: Path, drain_s: float) -> Note:
    """Ask the service on a data folder to end, and wait until it has; it may take ``drain_s`` for its commands.

    Raises:
        ServiceError: there is none, or it did not end in time.
    """
    note = running(data)
    os.kill(note.pid, signal.SIGTERM)
    patience_s = STOP_TIMEOUT_S + drain_s
    deadline = time.monotonic() + patience_s
    while note.alive:
        if time.monotonic() > deadline:
            raise ServiceError(f"The service (process {note.pid}) has not ended after {patience_s:g} s.")
        time.sleep(_POLL_S)
    return note


def _born(pid: int) -> str:
    """Return when a process started, in clock ticks since boot (proc(5), field 22); "" when it has ended."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""
    fields = status.rpartition(")")[2].split()  # from field 3 on: the name before may hold anything
    return "" if fields[0] == "Z" else fields[19]
