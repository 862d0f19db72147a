"""The standard library's process pool: the limit, since it does nothing but the work. It keeps no task over a crash."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from contenders.base import Contender, FileJob, FilesRun, FileWork, NoopRun, cores, note, one_by_one
from contenders.work import nothing, process_file

CHUNK_SIZES = (1, 8, 32, 128)
"""Of these the best on the warm-up is taken, where that is long enough to tell."""


@contextmanager
def files(work: FileWork) -> Iterator[FilesRun]:
    """Process files, in chunks of the size that suits them best."""
    with ProcessPoolExecutor(cores()) as pool:

        def run(jobs: Sequence[FileJob], chunk_size: int) -> None:
            sources, destinations = zip(*jobs, strict=True)
            for _ in pool.map(process_file, sources, destinations, [work.pipeline] * len(jobs), chunksize=chunk_size):
                pass

        def taken_s(chunk_size: int) -> float:
            begun = time.perf_counter()
            run(work.warm_up, chunk_size)
            return time.perf_counter() - begun

        run(work.warm_up, 1)
        sizes = [size for size in CHUNK_SIZES if size * cores() * 4 <= len(work.warm_up)] or [1]
        best = min(sizes, key=taken_s) if len(sizes) > 1 else sizes[0]
        note(f"chunks of {best}")
        yield lambda jobs: run(jobs, best)


@contextmanager
def noop(_scratch: Path) -> Iterator[NoopRun]:
    """Do nothing, each time as a task of its own."""
    with ProcessPoolExecutor(cores()) as pool:
        yield lambda payloads: sum(pool.map(nothing, payloads))


CONTENDERS = (
    Contender(
        name="pool",
        about="ProcessPoolExecutor: the limit, not durable",
        install="part of Python",
        noop_tasks=20_000,
        files=files,
        noop=noop,
        call=one_by_one(noop),
    ),
)
