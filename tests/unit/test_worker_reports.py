"""When a worker reports: at once when it has nothing else to do, and never so often that the Master is kept busy."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, cast

from imgray.actors.worker import Worker
from imgray.attempt import Product
from imgray.messages import Exchange, Grant, Reply
from imgray.ports import MasterPort, StoragePort
from imgray.runner import Result, Run
from imgray.settings import Settings
from imgray.target import WorkerInfo
from imgray.task import InlineSource, Output, OutputSpec, TaskSpec

_ATTEMPT_S = 0.001
_SLOW_S = 0.05  # what an exchange takes
_OUTPUT = Output("image", "png", "image/png", 1, 1, 1, "")


class QuickRunner:
    """Makes each attempt in a millisecond, one after the other."""

    ready = True
    pid = None

    def __init__(self, _settings: Settings, on_ready: Callable[[], None], on_result: Callable[[Result], None]) -> None:
        self._on_ready = on_ready
        self._on_result = on_result
        self._queue: asyncio.Queue[Run] = asyncio.Queue()

    def send(self, run: Run) -> None:
        self._queue.put_nowait(run)

    def drop(self, token: int) -> None:
        raise AssertionError(f"{token} is wanted")

    async def run(self) -> None:
        self._on_ready()
        while True:
            run = await self._queue.get()
            await asyncio.sleep(_ATTEMPT_S)
            self._on_result(Result(run.token, _ATTEMPT_S, (Product(_OUTPUT, b"x"),)))


class SlowMaster:
    """Takes long for each exchange, and has so many tasks."""

    def __init__(self, tasks: int) -> None:
        self.tasks = tasks
        self.granted = 0
        self.reports: list[int] = []
        """How many outcomes each exchange brought."""
        self._heard: set[int] = set()
        self.finished = asyncio.Event()

    async def register(self, *_: Any) -> None:
        pass

    async def exchange(self, request: Exchange) -> Reply:
        new = {outcome.token for outcome in request.outcomes} - self._heard
        self._heard |= new
        self.reports.append(len(new))
        grants = []
        for _ in range(min(request.want, self.tasks - self.granted)):
            self.granted += 1
            spec = TaskSpec(f"t{self.granted}", InlineSource(1), (OutputSpec("image", "keep"),))
            grants.append(Grant(spec, self.granted, 1, b"x"))
        if len(self._heard) == self.tasks:
            self.finished.set()
        elif not grants and not new:
            await self.finished.wait()
        await asyncio.sleep(_SLOW_S)
        return Reply(request.seq, tuple(grants))


async def work(master: SlowMaster) -> None:
    """Have a worker do all tasks."""
    info = WorkerInfo("w.1", "w", "n", "h", 1, "0", 1, (), (), ())
    worker = Worker(info, cast("MasterPort", master), cast("StoragePort", None), Settings(), QuickRunner)
    working = asyncio.create_task(worker.run())
    async with asyncio.timeout(60):
        await master.finished.wait()
    working.cancel()
    await asyncio.wait([working])


async def test_a_worker_that_works_faster_than_the_master_answers_reports_many_results_at_a_time() -> None:
    master = SlowMaster(1000)
    await work(master)
    assert sum(master.reports) == 1000
    assert len(master.reports) < 60, "one exchange for each result keeps the Master from answering"


async def test_a_single_result_is_reported_at_once() -> None:
    master = SlowMaster(1)
    loop = asyncio.get_running_loop()
    begun = loop.time()
    await work(master)
    assert master.reports[-1] == 1
    assert loop.time() - begun < 0.25, "it waited for others to be reported with"
