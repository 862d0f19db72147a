"""Storage: hot blobs in front of durable ones."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar, TypeVarTuple

from imgray.blobs import BlobNotFoundError, BlobStore
from imgray.hot import Hot

_T = TypeVar("_T")
_Ts = TypeVarTuple("_Ts")


class Storage:
    """Keeps blobs: the latest ones hot, all of them on disk.

    Owns: the hot blobs.
    Guarantees: a blob is durable when `put` answers; `get` answers the same bytes for ever.
    Lost on death: the hot blobs, which are read from disk again.
    """

    def __init__(self, blobs: BlobStore, cache_bytes: int) -> None:
        """Stand before a blob store, and keep ``cache_bytes`` of it hot."""
        self._blobs = blobs
        self._hot: Hot[str, bytes] = Hot(cache_bytes)
        self._threads = ThreadPoolExecutor(thread_name_prefix="storage")  # its own: a disk may hang

    async def put(self, blobs: Mapping[str, bytes]) -> None:
        """Store blobs, and keep them hot: whoever is to read them reads them soon.

        Raises:
            StorageUnavailableError: the disk refused; some may have been stored, to no harm.
        """
        await asyncio.gather(*(self._in_thread(self._blobs.put, key, data) for key, data in blobs.items()))
        for key, data in blobs.items():
            self._hot.set(key, len(data), data)

    async def get(self, keys: Sequence[str]) -> list[bytes | None]:
        """Return blobs, None for unknown keys.

        Raises:
            StorageUnavailableError: the disk refused.
        """
        return list(await asyncio.gather(*(self._get(key) for key in keys)))

    async def delete(self, keys: Sequence[str]) -> None:
        """Delete blobs; unknown keys are ignored.

        Raises:
            StorageUnavailableError: the disk refused.
        """
        for key in keys:
            self._hot.drop(key)
        await self._in_thread(self._blobs.delete, keys)

    async def _get(self, key: str) -> bytes | None:
        if (hot := self._hot.get(key)) is not None:
            return hot
        try:
            data = await self._in_thread(self._blobs.get, key)
        except BlobNotFoundError:
            return None
        self._hot.set(key, len(data), data)
        return data

    async def _in_thread(self, call: Callable[[*_Ts], _T], *arguments: *_Ts) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, call, *arguments)
