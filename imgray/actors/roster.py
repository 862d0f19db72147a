"""Who works: the registered workers, and how far each one's exchange has come. No I/O, no clock."""

from __future__ import annotations

from collections.abc import Callable, Container
from dataclasses import dataclass, field

from imgray.messages import Grant, WorkerState, WorkerView
from imgray.rate import Rate
from imgray.target import Target, WorkerInfo

_RATE_S = 30.0
_LOST_KEPT = 100  # so many workers that were lost, or ended, are still shown


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
    draining: bool = False
    lost: bool = False
    memory_bytes: int = 0
    images: Rate = field(default_factory=lambda: Rate(_RATE_S))

    @property
    def state(self) -> WorkerState:
        """How it is."""
        if self.lost:
            return WorkerState.LOST
        return WorkerState.DRAINING if self.draining else WorkerState.ACTIVE

    def advance(self, seq: int, received: int, valid: Container[int]) -> bool:
        """Note a call; return False when it is a repetition, or was overtaken by a later one.

        Grants that are no longer valid, whose tasks were cancelled before they were heard of, are not sent any more.
        """
        self.unreceived = [grant for grant in self.unreceived if grant.token > received and grant.token in valid]
        if seq <= self.seq:
            return False
        self.seq = seq
        return True

    def view(self, leased: int, running: tuple[str, ...], now: float) -> WorkerView:
        """Describe it."""
        return WorkerView(
            info=self.info,
            state=self.state,
            registered_at=self.registered_at,
            last_seen_at=self.last_seen_at,
            leased=leased,
            running=running,
            succeeded=self.succeeded,
            failed=self.failed,
            images_per_s=self.images.at(now),
            memory_bytes=self.memory_bytes,
        )


class Roster:
    """The registered workers, by id, and the latest of those that are no more."""

    def __init__(self) -> None:
        self._members: dict[str, Member] = {}
        self._lost: dict[str, Member] = {}

    def __len__(self) -> int:
        return len(self._members)

    @property
    def members(self) -> list[Member]:
        """All registered workers."""
        return list(self._members.values())

    @property
    def active(self) -> list[Member]:
        """The workers that take new tasks."""
        return [member for member in self._members.values() if not member.draining]

    def register(self, info: WorkerInfo, seq: int, now: float) -> None:
        """Enter a worker afresh; what it sent up to number ``seq`` counts as overtaken."""
        before = self._members.get(info.id) or self._lost.pop(info.id, None)
        member = self._members[info.id] = Member(info, now, now, seq)
        if before is not None:  # it was away, and is still the same
            member.registered_at, member.draining, member.images = before.registered_at, before.draining, before.images
            member.succeeded, member.failed = before.succeeded, before.failed

    def seen(self, worker: str, now: float) -> Member | None:
        """Return a worker that has called, or None when it is not registered."""
        member = self._members.get(worker)
        if member is not None:
            member.last_seen_at = now
        return member

    def get(self, worker: str) -> Member | None:
        """Return a worker, or None when it is not registered."""
        return self._members.get(worker)

    def find(self, worker: str) -> Member | None:
        """Return a worker by its id or its name, or None when it is not registered."""
        named = (member for member in self._members.values() if member.info.name == worker)
        return self._members.get(worker) or next(named, None)

    def serves(self, target: Target) -> bool:
        """Say whether a worker that takes new tasks meets a target."""
        return any(member.info.meets(target) for member in self.active)

    def remove(self, worker: str) -> None:
        """Strike out a worker that was lost, or has ended."""
        member = self._members.pop(worker, None)
        if member is None:
            return
        member.lost = True
        member.unreceived = []
        self._lost[worker] = member
        while len(self._lost) > _LOST_KEPT:
            del self._lost[next(iter(self._lost))]

    def forget(self, worker: str) -> None:
        """Strike out a worker that has ended as it was told to."""
        self._members.pop(worker, None)
        self._lost.pop(worker, None)

    def sweep(self, before: float) -> None:
        """Strike out the workers that have not called since a time. One that does so after all registers again."""
        for worker in [name for name, member in self._members.items() if member.last_seen_at < before]:
            self.remove(worker)

    def away(self) -> None:
        """Have all workers register again."""
        for worker in list(self._members):
            self.remove(worker)

    def views(self, describe: Callable[[Member], WorkerView]) -> list[WorkerView]:
        """Describe all workers, by name; those that were lost last."""
        there = sorted(self._members.values(), key=lambda member: member.info.name)
        return [describe(member) for member in (*there, *reversed(self._lost.values()))]
