"""The ports: what the Master and Storage answer, and how to call one that is somewhere else and may be away.

Every call may be repeated: a call that is not answered may or may not have been carried out, so it is made again, with
the same arguments, until it is answered or the time is up.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, Protocol

from imgray.calls import Results
from imgray.errors import MasterUnavailableError, PassingError, StorageUnavailableError, WorkerUnavailableError
from imgray.messages import Exchange, OutputPart, PoolView, Reply, Statistics, WorkerView
from imgray.retry import Backoff
from imgray.scaling import Bounds
from imgray.settings import Settings
from imgray.target import WorkerInfo, worker_name
from imgray.task import Filter, State, Task, TaskSpec

log = logging.getLogger(__name__)

MASTER = "master"
STORAGE = "storage"
"""Names of the parts."""

_TRY_S = 10.0  # how long one call may take before it is made again; a frozen process never answers
_WORKER_S = 3.0  # how long a worker is tried to be reached
_AGAIN = Backoff(base_s=0.1, cap_s=2.0)


class MasterPort(Protocol):
    """What the Master answers."""

    async def submit(self, specs: Sequence[TaskSpec], inputs: Mapping[str, bytes]) -> list[Task]:
        """Accept tasks, durably; a repeated one returns the earlier task.

        Their inputs are stored already, but for those of an `InlineSource`: these come here, by the task's id.
        """

    async def process(self, spec: TaskSpec, data: bytes, wait_s: float) -> tuple[Task, Results] | None:
        """Have a task done that is not kept, and return it and its outputs; after ``wait_s`` it is given up: None."""

    async def get(self, ids: Sequence[str]) -> list[Task | None]:
        """Return tasks by id, None for unknown ones."""

    async def fetch(self, task_id: str, name: str) -> bytes | None:
        """Return an output that is kept with its task, None when there is no such output."""

    async def wait(self, ids: Sequence[str], wait_s: float) -> list[Task]:
        """Return those that have finished as soon as there is one, or none after ``wait_s``."""

    async def wait_started(self, task_id: str, wait_s: float) -> None:
        """Answer when a task is no longer queued, or after ``wait_s``."""

    async def page(self, wanted: Filter, before: int | None, limit: int) -> list[Task]:
        """Return the tasks that are asked for, newest first, with a ``seq`` below ``before``."""

    async def cancel(self, ids: Sequence[str]) -> list[Task]:
        """Cancel live tasks; return all as they now stand."""

    async def withdraw(self, ids: Sequence[str]) -> list[Task]:
        """Cancel the tasks that no worker has yet; return all as they now stand."""

    async def redrive(self, ids: Sequence[str]) -> list[Task]:
        """Put dead letters back in the queue; return all as they now stand."""

    async def purge(self, ids: Sequence[str], states: AbstractSet[State]) -> list[str]:
        """Remove tasks that finished in these states, and their blobs; return the ids that are no more."""

    async def statistics(self) -> Statistics:
        """Count, all at one moment."""

    async def workers(self) -> list[WorkerView]:
        """List the registered workers."""

    async def drain(self, worker: str) -> WorkerView:
        """Have a worker, by its id or its name, finish what runs, give back the rest, and end."""

    async def drain_all(self) -> None:
        """Have all workers drained, and start no more: the service ends."""

    async def scale(self, bounds: Bounds) -> PoolView:
        """Set between how many workers the pool may vary."""

    async def pool(self) -> PoolView:
        """Describe the pool."""

    async def settings(self) -> Settings:
        """Return the settings on which the cluster agrees."""

    async def register(self, info: WorkerInfo, held: Sequence[int], seq: int) -> None:
        """Enter a worker, with the tokens that it still works on and the number of its latest exchange."""

    async def deregister(self, worker: str) -> None:
        """Strike out a worker that has given back everything and ends."""

    async def exchange(self, request: Exchange) -> Reply:
        """Take a worker's report and answer with more work."""


