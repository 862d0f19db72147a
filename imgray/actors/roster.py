"""Who works: the registered workers, and how far each one's exchange has come. No I/O, no clock."""

from __future__ import annotations

from dataclasses import dataclass, field

from imgray.messages import Grant, WorkerInfo, WorkerView


@dataclass(slots=True)
class Member:
    """A registered worker.

    ``seq`` is its latest call; ``unreceived`` are the grants that it has not yet said it received.
    """

    info: WorkerInfo
    registered_at: float
    last_seen_at: float
    seq: int = 0
    unreceived: list[Grant] = field(default_factory=list)
    succeeded: int = 0
    failed: int = 0

    def advance(self, seq: int, received: int) -> bool:
        """Note a call; return False when it is a repetition, or was overtaken by a later one."""
        self.unreceived = [grant for grant in self.unreceived if grant.token > received]
        if seq <= self.seq:
            return False
        self.seq = seq
        return True


class Roster:
    """The registered workers, by id."""

    def __init__(self) -> None:
        self._members: dict[str, Member] = {}

    def __len__(self) -> int:
        return len(self._members)

    def register(self, info: WorkerInfo, seq: int, now: float) -> None:
        """Enter a worker afresh; what it sent up to number ``seq`` counts as overtaken."""
        self._members[info.id] = Member(info, now, now, seq)

    def seen(self, worker: str, now: float) -> Member | None:
        """Return a worker that has called, or None when it is not registered."""
        member = self._members.get(worker)
        if member is not None:
            member.last_seen_at = now
        return member

    def get(self, worker: str) -> Member | None:
        """Return a worker, or None when it is not registered."""
        return self._members.get(worker)

    def remove(self, worker: str) -> None:
        """Strike out a worker."""
        self._members.pop(worker, None)

    def sweep(self, before: float) -> None:
        """Strike out the workers that have not called since a time. One that does so after all registers again."""
        self._members = {name: member for name, member in self._members.items() if member.last_seen_at >= before}

    def views(self, leased: dict[str, int]) -> list[WorkerView]:
        """Describe all workers, by name; ``leased`` counts what each one holds."""
        members = sorted(self._members.values(), key=lambda member: member.info.name)
        return [
            WorkerView(
                info=member.info,
                registered_at=member.registered_at,
                last_seen_at=member.last_seen_at,
                leased=leased.get(member.info.id, 0),
                succeeded=member.succeeded,
                failed=member.failed,
            )
            for member in members
        ]
