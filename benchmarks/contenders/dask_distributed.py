"""Dask distributed: a scheduler and a process with one thread for each core. Not durable."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from contenders.base import Contender, FileJob, FilesRun, FileWork, NoopRun, cores, one_by_one
from contenders.work import nothing, process_file

if TYPE_CHECKING:
    from distributed import Client


@contextmanager
def _client(scratch: Path) -> Iterator[Client]:
    from distributed import Client, LocalCluster  # noqa: PLC0415  # it may be missing

    with (
        LocalCluster(
            n_workers=cores(),
            threads_per_worker=1,
            processes=True,
            dashboard_address=None,
            local_directory=str(scratch),
            silence_logs=logging.ERROR,
        ) as cluster,
        Client(cluster) as client,
    ):
        yield client


@contextmanager
def files(work: FileWork) -> Iterator[FilesRun]:
    """Process files, each in a task."""
    with _client(work.scratch) as client:

        def run(jobs: Sequence[FileJob]) -> None:
            sources, destinations = zip(*jobs, strict=True)
            pipelines = [work.pipeline] * len(jobs)
            client.gather(client.map(process_file, sources, destinations, pipelines, pure=False))

        yield run


@contextmanager
def noop(scratch: Path) -> Iterator[NoopRun]:
    """Do nothing, each time in a task."""
    with _client(scratch) as client:
        yield lambda payloads: sum(client.gather(client.map(nothing, payloads, pure=False)))


CONTENDERS = (
    Contender(
        name="dask",
        about="Dask distributed, not durable",
        install="pip install '.[bench]'",
        modules=("distributed",),
        packages=("distributed",),
        noop_tasks=4_000,
        files=files,
        noop=noop,
        call=one_by_one(noop),
    ),
)
