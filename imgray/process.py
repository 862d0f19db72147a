"""Run an allowed program on some bytes: no shell, a folder and a process group of its own, and limits that hold.

Its input, output and complaints are files, so that nothing can block on a pipe, and the kernel bounds what it writes.
Whatever it started is ended with it. Its session is that of the caller, by which the caller's own end is cleaned up.
"""

from __future__ import annotations

import contextlib
import math
import os
import resource
import select
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from imgray.errors import CommandFailedError, CommandTimeoutError

ENVIRONMENT = {"PATH": os.defpath, "LANG": "C.UTF-8"}
"""What a program sees of the environment, beside its own folder."""

_LOOK_S = 0.1  # how often the caller is asked whether the result is still wanted
_TAIL_BYTES = 500  # of its complaints, in the error
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_SESSION_FIELD = 3  # of /proc/PID/stat, counted from the state, which follows the name: proc(5)


@dataclass(frozen=True, slots=True)
class ProgramLimits:
    """What a program may use: seconds, bytes of memory, bytes in any one file that it writes."""

    timeout_s: float
    memory_bytes: int
    output_bytes: int


def run_program(
    name: str, command: Sequence[str], data: bytes, limits: ProgramLimits, checkpoint: Callable[[], None]
) -> bytes:
    """Run a program with the data as its standard input, and return its standard output.

    Args:
        name: what the caller calls it, for errors.
        command: the program and its arguments.
        data: its input.
        limits: what it may use.
        checkpoint: called while it runs; what it raises ends the program.

    Raises:
        CommandFailedError: it could not be started, or ended with another status than 0.
        CommandTimeoutError: it took longer than it may.
    """
    with tempfile.TemporaryDirectory(prefix="imgray-command-") as folder:
        stdin, stdout, stderr = (Path(folder, one) for one in ("stdin", "stdout", "stderr"))
        stdin.write_bytes(data)
        work = Path(folder, "work")
        work.mkdir()
        with stdin.open("rb") as source, stdout.open("wb") as sink, stderr.open("wb") as complaints:
            try:
                process = subprocess.Popen(  # noqa: S603  # what an operator allowed
                    command,
                    stdin=source,
                    stdout=sink,
                    stderr=complaints,
                    cwd=work,
                    env={**ENVIRONMENT, "HOME": str(work), "TMPDIR": str(work)},
                    process_group=0,
                )
            except OSError as error:
                raise CommandFailedError(name, f"'{command[0]}' cannot be started", error.strerror or "") from error
        try:
            _limit(process.pid, limits)
            _wait(name, process.pid, limits.timeout_s, checkpoint)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # before it is reaped: until then its number is its own
            process.wait()
        if process.returncode:
            raise CommandFailedError(name, _ending(process.returncode), _tail(stderr))
        return stdout.read_bytes()


def _limit(pid: int, limits: ProgramLimits) -> None:
    """Set the limits; the program runs already, but has had no time to use much."""
    with contextlib.suppress(ProcessLookupError):
        for which, most in (
            (resource.RLIMIT_DATA, limits.memory_bytes),
            (resource.RLIMIT_FSIZE, limits.output_bytes),
            (resource.RLIMIT_CORE, 0),
            (resource.RLIMIT_CPU, math.ceil(limits.timeout_s) + 1),  # should the one who watches the clock be killed
        ):
            _, inherited = resource.prlimit(pid, which)  # of a runner, say: only root may go beyond it
            allowed = most if inherited == resource.RLIM_INFINITY else min(most, inherited)
            resource.prlimit(pid, which, (allowed, allowed))


def _wait(name: str, pid: int, timeout_s: float, checkpoint: Callable[[], None]) -> None:
    """Wait for the end of a child, and leave it to be reaped."""
    deadline = time.monotonic() + timeout_s
    watched = os.pidfd_open(pid)
    try:
        while not select.select([watched], [], [], _LOOK_S)[0]:
            checkpoint()
            if time.monotonic() > deadline:
                raise CommandTimeoutError(name, timeout_s)
    finally:
        os.close(watched)


def _ending(code: int) -> str:
    if code == -signal.SIGXFSZ:
        return "it wrote more than output_bytes"
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit status {code}"


def _tail(path: Path) -> str:
    with path.open("rb") as file:
        file.seek(0, os.SEEK_END)
        file.seek(max(file.tell() - _TAIL_BYTES, 0))
        return " ".join(file.read().decode(errors="replace").split()).rstrip(".") or "it said nothing"


def memory_of(*pids: int | None) -> int:
    """Return how many bytes of memory processes of this machine occupy together."""
    resident = 0
    for pid in filter(None, pids):
        with contextlib.suppress(OSError):  # it has ended meanwhile
            resident += int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE_BYTES
    return resident


def end_session(session: int) -> None:
    """End every other process of a session: what a runner has started, when the runner is no more."""
    for entry in Path("/proc").iterdir():
        if not entry.name.isdecimal() or int(entry.name) in {session, os.getpid()}:
            continue
        with contextlib.suppress(OSError, ValueError):  # it has ended meanwhile
            fields = (entry / "stat").read_text().rpartition(")")[2].split()  # after the name, which may hold anything
            if int(fields[_SESSION_FIELD]) == session:
                os.kill(int(entry.name), signal.SIGKILL)
