"""How a part is reached: through Ray, or by a shorter way where it is on the same machine.

Actors are detached and found by name in the namespace `NAMESPACE`; that is all the discovery there is.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import ray
from ray.exceptions import RayError, RayTaskError

from imgray.actors.storage import Storage
from imgray.blobs import BlobStore, Folder
from imgray.errors import ImgrayError, StorageUnavailableError
from imgray.gateway import Gateway
from imgray.ports import STORAGE, RemoteMaster, RemoteStorage, RemoteWorkers, UnansweredError
from imgray.settings import Settings
from imgray.wire import AVAILABLE, Address, BrokenError, Caller, connect

NAMESPACE = "imgray"

INLINE_BYTES = 96_000
"""Blobs up to this size stay inside Ray's messages: its limit is 100 KiB. Larger ones are refs to its object store."""

_BESIDE = frozenset({"put", "get"})  # deleting is for Storage, which is to forget what it keeps in memory
_LOOKING = ThreadPoolExecutor(1, "looking")  # at folders: one that hangs is to hold up nothing else
_PARTS_BYTES = 4 * 2**20  # up to here blobs travel in parts; Ray's own limit for one call is 10 MiB


@dataclass(slots=True)
class _Reached:
    """A part that was found, and the shorter way to it, if it is on this machine.

    Attributes:
        actor: itself.
        address: where it listens.
        caller: the connection to that.
        beside: if it is Storage, and keeps its blobs in a folder that this process sees: one like it, over that folder.
        doubtful: it did not answer in time; perhaps there is another by now.
    """

    actor: Any
    address: Address | None
    caller: Caller | None
    beside: Storage | None = None
    doubtful: bool = False

    @property
    def good(self) -> bool:
        """True when it can be called without looking for it again."""
        return not self.doubtful and (self.caller is None or self.caller.usable)


class RayTransport:
    """Calls actors that are found by name: over a socket on the same machine, and else through Ray. (`Transport`)

    Blobs in a folder on the same machine are written and read here: their bytes need not pass through Storage as well.
    """

    def __init__(self) -> None:
        self._parts: dict[str, _Reached] = {}
        self._reaching: dict[str, asyncio.Task[_Reached]] = {}

    async def call(self, part: str, method: str, arguments: Sequence[Any]) -> Any:  # noqa: ANN401  # any answer
        """See `Transport.call`."""
        try:
            reached = self._parts.get(part)
            if reached is None or not reached.good:
                reached = await self._reach(part, reached)
            if reached.beside is not None and method in _BESIDE:
                return await _answer_beside(reached, method, arguments)
            if reached.caller is not None:
                return await reached.caller.call(method, arguments)
            return await _answer(reached.actor, part, method, arguments)
        except RayTaskError as error:
            if isinstance(error.cause, ImgrayError):
                raise error.cause from None
            raise
        except (BrokenError, RayError, ValueError):  # ValueError: no actor has this name (yet)
            self._parts.pop(part, None)
            raise UnansweredError from None
        except asyncio.CancelledError:  # it took too long, perhaps
            if part in self._parts:
                self._parts[part].doubtful = True
            raise

    async def _reach(self, part: str, before: _Reached | None) -> _Reached:
        """Find a part, once for all who call it now."""
        loop = asyncio.get_running_loop()
        reaching = self._reaching.get(part)
        if reaching is None or reaching.done() or reaching.get_loop() is not loop:
            reaching = self._reaching[part] = loop.create_task(_reach(part, before))
        reached = self._parts[part] = await asyncio.shield(reaching)
        return reached


async def _reach(part: str, before: _Reached | None) -> _Reached:
    """Find a part, and connect to it if that can be done; if it is where it was ``before``, go on as then.

    Raises:
        RayError, ValueError: it is away.
    """
    actor, address = await _find(part)
    caller = before.caller if before else None
    if caller is not None and (before is None or before.address != address or not caller.usable):
        caller.close()
        caller = None
    if caller is None and address and AVAILABLE:
        with contextlib.suppress(BrokenError):  # it is on another machine
            caller = await connect(address)
    beside = before.beside if before and caller is before.caller else None
    if part == STORAGE and caller is not None and beside is None:
        folder = await actor.folder.remote()
        beside = await asyncio.get_running_loop().run_in_executor(_LOOKING, _beside, folder)
    return _Reached(actor, address, caller, beside)


async def _find(part: str) -> tuple[Any, Address | None]:
    """Ask Ray for an actor, and that for where it listens."""
    actor = await asyncio.to_thread(ray.get_actor, part, NAMESPACE)
    return actor, await actor.address.remote()


def _beside(folder: Folder | None) -> Storage | None:
    """Stand over the folder of a Storage that is on this machine, if it is seen from here, and may be written."""
    if folder is None or not os.access(folder.path, os.W_OK):
        return None
    try:
        blobs = BlobStore(Path(folder.path).as_uri(), make=False)
        return Storage(blobs, cache_bytes=0) if blobs.folder == folder else None
    except StorageUnavailableError:
        return None


async def _answer_beside(reached: _Reached, method: str, arguments: Sequence[Any]) -> Any:  # noqa: ANN401
    """Do what Storage would.

    Raises:
        BrokenError: it has ended, and the one that follows may keep its blobs elsewhere.
    """
    answer = await getattr(reached.beside, method)(*arguments)
    if reached.caller is None or not reached.caller.usable:
        raise BrokenError
    return answer


async def _answer(actor: Any, part: str, method: str, arguments: Sequence[Any]) -> Any:  # noqa: ANN401
    """Make a call through Ray."""
    if (part, method) == (STORAGE, "put"):
        method, arguments = _packed(*arguments)
    elif (part, method) == (STORAGE, "get"):  # refs are resolved here: when an object is lost, the call is made again
        found = await actor.get_refs.remote(*arguments)
        return [bytes(await hot) if isinstance(hot, ray.ObjectRef) else hot for hot in found]
    return await getattr(actor, method).remote(*arguments)


def _packed(blobs: Mapping[str, bytes]) -> tuple[str, tuple[Any, ...]]:
    """Say how blobs travel best: name a method of `StorageActor`, and its arguments."""
    whole = b"".join(blobs.values())
    if len(whole) > _PARTS_BYTES:
        return "put_arrays", ({key: np.frombuffer(data, np.uint8) for key, data in blobs.items()},)
    sizes = {key: len(data) for key, data in blobs.items()}
    return "put_parts", (sizes, *(whole[at : at + INLINE_BYTES] for at in range(0, len(whole), INLINE_BYTES)))


def remote_gateway(settings: Settings) -> Gateway:
    """Return the way into the cluster that this process is connected to."""
    transport = RayTransport()
    return Gateway(
        RemoteMaster(transport, settings),
        RemoteStorage(transport, settings),
        RemoteWorkers(transport, settings),
        settings,
    )
