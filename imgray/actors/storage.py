"""Storage: hot objects in front of durable blobs."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, TypeAlias, TypeVar

from imgray.blobs import BlobNotFoundError, BlobStore

HotT = TypeVar("HotT")

INLINE_BYTES = 96_000
"""Blobs up to this size stay inside messages: Ray's limit is 100 KiB. Larger ones are refs to its object store."""

Buffer: TypeAlias = "bytes | memoryview | Any"
"""Something with the buffer protocol; ``Any`` because a NumPy array does not say so to a type checker."""


class Storage(Generic[HotT]):
    """Keeps blobs: the latest ones hot, all of them on disk.

    Owns: the hot objects. What `keep` returns (a ref) lives as long as this process.
    Guarantees: a blob is durable when `put` answers; `get` answers the same bytes for ever.
    Lost on death: the hot objects, which are read from disk again.
    """

    def __init__(self, blobs: BlobStore, cache_bytes: int, keep: Callable[[Buffer], HotT]) -> None:
        """Stand before a blob store.

        Args:
            blobs: where they are kept for good.
            cache_bytes: how much is kept hot.
            keep: makes a hot object of bytes.
        """
        self._blobs = blobs
        self._keep = keep
        self._limit_bytes = cache_bytes
        self._hot: OrderedDict[str, tuple[int, HotT]] = OrderedDict()
        self._hot_bytes = 0

    async def put(self, blobs: Mapping[str, Buffer]) -> None:
        """Store blobs, and keep them hot: whoever is to read them reads them soon.

        Raises:
            StorageUnavailableError: the disk refused; some may have been stored, to no harm.
        """
        await asyncio.gather(*(asyncio.to_thread(self._blobs.put, key, data) for key, data in blobs.items()))
        for key, data in blobs.items():
            asyncio.get_running_loop().call_soon(self._warm, key, data)  # after the answer, which need not wait for it

    async def get(self, keys: Sequence[str]) -> list[HotT | None]:
        """Return blobs as hot objects, None for unknown keys.

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
            size, _ = self._hot.pop(key, (0, None))
            self._hot_bytes -= size
        await asyncio.to_thread(self._blobs.delete, keys)

    async def _get(self, key: str) -> HotT | None:
        if key in self._hot:
            self._hot.move_to_end(key)
            return self._hot[key][1]
        try:
            data = await asyncio.to_thread(self._blobs.get, key)
        except BlobNotFoundError:
            return None
        return self._warm(key, data)

    def _warm(self, key: str, data: Buffer) -> HotT:
        size, hot = len(data), self._keep(data)
        old, _ = self._hot.pop(key, (0, None))
        self._hot[key] = size, hot
        self._hot_bytes += size - old
        while self._hot_bytes > self._limit_bytes:
            _, (cooled, _) = self._hot.popitem(last=False)
            self._hot_bytes -= cooled
        return hot
