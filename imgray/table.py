"""The task table: every decision about tasks, and nothing else. It does no I/O, knows no clock and starts no thread.

`now` is an argument everywhere, in seconds since the epoch. The ledger takes the changes with `drain`, and writes them
to the journal before anyone is answered. To add a transition: a row in `imgray.task.TRANSITIONS`, and a method here
that calls `_move`.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet

from msgspec.structs import replace

from imgray.backlog import Admits
from imgray.calls import Results
from imgray.errors import (
    DeadlinePassedError,
    ImgrayError,
    LeaseExpiredError,
    LeaseLostError,
    TargetLostError,
    WorkerDiedError,
)
from imgray.policy import Policy
from imgray.target import ANYWHERE
from imgray.task import TRANSITIONS, Event, Failure, InlineSource, Lease, Output, State, Task, TaskSpec, shared
from imgray.taskbook import TaskBook

_NONE: Mapping[str, bytes] = {}


class TaskTable(TaskBook):
    """Decides what becomes of the tasks."""

    def __init__(
        self, policy: Policy, token: int, next_seq: int, counts: Mapping[State, int], rng: random.Random
    ) -> None:
        """Start empty; ``rng`` is for the jitter of retries, the rest as for `TaskBook`."""
        super().__init__(policy, token, next_seq, counts)
        self._rng = rng

    def submit(
        self,
        specs: Sequence[TaskSpec],
        now: float,
        finished: Iterable[Task] = (),
        check: Callable[[TaskSpec], None] = lambda _: None,
        inputs: Mapping[str, bytes] = _NONE,
    ) -> list[Task]:
        """Accept tasks, all or none. For one that was submitted before, that earlier task is returned as it stands.

        Args:
            specs: what is submitted.
            now: the time.
            finished: those tasks in the journal that have the id or the idempotency key of one of them.
            check: raises what a new one is refused with.
            inputs: those that are kept with their task, and those of calls, by its id.

        Raises:
            QueueFullError: the live tasks would exceed `Policy.max_live_tasks` or `Policy.max_live_bytes`.
            TaskConflictError, IdempotencyConflictError: an id or a key is taken by another submission.
            TaskNotFoundError: one was refused before, or has been purged since.
        """
        earlier = [task for task in finished if task.id not in self._purged]
        try:
            answers, new = self._admission.sort(specs, self._tasks, earlier, now)
            self._admission.check_room(new, self.live, self.live_bytes)
            self.calls.check_room(new)
            self._backlog.check_room(new)
            for spec in new:
                check(spec)
        except ImgrayError as error:  # their inputs will be deleted: no call that was overtaken may bring them in
            known = {task.id for task in earlier}
            for spec in specs:
                if spec.id not in known and spec.id not in self._tasks:
                    self._admission.refuse(spec.id, error, now)
            raise
        for spec in new:
            task = Task(
                replace(spec, outputs=shared(spec.outputs)),
                self._next_seq,
                State.QUEUED,
                submitted_at=now,
                ready_at=now,
                expires_at=spec.expires_at,
            )
            if not spec.kept:  # its place in the queue is before the next task that is kept, whose number it shares
                self.calls.enter(task.id, inputs[task.id])
            else:
                self._next_seq += 1
                if isinstance(spec.source, InlineSource):
                    self.parcels.bring(task.id, task.seq, inputs[task.id])
            self._put(task, self._new)
            self._backlog.enter(task, now)
        return [self._tasks[answer] if isinstance(answer, str) else answer for answer in answers]

    def lease(
        self,
        worker: str,
        want: int,
        now: float,
        node: str = "",
        admits: Admits = ANYWHERE.__eq__,
        *,
        commands: bool = False,
    ) -> list[Task]:
        """Grant up to ``want`` ready tasks, in fair order; one to be run alone only to a worker that has no other.

        Args:
            worker: who is to have them.
            want: how many at most.
            now: the time.
            node: where the worker is.
            admits: says of a target whether the worker meets it.
            commands: whether it wants commands, or images.
        """
        load = _Load(self._held(worker), self._policy.batch_bytes)
        granted: list[Task] = []
        for task in self._backlog.take(want, now, admits, load.fits, commands=commands):
            load.add(task)
            granted.append(self._grant(task, Lease(self.token + 1, worker, now, node), now))
        return granted

    def renew(self, worker: str, tokens: Iterable[int], now: float) -> None:
        """Extend the leases that a worker says it works on; unknown tokens are ignored."""
        self.leases.renew(worker, tokens, now + self._policy.lease_s)

    def renew_all(self, now: float) -> None:
        """Extend all leases: it was the Master that did not listen, not the workers that did not call."""
        self.leases.renew_all(now + self._policy.lease_s)

    def ack(
        self,
        task_id: str,
        token: int,
        outputs: tuple[Output, ...],
        now: float,
        results: Results = (),
    ) -> Task:
        """Commit an attempt's outputs; ``results`` are those that are kept with it. The same ack again changes nothing.

        Raises:
            LeaseLostError: the token is not that of the current lease.
            TaskNotFoundError: the task is not in the table.
        """
        task = self._known(task_id)
        if task.state is State.SUCCEEDED and task.token == token:
            return task
        self._check(task, token)
        if not task.spec.kept:
            self.calls.answer(task_id, results)
        for name, data in results if task.spec.kept else ():
            self.parcels.deliver(task_id, task.seq, name, data)
        return self._move(task, Event.ACK, now, finished_at=now, outputs=outputs, failure=None)

    def nack(self, task_id: str, token: int, failure: Failure, now: float, *, alone: bool = False) -> Task:
        """End an attempt that failed: try again later if that may help and attempts are left. Raises as `ack`."""
        task = self._known(task_id)
        self._check(task, token)
        return self._fail(task, failure, now, alone=alone)

    def release(self, task_id: str, token: int, now: float) -> Task:
        """Take back a task that was never started, without charging the attempt. Raises as `ack`."""
        task = self._known(task_id)
        self._check(task, token)
        return self._release(task, now)

    def cancel(self, task_id: str, now: float) -> Task:
        """Cancel a live task; a finished one stays as it is.

        Raises:
            TaskNotFoundError: the task is not in the table.
        """
        task = self._known(task_id)
        if task.state.finished:
            return task
        return self._move(task, Event.CANCEL, now, finished_at=now)

    def redrive(self, task: Task, now: float) -> Task:
        """Put a dead letter back in the queue, with all its attempts before it; any other task stays as it is.

        Args:
            task: as the table or, when that has forgotten it, the journal has it.
            now: the time.

        Raises:
            TaskNotFoundError: it was purged meanwhile.
            QueueFullError: too much is live.
        """
        task = self._latest(task)
        if task.state is not State.FAILED:
            return task
        self._admission.check_room([task.spec], self.live, self.live_bytes)
        changes = {"attempts": 0, "ready_at": now, "failure": None, "finished_at": None, "expires_at": None}
        return self._move(task, Event.REDRIVE, now, **changes)

    def lose(self, task: Task, failure: Failure, now: float) -> Task:
        """Fail a task whose input or outputs are gone, if it needs them still; ``task`` as for `redrive`."""
        task = self._latest(task)
        if (task.state, Event.LOSE) not in TRANSITIONS:
            return task
        return self._move(task, Event.LOSE, now, failure=failure, finished_at=now, outputs=())

    def purge(self, task: Task, now: float) -> bool:
        """Let a finished task be no more; return False for another, which stays. ``task`` as for `redrive`."""
        if task.id in self._purged:
            return True
        task = self._latest(task)
        if not task.state.finished or task.id in self._dirty or task.id in self._new:
            return False
        self._tasks.pop(task.id, None)
        self._admission.purge(task, now)
        self._purged[task.id] = task
        return True

    def reap(self, now: float) -> list[Task]:
        """End what has lost its lease (see `lose_worker` on what of a worker's had begun) or passed its deadline."""
        self._backlog.wake(now)
        expired = Failure.of(LeaseExpiredError())
        due = [self._tasks[task_id] for task_id in self.leases.due(now)]
        began = {token for worker in {task.lease.worker for task in due if task.lease} for token in self.begun(worker)}
        ended = [
            self._fail(task, expired, now, alone=True) if task.token in began else self._release(task, now)
            for task in due
        ]
        for task_id in self._deadlines.due(now):
            late = Failure.of(DeadlinePassedError(task_id))
            ended.append(self._move(self._tasks[task_id], Event.EXPIRE, now, failure=late, finished_at=now))
        return ended

    def give_back(self, worker: str, held: AbstractSet[int], now: float) -> None:
        """Take back, uncharged, what a worker never heard that it was given: its leases but for those it holds."""
        for token, task_id in list(self.leases.of(worker).items()):
            if token not in held:
                self._release(self._tasks[task_id], now)

    def forsake(self, worker: str, now: float) -> None:
        """Take back what a silent worker has still a lease on: what it may have begun of it is nobody's fault.

        But a command is not run twice.
        """
        expired = Failure.of(LeaseExpiredError())
        for task in self._held(worker):
            if task.spec.is_command:
                self._fail(task, expired, now, alone=False)
            else:
                self._release(task, now)

    def lose_worker(self, worker: str, now: float) -> list[Task]:
        """Take back everything that a dead worker held, and fail what only it could have done.

        What had begun is charged, and an image leased alone next time. The others go back unharmed.
        """
        died = Failure.of(WorkerDiedError(f"worker {worker}"))
        began = self.begun(worker)
        ended = [
            self._fail(task, died, now, alone=True) if task.token in began else self._release(task, now)
            for task in [self._tasks[task_id] for task_id in self.leases.of(worker).values()]
        ]
        return ended + self.strand(worker, now)

    def strand(self, worker: str, now: float) -> list[Task]:
        """Fail the queued tasks that no other worker than this one, which is no more, may take."""
        lost = Failure.of(TargetLostError(worker))
        tasks = self._backlog.bound_to(worker)
        return [self._move(task, Event.LOSE, now, failure=lost, finished_at=now) for task in tasks]

    def begun(self, worker: str) -> set[int]:
        """Return the tokens of what a worker has begun: its first image, as they run in order, and all commands."""
        held = self._held(worker)
        first = next((task.token for task in held if not task.spec.is_command), None)
        return {task.token for task in held if task.spec.is_command or task.token == first}

    def _grant(self, task: Task, lease: Lease, now: float) -> Task:
        self.token = lease.token
        leased = self._move(task, Event.LEASE, now, lease=lease, token=lease.token, attempts=task.attempts + 1)
        self.leases.begin(task.id, lease, now + self._policy.lease_s)
        return leased

    def _release(self, task: Task, now: float) -> Task:
        return self._move(task, Event.RELEASE, now, attempts=task.attempts - 1, ready_at=now)

    def _fail(self, task: Task, failure: Failure, now: float, *, alone: bool) -> Task:
        may_repeat = failure.passing and not task.spec.is_command  # a command runs once at most
        if may_repeat and task.attempts < self._policy.max_attempts:
            ready_at = now + self._policy.backoff.delay_s(task.attempts, self._rng)
            return self._move(task, Event.RETRY, now, failure=failure, ready_at=ready_at, alone=task.alone or alone)
        return self._move(task, Event.FAIL, now, failure=failure, finished_at=now, alone=task.alone or alone)

    @staticmethod
    def _check(task: Task, token: int) -> None:
        """Let only the holder of the current lease change the task."""
        if task.lease is None or task.lease.token != token:
            raise LeaseLostError(task.id, token, task.story())


class _Load:
    """The images that a worker holds."""

    def __init__(self, held: Iterable[Task], most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._images = self._size_bytes = 0
        self._alone = False
        for task in held:
            self.add(task)

    def add(self, task: Task) -> None:
        """Count a task that it gets, or has."""
        if not task.spec.is_command:
            self._images += 1
            self._size_bytes += task.spec.size_bytes
            self._alone = self._alone or task.alone

    def fits(self, task: Task) -> bool:
        """Say whether it may have a task beside what it holds; a command, always."""
        if task.spec.is_command or not self._images:
            return True
        return not (self._alone or task.alone or self._size_bytes + task.spec.size_bytes > self._most_bytes)
