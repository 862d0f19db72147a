"""The parts as Ray actors, and how anyone reaches one. (`imgray.actors.cluster` starts them.)

Actors are detached and found by name in the namespace `NAMESPACE`; that is all the discovery there is.
"""

from __future__ import annotations

import asyncio
import os
import platform
import random
import secrets
import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import ray
from ray.exceptions import RayError, RayTaskError

from imgray.actors.master import Master
from imgray.actors.storage import INLINE_BYTES, Buffer, Storage
from imgray.actors.worker import Worker
from imgray.errors import ImgrayError, MasterUnavailableError, PassingError, StorageUnavailableError
from imgray.gateway import Gateway
from imgray.messages import Exchange, Reply, WorkerInfo, WorkerView
from imgray.retry import Backoff
from imgray.settings import Settings
from imgray.task import State, Task, TaskSpec
from imgray.version import __version__

NAMESPACE = "imgray"
MASTER = "master"
STORAGE = "storage"
WORKER_PREFIX = "worker-"

_PARTS_BYTES = 4 * 2**20  # up to here blobs travel in parts; Ray's own limit for one call is 10 MiB
_TRY_S = 10.0  # how long one call may take before it is made again; a frozen process never answers
_AGAIN = Backoff(base_s=0.1, cap_s=2.0)


class MasterActor(Master):
    """The Master as an actor."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings, _outlive)
        self._ledger.committer.add_done_callback(lambda _: os._exit(1))  # Ray starts another, which reads the journal


class StorageActor(Storage[Any]):
    """Storage as an actor: what is hot and large lies in Ray's object store."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings, _keep)

    async def put_parts(self, sizes: Mapping[str, int], *parts: bytes) -> None:
        """Store blobs that come one after the other, cut into parts that are small enough to travel in the message.

        Ray would put a larger argument into its object store, which takes several times as long as sending it.
        """
        whole, at = memoryview(b"".join(parts)), 0
        blobs: dict[str, Buffer] = {}
        for key, size in sizes.items():
            blobs[key] = whole[at : at + size]
            at += size
        await self.put(blobs)


class WorkerActor:
    """A Worker as an actor; when its work ends unexpectedly, so does the process, and Ray starts another."""

    def __init__(self, name: str, settings: Settings) -> None:
        self._info = WorkerInfo(
            id=f"{name}.{secrets.token_hex(4)}",
            name=name,
            node=ray.get_runtime_context().get_node_id(),
            host=platform.node(),
            pid=os.getpid(),
            version=__version__,
        )
        self._worker = Worker(self._info, RemoteMaster(settings), RemoteStorage(settings), settings)
        self._run = asyncio.get_running_loop().create_task(self._worker.run())
        self._run.add_done_callback(lambda _: os._exit(1))

    async def outlive(self, worker_id: str) -> None:
        """Never answer while the worker with this id lives; answer at once when another has taken its place."""
        while worker_id == self._info.id:
            await asyncio.Event().wait()


def _keep(data: Buffer) -> Any:  # noqa: ANN401  # bytes, or a ref to them
    return bytes(data) if len(data) <= INLINE_BYTES else ray.put(np.frombuffer(data, np.uint8))


async def _outlive(worker_id: str) -> None:
    """Wait until the worker with this id has died. A call that is pending on an actor fails when its process dies."""
    try:
        actor = ray.get_actor(worker_id.rpartition(".")[0], NAMESPACE)
        await actor.outlive.remote(worker_id)
    except (ValueError, RayError):
        return


class _Remote:
    """Calls an actor by name, and calls again while it is away: every call of theirs may be repeated."""

    def __init__(self, name: str, unavailable: type[PassingError], settings: Settings) -> None:
        self._name = name
        self._unavailable = unavailable
        self._timeout_s = settings.call_timeout_s
        self._actor: Any = None
        self._rng = random.Random()  # noqa: S311  # jitter

    async def _call(self, method: str, *arguments: Any, wait_s: float = 0.0) -> Any:  # noqa: ANN401  # any answer
        """Call a method.

        Raises:
            ImgrayError: what the method raised, or that the actor was away for ``call_timeout_s``.
        """
        deadline = time.monotonic() + self._timeout_s + wait_s
        for delay_s in _AGAIN.delays_s(self._rng):
            left_s = max(deadline - time.monotonic(), 0.01)
            try:
                return await asyncio.wait_for(self._once(method, arguments), min(left_s, _TRY_S + wait_s))
            except RayTaskError as error:
                if isinstance(error.cause, ImgrayError):
                    raise error.cause from None
                raise
            except (TimeoutError, RayError, ValueError):  # ValueError: no actor has this name (yet)
                self._actor = None
                if time.monotonic() + delay_s >= deadline:
                    raise self._unavailable from None  # a new one each time: an exception keeps what it passed through
            await asyncio.sleep(delay_s)
        raise AssertionError("the delays never end")

    async def _once(self, method: str, arguments: Sequence[Any]) -> Any:  # noqa: ANN401
        if self._actor is None:
            self._actor = ray.get_actor(self._name, NAMESPACE)
        return await getattr(self._actor, method).remote(*arguments)


