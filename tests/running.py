"""Running the product as its user does: the command, a service, and what to do to their processes."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

IMGRAY = [sys.executable, "-m", "imgray"]


def imgray(*arguments: object, timeout_s: float = 170, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run the command to its end."""
    command = [*IMGRAY, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=timeout_s, check=False, cwd=cwd)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def until(condition: Callable[[], bool], timeout_s: float = 60) -> None:
    """Wait for something in another process, which has no event to wait for here."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it did not come to pass in time"
        time.sleep(0.05)


def descendants(pid: int) -> list[int]:
    """List the processes that a process started, and those that they started, youngest last."""
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text(errors="replace").rpartition(")")[2].split()
        except OSError:
            continue
        children.setdefault(int(fields[1]), []).append(int(stat.parent.name))
    found: list[int] = []
    level = [pid]
    while level:
        level = [child for parent in level for child in children.get(parent, [])]
        found += level
    return found


def command_line(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


def kill_everything(pid: int) -> None:
    """SIGKILL a process and all that it started, as a power cut would."""
    everyone = [pid, *descendants(pid)]
    for one in everyone:
        try:
            os.kill(one, signal.SIGKILL)
        except ProcessLookupError:
            continue
    until(lambda: not any(command_line(one) for one in everyone))


@dataclass
class Service:
    """A service that runs as a process of its own."""

    process: subprocess.Popen[str]
    url: str
    data: Path


@contextmanager
def serving(
    data: Path, port: int | None = None, env: Mapping[str, str] | None = None, workers: int = 2
) -> Iterator[Service]:
    """Run ``imgray serve`` in the foreground until the ``with`` block ends."""
    port = port or free_port()
    process = subprocess.Popen(
        [*IMGRAY, "serve", "--port", str(port), "--data", str(data), "--workers", str(workers)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        env={**os.environ, **(env or {})},
    )
    try:
        assert process.stdout is not None
        lines = []
        for line in process.stdout:
            lines.append(line)
            if "imgray serves" in line:
                break
        else:
            raise AssertionError("".join(lines))
        yield Service(process, f"http://127.0.0.1:{port}", data)
    finally:
        if process.poll() is None:
            kill_everything(process.pid)  # how it ends when it is asked to, another test shows
        process.wait()
        if process.stdout is not None:
            process.stdout.close()
