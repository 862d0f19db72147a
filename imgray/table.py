"""The task table: every decision about tasks, and nothing else. It does no I/O, knows no clock and starts no thread.

`now` is an argument everywhere, in seconds since the epoch. Each change replaces a frozen `Task` and marks it dirty;
the ledger takes the changes with `drain` and writes them to the journal before anyone is answered. To add a
transition: a row in `imgray.task.TRANSITIONS`, and a method here that calls `_move`.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from itertools import islice
from typing import Any

from imgray.admission import Admission
from imgray.errors import (
    DeadlinePassedError,
    ImgrayError,
    LeaseExpiredError,
    LeaseLostError,
    TaskNotFoundError,
    WorkerDiedError,
)
from imgray.fair_queue import FairQueue
from imgray.leases import Leases
from imgray.policy import Policy
from imgray.task import TRANSITIONS, Attempt, Changes, Event, Failure, Lease, Output, State, Task, TaskSpec, shared
from imgray.timers import Timers

_UNKNOWN_PIXELS = 1_000_000  # what a task costs its tenant when nobody knows how large its image is
_SLACK = 1024


class TaskTable:
    """The live tasks (queued and leased), and the finished ones until the journal has them."""

    def __init__(
        self, policy: Policy, token: int, next_seq: int, counts: Mapping[State, int], rng: random.Random
    ) -> None:
        """Start empty.

        Args:
            policy: see there.
            token: every token granted is above this one.
            next_seq: ``seq`` of the next task.
            counts: how many tasks there ever were, by state; those that `restore` brings are among them.
            rng: for the jitter of retries.
        """
        self._policy = policy
        self._rng = rng
        self.token = token
        """The latest token granted."""
        self._next_seq = next_seq
        self._tasks: dict[str, Task] = {}
        self._admission = Admission(policy)
        self._dirty: dict[str, Task] = {}
        self._purged: dict[str, Task] = {}  # until the journal has purged them too
        self._counts: Counter[State] = Counter(counts)  # of all tasks ever, the forgotten ones too
        self.live_bytes = 0
        """How large the inputs of the live tasks are together."""
        self._ready = FairQueue()  # may hold tasks that were cancelled meanwhile
        self._delays: Timers[str] = Timers()  # until a queued task is ready
        self._deadlines: Timers[str] = Timers()  # until a live task is no longer worth doing
        self.leases = Leases()
        """Who holds what; to be read only."""
        self.events: Counter[Event] = Counter()
        """Transitions made by this table."""

    # Reading

    @property
    def dirty(self) -> bool:
        """True when something has changed since the last `drain`."""
        return bool(self._dirty or self._purged)

    def get(self, task_id: str) -> Task | None:
        """Return a task that is live or has not yet been forgotten."""
        return self._tasks.get(task_id)

    def counts(self) -> dict[State, int]:
        """Count all tasks that there ever were, by state."""
        return {state: self._counts[state] for state in State}

    @property
    def live(self) -> int:
        """How many tasks are queued or leased."""
        return self._counts[State.QUEUED] + self._counts[State.LEASED]

    @property
    def submitted(self) -> int:
        """How many tasks were ever accepted, counted on its own: by the numbers given to them."""
        return self._next_seq - 1

    def ready(self, now: float) -> int:
        """Estimate how many tasks can be leased now (cancelled ones may be counted)."""
        self._wake(now)
        return len(self._ready)

    def next_event_at(self) -> float | None:
        """Say when time alone will next change something: a delay or a lease that ends, a deadline that passes."""
        heads = (self._delays.next_at(), self.leases.next_at(), self._deadlines.next_at())
        return min((at for at in heads if at is not None), default=None)

    # Changing

    def submit(self, specs: Sequence[TaskSpec], now: float, finished: Iterable[Task] = ()) -> list[Task]:
        """Accept tasks, all or none. For one that was submitted before, that earlier task is returned as it stands.

        Args:
            specs: what is submitted.
            now: the time.
            finished: those tasks in the journal that have the id or the idempotency key of one of them.

        Raises:
            QueueFullError: the live tasks would exceed `Policy.max_live_tasks` or `Policy.max_live_bytes`.
            TaskConflictError, IdempotencyConflictError: an id or a key is taken by another submission.
            TaskNotFoundError: one was refused before, or has been purged since.
        """
        earlier = [task for task in finished if task.id not in self._purged]
        try:
            answers, new = self._admission.sort(specs, self._tasks, earlier, now)
            self._admission.check_room(new, self.live, self.live_bytes)
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
            self._next_seq += 1
            self._put(task)
            self._push(task)
        return [self._tasks[answer] if isinstance(answer, str) else answer for answer in answers]

    def lease(self, worker: str, want: int, now: float, node: str = "") -> list[Task]:
        """Grant up to ``want`` ready tasks, in fair order; one to be run alone only to a worker that holds nothing."""
        self._wake(now)
        granted: list[Task] = []
        while len(granted) < want and (task_id := self._ready.peek()) is not None:
            task = self._tasks.get(task_id)
            if task is None or task.state is not State.QUEUED or task.ready_at > now:
                self._ready.drop()
                if (
                    task is not None and task.state is State.QUEUED
                ):  # put off since it was ready, or the clock went back
                    self._delays.set(task_id, task.ready_at)
                continue
            if not self._fits(worker, task):
                break
            self._ready.take()
            granted.append(self._grant(task, Lease(self.token + 1, worker, now, node), now))
        return granted

    def renew(self, worker: str, tokens: Iterable[int], now: float) -> None:
        """Extend the leases that a worker says it works on; unknown tokens are ignored."""
        self.leases.renew(worker, tokens, now + self._policy.lease_s)

    def renew_all(self, now: float) -> None:
        """Extend all leases: it was the Master that did not listen, not the workers that did not call."""
        self.leases.renew_all(now + self._policy.lease_s)

    def ack(self, task_id: str, token: int, outputs: tuple[Output, ...], now: float) -> Task:
        """Commit an attempt's outputs. The same ack again changes nothing.

        Raises:
            LeaseLostError: the token is not that of the current lease.
            TaskNotFoundError: the task is not in the table.
        """
        task = self._known(task_id)
        if task.state is State.SUCCEEDED and task.token == token:
            return task
        self._check(task, token)
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
        if not task.state.finished or task.id in self._dirty:
            return False
        self._tasks.pop(task.id, None)
        self._admission.purge(task, now)
        self._purged[task.id] = task
        return True

    def reap(self, now: float) -> list[Task]:
        """End what has lost its lease (of a worker's, the oldest ran: see `lose_worker`) or passed its deadline."""
        self._wake(now)
        expired = Failure.of(LeaseExpiredError())
        due = [self._tasks[task_id] for task_id in self.leases.due(now)]
        began = {token for task in due if task.lease for token in islice(self.leases.of(task.lease.worker), 1)}
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

    def lose_worker(self, worker: str, now: float) -> list[Task]:
        """Take back everything that a dead worker held.

        Tasks run in the order of grant, so the first lease is the one that ran: it is charged and leased alone next
        time. The others go back unharmed.
        """
        died = Failure.of(WorkerDiedError(f"worker {worker}"))
        tasks = [self._tasks[task_id] for task_id in self.leases.of(worker).values()]
        return [
            self._release(task, now) if position else self._fail(task, died, now, alone=True)
            for position, task in enumerate(tasks)
        ]

    # Keeping books

    def restore(self, tasks: Iterable[Task], now: float) -> None:
        """Take over live tasks from the journal. Leases go on: the workers may still be at it, and may ack."""
        for task in sorted(tasks, key=lambda task: task.token):  # so that each worker's are in order of grant
            latest = now + self._policy.backoff.cap_s  # unless the clock was set back
            task = replace(task, ready_at=latest) if task.ready_at > latest else task  # noqa: PLW2901
            self._enter(task)
            if task.lease is not None:
                self.leases.begin(task.id, task.lease, now + self._policy.lease_s)
            elif task.ready_at > now:
                self._delays.set(task.id, task.ready_at)
            else:
                self._push(task)

    def take_over(self, before: TaskTable) -> None:
        """Keep what another table knew that is in no journal: what was refused of late, and the counted events."""
        self.events = before.events
        self._admission.take_over(before._admission)

    def drain(self) -> Changes:
        """Return what has changed since the last call."""
        changes = Changes(list(self._dirty.values()), list(self._purged.values()))
        self._dirty.clear()
        return changes

    def forget(self, changes: Changes) -> None:
        """Drop what the journal has: the finished tasks, unless they have changed since, and those it has purged."""
        for task in changes.tasks:
            if task.state.finished and self._tasks.get(task.id) is task:
                del self._tasks[task.id]
                self._admission.drop(task)
        for task in changes.purged:
            self._purged.pop(task.id, None)

    def _move(self, task: Task, event: Event, now: float, **changes: Any) -> Task:  # noqa: ANN401  # fields of Task
        """Make one transition, the only way in which a task changes."""
        state = TRANSITIONS[task.state, event]
        self.events[event] += 1
        if task.lease is not None:
            self.leases.end(task.lease)
            if event is not Event.RELEASE:
                lease, failure = task.lease, changes.get("failure")
                attempt = Attempt(task.attempts, lease.worker, lease.leased_at, now, event, failure, lease.node)
                changes["history"] = (*task.history, attempt)
        moved = replace(task, state=state, **{"lease": None, **changes})
        self._counts[task.state] -= 1
        self.live_bytes -= 0 if task.state.finished else task.spec.size_bytes
        self._put(moved)
        if state is State.QUEUED:
            self._delays.set(moved.id, moved.ready_at)
        else:
            self._delays.stop(moved.id)
        return moved

    def _grant(self, task: Task, lease: Lease, now: float) -> Task:
        self.token = lease.token
        leased = self._move(task, Event.LEASE, now, lease=lease, token=lease.token, attempts=task.attempts + 1)
        self.leases.begin(task.id, lease, now + self._policy.lease_s)
        return leased

    def _release(self, task: Task, now: float) -> Task:
        return self._move(task, Event.RELEASE, now, attempts=task.attempts - 1, ready_at=now)

    def _fail(self, task: Task, failure: Failure, now: float, *, alone: bool) -> Task:
        if failure.passing and task.attempts < self._policy.max_attempts:
            ready_at = now + self._policy.backoff.delay_s(task.attempts, self._rng)
            return self._move(task, Event.RETRY, now, failure=failure, ready_at=ready_at, alone=task.alone or alone)
        return self._move(task, Event.FAIL, now, failure=failure, finished_at=now, alone=task.alone or alone)

    def _put(self, task: Task) -> None:
        self._counts[task.state] += 1
        self._dirty[task.id] = task
        self._enter(task)

    def _enter(self, task: Task) -> None:
        self._tasks[task.id] = task
        self._admission.enter(task)
        if task.state.finished:
            self._deadlines.stop(task.id)
            return
        self.live_bytes += task.spec.size_bytes
        if task.expires_at is not None:
            self._deadlines.set(task.id, task.expires_at)

    def _push(self, task: Task) -> None:
        spec = task.spec
        self._ready.push(task.id, task.seq, spec.priority, spec.tenant, spec.pixels or _UNKNOWN_PIXELS)

    def _wake(self, now: float) -> None:
        """Move tasks whose delay has ended to the ready queue."""
        for task_id in self._delays.due(now):
            self._push(self._tasks[task_id])
        if len(self._ready) > 2 * self._counts[State.QUEUED] + _SLACK:  # most have been cancelled since
            self._ready = FairQueue()
            for task in self._tasks.values():
                if task.state is State.QUEUED and task.ready_at <= now:
                    self._push(task)

    def _fits(self, worker: str, task: Task) -> bool:
        """Say whether a worker may have a task beside what it holds."""
        held = [self._tasks[task_id] for task_id in self.leases.of(worker).values()]
        size_bytes = sum(one.spec.size_bytes for one in (task, *held))
        return not held or not (any(one.alone for one in (task, *held)) or size_bytes > self._policy.batch_bytes)

    def _known(self, task_id: str) -> Task:
        task = self._tasks.get(task_id)
        if task is None:
            raise TaskNotFoundError(task_id)
        return task

    def _latest(self, task: Task) -> Task:
        if task.id in self._purged:
            raise TaskNotFoundError(task.id)
        return self._tasks.get(task.id, task)

    @staticmethod
    def _check(task: Task, token: int) -> None:
        """Let only the holder of the current lease change the task."""
        if task.lease is None or task.lease.token != token:
            raise LeaseLostError(task.id, token, task.story())
