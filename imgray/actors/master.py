"""The Master: who works on what. It decides on the ledger's table, and answers when the ledger has it on disk."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path

from imgray.actors.janitor import Janitor
from imgray.actors.ledger import Ledger
from imgray.actors.roster import Member, Roster
from imgray.errors import LeaseLostError, TaskNotFoundError
from imgray.journal import Journal
from imgray.messages import Ack, Exchange, Grant, Nack, Outcome, Reply, Statistics, WorkerInfo, WorkerView
from imgray.ports import StoragePort
from imgray.settings import Settings
from imgray.table import TaskTable
from imgray.task import Filter, State, Task, TaskSpec

Watch = Callable[[str], Awaitable[None]]
"""Wait until the worker with this id has died."""

log = logging.getLogger(__name__)


def steady_clock() -> Callable[[], float]:
    """Make a clock that tells the time of day but never jumps: today's time, carried on by the time since boot."""
    started = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
    return lambda: started + time.clock_gettime(time.CLOCK_BOOTTIME)  # it goes on while a laptop sleeps


@dataclass(frozen=True, slots=True)
class _Parked:
    """A pull that waits for work."""

    seq: int
    want: int
    woken: asyncio.Future[None]


class Master:
    """Decides who works on what, and remembers it.

    Owns: the table of live tasks, the journal, the register of workers.
    Guarantees: what it answers is on disk; a call repeated does what one call does; nothing it accepted is lost.
    Lost on death: waiting calls (callers repeat them) and the register (workers register again).
    """

    def __init__(
        self,
        settings: Settings,
        storage: StoragePort,
        watch: Watch,
        clock: Callable[[], float] | None = None,
        open_journal: Callable[[Path], Journal] = Journal.open,
    ) -> None:
        """Open the journal and take up the tasks in it. Needs a running event loop.

        Raises:
            SetupError, JournalError: the journal cannot be used.
        """
        self._settings = settings
        self._watch = watch
        self._clock = clock or steady_clock()
        self._started_at = self._clock()
        self._refused = 0
        self._ledger = Ledger(settings, self._clock, self, open_journal)
        self._janitor = Janitor(self._ledger, storage, settings, self._clock)
        self._cleaning = asyncio.get_running_loop().create_task(self._janitor.run())
        self._roster = Roster()
        self._parked: dict[str, _Parked] = {}
        self._finishing: defaultdict[str, dict[asyncio.Future[None], None]] = defaultdict(dict)  # in order of asking
        self._watches: dict[str, asyncio.Task[None]] = {}
        self._watch_holders()

    async def close(self) -> None:
        """Write what is decided, and let go of the journal."""
        self._cleaning.cancel()
        for task in self._watches.values():
            task.cancel()
        await self._ledger.close()

    # For front ends

    async def submit(self, specs: Sequence[TaskSpec]) -> list[Task]:
        """Accept tasks, all or none. For one that was submitted before, that earlier task is returned as it stands.

        Raises:
            QueueFullError: too much is live.
            TaskConflictError, IdempotencyConflictError: an id or a key is taken by another submission.
            JournalError: nothing was accepted.
        """
        before = await self._ledger.submitted_before(specs)
        tasks = self._table.submit(specs, self._clock(), before)
        self._decided()
        await self._ledger.committed()
        return tasks

    async def get(self, ids: Sequence[str]) -> list[Task | None]:
        """Return tasks by id, None for unknown ones."""
        tasks = await self._ledger.read(ids)
        await self._ledger.committed()  # what was read is told when it is on disk
        return tasks

    async def wait(self, ids: Sequence[str], wait_s: float) -> list[Task]:
        """Return those that have finished as soon as there is one, or none after ``wait_s``.

        When many are waited for, several are told at a time.

        Raises:
            TaskNotFoundError: an id is unknown.
        """
        woken = asyncio.get_running_loop().create_future()
        for task_id in ids:
            self._finishing[task_id][woken] = None
        try:
            finished = await self._finished(ids)
            if not finished:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(wait_s):
                        await woken
                    if len(ids) > _FEW:
                        await asyncio.sleep(_GATHER_S)
                finished = await self._finished(ids)
        finally:
            for task_id in ids:
                self._finishing[task_id].pop(woken, None)
                if not self._finishing[task_id]:
                    del self._finishing[task_id]
        return finished

    async def page(self, wanted: Filter, before: int | None, limit: int) -> list[Task]:
        """Return the tasks that are asked for, newest first, with a ``seq`` below ``before``."""
        await self._ledger.committed()
        return await self._ledger.in_journal(lambda journal: journal.page(wanted, before, limit))

    async def cancel(self, ids: Sequence[str]) -> list[Task]:
        """Cancel live tasks; return all as they now stand.

        Raises:
            TaskNotFoundError: an id is unknown.
        """
        return await self._cancel(ids, {State.QUEUED, State.LEASED})

    async def withdraw(self, ids: Sequence[str]) -> list[Task]:
        """Cancel the tasks that no worker has yet; return all as they now stand.

        Raises:
            TaskNotFoundError: an id is unknown.
        """
        return await self._cancel(ids, {State.QUEUED})

    async def _cancel(self, ids: Sequence[str], states: AbstractSet[State]) -> list[Task]:
        known = await self._all(ids)
        now = self._clock()
        for task_id in ids:
            task = self._table.get(task_id)
            if task is None or task.state not in states:
                continue
            known[task_id] = self._table.cancel(task_id, now)
            if task.lease is not None:
                self._unpark(task.lease.worker)  # to tell the worker that its token is void
        self._decided()
        await self._ledger.committed()
        return [known[task_id] for task_id in ids]

    async def redrive(self, ids: Sequence[str]) -> list[Task]:
        """Put dead letters back in the queue; return all as they now stand.

        Raises:
            TaskNotFoundError: an id is unknown.
            QueueFullError: too much is live; those before were put back.
        """
        known = await self._all(ids)
        now = self._clock()
        try:
            for task_id, task in known.items():
                known[task_id] = self._table.redrive(task, now)
        finally:
            self._decided()
        await self._ledger.committed()
        return [known[task_id] for task_id in ids]

    async def purge(self, ids: Sequence[str], states: AbstractSet[State]) -> list[str]:
        """Remove tasks that finished in these states, and their blobs. Others stay; return the ids that are no more."""
        await self._ledger.committed()
        tasks = await self._ledger.read(ids)
        there = [self._table.get(task.id) or task for task in tasks if task is not None]
        now = self._clock()
        kept = {task.id for task in there if task.state not in states or not self._table.purge(task, now)}
        self._decided()
        await self._ledger.committed()
        self._janitor.wake()
        return [task_id for task_id in ids if task_id not in kept]

    async def statistics(self) -> Statistics:
        """Count, all at one moment."""
        self._sweep()
        counted = Statistics(
            submitted=self._table.submitted,
            tasks=self._table.counts(),
            events=dict(self._table.events),
            refused=self._refused,
            live_bytes=self._table.live_bytes,
            workers=len(self._roster),
            started_at=self._started_at,
        )
        await self._ledger.committed()
        return counted

    async def settings(self) -> Settings:
        """See `MasterPort.settings`."""
        return self._settings

    async def workers(self) -> list[WorkerView]:
        """List the registered workers."""
        self._sweep()
        leased = {worker: len(self._table.leases.of(worker)) for worker in self._watches}
        return self._roster.views(leased)

    # For workers

    async def register(self, info: WorkerInfo, held: Sequence[int], seq: int) -> None:
        """Enter a worker. Leases of its that it does not hold were granted in a reply that it never got."""
        now = self._clock()
        known = self._roster.get(info.id)
        if known is not None and seq < known.seq:  # it was overtaken: what it says is of before
            return
        self._roster.register(info, seq, now)
        self._watch_over(info.id)
        self._table.give_back(info.id, set(held), now)
        self._table.renew(info.id, held, now)
        log.info("action=register worker=%s host=%s pid=%d", info.id, info.host, info.pid)
        self._decided()
        await self._ledger.committed()

    async def exchange(self, request: Exchange) -> Reply:
        """Take a worker's report, and answer with more work: at once if there is some, else when it comes.

        Raises:
            JournalError: the report was not taken, nothing was granted; call again.
        """
        now = self._clock()
        member = self._roster.seen(request.worker, now)
        if member is None:
            return Reply(request.seq, unknown=True)
        self._table.renew(request.worker, request.held, now)
        refused = [outcome.token for outcome in request.outcomes if not await self._settle(member, outcome, now)]
        self._refused += len(refused)
        if self._roster.get(request.worker) is not member:  # given up, or registered anew, meanwhile
            self._decided()
            return Reply(request.seq, unknown=True)
        if member.advance(request.seq, request.received):
            self._unpark(request.worker)
            granted = self._grant(member, request.want)
            if not (granted or member.unreceived or request.outcomes or self._void(request)):
                await self._park(request)
        self._decided()
        grants = list(member.unreceived)  # those that the next commit has: a newer call may bring more
        await self._ledger.committed()
        if self._roster.get(request.worker) is not member:
            return Reply(request.seq, unknown=True)
        valid = set(self._table.leases.of(request.worker))
        return Reply(
            request.seq, tuple(grant for grant in grants if grant.token in valid), (*refused, *self._void(request))
        )

    def _void(self, request: Exchange) -> list[int]:
        """List the tokens that a worker holds, and does not report, but that are no longer its."""
        valid = {outcome.token for outcome in request.outcomes}.union(self._table.leases.of(request.worker))
        return [token for token in request.held if token not in valid]

    async def _settle(self, member: Member, outcome: Outcome, now: float) -> bool:
        """Enter an outcome; return False when its lease is lost."""
        task = self._table.get(outcome.task_id)
        if task is None:
            self._decided()  # what was settled before this must not be seen by others before it is on disk
            (task,) = await self._ledger.read([outcome.task_id])
            return task is not None and task.state is State.SUCCEEDED and task.token == outcome.token
        try:
            match outcome:
                case Ack(task_id, token, outputs):
                    member.succeeded += task.state is State.LEASED
                    self._table.ack(task_id, token, outputs, now)
                case Nack(task_id, token, failure, alone):
                    member.failed += 1
                    self._table.nack(task_id, token, failure, now, alone=alone)
                case _:
                    self._table.release(outcome.task_id, outcome.token, now)
        except LeaseLostError as error:
            log.info("action=refuse worker=%s %s", member.info.id, error)
            return False
        return True

    def _grant(self, member: Member, want: int) -> bool:
        """Lease work to a worker: no more than a fair share, so that the last tasks are spread over all."""
        now = self._clock()
        share = -(-self._table.ready(now) // (2 * len(self._roster)))
        tasks = self._table.lease(member.info.id, min(want, share), now, member.info.node)
        if tasks:
            member.unreceived += [Grant(task.spec, task.token, task.attempts) for task in tasks]
        return bool(tasks)

    async def _park(self, request: Exchange) -> None:
        """Hold a pull until there is something to say, or for ``longest_park_s``."""
        parked = _Parked(request.seq, request.want, asyncio.get_running_loop().create_future())
        self._parked[request.worker] = parked
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._settings.longest_park_s):
                    await parked.woken
        finally:
            if self._parked.get(request.worker) is parked:
                del self._parked[request.worker]

    def _unpark(self, worker: str) -> None:
        parked = self._parked.pop(worker, None)
        if parked is not None and not parked.woken.done():
            parked.woken.set_result(None)

    def _watch_over(self, worker: str) -> None:
        if worker not in self._watches:
            self._watches[worker] = asyncio.get_running_loop().create_task(self._lose_when_dead(worker))

    def _watch_holders(self) -> None:
        """Watch over the workers that hold leases in the journal: they may have died with the Master."""
        for worker in self._table.leases.holders():
            self._watch_over(worker)

    async def _lose_when_dead(self, worker: str) -> None:
        await self._watch(worker)
        log.warning("action=lose worker=%s", worker)
        del self._watches[worker]
        self._roster.remove(worker)
        self._unpark(worker)
        self._table.lose_worker(worker, self._clock())
        self._decided()

    def _sweep(self) -> None:
        """Strike out the workers that were not heard of for so long that they have lost their tasks."""
        self._roster.sweep(self._clock() - self._settings.lease_s)

    # What the ledger tells

    def time_passed(self, silent: AbstractSet[str]) -> None:
        """Hand out what time has made ready, but not to a worker that is silent, though a call of its may wait here."""
        self._sweep()
        for worker in silent:
            self._roster.remove(worker)
            self._unpark(worker)
            self._table.give_back(worker, frozenset(), self._clock())
        self._decided()

    def on_disk(self, tasks: Sequence[Task]) -> None:
        """Tell those who wait for these tasks."""
        for task in tasks:
            if task.state.finished:
                for woken in self._finishing.get(task.id, ()):
                    if not woken.done():
                        woken.set_result(None)

    def undone(self) -> None:
        """Have all workers register again, and say what they hold."""
        self._roster = Roster()
        self._watch_holders()
        for worker in list(self._parked):
            self._unpark(worker)

    @property
    def _table(self) -> TaskTable:
        return self._ledger.table

    def _decided(self) -> None:
        """Follow up a change of the table: hand out what is ready, and have it all committed."""
        for worker, parked in list(self._parked.items()):
            member = self._roster.get(worker)
            if member is not None and parked.want and self._grant(member, parked.want):
                self._unpark(worker)
        self._ledger.decided()

    async def _all(self, ids: Sequence[str]) -> dict[str, Task]:
        found: dict[str, Task] = {}
        for task_id, task in zip(ids, await self._ledger.read(ids), strict=True):
            if task is None:
                raise TaskNotFoundError(task_id)
            found[task_id] = task
        return found

    async def _finished(self, ids: Sequence[str]) -> list[Task]:
        tasks = await self._all(ids)
        await self._ledger.committed()
        return [task for task in tasks.values() if task.state.finished]


_FEW = 16  # whoever waits for more tasks than this is told of several at a time:
_GATHER_S = 0.1  # of those that finish so soon after the first
