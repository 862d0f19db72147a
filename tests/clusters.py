"""The whole service in one process, for tests: pipelines to run on it, and what to wait for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from imgray.actors.worker import Worker
from imgray.catalogue import BUILT_IN
from imgray.gateway import Submission
from imgray.local import LocalCluster
from imgray.pipeline import Pipeline
from imgray.settings import Settings
from imgray.task import State, Task

SWAP = BUILT_IN.parse("swap:rg")
SLOW = BUILT_IN.parse("/".join(["resize:3000,3000,exact", *["resize:2999,2999,exact", "resize:3000,3000,exact"] * 25]))
WAIT_S = 30.0


@asynccontextmanager
async def cluster(folder: Path, **settings: object) -> AsyncIterator[LocalCluster]:
    async with LocalCluster(
        Settings.having(**{"data": folder, "workers": 1, "retry_base_s": 0.01, **settings})
    ) as made:
        yield made


async def submit(made: LocalCluster, data: bytes, pipeline: Pipeline = SWAP) -> Task:
    (task,) = await made.gateway.submit([Submission.of(data, pipeline)])
    return task


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Wait for something that has no event of its own."""
    async with asyncio.timeout(WAIT_S):
        while not await condition():
            await asyncio.sleep(0.01)


async def leased(made: LocalCluster, task_id: str) -> None:
    async def is_leased() -> bool:
        return (await made.gateway.get(task_id)).state is State.LEASED

    await until(is_leased)


def worker_of(made: LocalCluster) -> Worker:
    (worker,) = made.workers.values()
    return worker
