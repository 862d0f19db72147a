"""The Dispatcher: the Master's side of the workers. It knows who they are, and hands them what is ready."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from imgray.actors.ledger import Ledger
from imgray.actors.roster import Member, Roster
from imgray.errors import ImgrayError, LeaseLostError, WorkerNotFoundError, WorkersReturningError
from imgray.messages import Ack, Exchange, Grant, Nack, Outcome, Reply, WorkerView
from imgray.rate import Rate
from imgray.settings import Settings
from imgray.table import TaskTable
from imgray.target import ANYWHERE, Target, WorkerInfo
from imgray.task import InlineSource, State, TaskSpec

Watch = Callable[[str], Awaitable[None]]
"""Wait until the worker with this id has died."""

log = logging.getLogger(__name__)

RETURN_S = 5.0
"""How long workers may take to register again when the Master has started."""

_SPEED_S = 60.0
_UNKNOWN_PIXELS_PER_S = 5_000_000.0  # what a worker does, until it is known


@dataclass(frozen=True, slots=True)
class _Parked:
    """A pull that waits for work."""

    request: Exchange
    woken: asyncio.Future[None]


class Dispatcher:
    """Decides which worker gets what, and takes their reports.

    It decides on the ledger's table, and answers when the ledger has it on disk.
    """

    def __init__(self, ledger: Ledger, settings: Settings, watch: Watch, clock: Callable[[], float]) -> None:
        self._ledger = ledger
        self._settings = settings
        self._watch = watch
        self._clock = clock
        self.refused = 0
        """How many reports came with a token that was no longer valid."""
        self.roster = Roster()
        self._closing = False
        self._pixels = Rate(_SPEED_S)
        self._busy = Rate(_SPEED_S)
        self._parked: dict[str, _Parked] = {}
        self._watches: dict[str, asyncio.Task[None]] = {}
        self._expect_workers()

    def close(self) -> None:
        """Stop watching the workers."""
        for task in self._watches.values():
            task.cancel()

    # For the Master

    @property
    def returning(self) -> bool:
        """True while workers that are there may not have registered again yet."""
        return self._clock() < self._returning_until

    @property
    def pixels_per_s(self) -> float:
        """How much one worker does while it works."""
        now = self._clock()
        busy = self._busy.at(now)
        return self._pixels.at(now) / busy if busy > 0 else _UNKNOWN_PIXELS_PER_S

    def check_target(self, spec: TaskSpec) -> None:
        """See that a worker can take a task, unless it is to wait for one.

        Raises:
            WorkerNotFoundError: none can.
            WorkersReturningError: none can yet, shortly after a start.
        """
        if spec.waits or spec.target == ANYWHERE or self.roster.serves(spec.target):
            return
        raise self._missing(str(spec.target))

    def expect(self, target: Target) -> None:
        """Find out whether the one worker that may take a task is still there; if not, the task is lost."""
        if target.process:
            self._watch_over(target.process)

    def hand_out(self) -> None:
        """Follow up a change of the table: hand out what is ready, and have it all committed."""
        for worker, parked in list(self._parked.items()):
            member = self.roster.get(worker)
            if member is not None and self._grant(member, parked.request):
                self.unpark(worker)
        self._ledger.decided()

    def unpark(self, worker: str) -> None:
        """Have a worker's pull answered now."""
        parked = self._parked.pop(worker, None)
        if parked is not None and not parked.woken.done():
            parked.woken.set_result(None)

    def workers(self) -> list[WorkerView]:
        """Describe the workers."""
        self.sweep()
        return self.roster.views(self._view)

    def drain(self, worker: str) -> WorkerView:
        """Have a worker, by its id or its name, finish what runs, give back the rest, and end.

        Raises:
            WorkerNotFoundError: there is none.
            WorkersReturningError: there may be one soon.
        """
        member = self.roster.find(worker)
        if member is None:
            raise self._missing(f"worker {worker}")
        self._drain(member)
        self.hand_out()
        return self._view(member)

    def drain_all(self) -> None:
        """Drain every worker, and whoever registers from now on, and let none wait long for its commands."""
        self._closing = True
        for member in self.roster.members:
            self._drain(member)
            self.unpark(member.info.id)  # one that drains already is to hurry now
        self.hand_out()

    def _missing(self, what: str) -> ImgrayError:
        return WorkersReturningError(what) if self.returning else WorkerNotFoundError(what)

    def _drain(self, member: Member) -> None:
        if not member.draining:
            log.info("action=drain worker=%s", member.info.id)
            member.draining = True
            self._table.strand(member.info.id, self._clock())
            self.unpark(member.info.id)

    def sweep(self) -> None:
        """Strike out the workers that were not heard of for so long that they have lost their tasks."""
        self.roster.sweep(self._clock() - self._settings.lease_s)

    def lose_silent(self, silent: AbstractSet[str]) -> None:
        """Hand out nothing to a worker that is silent, though a call of its may wait here."""
        self.sweep()
        for worker in silent:
            self.roster.remove(worker)
            self.unpark(worker)
            self._table.forsake(worker, self._clock())
        self.hand_out()

    def start_afresh(self) -> None:
        """Have all workers register again, and say what they hold."""
        self.roster.away()
        self._expect_workers()
        for worker in list(self._parked):
            self.unpark(worker)

    # For workers

    async def register(self, info: WorkerInfo, held: Sequence[int], seq: int) -> None:
        """See `MasterPort.register`. Leases of its that it does not hold were granted in a reply that it never got."""
        now = self._clock()
        known = self.roster.get(info.id)
        if known is not None and seq < known.seq:  # it was overtaken: what it says is of before
            return
        self.roster.register(info, seq, now)
        if self._closing:
            self.drain(info.id)
        self._watch_over(info.id)
        self._table.give_back(info.id, set(held), now)
        self._table.renew(info.id, held, now)
        log.info("action=register worker=%s host=%s pid=%d", info.id, info.host, info.pid)
        self.hand_out()
        await self._ledger.committed()

    async def deregister(self, worker: str) -> None:
        """See `MasterPort.deregister`."""
        if watch := self._watches.pop(worker, None):
            watch.cancel()
        self.roster.forget(worker)
        self.unpark(worker)
        self._table.give_back(worker, frozenset(), self._clock())
        self._table.strand(worker, self._clock())
        log.info("action=deregister worker=%s", worker)
        self.hand_out()
        await self._ledger.committed()

    async def exchange(self, request: Exchange) -> Reply:
        """See `MasterPort.exchange`."""
        now = self._clock()
        member = self.roster.seen(request.worker, now)
        if member is None:
            return Reply(request.seq, unknown=True)
        member.memory_bytes = request.memory_bytes
        if request.draining:
            self._drain(member)
        self._table.renew(request.worker, request.held, now)
        refused = [outcome.token for outcome in request.outcomes if not await self._settle(member, outcome, now)]
        self.refused += len(refused)
        if self.roster.get(request.worker) is not member:  # given up, or registered anew, meanwhile
            self.hand_out()
            return Reply(request.seq, unknown=True)
        if member.advance(request.seq, request.received, self._table.leases.of(request.worker)):
            self.unpark(request.worker)
            granted = self._grant(member, request)
            told = (request.draining or not member.draining) and not (self._closing and not request.hurries)
            if told and not (granted or member.unreceived or request.outcomes or self._void(request)):
                await self._park(request)
        self.hand_out()
        grants = list(member.unreceived)  # those that the next commit has: a newer call may bring more
        await self._ledger.committed()
        if self.roster.get(request.worker) is not member:
            return Reply(request.seq, unknown=True)
        grants = await self._with_inputs(request.worker, grants)
        return Reply(
            request.seq,
            tuple(grants),
            (*refused, *self._void(request)),
            drain=member.draining,
            hurry=self._closing,
        )

    async def _with_inputs(self, worker: str, grants: Sequence[Grant]) -> list[Grant]:
        """Add the inputs that are kept with their tasks to those grants that are still valid."""
        valid = self._table.leases.of(worker)
        granted = [grant for grant in grants if grant.token in valid]
        inline = [grant.spec.id for grant in granted if isinstance(grant.spec.source, InlineSource)]
        inputs = await self._ledger.inputs([task for task_id in inline if (task := self._table.get(task_id))])
        return [
            Grant(grant.spec, grant.token, grant.attempt, inputs[grant.spec.id]) if grant.spec.id in inputs else grant
            for grant in granted
        ]

    def _void(self, request: Exchange) -> list[int]:
        """List the tokens that a worker holds, and does not report, but that are no longer its."""
        valid = {outcome.token for outcome in request.outcomes}.union(self._table.leases.of(request.worker))
        return [token for token in request.held if token not in valid]

    async def _settle(self, member: Member, outcome: Outcome, now: float) -> bool:
        """Enter an outcome; return False when its lease is lost."""
        task = self._table.get(outcome.task_id)
        if task is None:
            self.hand_out()  # what was settled before this must not be seen by others before it is on disk
            (task,) = await self._ledger.read([outcome.task_id])
            return task is not None and task.state is State.SUCCEEDED and task.token == outcome.token
        try:
            match outcome:
                case Ack(task_id, token, outputs, elapsed_s, results):
                    first = task.state is State.LEASED
                    self._table.ack(task_id, token, outputs, now, results)
                    if first:
                        self._count(member, task.spec, elapsed_s, now)
                case Nack(task_id, token, failure, alone):
                    member.failed += 1
                    self._table.nack(task_id, token, failure, now, alone=alone)
                case _:
                    self._table.release(outcome.task_id, outcome.token, now)
        except LeaseLostError as error:
            log.info("action=refuse worker=%s %s", member.info.id, error)
            return False
        return True

    def _count(self, member: Member, spec: TaskSpec, elapsed_s: float, now: float) -> None:
        member.succeeded += 1
        if not spec.is_command:
            member.images.add(1, now)
            if spec.pixels:
                self._pixels.add(spec.pixels, now)
                self._busy.add(elapsed_s, now)

    def _grant(self, member: Member, request: Exchange) -> bool:
        """Lease work to a worker: no more than a fair share, so that the last images are spread over all."""
        if member.draining:
            return False
        now = self._clock()
        share = -(-self._table.ready(now) // (2 * len(self.roster.active)))
        info = member.info
        unheard = [grant.spec.is_command for grant in member.unreceived]  # the worker has not counted them
        tasks = [
            task
            for want, commands in (
                (min(request.want - unheard.count(False), share), False),
                (request.want_commands - unheard.count(True), True),
            )
            for task in self._table.lease(info.id, want, now, info.node, info.meets, commands=commands)
        ]
        member.unreceived += [Grant(task.spec, task.token, task.attempts) for task in tasks]
        return bool(tasks)

    async def _park(self, request: Exchange) -> None:
        """Hold a pull until there is something to say, or for ``longest_park_s``."""
        parked = _Parked(request, asyncio.get_running_loop().create_future())
        self._parked[request.worker] = parked
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._settings.longest_park_s):
                    await parked.woken
        finally:
            if self._parked.get(request.worker) is parked:
                del self._parked[request.worker]

    # Watching

    def _watch_over(self, worker: str) -> None:
        if worker not in self._watches:
            self._watches[worker] = asyncio.get_running_loop().create_task(self._lose_when_dead(worker))

    def _expect_workers(self) -> None:
        """Watch over the workers that the journal's tasks are held by, or meant for: they may have died meanwhile."""
        self._returning_until = self._clock() + RETURN_S
        for worker in {*self._table.leases.holders(), *self._table.bound()}:
            self._watch_over(worker)

    async def _lose_when_dead(self, worker: str) -> None:
        await self._watch(worker)
        log.warning("action=lose worker=%s", worker)
        del self._watches[worker]
        self.roster.remove(worker)
        self.unpark(worker)
        self._table.lose_worker(worker, self._clock())
        self.hand_out()

    def _view(self, member: Member) -> WorkerView:
        held = self._table.leases.of(member.info.id)
        begun = self._table.begun(member.info.id)
        running = tuple(task_id for token, task_id in held.items() if token in begun)
        return member.view(len(held), running, self._clock())

    @property
    def _table(self) -> TaskTable:
        return self._ledger.table
