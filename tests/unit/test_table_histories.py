"""The task table over random histories: invariants 3, 5, 6 and 11, against a naive account of who holds what."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, multiple, rule
from tables import FINAL, NOW, OUTPUTS, PASSING, POLICY, new_table, spec

from imgray.errors import (
    LeaseLostError,
    QueueFullError,
    TaskNotFoundError,
)
from imgray.table import TaskTable
from imgray.task import (
    Failure,
    State,
    Task,
)


class Histories(RuleBasedStateMachine):
    """Random histories, checked against a naive account of who holds what."""

    tasks = Bundle("tasks")
    leases = Bundle("leases")

    def __init__(self) -> None:
        super().__init__()
        self.now = NOW
        self.table = new_table()
        self.journal: dict[str, Task] = {}
        self.purged: dict[str, Task] = {}
        self.submitted = 0
        self.commits: dict[str, int] = {}
        self.tokens: list[int] = []

    def current(self, task_id: str) -> Task:
        task = self.table.get(task_id) or self.journal.get(task_id) or self.purged.get(task_id)
        assert task is not None, "a task vanished"
        return task

    @rule(target=tasks, lasts_s=st.sampled_from([30.0, 1e9]))
    def submit(self, lasts_s: float) -> Any:
        if self.table.live >= POLICY.max_live_tasks:
            with pytest.raises(QueueFullError):
                self.table.submit([spec(-1)], self.now)
            return multiple()
        number = self.submitted
        (task,) = self.table.submit(
            [spec(number, priority=number % 3 - 1, tenant=str(number % 2), expires_at=self.now + lasts_s)], self.now
        )
        self.submitted += 1
        return task.id

    @rule(target=leases, worker=st.sampled_from("uvw"), want=st.integers(1, 4))
    def lease(self, worker: str, want: int) -> Any:
        granted = self.table.lease(worker, want, self.now)
        assert len(granted) <= want
        for task in granted:
            assert task.ready_at <= self.now
            assert all(task.token > token for token in self.tokens), "a token came twice"
            self.tokens.append(task.token)
        held = [self.table.get(task_id) for task_id in self.table.leases.of(worker).values()]
        assert not any(task and task.alone for task in held) or len(held) == 1, "a suspect is not alone"
        return multiple(*granted)

    def settle(self, lease: Task, end: Callable[[], Task], after: set[State]) -> None:
        before = self.current(lease.id)
        current = before.lease is not None and before.lease.token == lease.token
        repeated = before.state is State.SUCCEEDED and before.token == lease.token
        try:
            task = end()
        except (LeaseLostError, TaskNotFoundError):
            assert not current, "a valid lease was refused"
            assert self.current(lease.id) == before
            return
        if current:
            assert task.state in after
            if task.state is State.SUCCEEDED:
                self.commits[task.id] = self.commits.get(task.id, 0) + 1
        else:
            assert repeated, "a stale token was accepted"
            assert task == before

    @rule(lease=leases)
    def ack(self, lease: Task) -> None:
        self.settle(lease, lambda: self.table.ack(lease.id, lease.token, OUTPUTS, self.now), {State.SUCCEEDED})

    @rule(lease=consumes(leases), failure=st.sampled_from([PASSING, FINAL]), alone=st.booleans())
    def nack(self, lease: Task, failure: Failure, alone: bool) -> None:  # noqa: FBT001  # drawn by name
        self.settle(
            lease,
            lambda: self.table.nack(lease.id, lease.token, failure, self.now, alone=alone),
            {State.FAILED, State.QUEUED} if failure.passing else {State.FAILED},
        )

    @rule(lease=consumes(leases))
    def release(self, lease: Task) -> None:
        self.settle(lease, lambda: self.table.release(lease.id, lease.token, self.now), {State.QUEUED})

    @rule(task_id=tasks)
    def cancel(self, task_id: str) -> None:
        before = self.current(task_id)
        try:
            after = self.table.cancel(task_id, self.now)
        except TaskNotFoundError:
            assert before.state.finished
            return
        assert after == before if before.state.finished else after.state is State.CANCELLED

    @rule(task_id=tasks)
    def redrive(self, task_id: str) -> None:
        before = self.current(task_id)
        if before.state is State.FAILED and task_id not in self.purged and self.table.live < POLICY.max_live_tasks:
            assert self.table.redrive(before, self.now).state is State.QUEUED

    @rule(worker=st.sampled_from("uvw"))
    def lose_worker(self, worker: str) -> None:
        self.table.lose_worker(worker, self.now)
        assert not self.table.leases.of(worker)

    @rule(seconds=st.floats(0, 100))
    def pass_time(self, seconds: float) -> None:
        self.now += seconds
        self.table.reap(self.now)

    @rule(task_id=tasks)
    def purge(self, task_id: str) -> None:
        before = self.current(task_id)
        if self.table.purge(before, self.now):
            assert before.state.finished, "a live task was purged"
            self.purged[task_id] = before
        else:
            assert self.current(task_id) == before

    @rule()
    def commit(self) -> None:
        changes = self.table.drain()
        self.journal |= {task.id: task for task in changes.standing}
        for task in changes.purged:
            self.journal.pop(task.id, None)
        self.table.forget(changes)

    @rule()
    def restart(self) -> None:
        """Start again from the journal, after everything was committed."""
        self.commit()
        all_tasks = [*self.journal.values(), *self.purged.values()]
        counts = {state: sum(task.state is state for task in all_tasks) for state in State}
        table = TaskTable(POLICY, self.table.token + (1 << 32), self.submitted + 1, counts, random.Random(2))
        table.restore([task for task in self.journal.values() if not task.state.finished], self.now)
        self.table = table

    @invariant()
    def nothing_vanishes(self) -> None:
        """Invariant 5."""
        assert sum(self.table.counts().values()) == self.submitted

    @invariant()
    def the_counts_are_those_of_the_tasks(self) -> None:
        current = [self.current(f"task{number}") for number in range(self.submitted)]
        assert self.table.counts() == {state: sum(task.state is state for task in current) for state in State}

    @invariant()
    def each_task_is_committed_at_most_once(self) -> None:
        """Invariant 3."""
        assert all(count == 1 for count in self.commits.values())

    @invariant()
    def attempts_stay_within_the_limit(self) -> None:
        """Invariant 6."""
        assert all(0 <= task.attempts <= POLICY.max_attempts for task in self.table._tasks.values())  # noqa: SLF001


Histories.TestCase.settings = settings(max_examples=150, stateful_step_count=60, deadline=None)
test_random_histories = Histories.TestCase
