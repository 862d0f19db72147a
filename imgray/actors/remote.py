"""The parts as Ray actors. (`imgray.actors.cluster` starts them, `imgray.actors.transport` reaches them.)"""

from __future__ import annotations

import asyncio
import contextlib
import faulthandler
import logging
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

import numpy as np
import ray
from ray.exceptions import ActorUnavailableError, RayError

from imgray.actors.master import Master
from imgray.actors.storage import Storage
from imgray.actors.transport import INLINE_BYTES, NAMESPACE, RayTransport, remote_gateway
from imgray.actors.worker import Worker, info_of
from imgray.blobs import BlobStore, Folder
from imgray.errors import ImgrayError, PassingError
from imgray.heap import keep_memory, keep_objects
from imgray.hot import Hot
from imgray.journal import HANDOVER_S, Journal
from imgray.messages import OutputPart
from imgray.ports import MASTER, STORAGE, MasterPort, RemoteStorage, StoragePort, WorkersPort
from imgray.settings import Settings
from imgray.target import WORKER_PREFIX, worker_name
from imgray.wire import AVAILABLE, Address, Listening, methods_of

log = logging.getLogger(__name__)
_T = TypeVar("_T")

DETACHED: Mapping[str, Any] = {
    "namespace": NAMESPACE,
    "lifetime": "detached",
    "get_if_exists": True,
    "max_restarts": -1,
    "max_concurrency": 100_000,  # calls that wait cost little: the limits on tasks and workers bound them
    "enable_task_events": False,
}
"""The options of every actor but its name."""

_SWITCH_S = 0.001  # how long the journal's thread waits for the event loop's to let it go on, while both are busy
_REFUSED_S = 1.0  # how long a part that cannot start waits before it ends, so that it is not tried all the time
_CALLS_TO_THE_DEAD = 3
_PAUSE_S = 0.1  # between calls to a worker that may be dead
_PENDING_S = 1.0  # a call that was pending for so long had been received


class _Callable:
    """An actor that whoever is on the same machine may call without Ray in between."""

    _listening: Listening | None = None

    def _listen(self, port: type, settings: Settings) -> None:
        if AVAILABLE and settings.sockets:
            self._listening = Listening(self, methods_of(port))

    async def address(self) -> Address | None:
        """Say where it listens, if it does."""
        return self._listening.address if self._listening else None


class MasterActor(_Callable, Master):
    """The Master as an actor."""

    def __init__(self, settings: Settings) -> None:
        keep_memory()
        sys.setswitchinterval(_SWITCH_S)
        storage = RemoteStorage(RayTransport(), settings)
        with _ending_when_refused(MASTER):
            opened = partial(Journal.open, wait_s=HANDOVER_S)
            super().__init__(settings, storage, _outlive, RayLauncher(settings), open_journal=opened)
        for loop in (self._ledger.committer, self._cleaning, self._sizing):
            loop.add_done_callback(lambda _: os._exit(1))  # Ray starts another, which reads the journal
        self._listen(MasterPort, settings)
        keep_objects()


class StorageActor(_Callable, Storage):
    """Storage as an actor. For other machines, what is large and hot lies in Ray's object store as well."""

    def __init__(self, settings: Settings) -> None:
        keep_memory()
        with _ending_when_refused(STORAGE):
            blobs = BlobStore(settings.blobs_url)
            self._folder = blobs.folder
        super().__init__(blobs, settings.cache_bytes)
        self._refs: Hot[str, Any] = Hot(settings.cache_bytes)
        self._listen(StoragePort, settings)
        keep_objects()

    async def folder(self) -> Folder | None:
        """Say where the blobs are, for whoever sees the same folder and need not ask for each of them."""
        return self._folder

    async def put_parts(self, sizes: Mapping[str, int], *parts: bytes) -> None:
        """Store blobs that come one after the other, cut into parts that are small enough to travel in the message.

        Ray would put a larger argument into its object store, which takes several times as long as sending it.
        """
        whole, at = memoryview(b"".join(parts)), 0
        blobs: dict[str, bytes] = {}
        for key, size in sizes.items():
            blobs[key] = bytes(whole[at : at + size])
            at += size
        await self.put(blobs)

    async def put_arrays(self, blobs: Mapping[str, Any]) -> None:
        """Store blobs that come as arrays of bytes, through Ray's object store."""
        await self.put({key: array.tobytes() for key, array in blobs.items()})

    async def get_refs(self, keys: Sequence[str]) -> list[Any]:
        """Return blobs as `get` does, the large ones as refs."""
        found = await self.get(keys)
        return [data and self._shared(key, data) for key, data in zip(keys, found, strict=True)]

    async def delete(self, keys: Sequence[str]) -> None:
        """See `Storage.delete`."""
        for key in keys:
            self._refs.drop(key)
        await super().delete(keys)

    def _shared(self, key: str, data: bytes) -> Any:  # noqa: ANN401  # bytes, or a ref to them
        if len(data) <= INLINE_BYTES:
            return data
        ref = self._refs.get(key)
        if ref is None:
            ref = ray.put(np.frombuffer(data, np.uint8))
            self._refs.set(key, len(data), ref)
        return ref


