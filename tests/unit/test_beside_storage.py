"""A process on Storage's machine writes and reads blobs itself, where Storage would; over real sockets and folders."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest

from imgray import wire
from imgray.actors.storage import Storage
from imgray.actors.transport import RayTransport
from imgray.blobs import BlobStore, Folder
from imgray.errors import StorageUnavailableError
from imgray.ports import STORAGE, RemoteStorage, StoragePort, UnansweredError
from imgray.settings import Settings
from imgray.wire import Address, Caller, Listening, methods_of

pytestmark = pytest.mark.skipif(not wire.AVAILABLE, reason="only Linux has such sockets")

WAIT_S = 30.0


class Counting(Storage):
    """Storage, and what it was asked."""

    def __init__(self, blobs: BlobStore) -> None:
        super().__init__(blobs, cache_bytes=2**20)
        self.asked: list[str] = []

    async def put(self, blobs: Mapping[str, bytes]) -> None:
        self.asked.append("put")
        await super().put(blobs)

    async def get(self, keys: Sequence[str]) -> list[bytes | None]:
        self.asked.append("get")
        return await super().get(keys)

    async def delete(self, keys: Sequence[str]) -> None:
        self.asked.append("delete")
        await super().delete(keys)


class Breaking(Storage):
    """Storage that loses a connection while it writes."""

    def __init__(self, blobs: BlobStore, caller: Caller) -> None:
        super().__init__(blobs, cache_bytes=0)
        self._caller = caller

    async def put(self, blobs: Mapping[str, bytes]) -> None:
        await super().put(blobs)
        self._caller.close()
        while self._caller.usable:
            await asyncio.sleep(0)


@asynccontextmanager
async def reached(
    storage: Storage, folder: Folder | None, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[tuple[RayTransport, Listening]]:
    """Have Storage found without Ray, which says that its blobs are in this folder."""

    async def answer() -> Folder | None:
        return folder

    there = Listening(storage, methods_of(StoragePort))
    actor = SimpleNamespace(folder=SimpleNamespace(remote=answer))

    async def find(_: str) -> tuple[SimpleNamespace, Address]:
        return actor, there.address

    monkeypatch.setattr("imgray.actors.transport._find", find)
    transport = RayTransport()
    async with asyncio.timeout(WAIT_S):
        try:
            yield transport, there
        finally:
            for part in transport._parts.values():  # noqa: SLF001  # no service ever closes its own
                if part.caller is not None:
                    part.caller.close()
            await there.close()
            for _ in range(3):  # turns of the loop, in which the other ends find out
                await asyncio.sleep(0)


async def test_blobs_in_a_folder_of_this_machine_are_written_and_read_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blobs = BlobStore(tmp_path.as_uri())
    storage = Counting(blobs)
    async with reached(storage, blobs.folder, monkeypatch) as (transport, _):
        here = RemoteStorage(transport, Settings())
        await here.put({"inputs/a": b"1", "inputs/b": b"2"})
        assert (tmp_path / "inputs" / "a").read_bytes() == b"1"
        assert await here.get(["inputs/b", "inputs/c", "inputs/a"]) == [b"2", None, b"1"]
        assert storage.asked == []
        assert await storage.get(["inputs/a"]) == [b"1"]  # for those who ask it
        await here.delete(["inputs/a"])
        assert storage.asked == ["get", "delete"]  # which is for Storage: it keeps some in memory
        assert await storage.get(["inputs/a"]) == [None]


async def test_a_folder_that_is_another_one_here_is_left_to_storage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The path of Storage's folder may lead elsewhere for this process, as in a container, or nowhere."""
    storage = Counting(BlobStore((tmp_path / "there").as_uri()))
    other = BlobStore((tmp_path / "here").as_uri()).folder
    assert other is not None
    mistaken = [other._replace(number=other.number + 1), other._replace(device=other.device + 1)]
    missing = other._replace(path=str(tmp_path / "missing"))
    for number, folder in enumerate([*mistaken, missing, None]):
        async with reached(storage, folder, monkeypatch) as (transport, _):
            await RemoteStorage(transport, Settings()).put({f"inputs/{number}": b"1"})
    assert storage.asked == ["put"] * 4
    assert list((tmp_path / "here").iterdir()) == []
    assert not (tmp_path / "missing").exists()