class StoragePort(Protocol):
    """What Storage answers."""

    async def put(self, blobs: Mapping[str, bytes]) -> None:
        """Store blobs; durable when it answers."""

    async def get(self, keys: Sequence[str]) -> list[bytes | None]:
        """Return blobs, None for unknown keys."""

    async def delete(self, keys: Sequence[str]) -> None:
        """Delete blobs."""


class WorkersPort(Protocol):
    """What each worker answers."""

    async def output(self, worker: str, token: int, offset: int, wait_s: float) -> OutputPart | None:
        """Return what a command wrote from an offset on, when there is some; None when the worker does not run it."""


class UnansweredError(Exception):
    """A call got no answer; whether it was carried out is unknown."""


class Transport(Protocol):
    """A way to make one call to a part, once."""

    async def call(self, part: str, method: str, arguments: Sequence[Any]) -> Any:  # noqa: ANN401  # any answer
        """Call a method of a part.

        Raises:
            UnansweredError: no answer came, and none will.
            ImgrayError: what the method raised.
        """


class _Remote:
    """Calls a part, again and again while it is away."""

    def __init__(self, part: str, away: type[PassingError], transport: Transport, settings: Settings) -> None:
        self._part = part
        self._away = away
        self._transport = transport
        self._timeout_s = settings.call_timeout_s
        self._rng = random.Random()  # noqa: S311  # jitter

    async def call(self, method: str, *arguments: Any, wait_s: float = 0.0) -> Any:  # noqa: ANN401  # any answer
        """Call a method that may take ``wait_s`` to answer on purpose.

        Raises:
            ImgrayError: what the method raised, or that the part was away for ``call_timeout_s``.
        """
        now = asyncio.get_running_loop().time
        deadline = now() + self._timeout_s + wait_s
        for delay_s in _AGAIN.delays_s(self._rng):
            left_s = max(deadline - now(), 0.01)
            try:
                async with asyncio.timeout(min(left_s, _TRY_S + wait_s)):
                    return await self._transport.call(self._part, method, arguments)
            except (TimeoutError, UnansweredError):
                if now() + delay_s >= deadline:
                    raise self._away from None  # a new one each time: an exception keeps what it passed through
            log.warning("action=retry part=%s method=%s delay_s=%.2f", self._part, method, delay_s)
            await asyncio.sleep(delay_s)
        raise AssertionError("the delays never end")


