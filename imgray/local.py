"""The whole service in one process, without Ray: the same Master, Storage and Workers, wired to each other directly.

For tests, and for whoever wants to see how the parts fit together.
"""

from __future__ import annotations

import asyncio
import os
import platform
import secrets
from collections.abc import Callable
from types import TracebackType
from typing import Self

from imgray.actors.master import Master
from imgray.actors.storage import Storage
from imgray.actors.worker import Worker
from imgray.blobs import BlobStore
from imgray.gateway import Gateway
from imgray.messages import WorkerInfo
from imgray.settings import Settings
from imgray.version import __version__


class LocalCluster:
    """A Master, a Storage and a pool of Workers in the running event loop; use it with ``async with``."""

    def __init__(self, settings: Settings, clock: Callable[[], float] | None = None) -> None:
        self.settings = settings
        self._clock = clock
        self.workers: dict[str, Worker] = {}
        self._running: dict[str, asyncio.Task[None]] = {}

    async def __aenter__(self) -> Self:
        self.storage: Storage[bytes] = Storage(BlobStore(self.settings.blobs_url), self.settings.cache_bytes, bytes)
        self.master = Master(self.settings, self.storage, self._watch, self._clock)
        self.gateway = Gateway(self.master, self.storage, self.settings)
        for number in range(1, (self.settings.workers or 1) + 1):
            self.add_worker(f"worker-{number}")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self._running.values():
            task.cancel()
        await asyncio.gather(*self._running.values(), return_exceptions=True)
        await self.master.close()

    def add_worker(self, name: str) -> Worker:
        """Start one more worker."""
        info = WorkerInfo(
            id=f"{name}.{secrets.token_hex(4)}",
            name=name,
            node="local",
            host=platform.node(),
            pid=os.getpid(),
            version=__version__,
        )
        worker = Worker(info, self.master, self.storage, self.settings)
        self.workers[info.id] = worker
        self._running[info.id] = asyncio.get_running_loop().create_task(worker.run())
        return worker

    def kill_worker(self, worker_id: str) -> None:
        """End a worker at once, as a crash would."""
        self._running[worker_id].cancel()

    async def _watch(self, worker_id: str) -> None:
        if worker_id in self._running:
            await asyncio.wait({self._running[worker_id]})
