"""Identity: which submissions are one and the same, by id or by the tenant's idempotency key."""

from __future__ import annotations

from typing import TypeAlias

from imgray.errors import IdempotencyConflictError, TaskConflictError
from imgray.task import Task, TaskSpec

Identity: TypeAlias = "str | tuple[str, str]"


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


class Keys:
    """The idempotency keys of the tasks in the table. Of tasks that had a key in turn, the newest has it."""

    def __init__(self) -> None:
        self._holders: dict[Identity, Task] = {}

    def enter(self, task: Task) -> None:
        """Note a task, as it now stands, under its key."""
        if task.spec.idempotency_key:
            key = identity(task.spec)
            if key not in self._holders or self._holders[key].seq <= task.seq:
                self._holders[key] = task

    def drop(self, task: Task) -> None:
        """Forget a task, unless another has its key now."""
        key = identity(task.spec)
        if key in self._holders and self._holders[key].id == task.id:
            del self._holders[key]

    def holder(self, spec: TaskSpec) -> Task | None:
        """Return the task that has the key of a submission."""
        return self._holders.get(identity(spec)) if spec.idempotency_key else None