class RemoteMaster(_Remote):
    """The Master, wherever it is."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(MASTER, MasterUnavailableError, settings)
        self._park_s = settings.longest_park_s

    async def submit(self, specs: Sequence[TaskSpec]) -> list[Task]:
        """See `Master.submit`."""
        return await self._call("submit", specs)  # type: ignore[no-any-return]

    async def get(self, ids: Sequence[str]) -> list[Task | None]:
        """See `Master.get`."""
        return await self._call("get", ids)  # type: ignore[no-any-return]

    async def wait(self, ids: Sequence[str], wait_s: float) -> list[Task]:
        """See `Master.wait`."""
        return await self._call("wait", ids, wait_s, wait_s=wait_s)  # type: ignore[no-any-return]

    async def page(self, states: Sequence[State], before: int | None, limit: int) -> list[Task]:
        """See `Master.page`."""
        return await self._call("page", states, before, limit)  # type: ignore[no-any-return]

    async def cancel(self, ids: Sequence[str]) -> list[Task]:
        """See `Master.cancel`."""
        return await self._call("cancel", ids)  # type: ignore[no-any-return]

    async def withdraw(self, ids: Sequence[str]) -> list[Task]:
        """See `Master.withdraw`."""
        return await self._call("withdraw", ids)  # type: ignore[no-any-return]

    async def redrive(self, ids: Sequence[str]) -> list[Task]:
        """See `Master.redrive`."""
        return await self._call("redrive", ids)  # type: ignore[no-any-return]

    async def counts(self) -> dict[State, int]:
        """See `Master.counts`."""
        return await self._call("counts")  # type: ignore[no-any-return]

    async def workers(self) -> list[WorkerView]:
        """See `Master.workers`."""
        return await self._call("workers")  # type: ignore[no-any-return]

    async def register(self, info: WorkerInfo, held: Sequence[int], seq: int) -> None:
        """See `Master.register`."""
        await self._call("register", info, held, seq)

    async def exchange(self, request: Exchange) -> Reply:
        """See `Master.exchange`."""
        return await self._call("exchange", request, wait_s=self._park_s)  # type: ignore[no-any-return]


class RemoteStorage(_Remote):
    """Storage, wherever it is."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(STORAGE, StorageUnavailableError, settings)

    async def put(self, blobs: Mapping[str, bytes]) -> None:
        """See `Storage.put`."""
        whole = b"".join(blobs.values())
        if len(whole) <= _PARTS_BYTES:
            sizes = {key: len(data) for key, data in blobs.items()}
            parts = (whole[at : at + INLINE_BYTES] for at in range(0, len(whole), INLINE_BYTES))
            await self._call("put_parts", sizes, *parts)
        else:
            await self._call("put", {key: np.frombuffer(data, np.uint8) for key, data in blobs.items()})

    async def get(self, keys: Sequence[str]) -> list[bytes | None]:
        """See `Storage.get`."""
        return await self._call("get", keys)  # type: ignore[no-any-return]

    async def delete(self, keys: Sequence[str]) -> None:
        """See `Storage.delete`."""
        await self._call("delete", keys)

    async def _once(self, method: str, arguments: Sequence[Any]) -> Any:  # noqa: ANN401
        answer = await super()._once(method, arguments)
        if method == "get":  # here, so that a ref whose object is lost makes the call be made again
            return [bytes(await hot) if isinstance(hot, ray.ObjectRef) else hot for hot in answer]
        return answer


def remote_gateway(settings: Settings) -> Gateway:
    """Return the way into the cluster that this process is connected to."""
    return Gateway(RemoteMaster(settings), RemoteStorage(settings), settings)
