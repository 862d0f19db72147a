"""The pool: sees to it that there are as many workers as there should be. It starts some, and drains others."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Protocol

from imgray.actors.dispatcher import Dispatcher
from imgray.actors.ledger import Ledger
from imgray.actors.roster import Member
from imgray.errors import PassingError
from imgray.messages import PoolView
from imgray.scaling import Bounds, Load, Scaler
from imgray.settings import Settings
from imgray.target import ANYWHERE, WORKER_PREFIX, Target

log = logging.getLogger(__name__)

_PERIOD_S = 1.0  # how often load and cluster are looked at, where they matter
_FIXED_PERIOD_S = 10.0


class Launcher(Protocol):
    """Starts and ends the processes of workers. Whatever is not done is asked for again.

    Raises:
        PassingError: it could not be done.
    """

    async def cores(self) -> int:
        """Count the cores of the cluster as it is now."""

    async def names(self) -> set[str]:
        """Name the workers that were started and have not ended, those too that wait for room or are restarted."""

    async def start(self, name: str) -> None:
        """Start a worker, as soon as there is room for it; one that is there already is left alone."""

    async def end(self, name: str) -> None:
        """End a worker at once."""


class Pool:
    """Keeps the number of workers at what the bounds and the load ask for."""

    def __init__(
        self,
        launcher: Launcher,
        ledger: Ledger,
        dispatcher: Dispatcher,
        settings: Settings,
        clock: Callable[[], float],
    ) -> None:
        self._launcher = launcher
        self._ledger = ledger
        self._dispatcher = dispatcher
        self._configured = settings.pool
        self._bounds = self._configured
        self._scaler = Scaler(settings.scale_down_s)
        self._clock = clock
        self._wanted = 0
        self._present: set[str] = set()
        self._leaving: set[str] = set()
        self._changed = asyncio.Event()
        self._closed = False
        self._sparing = asyncio.Lock()

    async def run(self) -> None:
        """Look after the pool until cancelled."""
        chosen = await self._ledger.in_journal(lambda journal: journal.scale(self._configured))
        self._bounds = chosen or self._configured
        while True:
            try:
                await self._adjust()
            except PassingError as error:
                log.warning("action=retry %s", error)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_FIXED_PERIOD_S if self._bounds.fixed else _PERIOD_S):
                    await self._changed.wait()
            self._changed.clear()

    async def scale(self, bounds: Bounds) -> PoolView:
        """Set between how many workers the pool may vary; it stays so until the settings say something else."""
        await self._ledger.in_journal(lambda journal: journal.set_scale(self._configured, bounds))
        self._bounds = bounds
        self._changed.set()
        return self.view()

    async def spare(self) -> None:
        """Do without the workers that are being drained, unless the load decides. To do it again changes nothing."""
        async with self._sparing:
            if not (self._bounds.follows_cores or self._bounds.fixed):
                return
            left = len(self._staying(await self._launcher.names()))
            if self._bounds.fixed:
                left = min(left, self._bounds.minimum)
            await self.scale(Bounds(left, left))

    def leaves(self, name: str) -> None:
        """Count on a worker no more, though its process may take a moment to end."""
        self._leaving.add(name)
        self._changed.set()

    async def close(self) -> None:
        """Start no more workers, and end those that have not come to be: the service ends."""
        self._closed = True
        with contextlib.suppress(PassingError):
            for name in await self._launcher.names():
                if self._dispatcher.roster.find(name) is None and not self._dispatcher.returning:
                    await self._launcher.end(name)

    def view(self) -> PoolView:
        """Describe the pool."""
        load = self._load()
        return PoolView(
            bounds=self._bounds,
            wanted=self._wanted,
            started=len(self._staying(self._present)),
            active=len(self._dispatcher.roster.active),
            waiting=load.waiting,
            waiting_pixels=load.waiting_pixels,
            waiting_s=load.waiting_s,
            pixels_per_s=load.pixels_per_s,
        )

    async def _adjust(self) -> None:
        self._present = await self._launcher.names()
        cores = await self._launcher.cores() if self._bounds.follows_cores else 0
        if self._closed:
            return
        self._leaving = {name for name in self._leaving & self._present if not self._dispatcher.roster.find(name)}
        there = self._staying(self._present)
        self._wanted = self._scaler.size(self._bounds, self._load(), len(there), cores, self._clock())
        if self._wanted > len(there):
            for name in _free_names(self._wanted - len(there), self._present):
                log.info("action=start worker=%s", name)
                await self._launcher.start(name)
                self._present.add(name)
        if self._dispatcher.returning:  # who seems not to be there may be busy
            return
        for name in self._superfluous(there)[: max(len(there) - self._wanted, 0)]:
            member = self._dispatcher.roster.find(name)
            if member is None:
                log.info("action=end worker=%s", name)
                await self._launcher.end(name)
            else:
                self._dispatcher.drain(member.info.id)

    def _staying(self, names: Iterable[str]) -> set[str]:
        """Leave out the workers that are being drained, or have been."""
        found = {name: self._dispatcher.roster.find(name) for name in names if name not in self._leaving}
        return {name for name, member in found.items() if member is None or not member.draining}

    def _superfluous(self, names: Iterable[str]) -> list[str]:
        """Order workers by how little is lost with them: first what is not there yet, idle, or alone on its node."""
        members = {name: self._dispatcher.roster.find(name) for name in names}
        nodes = Counter(member.info.node for member in members.values() if member)

        def loss(name: str) -> tuple[bool, bool, int, int]:
            member = members[name]
            if member is None:
                return False, False, 0, -_number(name)
            return True, self._busy(member), nodes[member.info.node], -_number(name)

        return sorted(members, key=loss)

    def _grows_for(self, target: Target) -> bool:
        """Say whether another worker may help with a target: not if it names one, or labels that none has."""
        return not (target.worker or target.node) and (target == ANYWHERE or self._dispatcher.roster.serves(target))

    def _busy(self, member: Member) -> bool:
        return bool(self._ledger.table.leases.of(member.info.id))

    def _load(self) -> Load:
        now = self._clock()
        waiting = self._ledger.table.waiting(self._grows_for)
        return Load(
            waiting=waiting.tasks,
            waiting_pixels=waiting.pixels,
            waiting_s=now - waiting.since if waiting.since is not None else 0.0,
            pixels_per_s=self._dispatcher.pixels_per_s,
            busy=sum(self._busy(member) for member in self._dispatcher.roster.active),
        )


def _number(name: str) -> int:
    number = name.removeprefix(WORKER_PREFIX)
    return int(number) if number.isdecimal() else 0


def _free_names(count: int, taken: set[str]) -> list[str]:
    """Return the lowest names that are not taken."""
    most = range(1, count + len(taken) + 1)
    return [name for number in most if (name := f"{WORKER_PREFIX}{number}") not in taken][:count]
