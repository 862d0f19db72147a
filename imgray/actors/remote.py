"""The parts as Ray actors, and how anyone reaches one. (`imgray.actors.cluster` starts them.)

Actors are detached and found by name in the namespace `NAMESPACE`; that is all the discovery there is.
"""

from __future__ import annotations

import asyncio
import logging
import os
import platform
import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np
import ray
from ray.exceptions import ActorUnavailableError, RayError, RayTaskError

from imgray.actors.master import Master
from imgray.actors.storage import INLINE_BYTES, Buffer, Storage
from imgray.actors.worker import Worker
from imgray.blobs import BlobStore
from imgray.errors import ImgrayError
from imgray.gateway import Gateway
from imgray.journal import HANDOVER_S, Journal
from imgray.messages import WorkerInfo
from imgray.ports import MASTER, STORAGE, RemoteMaster, RemoteStorage, UnansweredError
from imgray.settings import Settings
from imgray.version import __version__

log = logging.getLogger(__name__)

NAMESPACE = "imgray"
WORKER_PREFIX = "worker-"

_REFUSED_S = 1.0  # how long a part that cannot start waits before it ends, so that it is not tried all the time
_CALLS_TO_THE_DEAD = 3
_PAUSE_S = 0.1  # between calls to a worker that may be dead
_PENDING_S = 3.0  # a call that was pending for so long had been received

_PARTS_BYTES = 4 * 2**20  # up to here blobs travel in parts; Ray's own limit for one call is 10 MiB


class MasterActor(Master):
    """The Master as an actor."""

    def __init__(self, settings: Settings) -> None:
        storage = RemoteStorage(RayTransport(), settings)
        with _ending_when_refused(MASTER):
            super().__init__(settings, storage, _outlive, open_journal=partial(Journal.open, wait_s=HANDOVER_S))
        for loop in (self._ledger.committer, self._cleaning):
            loop.add_done_callback(lambda _: os._exit(1))  # Ray starts another, which reads the journal


class StorageActor(Storage[Any]):
    """Storage as an actor: what is hot and large lies in Ray's object store."""

    def __init__(self, settings: Settings) -> None:
        with _ending_when_refused(STORAGE):
            super().__init__(BlobStore(settings.blobs_url), settings.cache_bytes, _keep)

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
        gateway = remote_gateway(settings)
        self._worker = Worker(self._info, gateway.master, gateway.storage, settings)
        self._run = asyncio.get_running_loop().create_task(self._worker.run())
        self._run.add_done_callback(lambda _: os._exit(1))

    async def outlive(self, worker_id: str) -> None:
        """Never answer while the worker with this id lives; answer at once when another has taken its place."""
        while worker_id == self._info.id:
            await asyncio.Event().wait()


@contextmanager
def _ending_when_refused(part: str) -> Iterator[None]:
    """End this process when a disk refuses to have it start: Ray starts another, but never one whose start raised."""
    try:
        yield
    except ImgrayError as error:
        log.error("action=end part=%s %s: %s", part, error.code, error)  # noqa: TRY400  # the sentence says it all
        time.sleep(_REFUSED_S)
        os._exit(1)


def _keep(data: Buffer) -> Any:  # noqa: ANN401  # bytes, or a ref to them
    return bytes(data) if len(data) <= INLINE_BYTES else ray.put(np.frombuffer(data, np.uint8))


async def _outlive(worker_id: str) -> None:
    """Wait until the worker with this id has died. A call that is pending on an actor fails when its process dies.

    A call that fails at once may just have been lost on its way: that takes a few in a row to be believed.
    """
    for _ in range(_CALLS_TO_THE_DEAD):
        called_at = time.monotonic()
        try:
            await ray.get_actor(worker_id.rpartition(".")[0], NAMESPACE).outlive.remote(worker_id)
        except ActorUnavailableError:
            if time.monotonic() - called_at > _PENDING_S:
                return
            await asyncio.sleep(_PAUSE_S)
        except (ValueError, RayError):
            return
        else:
            return


class RayTransport:
    """Calls actors by name. (`Transport`)"""

    def __init__(self) -> None:
        self._actors: dict[str, Any] = {}

    async def call(self, part: str, method: str, arguments: Sequence[Any]) -> Any:  # noqa: ANN401  # any answer
        """See `Transport.call`."""
        try:
            if part not in self._actors:
                self._actors[part] = ray.get_actor(part, NAMESPACE)
            return await self._answer(part, method, arguments)
        except RayTaskError as error:
            if isinstance(error.cause, ImgrayError):
                raise error.cause from None
            raise
        except (RayError, ValueError):  # ValueError: no actor has this name (yet)
            self._actors.pop(part, None)
            raise UnansweredError from None
        except asyncio.CancelledError:  # it took too long: perhaps there is another by now
            self._actors.pop(part, None)
            raise

    async def _answer(self, part: str, method: str, arguments: Sequence[Any]) -> Any:  # noqa: ANN401
        if (part, method) == (STORAGE, "put"):
            method, arguments = _packed(*arguments)
        answer = await getattr(self._actors[part], method).remote(*arguments)
        if (part, method) == (STORAGE, "get"):  # here, so that a ref whose object is lost makes the call be made again
            return [bytes(await hot) if isinstance(hot, ray.ObjectRef) else hot for hot in answer]
        return answer


def _packed(blobs: Mapping[str, bytes]) -> tuple[str, tuple[Any, ...]]:
    """Say how blobs travel best: name a method of `StorageActor`, and its arguments."""
    whole = b"".join(blobs.values())
    if len(whole) > _PARTS_BYTES:
        return "put", ({key: np.frombuffer(data, np.uint8) for key, data in blobs.items()},)
    sizes = {key: len(data) for key, data in blobs.items()}
    return "put_parts", (sizes, *(whole[at : at + INLINE_BYTES] for at in range(0, len(whole), INLINE_BYTES)))


def remote_gateway(settings: Settings) -> Gateway:
    """Return the way into the cluster that this process is connected to."""
    transport = RayTransport()
    return Gateway(RemoteMaster(transport, settings), RemoteStorage(transport, settings), settings)
