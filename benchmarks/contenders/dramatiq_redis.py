"""Dramatiq with Redis as broker and result backend, a process with one thread for each core."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from contenders.base import Contender, FileJob, FilesRun, FileWork, NoopRun, cores, one_by_one
from contenders.processes import server
from contenders.redis_server import INSTALL, NOTE, PROGRAM, redis_server, redis_version
from contenders.work import as_text

if TYPE_CHECKING:
    from contenders.dramatiq_app import Actors

_RESULT_MS = 600_000


@contextmanager
def _workers(scratch: Path) -> Iterator[Actors]:
    """Have Redis and the workers running."""
    from contenders.dramatiq_app import URL, actors  # noqa: PLC0415  # Dramatiq may be missing

    with redis_server(scratch) as url:
        command = [sys.executable, "-m", "dramatiq", "contenders.dramatiq_app:broker"]
        with server([*command, "--processes", str(cores()), "--threads", "1"], scratch, env={URL: url}):
            yield actors(url)


@contextmanager
def files(work: FileWork) -> Iterator[FilesRun]:
    """Process files, each in a message."""
    with _workers(work.scratch) as actors:

        def run(jobs: Sequence[FileJob]) -> None:
            for message in [actors.process.send(job.source, job.destination, work.pipeline) for job in jobs]:
                message.get_result(block=True, timeout=_RESULT_MS)

        yield run


@contextmanager
def noop(scratch: Path) -> Iterator[NoopRun]:
    """Do nothing, each time in a message; the payloads travel as text, since Dramatiq's messages are JSON."""
    with _workers(scratch) as actors:

        def run(payloads: Sequence[bytes]) -> int:
            messages = [actors.idle.send(as_text(payload)) for payload in payloads]
            return sum(message.get_result(block=True, timeout=_RESULT_MS) for message in messages)

        yield run


CONTENDERS = (
    Contender(
        name="dramatiq",
        about=f"Dramatiq {NOTE}",
        install=INSTALL,
        modules=("dramatiq", "redis"),
        programs=(PROGRAM,),
        packages=("dramatiq", "redis"),
        other_versions=redis_version,
        noop_tasks=4_000,
        files=files,
        noop=noop,
        call=one_by_one(noop),
    ),
)
