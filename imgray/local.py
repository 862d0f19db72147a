"""The whole service in one process, without Ray: the same Master, Storage and Workers, wired to each other directly.

For tests, and for whoever wants to see how the parts fit together.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Self

from imgray.actors.master import Master
from imgray.actors.storage import Storage
from imgray.actors.worker import Worker, info_of
from imgray.blobs import BlobStore
from imgray.gateway import Gateway
from imgray.messages import OutputPart
from imgray.settings import Settings
from imgray.target import WORKER_PREFIX, worker_name


class LocalCluster:
    """A Master, a Storage and a pool of Workers in the running event loop; use it with ``async with``."""

    def __init__(self, settings: Settings, clock: Callable[[], float] | None = None) -> None:
        self.settings = settings
        self._clock = clock
        self.workers: dict[str, Worker] = {}
        self._running: dict[str, asyncio.Task[None]] = {}
        self._ends = False

    async def __aenter__(self) -> Self:
        self.storage = Storage(BlobStore(self.settings.blobs_url), self.settings.cache_bytes)
        settings = self.settings.model_copy(update={"workers": 0})  # the pool is what the caller makes it
        self.master = Master(settings, self.storage, self._watch, self, clock=self._clock)
        self.gateway = Gateway(self.master, self.storage, self, self.settings)
        for number in range(1, (self.settings.workers or 1) + 1):
            self.add_worker(f"{WORKER_PREFIX}{number}")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ends = True
        for task in self._running.values():
            task.cancel()
        await asyncio.gather(*self._running.values(), return_exceptions=True)
        await self.master.close()

    def add_worker(self, name: str, labels: Mapping[str, str] | None = None) -> Worker:
        """Start one more worker."""
        info = info_of(name, "local", self.settings, labels or {})
        worker = Worker(info, self.master, self.storage, self.settings)
        self.workers[info.id] = worker
        self._running[info.id] = asyncio.get_running_loop().create_task(worker.run())
        return worker

    def kill_worker(self, worker_id: str) -> None:
        """End a worker at once, as a crash would."""
        self._running[worker_id].cancel()

    async def cores(self) -> int:
        """Be the `Launcher`: there are to be as many workers as there are, until somebody scales the pool."""
        return len(await self.names())

    async def names(self) -> set[str]:
        """Name the workers that run."""
        return {worker_name(worker) for worker, running in self._running.items() if not running.done()}

    async def start(self, name: str) -> None:
        """Start a worker, unless it is there already, or all are being ended."""
        if not self._ends and name not in await self.names():
            self.add_worker(name)

    async def end(self, name: str) -> None:
        """End a worker at once."""
        for worker in self._running:
            if worker_name(worker) == name:
                self.kill_worker(worker)

    async def output(self, worker: str, token: int, offset: int, wait_s: float) -> OutputPart | None:
        """Be the `WorkersPort`."""
        there = worker in self._running and not self._running[worker].done()
        return await self.workers[worker].output(token, offset, wait_s) if there else None

    async def _watch(self, worker_id: str) -> None:
        if worker_id in self._running:
            await asyncio.wait({self._running[worker_id]})
