"""Ray without imgray: a task for each image, and a bare actor as a measure of the machine. Nothing is kept on disk."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import ray
from contenders.base import Call, Contender, FileJob, FilesRun, FileWork, NoopRun, one_by_one
from contenders.private_ray import private_ray
from contenders.work import nothing, process_file


@contextmanager
def files(work: FileWork) -> Iterator[FilesRun]:
    """Process files, each in a task."""
    with private_ray():
        task = ray.remote(process_file)

        def run(jobs: Sequence[FileJob]) -> None:
            ray.get([task.remote(job.source, job.destination, work.pipeline) for job in jobs])

        yield run


@contextmanager
def noop(_scratch: Path) -> Iterator[NoopRun]:
    """Do nothing, each time in a task."""
    with private_ray():
        task = ray.remote(nothing)
        yield lambda payloads: sum(ray.get([task.remote(payload) for payload in payloads]))


class _Idle:
    def nothing(self, payload: bytes) -> int:
        return nothing(payload)


@contextmanager
def actor_call(_scratch: Path) -> Iterator[Call]:
    """Call an actor that does nothing."""
    with private_ray():
        actor = ray.remote(_Idle).remote()

        def call(payload: bytes) -> None:
            ray.get(actor.nothing.remote(payload))

        yield call


CONTENDERS = (
    Contender(
        name="ray-tasks",
        about="Ray, a task for each image, not durable",
        install="comes with imgray",
        packages=("ray",),
        noop_tasks=10_000,
        files=files,
        noop=noop,
        call=one_by_one(noop),
    ),
    Contender(
        name="ray-actor",
        about="a bare call of a Ray actor: a measure of the machine",
        install="comes with imgray",
        packages=("ray",),
        call=actor_call,
    ),
)
