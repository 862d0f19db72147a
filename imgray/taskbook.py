"""The book of tasks: what there is, and the one way in which a task changes. `imgray.table` decides when.

It does no I/O and knows no clock. Each change replaces a frozen `Task` and marks it dirty, until `drain`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, Self

from msgspec.structs import replace

from imgray.admission import Admission
from imgray.backlog import Admits, Backlog, Waiting
from imgray.calls import Calls
from imgray.errors import TaskNotFoundError
from imgray.leases import Leases
from imgray.parcels import Parcels
from imgray.policy import Policy
from imgray.task import TRANSITIONS, Attempt, Changes, Event, State, Task
from imgray.timers import Timers


class TaskBook:
    """The live tasks (queued and leased), and the finished ones until the journal has them."""

    def __init__(self, policy: Policy, token: int, next_seq: int, counts: Mapping[State, int]) -> None:
        """Start empty.

        Args:
            policy: see there.
            token: every token granted is above this one.
            next_seq: ``seq`` of the next task.
            counts: how many tasks there ever were, by state; those that `restore` brings are among them.
        """
        self._policy = policy
        self.token = token
        """The latest token granted."""
        self._next_seq = next_seq
        self._tasks: dict[str, Task] = {}
        self._admission = Admission(policy)
        self._new: dict[str, Task] = {}  # as they now stand; the journal has yet to hear of them
        self._dirty: dict[str, Task] = {}  # others that have changed
        self._purged: dict[str, Task] = {}  # until the journal has purged them too
        self._counts: Counter[State] = Counter(counts)  # of all tasks ever, the forgotten ones too
        self.live_bytes = 0
        """How large the inputs of the live tasks are together."""
        self._backlog = Backlog(self._tasks)
        self._deadlines: Timers[str] = Timers()  # until a live task is no longer worth doing
        self.parcels = Parcels(policy.parcels_bytes)
        """The small inputs and outputs."""
        self.calls = Calls(policy.max_call_bytes)
        """The tasks that are not kept."""
        self.leases = Leases()
        """Who holds what; to be read only."""
        self.events: Counter[Event] = Counter()
        """Transitions made by this table."""

    # Reading

    @property
    def dirty(self) -> bool:
        """True when something has changed since the last `drain`."""
        return bool(self._new or self._dirty or self._purged)

    def get(self, task_id: str) -> Task | None:
        """Return a task that is live or has not yet been forgotten."""
        return self._tasks.get(task_id)

    def counts(self) -> dict[State, int]:
        """Count all tasks that there ever were, by state."""
        return {state: self._counts[state] for state in State}

    @property
    def live(self) -> int:
        """How many tasks are queued or leased, calls among them."""
        return self._counts[State.QUEUED] + self._counts[State.LEASED] + len(self.calls)

    @property
    def submitted(self) -> int:
        """How many tasks were ever accepted, counted on its own: by the numbers given to them."""
        return self._next_seq - 1

    def ready(self, now: float) -> int:
        """Estimate how many tasks can be leased now (cancelled ones may be counted)."""
        return self._backlog.ready(now)

    def waiting(self, counts: Admits) -> Waiting:
        """Describe what is ready, of the targets that count."""
        return self._backlog.waiting(counts)

    def bound(self) -> list[str]:
        """List the workers for which tasks wait that no other may take."""
        return self._backlog.processes()

    def next_event_at(self) -> float | None:
        """Say when time alone will next change something: a delay or a lease that ends, a deadline that passes."""
        heads = (self._backlog.next_at(), self.leases.next_at(), self._deadlines.next_at())
        return min((at for at in heads if at is not None), default=None)

    # Keeping books

    def restore(self, tasks: Iterable[Task], now: float) -> None:
        """Take over live tasks from the journal. Leases go on: the workers may still be at it, and may ack."""
        for task in sorted(tasks, key=lambda task: task.token):  # so that each worker's are in order of grant
            latest = now + self._policy.backoff.cap_s  # unless the clock was set back
            task = replace(task, ready_at=latest) if task.ready_at > latest else task  # noqa: PLW2901
            self._enter(task)
            if task.lease is not None:
                self.leases.begin(task.id, task.lease, now + self._policy.lease_s)
            else:
                self._backlog.enter(task, now)

    def take_over(self, before: Self) -> None:
        """Keep what another table knew that is in no journal: what was refused of late, and the counted events."""
        self.events = before.events
        self._admission.take_over(before._admission)

    def drain(self) -> Changes:
        """Return what has changed since the last call."""
        inputs, results = self.parcels.drain()
        purged = list(self._purged.values())
        changes = Changes(list(self._new.values()), list(self._dirty.values()), purged, inputs, results)
        self._new.clear()
        self._dirty.clear()
        return changes

    def forget(self, changes: Changes) -> None:
        """Drop what the journal has: the finished tasks, unless they have changed since, and those it has purged."""
        for task in changes.standing:
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
                attempt = Attempt(
                    task.attempts, lease.worker, lease.leased_at, now, event, failure, lease.node, lease.token
                )
                changes["history"] = (*task.history, attempt)
        moved = replace(task, **{"state": state, "lease": None, **changes})
        if task.spec.kept:
            self._counts[task.state] -= 1
        self.live_bytes -= 0 if task.state.finished else task.spec.size_bytes
        self._put(moved, self._new if task.id in self._new else self._dirty)
        if state is State.QUEUED:
            self._backlog.put_off(moved)
        else:
            self._backlog.leave(moved)
        if state.finished and not moved.spec.kept:
            del self._tasks[moved.id]
            self.calls.end(moved)
        return moved

    def _put(self, task: Task, changed: dict[str, Task]) -> None:
        if task.spec.kept:
            self._counts[task.state] += 1
            changed[task.id] = task
        self._enter(task)

    def _enter(self, task: Task) -> None:
        self._tasks[task.id] = task
        self._admission.enter(task)
        self._backlog.note(task)
        if task.state.finished:
            self._deadlines.stop(task.id)
            return
        self.live_bytes += task.spec.size_bytes
        if task.expires_at is not None:
            self._deadlines.set(task.id, task.expires_at)

    def _held(self, worker: str) -> list[Task]:
        return [self._tasks[task_id] for task_id in self.leases.of(worker).values()]

    def _known(self, task_id: str) -> Task:
        task = self._tasks.get(task_id)
        if task is None:
            raise TaskNotFoundError(task_id)
        return task

    def _latest(self, task: Task) -> Task:
        if task.id in self._purged:
            raise TaskNotFoundError(task.id)
        return self._tasks.get(task.id, task)