class RemoteMaster(_Remote):
    """The Master, wherever it is."""

    def __init__(self, transport: Transport, settings: Settings) -> None:
        super().__init__(MASTER, MasterUnavailableError, transport, settings)
        self._park_s = settings.longest_park_s

    async def submit(self, specs: Sequence[TaskSpec], inputs: Mapping[str, bytes]) -> list[Task]:
        """See `MasterPort.submit`."""
        return await self.call("submit", specs, inputs)  # type: ignore[no-any-return]

    async def process(self, spec: TaskSpec, data: bytes, wait_s: float) -> tuple[Task, Results] | None:
        """See `MasterPort.process`."""
        return await self.call("process", spec, data, wait_s, wait_s=wait_s)  # type: ignore[no-any-return]

    async def get(self, ids: Sequence[str]) -> list[Task | None]:
        """See `MasterPort.get`."""
        return await self.call("get", ids)  # type: ignore[no-any-return]

    async def fetch(self, task_id: str, name: str) -> bytes | None:
        """See `MasterPort.fetch`."""
        return await self.call("fetch", task_id, name)  # type: ignore[no-any-return]

    async def wait(self, ids: Sequence[str], wait_s: float) -> list[Task]:
        """See `MasterPort.wait`."""
        return await self.call("wait", ids, wait_s, wait_s=wait_s)  # type: ignore[no-any-return]

    async def wait_started(self, task_id: str, wait_s: float) -> None:
        """See `MasterPort.wait_started`."""
        await self.call("wait_started", task_id, wait_s, wait_s=wait_s)

    async def page(self, wanted: Filter, before: int | None, limit: int) -> list[Task]:
        """See `MasterPort.page`."""
        return await self.call("page", wanted, before, limit)  # type: ignore[no-any-return]

    async def cancel(self, ids: Sequence[str]) -> list[Task]:
        """See `MasterPort.cancel`."""
        return await self.call("cancel", ids)  # type: ignore[no-any-return]

    async def withdraw(self, ids: Sequence[str]) -> list[Task]:
        """See `MasterPort.withdraw`."""
        return await self.call("withdraw", ids)  # type: ignore[no-any-return]

    async def redrive(self, ids: Sequence[str]) -> list[Task]:
        """See `MasterPort.redrive`."""
        return await self.call("redrive", ids)  # type: ignore[no-any-return]

    async def purge(self, ids: Sequence[str], states: AbstractSet[State]) -> list[str]:
        """See `MasterPort.purge`."""
        return await self.call("purge", ids, states)  # type: ignore[no-any-return]

    async def statistics(self) -> Statistics:
        """See `MasterPort.statistics`."""
        return await self.call("statistics")  # type: ignore[no-any-return]

    async def workers(self) -> list[WorkerView]:
        """See `MasterPort.workers`."""
        return await self.call("workers")  # type: ignore[no-any-return]

    async def drain(self, worker: str) -> WorkerView:
        """See `MasterPort.drain`."""
        return await self.call("drain", worker)  # type: ignore[no-any-return]

    async def drain_all(self) -> None:
        """See `MasterPort.drain_all`."""
        await self.call("drain_all")

    async def scale(self, bounds: Bounds) -> PoolView:
        """See `MasterPort.scale`."""
        return await self.call("scale", bounds)  # type: ignore[no-any-return]

    async def pool(self) -> PoolView:
        """See `MasterPort.pool`."""
        return await self.call("pool")  # type: ignore[no-any-return]

    async def settings(self) -> Settings:
        """See `MasterPort.settings`."""
        return await self.call("settings")  # type: ignore[no-any-return]

    async def register(self, info: WorkerInfo, held: Sequence[int], seq: int) -> None:
        """See `MasterPort.register`."""
        await self.call("register", info, held, seq)

    async def deregister(self, worker: str) -> None:
        """See `MasterPort.deregister`."""
        await self.call("deregister", worker)

    async def exchange(self, request: Exchange) -> Reply:
        """See `MasterPort.exchange`."""
        return await self.call("exchange", request, wait_s=self._park_s)  # type: ignore[no-any-return]


class RemoteStorage(_Remote):
    """Storage, wherever it is."""

    def __init__(self, transport: Transport, settings: Settings) -> None:
        super().__init__(STORAGE, StorageUnavailableError, transport, settings)

    async def put(self, blobs: Mapping[str, bytes]) -> None:
        """See `StoragePort.put`."""
        await self.call("put", blobs)

    async def get(self, keys: Sequence[str]) -> list[bytes | None]:
        """See `StoragePort.get`."""
        return await self.call("get", keys)  # type: ignore[no-any-return]

    async def delete(self, keys: Sequence[str]) -> None:
        """See `StoragePort.delete`."""
        await self.call("delete", keys)


class RemoteWorkers:
    """The workers, wherever they are."""

    def __init__(self, transport: Transport, settings: Settings) -> None:
        self._transport = transport
        self._settings = settings

    async def output(self, worker: str, token: int, offset: int, wait_s: float) -> OutputPart | None:
        """See `WorkersPort.output`.

        Raises:
            WorkerUnavailableError: it did not answer.
        """
        settings = self._settings.model_copy(update={"call_timeout_s": _WORKER_S})  # it may be gone for good
        remote = _Remote(worker_name(worker), WorkerUnavailableError, self._transport, settings)
        return await remote.call("output", worker, token, offset, wait_s, wait_s=wait_s)  # type: ignore[no-any-return]
