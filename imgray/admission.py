"""Admission: which submissions are new, which repeat an earlier one, and whether there is room for them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from copy import copy
from typing import TypeAlias

from imgray.errors import (
    IdempotencyConflictError,
    ImgrayError,
    QueueFullError,
    RequestError,
    TaskConflictError,
    TaskNotFoundError,
)
from imgray.policy import Policy
from imgray.task import CONTENT_KEY, State, Task, TaskSpec
from imgray.timers import Timers

Identity: TypeAlias = "str | tuple[str, str]"

_REPEATED_S = 120.0  # how long after a submission a repetition of the call may still arrive


class Admission:
    """Knows the idempotency keys of the tasks in the table, and what was refused of late."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._holders: dict[Identity, Task] = {}  # of tasks that had a key in turn, the newest
        self._refusals: dict[str, ImgrayError] = {}
        self._refused: Timers[str] = Timers()  # until a refusal need not be repeated any more
        self._live: dict[str, set[str]] = {owner: set() for owner in policy.live_tasks}  # ids of an owner's live tasks

    def sort(
        self, specs: Sequence[TaskSpec], tasks: Mapping[str, Task], finished: Iterable[Task], now: float
    ) -> tuple[list[Task | str], list[TaskSpec]]:
        """Tell new submissions from repeated ones.

        Args:
            specs: what is submitted.
            tasks: the table's, by id.
            finished: those of the journal that have the id or the key of a submission.
            now: the time.

        Returns:
            For each submission the task that it repeats, or the id of the new one that it is; and those new ones.

        Raises:
            TaskConflictError, IdempotencyConflictError: an id or a key is taken by another submission.
            RequestError: a new one's deadline has passed.
            ImgrayError: what `refuse` was told of an id.
        """
        by_id = {task.id: task for task in finished}
        by_key = {identity(task.spec): task for task in sorted(by_id.values(), key=lambda task: task.seq)}
        new: dict[Identity, TaskSpec] = {}
        answers: list[Task | str] = []
        for spec in specs:
            if spec.id in self._refusals:
                raise copy(self._refusals[spec.id])
            task = tasks.get(spec.id) or by_id.get(spec.id)
            if task is None and spec.idempotency_key:
                holders = (self._holders.get(identity(spec)), by_key.get(identity(spec)))
                task = self._kept(max(filter(None, holders), key=lambda task: task.seq, default=None), now)
            first = task.spec if task else new.setdefault(identity(spec), spec)
            check_same(first, spec)
            answers.append(task or first.id)
        for spec in new.values():
            if spec.expires_at is not None and spec.expires_at <= now:
                raise RequestError(
                    f"expires_at={spec.expires_at:.0f} is past: it is {now:.0f}, in seconds since the epoch."
                )
        return answers, list(new.values())

    def _kept(self, task: Task | None, now: float) -> Task | None:
        """Pass on a task that a key still stands for: not for ever, and by its content only while it is of use."""
        if task is None or now - task.submitted_at >= self._policy.idempotency_s:
            return None
        useless = task.state in {State.FAILED, State.CANCELLED}
        return None if useless and task.spec.idempotency_key.startswith(CONTENT_KEY) else task

    def check_room(self, specs: Collection[TaskSpec], live: int, live_bytes: int) -> None:
        """See that there is room for more live tasks.

        Raises:
            QueueFullError: there would be too many, of all or of one key's, or their inputs would be too large.
        """
        policy = self._policy
        if specs and live + len(specs) > policy.max_live_tasks:
            raise QueueFullError(f"{policy.max_live_tasks:,} tasks wait or run (setting max_live_tasks)")
        size_bytes = sum(spec.size_bytes for spec in specs)
        if size_bytes and live_bytes + size_bytes > policy.max_live_bytes:
            limit = f"{policy.max_live_bytes:,} bytes (setting max_live_bytes)"
            raise QueueFullError(f"the images that wait would be larger together than {limit}")
        for owner, count in Counter(spec.owner for spec in specs).items():
            if owner in self._live and len(self._live[owner]) + count > (most := policy.live_tasks[owner]):
                raise QueueFullError(f"{most:,} tasks of key '{owner}' may wait or run (its limit live_tasks)")

    def refuse(self, task_id: str, error: ImgrayError, now: float) -> None:
        """Have an id refused from now on, for as long as a call that was repeated, or overtaken, may still arrive."""
        self._refusals[task_id] = copy(error)
        self._refused.set(task_id, now + _REPEATED_S)
        for forgiven in self._refused.due(now):
            del self._refusals[forgiven]

    def take_over(self, before: Admission) -> None:
        """Go on refusing what another refused."""
        self._refusals, self._refused = before._refusals, before._refused

    def enter(self, task: Task) -> None:
        """Note a task, as it now stands: under its key, and while it is live with its owner."""
        if (live := self._live.get(task.spec.owner)) is not None:
            (live.discard if task.state.finished else live.add)(task.id)
        if task.spec.idempotency_key:
            key = identity(task.spec)
            if key not in self._holders or self._holders[key].seq <= task.seq:
                self._holders[key] = task

    def drop(self, task: Task) -> None:
        """Forget a task, unless another has its key now."""
        key = identity(task.spec)
        if key in self._holders and self._holders[key].id == task.id:
            del self._holders[key]

    def purge(self, task: Task, now: float) -> None:
        """Forget a task for good."""
        self.drop(task)
        if now - task.submitted_at < _REPEATED_S:
            self.refuse(task.id, TaskNotFoundError(task.id), now)


def identity(spec: TaskSpec) -> Identity:
    """Return that by which a submission is known again: tenant and idempotency key, or the id."""
    return (spec.tenant, spec.idempotency_key) if spec.idempotency_key else spec.id


def check_same(first: TaskSpec, again: TaskSpec) -> None:
    """See that what repeats a submission asks for the same.

    Raises:
        TaskConflictError, IdempotencyConflictError: it does not.
    """
    if first.id == again.id and first != again:
        raise TaskConflictError(again.id)
    if first.digest != again.digest:
        raise IdempotencyConflictError(first.id, again.idempotency_key)