async def test_a_folder_that_may_not_be_written_here_is_left_to_storage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As for a program whose file system is read-only, which a test cannot make so without being root."""
    blobs = BlobStore(tmp_path.as_uri())
    storage = Counting(blobs)
    monkeypatch.setattr(os, "access", lambda *_: False)
    async with reached(storage, blobs.folder, monkeypatch) as (transport, _):
        await RemoteStorage(transport, Settings()).put({"inputs/a": b"1"})
    assert storage.asked == ["put"]


async def test_what_was_written_while_storage_ended_counts_as_unanswered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The Storage that follows may keep its blobs elsewhere: then it must be written again, there."""
    blobs = BlobStore(tmp_path.as_uri())
    async with reached(Storage(blobs, 0), blobs.folder, monkeypatch) as (transport, _):
        connected = transport._parts  # noqa: SLF001  # the connection is to break in between
        await transport.call(STORAGE, "get", [["inputs/a"]])
        caller = connected[STORAGE].caller
        assert caller is not None

        connected[STORAGE].beside = Breaking(blobs, caller)
        with pytest.raises(UnansweredError):
            await transport.call(STORAGE, "put", [{"inputs/a": b"1"}])
        await transport.call(STORAGE, "put", [{"inputs/a": b"1"}])  # it is looked for again
        assert connected[STORAGE].caller is not caller


async def test_who_doubts_a_connection_that_is_whole_goes_on_where_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that hangs makes calls too long; were everything set up anew each time, threads would pile up."""
    blobs = BlobStore(tmp_path.as_uri())
    async with reached(Storage(blobs, 0), blobs.folder, monkeypatch) as (transport, _):
        connected = transport._parts  # noqa: SLF001  # as after a call that took too long
        await transport.call(STORAGE, "get", [["inputs/a"]])
        before = connected[STORAGE]
        before.doubtful = True
        await transport.call(STORAGE, "get", [["inputs/a"]])
        after = connected[STORAGE]
        assert after is not before
        assert after.caller is before.caller
        assert after.beside is before.beside is not None


async def test_a_disk_that_hangs_holds_up_nothing_but_blobs(tmp_path: Path) -> None:
    thaws = threading.Event()

    class Hanging(BlobStore):
        """A store whose disk does not answer."""

        def get(self, key: str) -> bytes:
            thaws.wait(WAIT_S)
            return super().get(key)

    storage = Storage(Hanging(tmp_path.as_uri()), 0)
    async with asyncio.timeout(WAIT_S):
        reading = asyncio.create_task(storage.get([f"inputs/{number}" for number in range(100)]))
        await asyncio.sleep(0)  # it has begun
        assert await asyncio.to_thread(lambda: "looked at") == "looked at"
        assert not reading.done()
        thaws.set()
        assert await reading == [None] * 100


async def test_a_disk_that_refuses_is_storage_s_own_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blobs = BlobStore(tmp_path.as_uri())
    async with reached(Storage(blobs, 0), blobs.folder, monkeypatch) as (transport, _):
        (tmp_path / "inputs").write_bytes(b"in the way")
        with pytest.raises(StorageUnavailableError):
            await transport.call(STORAGE, "put", [{"inputs/a": b"1"}])
        assert await transport.call(STORAGE, "get", [["outputs/a"]]) == [None]


def test_only_a_local_folder_is_one(tmp_path: Path) -> None:
    assert BlobStore("memory:///").folder is None
    folder = BlobStore((tmp_path / "with space").as_uri()).folder
    assert folder is not None
    assert BlobStore(Path(folder.path).as_uri(), make=False).folder == folder