class WorkerActor(_Callable):
    """A Worker as an actor; when its work ends unexpectedly, so does the process, and Ray starts another."""

    def __init__(self, name: str, settings: Settings) -> None:
        keep_memory()
        context = ray.get_runtime_context()
        self._info = info_of(name, context.get_node_id(), settings, context.get_node_labels())
        gateway = remote_gateway(settings)
        self._worker = Worker(self._info, gateway.master, gateway.storage, settings)
        self._drain_on_sigterm()
        self._listen(WorkersPort, settings)
        self._run = asyncio.get_running_loop().create_task(self._worker.run())
        self._run.add_done_callback(self._end)
        keep_objects()

    def _drain_on_sigterm(self) -> None:
        """Take SIGTERM for a request to drain.

        An actor's code is not in the main thread, and so may set no handler of Python's. That of `faulthandler` anyone
        may set: it writes where the stack is into a file, which here is a pipe that wakes the event loop.
        """
        asked, self._asking = os.pipe()
        loop = asyncio.get_running_loop()

        def drain() -> None:
            loop.remove_reader(asked)  # once is enough
            self._worker.drain(hurry=True)

        faulthandler.register(signal.SIGTERM, file=self._asking, all_threads=False, chain=False)
        loop.add_reader(asked, drain)

    def _end(self, run: asyncio.Task[None]) -> None:
        """End this process: for good when it was drained, or else Ray starts another."""
        with contextlib.suppress(RayError, ValueError):
            if not run.cancelled() and run.exception() is None:
                ray.kill(ray.get_actor(self._info.name, NAMESPACE))
                return
        os._exit(1)

    async def output(self, worker: str, token: int, offset: int, wait_s: float) -> OutputPart | None:
        """See `WorkersPort.output`."""
        return await self._worker.output(token, offset, wait_s) if worker == self._info.id else None

    async def outlive(self, worker_id: str) -> None:
        """Never answer while the worker with this id lives; answer at once when another has taken its place."""
        while worker_id == self._info.id:
            await asyncio.Event().wait()


@contextlib.contextmanager
def _ending_when_refused(part: str) -> Iterator[None]:
    """End this process when a disk refuses to have it start: Ray starts another, but never one whose start raised."""
    try:
        yield
    except ImgrayError as error:
        log.error("action=end part=%s %s: %s", part, error.code, error)  # noqa: TRY400  # the sentence says it all
        time.sleep(_REFUSED_S)
        os._exit(1)


async def _outlive(worker_id: str) -> None:
    """Wait until the worker with this id has died. A call that is pending on an actor fails when its process dies.

    A call that fails at once may just have been lost on its way: that takes a few in a row to be believed.
    """
    for _ in range(_CALLS_TO_THE_DEAD):
        called_at = time.monotonic()
        try:
            actor = await asyncio.to_thread(ray.get_actor, worker_name(worker_id), NAMESPACE)
            await actor.outlive.remote(worker_id)
        except ActorUnavailableError:
            if time.monotonic() - called_at > _PENDING_S:
                return
            await asyncio.sleep(_PAUSE_S)
        except (ValueError, RayError):
            return
        else:
            return


class RayLauncher:
    """Starts and ends workers as actors; one that there is no room for makes Ray ask for another node. (`Launcher`)"""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    async def cores(self) -> int:
        """See `Launcher.cores`."""
        return await _asked(lambda: int(ray.cluster_resources().get("CPU", 1)))

    async def names(self) -> set[str]:
        """See `Launcher.names`."""
        actors = await _asked(named_actors)
        return {name for name in actors if name.startswith(WORKER_PREFIX)}

    async def start(self, name: str) -> None:
        """See `Launcher.start`."""
        await _asked(lambda: start_worker(name, self._settings))

    async def end(self, name: str) -> None:
        """See `Launcher.end`."""
        await _asked(lambda: ray.kill(ray.get_actor(name, NAMESPACE)))


async def _asked(call: Callable[[], _T]) -> _T:
    """Ask Ray for something, in a thread: it may take its time."""
    try:
        return await asyncio.to_thread(call)
    except (RayError, ValueError) as error:  # ValueError: no actor has this name (any more)
        raise PassingError(str(error)) from error


def start_worker(name: str, settings: Settings) -> None:
    """Start a worker, unless it is there already."""
    ray.remote(WorkerActor).options(name=name, num_cpus=1, **DETACHED).remote(name, settings)


def named_actors() -> list[str]:
    """Name the actors of this service, as far as they have not ended."""
    return [
        actor["name"] for actor in ray.util.list_named_actors(all_namespaces=True) if actor["namespace"] == NAMESPACE
    ]
