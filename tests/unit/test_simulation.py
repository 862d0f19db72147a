"""Seeded simulation: the shipped Master, Ledger, Storage, Workers, Gateway and ports under every fault there is.

Each seed is one schedule: lost, late and repeated messages, processes killed or frozen between any two steps, full
disks, a clock that jumps, hanging and deadly images. `tests/sim/history.py` says what must hold of each. More:
``pytest tests/unit/test_simulation.py --schedules 1000000``.
"""

from __future__ import annotations

import asyncio
import logging
import multiprocessing
import os
import re
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from sim.disk import Disk, ObservedJournal
from sim.world import play

from imgray.actors.ledger import Ledger
from imgray.actors.worker import Worker
from imgray.admission import Admission
from imgray.errors import LeaseLostError, WorkerDiedError
from imgray.journal import Journal
from imgray.ports import RemoteStorage
from imgray.runner import Result
from imgray.table import TaskTable
from imgray.task import Failure, Task

TESTS = Path(__file__).parents[1]
CHUNK = 250
ENOUGH = 5000


def play_all(seeds: Sequence[int]) -> str:
    """Play schedules; return the story of the first that fails, or nothing."""
    logging.disable(logging.CRITICAL)
    for seed in seeds:
        try:
            play(seed)
        except Exception as error:  # noqa: BLE001  # any is a failure, to be told in another process
            return "\n".join([f"seed {seed}: {error!r}", *getattr(error, "__notes__", [])])
    return ""


@pytest.mark.timeout(0)
def test_whatever_dies_nothing_is_lost_and_nothing_done_twice(pytestconfig: pytest.Config) -> None:
    """Invariants 1 to 6, 8, 10 and 11."""
    first, count = pytestconfig.getoption("--first-seed"), pytestconfig.getoption("--schedules")
    chunks = [range(at, min(at + CHUNK, first + count)) for at in range(first, first + count, CHUNK)]
    with ProcessPoolExecutor(os.cpu_count(), multiprocessing.get_context("spawn")) as pool:
        failures = [story for story in pool.map(play_all, chunks) if story]
    assert not failures, failures[0]


def test_a_seed_tells_the_same_story_every_time() -> None:
    def story(hash_seed: str) -> str:
        command = [sys.executable, "-m", "sim.world", "7"]
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        return subprocess.run(command, cwd=TESTS, env=environment, capture_output=True, text=True, check=True).stdout

    first = story("1")
    assert len(first.splitlines()) > 20
    assert story("2") == first


def test_the_real_journal_keeps_the_same_promises(tmp_path: Path) -> None:
    """The same schedules over SQLite: what the simulated disk stands for, the real one does."""
    for seed in range(60):
        play(seed, partial(_real_journal, tmp_path / str(seed)))


def _real_journal(folder: Path, disk: Disk) -> Journal:
    journal = ObservedJournal.open(folder)
    journal.disk = disk
    return journal


# A simulation is worth what it finds:


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


def found(first: int = 0, count: int = ENOUGH) -> str:
    """Return what is found; ``first`` is a schedule that showed it once, so that this is no long search."""
    for seed in range(first, first + count):
        try:
            play(seed)
        except AssertionError as error:
            if "runs in a circle" not in str(error) and "never ends" not in str(
                error
            ):  # that something never ends does not say what is broken
                return str(error)
    return ""


def test_a_fence_that_is_dropped_is_found() -> None:
    def check(task: Task, token: int) -> None:
        if task.lease is None:
            raise LeaseLostError(task.id, token, task.story())

    with patch.object(TaskTable, "_check", staticmethod(check)):
        assert re.search("Invariant [34]", found(1563))  # a stale commit, or one whose outputs had been discarded


def test_an_answer_before_its_commit_is_found() -> None:
    async def at_once(_: Ledger) -> None:
        await asyncio.sleep(0)

    with patch.object(Ledger, "committed", at_once):
        assert "Invariant 1" in found()


def test_an_ack_before_its_output_is_stored_is_found() -> None:
    async def settle(self: Worker, results: Sequence[Result]) -> None:
        put = self._storage.put

        async def later(blobs: Any) -> None:
            asyncio.create_task(_in_a_second(put, blobs))  # noqa: RUF006

        with patch.object(self._storage, "put", later):
            await real(self, results)

    real = Worker._settle  # noqa: SLF001
    with patch.object(Worker, "_settle", settle):
        assert "Invariant 4" in found()


def test_a_task_that_is_visible_before_its_input_is_found() -> None:
    async def forget_to_wait(self: RemoteStorage, blobs: Any) -> None:
        asyncio.create_task(_in_a_second(partial(real, self), blobs))  # noqa: RUF006

    real = RemoteStorage.put
    with patch.object(RemoteStorage, "put", forget_to_wait):
        assert "Invariant 2" in found()


def test_a_token_that_comes_twice_is_found() -> None:
    real = TaskTable.lease

    def lease(self: TaskTable, *arguments: Any) -> Any:
        self.token = min(self.token, 1 << 32)
        return real(self, *arguments)

    with patch.object(TaskTable, "lease", lease):
        assert re.search("token|in a circle", found(15))


def test_a_charge_for_tasks_that_never_ran_is_found() -> None:
    died = Failure.of(WorkerDiedError("worker x"))

    def charge(self: TaskTable, task: Task, now: float) -> Task:
        return self._fail(task, died, now, alone=True)

    with patch.object(TaskTable, "_release", charge):
        assert "dead workers" in found()


def test_a_call_that_was_overtaken_and_brings_in_what_was_refused_is_found() -> None:
    with patch.object(Admission, "refuse", lambda *_: None):
        assert re.search("Invariant 2|its place changed", found(397, 10_000))  # it came in again, or before its input


async def _in_a_second(put: Callable[[Any], Awaitable[None]], blobs: Any) -> None:
    await asyncio.sleep(1)
    await put(blobs)
