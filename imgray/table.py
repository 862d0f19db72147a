"""The task table: every decision about tasks, and nothing else. It does no I/O, knows no clock and starts no thread.

`now` is an argument everywhere, in seconds since the epoch. Each change replaces a frozen `Task` and marks it dirty;
the Master takes the dirty ones with `drain` and writes them to the journal before it answers anyone. To add a
transition: a row in `imgray.task.TRANSITIONS`, and a method here that calls `_move`.
"""

from __future__ import annotations

import heapq
import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from typing import Any

from imgray.errors import (
    LeaseExpiredError,
    LeaseLostError,
    QueueFullError,
    TaskConflictError,
    TaskNotFoundError,
    WorkerDiedError,
)
from imgray.retry import Backoff
from imgray.task import TRANSITIONS, Attempt, Event, Failure, Lease, Output, State, Task, TaskSpec

_SLACK = 1024


@dataclass(frozen=True, slots=True)
class Policy:
    """What the table may be told to do differently."""

    max_attempts: int
    max_live: int
    lease_s: float
    backoff: Backoff


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
        self._token = token
        self._next_seq = next_seq
        self._tasks: dict[str, Task] = {}
        self._dirty: dict[str, Task] = {}
        self._counts: Counter[State] = Counter(counts)  # of all tasks ever, the forgotten ones too
        self._ready: list[tuple[int, str]] = []  # heap of (seq, id); may hold tasks cancelled meanwhile
        self._delayed: list[tuple[float, str]] = []  # heap of (ready_at, id); the same
        self._held: defaultdict[str, dict[int, str]] = defaultdict(dict)  # worker → token → id, in order of grant
        self._leases: dict[int, tuple[str, float]] = {}  # token → id, and when the lease expires
        self._expiry: list[tuple[float, int]] = []  # heap of (no later than that, token)

    # Reading

    @property
    def token(self) -> int:
        """The latest token granted."""
        return self._token

    @property
    def dirty(self) -> bool:
        """True when something has changed since the last `drain`."""
        return bool(self._dirty)

    def get(self, task_id: str) -> Task | None:
        """Return a task that is live or has not yet been forgotten."""
        return self._tasks.get(task_id)

    def counts(self) -> dict[State, int]:
        """Count all tasks by state."""
        return {state: self._counts[state] for state in State}

    @property
    def live(self) -> int:
        """How many tasks are queued or leased."""
        return self._counts[State.QUEUED] + self._counts[State.LEASED]

    def tokens(self, worker: str) -> tuple[int, ...]:
        """List the tokens of a worker's leases, in the order in which they were granted."""
        return tuple(self._held.get(worker, ()))

    def holders(self) -> list[str]:
        """List the workers that hold leases."""
        return [worker for worker, held in self._held.items() if held]

    def ready(self, now: float) -> int:
        """Estimate how many tasks can be leased now (cancelled ones may be counted)."""
        self._wake(now)
        return len(self._ready)

    def next_event_at(self) -> float | None:
        """Say when time alone will next change something: a delay that ends or a lease that expires."""
        heads = [heap[0][0] for heap in (self._delayed, self._expiry) if heap]
        return min(heads, default=None)

    # Changing

    def submit(self, specs: Sequence[TaskSpec], now: float) -> list[Task]:
        """Accept tasks, all or none. One that is there already is returned as it stands.

        Raises:
            QueueFullError: the live tasks would exceed `Policy.max_live`.
            TaskConflictError: an id is taken by another submission.
        """
        for spec in specs:
            known = self._tasks.get(spec.id)
            if known is not None and known.spec != spec:
                raise TaskConflictError(spec.id)
        new = {spec.id: spec for spec in specs if spec.id not in self._tasks}
        if new and self.live + len(new) > self._policy.max_live:
            raise QueueFullError(self._policy.max_live)
        for spec in new.values():
            self._put(Task(spec, self._next_seq, State.QUEUED, submitted_at=now, ready_at=now))
            heapq.heappush(self._ready, (self._next_seq, spec.id))
            self._next_seq += 1
        return [self._tasks[spec.id] for spec in specs]

    def lease(self, worker: str, want: int, now: float) -> list[Task]:
        """Grant up to ``want`` ready tasks, oldest first; one to be run alone only to a worker that holds nothing."""
        self._wake(now)
        granted: list[Task] = []
        while len(granted) < want and self._ready:
            task = self._tasks.get(self._ready[0][1])
            if task is None or task.state is not State.QUEUED:
                heapq.heappop(self._ready)
                continue
            if self._held[worker] and (task.alone or self._holds_alone(worker)):
                break
            heapq.heappop(self._ready)
            granted.append(self._grant(task, worker, now))
        return granted

    def renew(self, worker: str, tokens: Iterable[int], now: float) -> None:
        """Extend the leases that a worker says it works on; unknown tokens are ignored."""
        held = self._held.get(worker, {})
        for token in tokens:
            if token in held:
                self._leases[token] = held[token], now + self._policy.lease_s

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
        """End an attempt that failed: try again after a delay if that may help and attempts are left.

        Raises:
            LeaseLostError: the token is not that of the current lease.
            TaskNotFoundError: the task is not in the table.
        """
        task = self._known(task_id)
        self._check(task, token)
        return self._fail(task, failure, now, alone=alone)

    def release(self, task_id: str, token: int, now: float) -> Task:
        """Take back a task that was never started, without charging the attempt.

        Raises:
            LeaseLostError: the token is not that of the current lease.
            TaskNotFoundError: the task is not in the table.
        """
        task = self._known(task_id)
        self._check(task, token)
        return self._move(task, Event.RELEASE, now, attempts=task.attempts - 1, ready_at=now)

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
        """Put a dead letter back in the queue, with all its attempts before it; any other task stays as it is."""
        if task.state is not State.FAILED:
            return task
        self._tasks.setdefault(task.id, task)
        return self._move(task, Event.REDRIVE, now, attempts=0, ready_at=now, failure=None, finished_at=None)

    def reap(self, now: float) -> list[Task]:
        """End the attempts whose lease has expired, and make ready the tasks whose delay has ended."""
        self._wake(now)
        ended = []
        while self._expiry and self._expiry[0][0] <= now:
            _, token = heapq.heappop(self._expiry)
            if token not in self._leases:
                continue
            task_id, expires_at = self._leases[token]
            if expires_at > now:
                heapq.heappush(self._expiry, (expires_at, token))
                continue
            task = self._tasks[task_id]
            ended.append(self._fail(task, Failure.of(LeaseExpiredError()), now, alone=True))
        return ended

    def renew_all(self, now: float) -> None:
        """Extend all leases: it was the Master that did not listen, not the workers that did not call."""
        self._leases = {token: (task_id, now + self._policy.lease_s) for token, (task_id, _) in self._leases.items()}

    def give_back(self, worker: str, held: AbstractSet[int], now: float) -> None:
        """Take back, uncharged, what a worker never heard that it was given: its leases but for those it holds."""
        for token, task_id in list(self._held.get(worker, {}).items()):
            if token not in held:
                self.release(task_id, token, now)

    def lose_worker(self, worker: str, now: float) -> list[Task]:
        """Take back everything that a dead worker held.

        Tasks run in the order of grant, so the first lease is the one that ran: it is charged and leased alone next
        time. The others go back unharmed.
        """
        ended = []
        for position, task_id in enumerate(list(self._held.get(worker, {}).values())):
            task = self._tasks[task_id]
            if position == 0:
                ended.append(self._fail(task, Failure.of(WorkerDiedError(f"worker {worker}")), now, alone=True))
            else:
                ended.append(self._move(task, Event.RELEASE, now, attempts=task.attempts - 1, ready_at=now))
        self._held.pop(worker, None)
        return ended

    # Keeping books

    def restore(self, tasks: Iterable[Task], now: float) -> None:
        """Take over live tasks from the journal. Leases go on: the workers may still be at it, and may ack."""
        for task in sorted(tasks, key=lambda task: task.token):  # so that each worker's are in order of grant
            self._tasks[task.id] = task
            if task.lease is not None:
                self._hold(task, task.lease, now)
            else:
                heapq.heappush(self._delayed, (task.ready_at, task.id))

    def drain(self) -> list[Task]:
        """Return the tasks changed since the last call, each as it now stands, in order of submission."""
        changed = sorted(self._dirty.values(), key=lambda task: task.seq)
        self._dirty.clear()
        return changed

    def forget(self, tasks: Iterable[Task]) -> None:
        """Drop finished tasks that the journal has, unless they have changed since."""
        for task in tasks:
            if task.state.finished and self._tasks.get(task.id) is task:
                del self._tasks[task.id]

    def _put(self, task: Task) -> None:
        before = self._tasks.get(task.id)
        if before is not None:
            self._counts[before.state] -= 1
        self._counts[task.state] += 1
        self._tasks[task.id] = task
        self._dirty[task.id] = task

    def _move(self, task: Task, event: Event, now: float, **changes: Any) -> Task:  # noqa: ANN401  # fields of Task
        """Make one transition, the only way in which a task changes."""
        state = TRANSITIONS[task.state, event]
        if task.lease is not None:
            self._held[task.lease.worker].pop(task.lease.token, None)
            self._leases.pop(task.lease.token, None)
            if event is not Event.RELEASE:
                attempt = Attempt(
                    task.attempts, task.lease.worker, task.lease.leased_at, now, event, changes.get("failure")
                )
                changes["history"] = (*task.history, attempt)
        moved = replace(task, state=state, **{"lease": None, **changes})
        self._put(moved)
        if state is State.QUEUED:
            heapq.heappush(self._delayed, (moved.ready_at, moved.id))
        return moved

    def _grant(self, task: Task, worker: str, now: float) -> Task:
        self._token += 1
        lease = Lease(self._token, worker, now)
        leased = self._move(task, Event.LEASE, now, lease=lease, token=lease.token, attempts=task.attempts + 1)
        self._hold(leased, lease, now)
        return leased

    def _hold(self, task: Task, lease: Lease, now: float) -> None:
        expires_at = now + self._policy.lease_s
        self._held[lease.worker][lease.token] = task.id
        self._leases[lease.token] = task.id, expires_at
        heapq.heappush(self._expiry, (expires_at, lease.token))
        if len(self._expiry) > 2 * len(self._leases) + _SLACK:  # most entries are of leases that have ended
            self._expiry = [(at, token) for token, (_, at) in self._leases.items()]
            heapq.heapify(self._expiry)

    def _fail(self, task: Task, failure: Failure, now: float, *, alone: bool) -> Task:
        if failure.passing and task.attempts < self._policy.max_attempts:
            ready_at = now + self._policy.backoff.delay_s(task.attempts, self._rng)
            return self._move(task, Event.RETRY, now, failure=failure, ready_at=ready_at, alone=task.alone or alone)
        return self._move(task, Event.FAIL, now, failure=failure, finished_at=now, alone=task.alone or alone)

    def _wake(self, now: float) -> None:
        """Move tasks whose delay has ended to the ready queue."""
        while self._delayed and self._delayed[0][0] <= now:
            _, task_id = heapq.heappop(self._delayed)
            task = self._tasks.get(task_id)
            if task is not None and task.state is State.QUEUED:
                heapq.heappush(self._ready, (task.seq, task_id))

    def _holds_alone(self, worker: str) -> bool:
        return any(self._tasks[task_id].alone for task_id in self._held[worker].values())

    def _known(self, task_id: str) -> Task:
        task = self._tasks.get(task_id)
        if task is None:
            raise TaskNotFoundError(task_id)
        return task

    @staticmethod
    def _check(task: Task, token: int) -> None:
        """Let only the holder of the current lease change the task."""
        if task.lease is None or task.lease.token != token:
            raise LeaseLostError(task.id, token, task.story())
