"""Calls: tasks that are not kept. Whoever asks waits, has the input, and asks again if need be: nothing is on disk.

They go through the same table as all others, with the same limits, queue, leases and attempts. Books only.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from imgray.errors import QueueFullError
from imgray.task import Task, TaskSpec

Results = tuple[tuple[str, bytes], ...]
"""The outputs of a task, by name."""


@dataclass(slots=True)
class _Call:
    data: bytes
    results: Results = ()


@dataclass(slots=True)
class Calls:
    """The calls of a table that have not ended, and those that have and are to be answered."""

    limit_bytes: int
    answered: int = 0
    """How many have ended, since this table began."""
    size_bytes: int = 0
    """How large their inputs are together."""
    _live: dict[str, _Call] = field(default_factory=dict)
    _ended: list[tuple[Task, Results]] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self._live)

    def check_room(self, specs: Iterable[TaskSpec]) -> None:
        """See that there is memory for the inputs of more.

        Raises:
            QueueFullError: there is not.
        """
        size_bytes = sum(spec.size_bytes for spec in specs if not spec.kept)
        if size_bytes and self.size_bytes + size_bytes > self.limit_bytes:
            limit = f"{self.limit_bytes:,} bytes (setting max_call_bytes)"
            raise QueueFullError(f"the images of the calls that wait would be larger together than {limit}")

    def enter(self, task_id: str, data: bytes) -> None:
        """Begin a call."""
        self._live[task_id] = _Call(data)
        self.size_bytes += len(data)

    def input(self, task_id: str) -> bytes | None:
        """Return the input of a call, None when there is none such."""
        call = self._live.get(task_id)
        return call.data if call else None

    def answer(self, task_id: str, results: Results) -> None:
        """Note what was made for a call."""
        self._live[task_id].results = results

    def end(self, task: Task) -> None:
        """End the call of a task that has finished."""
        call = self._live.pop(task.id)
        self.size_bytes -= len(call.data)
        self.answered += 1
        self._ended.append((task, call.results))

    def drain(self) -> list[tuple[Task, Results]]:
        """Return what has ended since the last time this was asked."""
        ended, self._ended = self._ended, []
        return ended
