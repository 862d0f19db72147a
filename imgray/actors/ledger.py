"""The ledger: the task table and its journal, kept in step, and woken when time alone changes something."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol, TypeVar

from imgray.calls import Results
from imgray.errors import JournalError, LeaseExpiredError
from imgray.hot import Hot
from imgray.journal import EPOCH_BITS, Journal
from imgray.policy import Policy
from imgray.settings import Settings
from imgray.table import TaskTable
from imgray.task import Changes, Task, TaskSpec

log = logging.getLogger(__name__)
_T = TypeVar("_T")

_RECENT = 10_000  # finished tasks in memory
_PAUSE_S = 0.2  # after a commit that failed, so that a full disk does not keep the Master busy
_LATE_S = 1.0  # an alarm that rings so late tells of a frozen process


class Listener(Protocol):
    """Whoever decides on the table, and is told what becomes of its decisions."""

    def time_passed(self, silent: AbstractSet[str]) -> None:
        """Delays may have ended; the leases of these workers have."""

    def on_disk(self, tasks: Sequence[Task]) -> None:
        """These changes have been committed."""

    def ended(self, task: Task, results: Results) -> None:
        """A call has ended; there is nothing to commit."""

    def undone(self) -> None:
        """A commit has failed: the table is again as the journal has it, and has no calls."""


class Ledger:
    """A table whose every decision is one commit, or has not happened.

    Whoever changes `table` calls `decided`, and `committed` before it tells anyone. All that is decided while the disk
    is busy goes into the next commit together.
    """

    def __init__(
        self,
        settings: Settings,
        clock: Callable[[], float],
        listener: Listener,
        open_journal: Callable[[Path], Journal] = Journal.open,
    ) -> None:
        """Open the journal and take up the tasks in it. Needs a running event loop.

        Raises:
            SetupError, JournalError: the journal cannot be used.
        """
        self._policy = Policy.of(settings)
        self._clock = clock
        self._listener = listener
        self._journal = open_journal(settings.data_folder)
        self._io = ThreadPoolExecutor(1, "journal")  # one thread, so that the journal sees one call at a time
        self._waiting: list[asyncio.Future[None]] = []
        self._wanted = asyncio.Event()  # a commit
        self._clean = True
        self._alarm: asyncio.TimerHandle | None = None
        self._recent: Hot[str, Task] = Hot(_RECENT)  # finished tasks, as the journal has them
        with contextlib.ExitStack() as undo:
            undo.callback(self._journal.close)  # or else a damaged journal could not be repaired from this process
            self.table = self._load(self._journal)(self._journal.epoch << EPOCH_BITS, clock())
            """Changes its identity when a commit fails: do not keep it over an ``await``."""
            undo.pop_all()
        self._set_alarm()
        self.committer = asyncio.get_running_loop().create_task(self._commit_for_ever())
        """Ends only by a defect, or when the journal cannot even be read; then so must the process."""

    async def close(self) -> None:
        """Write what is decided, and let go of the journal."""
        with contextlib.suppress(JournalError):
            await self.committed()
        self.committer.cancel()
        if self._alarm:
            self._alarm.cancel()
        self._io.shutdown()
        self._journal.close()

    def decided(self) -> None:
        """Note that the table may have changed."""
        for task, results in self.table.calls.drain():
            self._listener.ended(task, results)
        if self.table.dirty:
            self._clean = False
            self._wanted.set()
        self._set_alarm()

    async def committed(self) -> None:
        """Wait until everything decided so far is on disk.

        Raises:
            JournalError: it could not be written, and has not happened.
        """
        if self._clean:
            return
        written: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(written)
        self._wanted.set()
        await written

    async def read(self, ids: Sequence[str]) -> list[Task | None]:
        """Return tasks by id, live or finished, None for unknown ones."""
        while True:
            table = self.table
            found = {task_id: table.get(task_id) or self._recent.get(task_id) for task_id in ids}
            missing = [task_id for task_id, task in found.items() if task is None]
            if missing:
                found |= await self.in_journal(lambda journal, missing=missing: dict(journal.get(missing)))  # type: ignore[misc]
            if table is self.table:  # else a commit has failed, and what the table said has not happened
                return [found[task_id] for task_id in ids]

    async def submitted_before(self, specs: Sequence[TaskSpec]) -> list[Task]:
        """Return the tasks in the journal that have the id or the idempotency key of a submission."""
        ids = [spec.id for spec in specs]
        keys = [(spec.tenant, spec.idempotency_key) for spec in specs if spec.idempotency_key]
        return await self.in_journal(
            lambda journal: [*journal.get(ids).values(), *(journal.keyed(keys) if keys else ())]
        )

    async def inputs(self, tasks: Sequence[Task]) -> dict[str, bytes]:
        """Return by id the inputs that come with these tasks; one may have been lost."""
        parcels, calls = self.table.parcels, self.table.calls
        memory = {task.id: (parcels if task.spec.kept else calls).input(task.id) for task in tasks}
        found = {task_id: data for task_id, data in memory.items() if data is not None}
        missing = {task.seq: task.id for task in tasks if task.id not in found and task.spec.kept}
        if missing:
            read = await self.in_journal(lambda journal: journal.inputs(list(missing)))
            found |= {missing[seq]: data for seq, data in read.items()}
        return found

    async def result(self, task: Task, name: str) -> bytes | None:
        """Return an output that is kept with a task; None when there is no such output."""
        found = self.table.parcels.output(task.id, name)
        return found or (await self.in_journal(lambda journal: journal.results(task.seq))).get(name)

    async def in_journal(self, call: Callable[[Journal], _T]) -> _T:
        """Call the journal in its own thread."""
        return await asyncio.get_running_loop().run_in_executor(self._io, call, self._journal)

    def _remember(self, changes: Changes) -> None:
        """Keep what finished of late: whoever waited for it asks for it next. What is live again is in the table."""
        for task in changes.standing:
            if task.state.finished:
                self._recent.set(task.id, 1, task)
        for task in changes.purged:
            self._recent.drop(task.id)

    def _load(self, journal: Journal) -> Callable[[int, float], TaskTable]:
        """Read what a table needs; return what makes it, of the last token granted and the time."""
        next_seq, counts, live = journal.next_seq(), journal.counts(), list(journal.live())

        def make(token: int, now: float) -> TaskTable:
            table = TaskTable(self._policy, token, next_seq, counts, random.Random())  # noqa: S311  # jitter
            table.restore(live, now)
            return table

        return make

    async def _commit_for_ever(self) -> None:
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            dirty, changes, waiting = self.table.dirty, self.table.drain(), self._waiting
            self._waiting = []
            try:
                if dirty:
                    await self.in_journal(lambda journal, changes=changes: journal.write(changes))  # type: ignore[misc]
            except JournalError as error:
                await self._undo(error, waiting)
                await asyncio.sleep(_PAUSE_S)
                continue
            self._remember(changes)
            self.table.forget(changes)
            self._clean = not self.table.dirty and not self._waiting
            for written in waiting:
                if not written.done():
                    written.set_result(None)
            self._listener.on_disk(changes.standing)

    async def _undo(self, error: JournalError, waiting: list[asyncio.Future[None]]) -> None:
        """Return to what the journal holds; everyone who counts on more is told that it failed."""
        log.error("action=undo %s", error)
        make = await self.in_journal(self._load)
        waiting += self._waiting
        self._waiting = []
        before, self.table = self.table, make(self.table.token, self._clock())
        self.table.take_over(before)
        self._clean = True
        for written in waiting:
            if not written.done():
                written.set_exception(error)
        self._set_alarm()
        self._listener.undone()

    def _set_alarm(self) -> None:
        at = self.table.next_event_at()
        if self._alarm is not None:
            self._alarm.cancel()
        if at is not None:
            delay_s = max(at - self._clock(), 0)
            self._alarm = asyncio.get_running_loop().call_later(delay_s, self.ring, at)

    def ring(self, at: float) -> None:
        """Do what was due at a time."""
        now = self._clock()
        if now - at > _LATE_S:  # this process was frozen, and the workers' calls wait in its queue
            self.table.renew_all(now)
        reaped = self.table.reap(now)
        for task in reaped:
            log.warning("action=reap task=%s %s", task.id, task.story())
        over = [task for task in reaped if task.failure and task.failure.code == LeaseExpiredError.code]
        self._listener.time_passed({task.history[-1].worker for task in over})
