"""Leases: which worker holds which task, under which token, until when. Books only; the table decides."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from imgray.task import Lease
from imgray.timers import Timers


class Leases:
    """The present leases. Each worker's are kept in the order in which they were granted."""

    def __init__(self) -> None:
        self._held: defaultdict[str, dict[int, str]] = defaultdict(dict)  # worker → token → task
        self._task_ids: dict[int, str] = {}
        self._ends: Timers[int] = Timers()

    def of(self, worker: str) -> Mapping[int, str]:
        """Return the ids of the tasks that a worker holds, by token, in order of grant."""
        return self._held.get(worker, {})

    def holders(self) -> list[str]:
        """List the workers that hold leases."""
        return [worker for worker, held in self._held.items() if held]

    def begin(self, task_id: str, lease: Lease, ends_at: float) -> None:
        """Enter a lease."""
        self._held[lease.worker][lease.token] = task_id
        self._task_ids[lease.token] = task_id
        self._ends.set(lease.token, ends_at)

    def end(self, lease: Lease) -> None:
        """Strike out a lease."""
        held = self._held[lease.worker]
        held.pop(lease.token, None)
        if not held:
            del self._held[lease.worker]
        self._task_ids.pop(lease.token, None)
        self._ends.stop(lease.token)

    def renew(self, worker: str, tokens: Iterable[int], ends_at: float) -> None:
        """Extend those leases of a worker that it has; other tokens are ignored."""
        held = self.of(worker)
        for token in tokens:
            if token in held:
                self._ends.set(token, ends_at)

    def renew_all(self, ends_at: float) -> None:
        """Extend every lease."""
        for token in self._task_ids:
            self._ends.set(token, ends_at)

    def next_at(self) -> float | None:
        """Return a time before which no lease ends."""
        return self._ends.next_at()

    def due(self, now: float) -> list[str]:
        """List the tasks whose lease is over; each is listed once, and is to be ended."""
        return [self._task_ids[token] for token in self._ends.due(now)]
