"""The Master: who works on what. It decides on the ledger's table, and answers when the ledger has it on disk."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path

from imgray.actors.dispatcher import Dispatcher, Watch
from imgray.actors.janitor import Janitor
from imgray.actors.ledger import Ledger
from imgray.actors.pool import Launcher, Pool
from imgray.calls import Results
from imgray.errors import MasterUnavailableError, TaskNotFoundError
from imgray.journal import Journal
from imgray.messages import Exchange, PoolView, Reply, Statistics, WorkerView
from imgray.ports import StoragePort
from imgray.scaling import Bounds
from imgray.settings import Settings
from imgray.table import TaskTable
from imgray.target import WorkerInfo, worker_name
from imgray.task import Filter, State, Task, TaskSpec

log = logging.getLogger(__name__)


def steady_clock() -> Callable[[], float]:
    """Make a clock that tells the time of day but never jumps: today's time, carried on by the time since boot."""
    started = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
    return lambda: started + time.clock_gettime(time.CLOCK_BOOTTIME)  # it goes on while a laptop sleeps


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
        launcher: Launcher,
        *,
        clock: Callable[[], float] | None = None,
        open_journal: Callable[[Path], Journal] = Journal.open,
    ) -> None:
        """Open the journal and take up the tasks in it. Needs a running event loop.

        Raises:
            SetupError, JournalError: the journal cannot be used.
        """
        self._settings = settings
        self._clock = clock or steady_clock()
        self._started_at = self._clock()
        self._ledger = Ledger(settings, self._clock, self, open_journal)
        self._janitor = Janitor(self._ledger, storage, settings, self._clock)
        self._cleaning = asyncio.get_running_loop().create_task(self._janitor.run())
        self._finishing: defaultdict[str, dict[asyncio.Future[None], None]] = defaultdict(dict)  # in order of asking
        self._starting: defaultdict[str, set[asyncio.Future[None]]] = defaultdict(set)
        self._calling: dict[str, asyncio.Future[tuple[Task, Results]]] = {}  # by task id
        self._dispatcher = Dispatcher(self._ledger, settings, watch, self._clock)
        self._pool = Pool(launcher, self._ledger, self._dispatcher, settings, self._clock)
        self._sizing = asyncio.get_running_loop().create_task(self._pool.run())

    async def close(self) -> None:
        """Write what is decided, and let go of the journal."""
        self._cleaning.cancel()
        self._sizing.cancel()
        self._dispatcher.close()
        await self._ledger.close()

    # For front ends

    async def submit(self, specs: Sequence[TaskSpec], inputs: Mapping[str, bytes]) -> list[Task]:
        """Accept tasks, all or none. For one that was submitted before, that earlier task is returned as it stands.

        Raises:
            QueueFullError: too much is live.
            TaskConflictError, IdempotencyConflictError: an id or a key is taken by another submission.
            WorkerNotFoundError, WorkersReturningError: no worker can take one, and it is not to wait for one.
            JournalError: nothing was accepted.
        """
        before = await self._ledger.submitted_before(specs)
        tasks = self._table.submit(specs, self._clock(), before, self._dispatcher.check_target, inputs)
        self._dispatcher.hand_out()
        await self._ledger.committed()
        return tasks

    async def process(self, spec: TaskSpec, data: bytes, wait_s: float) -> tuple[Task, Results] | None:
        """See `MasterPort.process`. Raises as `submit`.

        Raises:
            MasterUnavailableError: the call is to be made again.
        """
        ended = self._calling.get(spec.id)
        if ended is None:  # else it is made again, for want of an answer
            self._table.submit([spec], self._clock(), (), self._dispatcher.check_target, {spec.id: data})
            ended = self._calling[spec.id] = asyncio.get_running_loop().create_future()
            self._dispatcher.hand_out()
        try:
            async with asyncio.timeout(wait_s):
                task, results = await asyncio.shield(ended)
        except TimeoutError:
            self._give_up(spec.id)
            return None
        return None if task.state is State.CANCELLED else (task, results)  # an earlier try has given it up

    def _give_up(self, task_id: str) -> None:
        """Cancel a call."""
        task = self._table.get(task_id)
        if task is not None and not task.spec.kept:
            self._table.cancel(task_id, self._clock())
            if task.lease is not None:
                self._dispatcher.unpark(task.lease.worker)
            self._dispatcher.hand_out()

    async def get(self, ids: Sequence[str]) -> list[Task | None]:
        """Return tasks by id, None for unknown ones."""
        tasks = await self._ledger.read(ids)
        await self._ledger.committed()  # what was read is told when it is on disk
        return tasks

    async def fetch(self, task_id: str, name: str) -> bytes | None:
        """See `MasterPort.fetch`."""
        (task,) = await self._ledger.read([task_id])
        await self._ledger.committed()
        return await self._ledger.result(task, name) if task is not None else None

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

    async def wait_started(self, task_id: str, wait_s: float) -> None:
        """Answer when a task is no longer queued, or after ``wait_s``."""
        woken = asyncio.get_running_loop().create_future()
        self._starting[task_id].add(woken)
        try:
            task = self._table.get(task_id)
            if task is not None and task.state is State.QUEUED:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(wait_s):
                        await woken
        finally:
            self._starting[task_id].discard(woken)
            if not self._starting[task_id]:
                del self._starting[task_id]

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
                self._dispatcher.unpark(task.lease.worker)  # to tell the worker that its token is void
        self._dispatcher.hand_out()
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
                self._dispatcher.expect(task.spec.target)
        finally:
            self._dispatcher.hand_out()
        await self._ledger.committed()
        return [known[task_id] for task_id in ids]

    async def purge(self, ids: Sequence[str], states: AbstractSet[State]) -> list[str]:
        """Remove tasks that finished in these states, and their blobs. Others stay; return the ids that are no more."""
        await self._ledger.committed()
        tasks = await self._ledger.read(ids)
        there = [self._table.get(task.id) or task for task in tasks if task is not None]
        now = self._clock()
        kept = {task.id for task in there if task.state not in states or not self._table.purge(task, now)}
        self._dispatcher.hand_out()
        await self._ledger.committed()
        self._janitor.wake()
        return [task_id for task_id in ids if task_id not in kept]

    async def statistics(self) -> Statistics:
        """Count, all at one moment."""
        self._dispatcher.sweep()
        counted = Statistics(
            submitted=self._table.submitted,
            tasks=self._table.counts(),
            events=dict(self._table.events),
            refused=self._dispatcher.refused,
            calls=self._table.calls.answered,
            live_bytes=self._table.live_bytes,
            workers=len(self._dispatcher.roster),
            started_at=self._started_at,
        )
        await self._ledger.committed()
        return counted

    async def settings(self) -> Settings:
        """See `MasterPort.settings`."""
        return self._settings

    async def workers(self) -> list[WorkerView]:
        """List the workers: those that are registered, then the latest that were lost."""
        return self._dispatcher.workers()

    async def drain(self, worker: str) -> WorkerView:
        """Have a worker finish what runs, give back the rest, and end; it then is no more.

        Raises:
            WorkerNotFoundError: there is none of this id or name.
            WorkersReturningError: there may be one soon.
        """
        view = self._dispatcher.drain(worker)
        await self._pool.spare()
        await self._ledger.committed()
        return view

    async def drain_all(self) -> None:
        """Have all workers drained, and start no more: the service ends."""
        self._dispatcher.drain_all()
        await self._pool.close()

    async def scale(self, bounds: Bounds) -> PoolView:
        """Set between how many workers the pool may vary."""
        return await self._pool.scale(bounds)

    async def pool(self) -> PoolView:
        """Describe the pool."""
        return self._pool.view()

    # For workers

    async def register(self, info: WorkerInfo, held: Sequence[int], seq: int) -> None:
        """See `MasterPort.register`."""
        await self._dispatcher.register(info, held, seq)

    async def deregister(self, worker: str) -> None:
        """See `MasterPort.deregister`."""
        await self._dispatcher.deregister(worker)
        self._pool.leaves(worker_name(worker))

    async def exchange(self, request: Exchange) -> Reply:
        """See `MasterPort.exchange`.

        Raises:
            JournalError: the report was not taken, nothing was granted; call again.
        """
        return await self._dispatcher.exchange(request)

    # What the ledger tells

    def time_passed(self, silent: AbstractSet[str]) -> None:
        """Hand out what time has made ready."""
        self._dispatcher.lose_silent(silent)

    def on_disk(self, tasks: Sequence[Task]) -> None:
        """Tell those who wait for these tasks."""
        for task in tasks:
            waiting = [*(self._finishing.get(task.id, ()) if task.state.finished else ())]
            if task.state is not State.QUEUED:
                waiting += self._starting.get(task.id, ())
            for woken in waiting:
                if not woken.done():
                    woken.set_result(None)

    def ended(self, task: Task, results: Results) -> None:
        """Answer a call."""
        waiting = self._calling.pop(task.id, None)
        if waiting is not None and not waiting.done():
            waiting.set_result((task, results))

    def undone(self) -> None:
        """Have all workers register again, and say what they hold; have the calls made again."""
        calling, self._calling = self._calling, {}
        for waiting in calling.values():
            if not waiting.done():
                waiting.set_exception(MasterUnavailableError())
        self._dispatcher.start_afresh()

    @property
    def _table(self) -> TaskTable:
        return self._ledger.table

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
_GATHER_S = 0.05  # of those that finish so soon after the first
