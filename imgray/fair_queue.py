"""The fair queue: in what order ready tasks are leased. It knows ids, priorities, tenants and costs, nothing else.

The highest priority goes first, always. Within a priority, tenants share by cost (estimated pixels), not by count, so
that one tenant's million does not starve another's one: start-time fair queueing (Goyal, Vin and Cheng, SIGCOMM 1996).
Each tenant's next task has a virtual start, the smallest goes first, and what it costs is added to the tenant's next
start. A tenant that comes back starts at the present virtual time: nobody saves up for later by being idle.
Within a tenant, the oldest goes first.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from typing import NamedTuple

_SLACK = 1024


class _Entry(NamedTuple):
    """A task that waits."""

    seq: int
    id: str
    cost: int


@dataclass(slots=True)
class _Level:
    """The tasks of one priority."""

    lines: dict[str, list[_Entry]] = field(default_factory=dict)  # tenant → heap, never empty
    turns: list[tuple[float, str]] = field(default_factory=list)  # heap of (virtual start, tenant): one for each line
    present: float = 0.0  # virtual time: the start of what was taken last
    credit: dict[str, float] = field(default_factory=dict)  # tenant without a line → its next start, if still to come

    def push(self, tenant: str, entry: _Entry) -> None:
        line = self.lines.get(tenant)
        if line is not None:
            heapq.heappush(line, entry)
            return
        self.lines[tenant] = [entry]
        heapq.heappush(self.turns, (max(self.credit.pop(tenant, 0.0), self.present), tenant))

    def pop(self, *, charge: bool) -> int:
        """Remove the first task of the tenant whose turn it is; return its cost."""
        start, tenant = self.turns[0]
        entry = heapq.heappop(self.lines[tenant])
        end = start
        if charge:
            self.present, end = start, start + entry.cost
        if self.lines[tenant]:
            heapq.heapreplace(self.turns, (end, tenant))
            return entry.cost
        heapq.heappop(self.turns)
        del self.lines[tenant]
        self.credit[tenant] = end
        if len(self.credit) > 2 * len(self.lines) + _SLACK:
            self.credit = {tenant: start for tenant, start in self.credit.items() if start > self.present}
        return entry.cost


class FairQueue:
    """Ids of tasks, and whose turn it is. An id may be pushed twice, and stays in until it is its turn."""

    def __init__(self) -> None:
        self._levels: dict[int, _Level] = {}
        self._size = 0
        self.cost = 0
        """What all that waits costs together."""

    def __len__(self) -> int:
        return self._size

    @property
    def priority(self) -> int:
        """The priority of the task whose turn it is; there must be one."""
        return max(self._levels)

    def push(self, task_id: str, seq: int, priority: int, tenant: str, cost: int) -> None:
        """Queue a task; ``cost`` is in pixels."""
        self._levels.setdefault(priority, _Level()).push(tenant, _Entry(seq, task_id, cost))
        self._size += 1
        self.cost += cost

    def peek(self) -> str:
        """Return the task whose turn it is; there must be one."""
        level = self._levels[self.priority]
        return level.lines[level.turns[0][1]][0].id

    def take(self) -> None:
        """Remove the task whose turn it is, at its tenant's charge."""
        self._pop(charge=True)

    def drop(self) -> None:
        """Remove it free of charge: it turned out to be none."""
        self._pop(charge=False)

    def _pop(self, *, charge: bool) -> None:
        priority = self.priority
        self.cost -= self._levels[priority].pop(charge=charge)
        self._size -= 1
        if not self._levels[priority].lines:
            del self._levels[priority]
