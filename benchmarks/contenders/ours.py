"""imgray itself, from a driver: a bulk job, and the Python client. Journal and sync are on, as they always are."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from contenders.base import Call, Contender, FileJob, FilesRun, FileWork, NoopRun, cores

from imgray import connect
from imgray.actors.cluster import running_cluster
from imgray.bulk import BulkJob, Ending
from imgray.catalogue import BUILT_IN
from imgray.client import ClientTask
from imgray.plan import Item
from imgray.settings import Settings
from imgray.task import DEFAULT_OUTPUT, State

NOOP_PIPELINE = "keep"
"""The pipeline that does least: it hands the input through."""


class LostTaskError(Exception):
    """A task did not succeed, or is not there."""


def settings(scratch: Path, port: int = 8000) -> Settings:
    """Return the settings of a turn: the defaults, in a folder of its own, and with files to be read and written."""
    return Settings(data=scratch / "data", workers=cores(), port=port, file_roots=(Path("/"),))


@contextmanager
def files(work: FileWork) -> Iterator[FilesRun]:
    """Process files in a bulk job, as `imgray run` does."""
    pipelines = {DEFAULT_OUTPUT: BUILT_IN.parse(work.pipeline)}
    with running_cluster(settings(work.scratch)) as gateway:

        def run(jobs: Sequence[FileJob]) -> None:
            items = [Item(Path(job.source), {DEFAULT_OUTPUT: Path(job.destination)}, job.destination) for job in jobs]
            endings: list[Ending] = []
            asyncio.run(BulkJob(gateway, pipelines, endings.append).run(items))
            failures = [ending.failure for ending in endings if ending.failure]
            if failures or len(endings) != len(jobs):
                raise LostTaskError(f"{len(endings)} of {len(jobs)} tasks ended, {len(failures)} failed {failures[:1]}")

        yield run


@contextmanager
def noop(scratch: Path) -> Iterator[NoopRun]:
    """Hand each payload through as a durable task of its own."""
    with connect(data=scratch / "data", workers=cores()) as client:

        def run(payloads: Sequence[bytes]) -> int:
            return sum(map(_arrived, client.map(payloads, NOOP_PIPELINE)))

        yield run


@contextmanager
def call(scratch: Path) -> Iterator[Call]:
    """Submit one durable task, and wait for it."""
    with connect(data=scratch / "data", workers=cores()) as client:

        def one(payload: bytes) -> None:
            _arrived(client.submit(payload, NOOP_PIPELINE).wait())

        yield one


def _arrived(task: ClientTask) -> int:
    """Return the length of a task's payload.

    Raises:
        LostTaskError: it failed.
    """
    if task.state is not State.SUCCEEDED or not isinstance(task.source, bytes):
        raise LostTaskError(f"a task is {task.state}: {task.error}")
    return len(task.source)


CONTENDERS = (
    Contender(
        name="imgray",
        about=f"imgray from Python, durable; does nothing by the pipeline '{NOOP_PIPELINE}'",
        install="pip install .",
        packages=("imgray", "ray", "pillow", "numpy"),
        noop_tasks=20_000,
        files=files,
        noop=noop,
        call=call,
    ),
)
