"""Celery with Redis as broker and result backend, as its own documentation sets it up."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from contenders.base import Contender, FileJob, FilesRun, FileWork, NoopRun, cores, one_by_one
from contenders.processes import server
from contenders.redis_server import INSTALL, NOTE, PROGRAM, redis_server, redis_version
from contenders.work import as_text

_READY_S = 60.0
_RESULT_S = 600.0


@contextmanager
def _workers(scratch: Path) -> Iterator[Any]:
    """Have Redis and the workers running; give the module of tasks."""
    from contenders import celery_app  # noqa: PLC0415  # Celery may be missing

    with redis_server(scratch) as url:
        celery_app.app.conf.update(broker_url=url, result_backend=url)
        command = [sys.executable, "-m", "celery", "-A", "contenders.celery_app", "-b", url, "--result-backend", url]
        options = ["--pool", "prefork", "--concurrency", str(cores()), "--loglevel", "WARNING"]
        quiet = ["--without-gossip", "--without-mingle", "--without-heartbeat"]
        with server([*command, "worker", *options, *quiet], scratch):
            celery_app.idle.delay("").get(timeout=_READY_S)
            yield celery_app
        celery_app.app.close()


@contextmanager
def files(work: FileWork) -> Iterator[FilesRun]:
    """Process files, each in a task."""
    with _workers(work.scratch) as tasks:

        def run(jobs: Sequence[FileJob]) -> None:
            for result in [tasks.process.delay(job.source, job.destination, work.pipeline) for job in jobs]:
                result.get(timeout=_RESULT_S)

        yield run


@contextmanager
def noop(scratch: Path) -> Iterator[NoopRun]:
    """Do nothing, each time in a task; the payloads travel as text, since Celery's messages are JSON."""
    with _workers(scratch) as tasks:

        def run(payloads: Sequence[bytes]) -> int:
            results = [tasks.idle.delay(as_text(payload)) for payload in payloads]
            return sum(result.get(timeout=_RESULT_S) for result in results)

        yield run


CONTENDERS = (
    Contender(
        name="celery",
        about=f"Celery {NOTE}",
        install=INSTALL,
        modules=("celery", "redis"),
        programs=(PROGRAM,),
        packages=("celery", "redis"),
        other_versions=redis_version,
        noop_tasks=4_000,
        files=files,
        noop=noop,
        call=one_by_one(noop),
    ),
)
