"""The janitor: removes finished tasks whose time is over, and the blobs of every task that was purged."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
from collections.abc import Callable

from imgray.actors.ledger import Ledger
from imgray.crash import crash_point
from imgray.errors import ImgrayError
from imgray.ports import StoragePort
from imgray.settings import Settings
from imgray.task import STORES

log = logging.getLogger(__name__)

_BATCH = 256  # tasks, or blobs, at a time
_LONGEST_PERIOD_S = 60.0
_SHORTEST_PERIOD_S = 0.5
_PERIODS_PER_TTL = 10


class Janitor:
    """Rows first, blobs after: a purge is one commit that turns blobs into garbage, which is then collected.

    So no task ever names a blob that the janitor has deleted, and garbage that a crash left is found again.
    """

    def __init__(self, ledger: Ledger, storage: StoragePort, settings: Settings, clock: Callable[[], float]) -> None:
        self._ledger = ledger
        self._storage = storage
        self._ttl_s = settings.result_ttl_s
        self._idempotency_s = settings.idempotency_s
        self._clock = clock
        self._wanted = asyncio.Event()
        self._signed = False

    def wake(self) -> None:
        """Say that there is garbage."""
        self._wanted.set()

    async def run(self) -> None:
        """Look after it until cancelled."""
        ttl_s = self._ttl_s or math.inf
        period_s = min(max(ttl_s / _PERIODS_PER_TTL, _SHORTEST_PERIOD_S), _LONGEST_PERIOD_S)
        while True:
            try:
                if self._ttl_s:
                    await self._expire()
                await self._collect()
                await self._sign()  # last: a disk that is full must first be emptied
            except ImgrayError as error:  # the next round will find the same
                log.warning("action=retry %s", error)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(period_s):
                    await self._wanted.wait()
            self._wanted.clear()

    async def _sign(self) -> None:
        """Leave a blob that tells whose the store is: nobody may take these blobs for orphans of another journal."""
        if not self._signed:
            store = await self._ledger.in_journal(lambda journal: journal.store())
            await self._storage.put({f"{STORES}/{store:x}": b"imgray"})
            self._signed = True

    async def _expire(self) -> None:
        """Purge what finished longer ago than results are kept, unless its idempotency key is kept longer."""
        now = self._clock()
        while tasks := await self._ledger.in_journal(
            lambda journal: journal.expired(now - self._ttl_s, now - self._idempotency_s, _BATCH)
        ):
            purged = [self._ledger.table.purge(task, now) for task in tasks]
            self._ledger.decided()
            await self._ledger.committed()
            log.info("action=expire tasks=%d", sum(purged))
            if not any(purged):  # all of them have been redriven meanwhile
                break

    async def _collect(self) -> None:
        """Delete garbage."""
        while keys := await self._ledger.in_journal(lambda journal: journal.garbage(_BATCH)):
            await self._storage.delete(keys)
            crash_point("garbage-deleted")
            await self._ledger.in_journal(lambda journal, keys=keys: journal.collected(keys))  # type: ignore[misc]
