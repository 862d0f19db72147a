"""A Master that starts again: how long until it serves, against one pass of SQLite over its journal; and its memory.

    python benchmarks/restart.py --tasks 1000000 --live 100000

Each round starts fresh processes: one reads every row of the journal, as bare SQLite does it in Python; one starts a
Master on it, until it has answered. Medians and ranges over the rounds.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import resource
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import click
from rich.progress import track

from imgray.actors.master import Master
from imgray.actors.storage import Storage
from imgray.blobs import BlobStore
from imgray.journal import FILE, Journal
from imgray.settings import Settings
from imgray.target import WORKER_PREFIX
from imgray.task import (
    Attempt,
    BlobSource,
    Changes,
    Event,
    Output,
    OutputSpec,
    State,
    Task,
    TaskSpec,
    input_key,
    new_task_id,
    output_key,
)

_BATCH = 10_000


@click.command()
@click.option("--tasks", default=1_000_000, help="Tasks in the journal.")
@click.option("--live", default=100_000, help="Those of them that are queued; they are spread over it.")
@click.option("--rounds", default=3)
def main(tasks: int, live: int, rounds: int) -> None:
    """Measure, and print."""
    with tempfile.TemporaryDirectory(prefix="imgray-restart-") as name:
        folder = Path(name)
        with closing(Journal.open(folder)) as journal:
            for batch in track(list(_batches(tasks, live)), "Filling the journal"):
                journal.write(Changes(batch()))
        reading: list[float] = []
        starting: list[float] = []
        memory: list[float] = []
        for _ in track(range(rounds), "Starting"):
            reading.append(_in_fresh_process(_read_all, folder)["elapsed_s"])
            started = _in_fresh_process(_start_master, folder)
            starting.append(started["elapsed_s"])
            memory.append(started["grown_bytes"] / live)
        size_bytes = (folder / FILE).stat().st_size
    print(f"journal: {tasks:,} tasks, {live:,} of them live, {size_bytes / 1e6:,.0f} MB")
    print(f"one pass of SQLite over it:   {_figures(reading)} s")
    print(f"Master, from nothing to its first answer: {_figures(starting)} s")
    ratios = [start / read for start, read in zip(starting, reading, strict=True)]
    print(f"ratio: {_figures(ratios)}")
    print(f"memory for each live task: {_figures(memory)} bytes")


def _batches(tasks: int, live: int) -> Iterator[Callable[[], list[Task]]]:
    for first in range(1, tasks + 1, _BATCH):
        yield lambda first=first: [  # type: ignore[misc]
            _task(seq, live=seq * live // tasks != (seq - 1) * live // tasks)
            for seq in range(first, min(first + _BATCH, tasks + 1))
        ]


def _task(seq: int, *, live: bool) -> Task:
    task_id = new_task_id()
    spec = TaskSpec(
        id=task_id,
        source=BlobSource(input_key(task_id)),
        outputs=(OutputSpec("image", "swap:rg/resize:320,240,fill/convert:webp,quality=80"),),
        label=f"photo-{seq}.jpg",
        tenant=f"tenant-{seq % 7}",
        pixels=393_216,
        size_bytes=516_000,
    )
    if live:
        return Task(spec, seq, State.QUEUED, submitted_at=1.7e9, ready_at=1.7e9)
    output = Output("image", "webp", "image/webp", 320, 240, 12_345, "0" * 64, key=output_key(task_id, seq, "image"))
    history = (Attempt(1, "worker-1.0123abcd", 1.7e9, 1.7e9 + 1, Event.ACK),)
    return Task(
        spec,
        seq,
        State.SUCCEEDED,
        1.7e9,
        1.7e9,
        1,
        token=seq,
        finished_at=1.7e9 + 1,
        outputs=(output,),
        history=history,
    )


def _in_fresh_process(measure: Callable[[Path], dict[str, float]], folder: Path) -> dict[str, float]:
    context = multiprocessing.get_context("spawn")
    with context.Pool(1) as pool:
        return pool.apply(measure, (folder,))


def _read_all(folder: Path) -> dict[str, float]:
    begun = time.perf_counter()
    with closing(sqlite3.connect(folder / FILE)) as connection:
        for _ in connection.execute("SELECT * FROM tasks ORDER BY seq"):
            pass
    return {"elapsed_s": time.perf_counter() - begun}


def _start_master(folder: Path) -> dict[str, float]:
    async def start() -> dict[str, float]:
        settings = Settings.having(data=folder, result_ttl_s=0)
        storage = Storage(BlobStore(settings.blobs_url), settings.cache_bytes)
        before = _resident_bytes()
        begun = time.perf_counter()
        master = Master(settings, storage, _no_worker, _NoPool())
        await master.statistics()
        elapsed_s = time.perf_counter() - begun
        grown_bytes = _resident_bytes() - before
        await master.close()
        return {"elapsed_s": elapsed_s, "grown_bytes": grown_bytes}

    return asyncio.run(start())


class _NoPool:
    """A pool that is as large as it should be, and does nothing. (`Launcher`)"""

    async def cores(self) -> int:
        return 1

    async def names(self) -> set[str]:
        return {f"{WORKER_PREFIX}1"}

    async def start(self, name: str) -> None:
        raise AssertionError(name)

    async def end(self, name: str) -> None:
        raise AssertionError(name)


async def _no_worker(_worker_id: str) -> None:
    """Know of no worker."""


def _resident_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize()


def _figures(values: list[float]) -> str:
    return json.dumps(
        {"median": round(statistics.median(values), 2), "from": round(min(values), 2), "to": round(max(values), 2)}
    )


if __name__ == "__main__":
    main()
