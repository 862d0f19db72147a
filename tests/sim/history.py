"""The history checker: what was promised, seen and written, and whether it all fits together.

It knows nothing of how imgray works inside. It sees what is committed to disk, what leaves the Master, and what callers
are told; each is checked when it happens, and the whole at the end.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

from imgray.messages import Reply
from imgray.task import TRANSITIONS, BlobSource, Changes, Event, InlineSource, State, Task

if TYPE_CHECKING:
    from sim.disk import Disk


class Kind(Enum):
    """What becomes of an image."""

    GOOD = b"good"
    BAD = b"bad"  # no attempt can succeed, and each says so
    POISON = b"poison"  # the process that makes the attempt dies


def image(kind: Kind, number: int) -> bytes:
    return kind.value + b" %d" % number


def kind_of(data: bytes) -> Kind:
    return Kind(data.split()[0])


def reference(data: bytes) -> bytes:
    """What is to come out, as a program without any of this would make it."""
    return hashlib.sha256(data).digest()


def require(claim: object, *what: object) -> None:
    if not claim:
        raise AssertionError(" ".join(map(str, what)))


_NEXT: defaultdict[State, set[State]] = defaultdict(set)
for (_before, _), _after in TRANSITIONS.items():
    _NEXT[_before].add(_after)


def reachable(before: State, after: State) -> bool:
    """Say whether transitions lead from one state to the other: a commit may hold several."""
    seen, level = {before}, {before}
    while level:
        level = {state for one in level for state in _NEXT[one]} - seen
        seen |= level
    return after in seen


@dataclass
class Promise:
    """What a submitter was told."""

    task_id: str
    data: bytes


class History:
    """Everything that happened in one schedule."""

    def __init__(self, max_attempts: int, *, leases_expire: bool) -> None:
        self.disk: Disk
        self.max_attempts = max_attempts
        self.disturbed = {"worker_died", "task_timeout", *(["lease_expired"] if leases_expire else [])}
        """Codes of failures that a task need not have caused."""
        self.promises: dict[str, Promise] = {}
        self.keys: dict[str, str] = {}
        self.versions: defaultdict[str, list[Task]] = defaultdict(list)
        self.purged: set[str] = set()
        self.redriven: set[str] = set()
        self.cancelled: set[str] = set()
        self.blamed_workers = 0
        """How many workers died, or were taken for dead: each may cost one task an attempt."""

    # What is written

    def commit(self, changes: Changes) -> None:
        """Check a commit against what is on disk before it."""
        for task in changes.standing:
            before = self.versions[task.id][-1] if self.versions[task.id] else None
            self._check_row(task, changes)
            if before is None:
                require(task.id not in self.purged, task.id, "came back after it was purged")
            else:
                self._check_step(before, task)
            self.versions[task.id].append(task)
        for task in changes.purged:
            require(self.disk.rows[task.id].state.finished, task.id, "was purged while it was live")
            self.purged.add(task.id)
        self._check_leases({**self.disk.rows, **{task.id: task for task in changes.standing}}.values())

    def _check_row(self, task: Task, changes: Changes) -> None:
        data = self._input_of(task, changes)
        if not task.state.finished:
            require(data is not None, "Invariant 2:", task.id, "is there before its input")
        require(0 <= task.attempts <= self.max_attempts, "Invariant 6:", task.id, "has", task.attempts, "attempts")
        require((task.lease is not None) is (task.state is State.LEASED), task.id, "has a lease if it is leased")
        if task.state is State.SUCCEEDED:
            require(task.outputs, task.id, "succeeded without outputs")
            coming = {(seq, name): result for seq, name, result in changes.results}
            for output in task.outputs:
                there = (task.seq, output.name)
                inline = coming.get(there, self.disk.results.get(there))
                stored = self.disk.blobs.get(output.key) if output.key else inline
                require(stored is not None, "Invariant 4:", task.id, "was acknowledged before its output was stored")
                require(stored == reference(data or b""), task.id, "has wrong bytes")
                fresh = output.inline or f".{task.token:x}." in (output.key or "")
                require(fresh, "Invariant 3:", task.id, "has a stale commit")

    def _input_of(self, task: Task, changes: Changes) -> bytes | None:
        source = task.spec.source
        if isinstance(source, InlineSource):
            return dict(changes.inputs).get(task.seq, self.disk.inputs.get(task.seq))
        require(isinstance(source, BlobSource), task.id)
        return self.disk.blobs.get(source.key) if isinstance(source, BlobSource) else None

    def _check_step(self, before: Task, after: Task) -> None:
        where = f"{before.id}: {before.state} to {after.state}"
        require(after.spec == before.spec, where, "its spec changed")
        require(after.seq == before.seq, where, "its place changed")
        require(before.state is after.state or reachable(before.state, after.state), where, "no transition leads there")
        require(after.token >= before.token, where, "its token went back")
        require(after.history[: len(before.history)] == before.history, where, "its history changed")
        if before.state in {State.SUCCEEDED, State.CANCELLED}:
            require(after == before, where, "Invariant 4: what had ended for good was changed")
        if before.state is State.FAILED and after.state is not State.FAILED:
            require(before.id in self.redriven, where, "nobody redrove it")

    def _check_leases(self, rows: Iterable[Task]) -> None:
        held: defaultdict[str, list[Task]] = defaultdict(list)
        for task in rows:
            if task.lease is not None:
                held[task.lease.worker].append(task)
        tokens = [task.token for tasks in held.values() for task in tasks]
        require(len(set(tokens)) == len(tokens), "a token is held twice")
        for worker, tasks in held.items():
            if any(task.alone for task in tasks):
                require(len(tasks) == 1, "Invariant 6:", worker, "has a neighbour for a suspect")

    # What is told

    def answered(self, method: str, answer: Any) -> None:
        """Check what leaves the Master: nothing that is ahead of the disk."""
        if isinstance(answer, Reply):
            for grant in answer.grants:
                leased = any(version.token == grant.token for version in self.versions[grant.spec.id])
                require(leased, "Invariant 1:", grant.spec.id, "is handed out before its lease is on disk")
        elif method in {"submit", "get", "wait", "cancel", "withdraw", "redrive"}:
            for task in answer:
                if task is not None:
                    require(self._on_disk(task), "Invariant 1:", method, "tells before it is on disk", task)

    def _on_disk(self, task: Task) -> bool:
        versions = self.versions[task.id]
        if task.state.finished:
            return task in versions
        return bool(versions) and any(
            task.token <= version.token and task.history == version.history[: len(task.history)] for version in versions
        )

    def accepted(self, task: Task, data: bytes, key: str) -> None:
        """Note that a submitter has its answer."""
        if key:
            first = self.keys.setdefault(key, task.id)
            require(first == task.id or first in self.purged, "one idempotency key,", key, "made two tasks")
        promise = self.promises.setdefault(task.id, Promise(task.id, data))
        require(promise.data == data, task.id, "was promised to two submitters")

    # The end

    def check(self, seen: Sequence[tuple[Promise, Task | None, bytes | None]], counts: dict[State, int]) -> None:
        """Check, when all is quiet, what a reader gets for each promise, and the books."""
        for promise, task, data in seen:
            if task is None:
                require(promise.task_id in self.purged, "Invariant 1:", promise.task_id, "was accepted and is lost")
                continue
            require(task.state.finished, task.id, "never ends: it is", task.state)
            self._check_end(task, kind_of(promise.data))
            if task.state is State.SUCCEEDED:
                require(data == reference(promise.data), "Invariant 4:", task.id, "reads as something else")
        known = Counter(task.state for task in self.disk.rows.values()) + self.disk.purged
        require({state: known[state] for state in State} == counts, "Invariant 5:", known, "are counted as", counts)
        blamed = sum(
            attempt.failure is not None and "(worker " in attempt.failure.message
            for task in self.disk.rows.values()
            for attempt in task.history
        )
        require(blamed <= self.blamed_workers, blamed, "attempts are charged for", self.blamed_workers, "dead workers")

    def _check_end(self, task: Task, kind: Kind) -> None:
        endings = Counter(attempt.ending for attempt in task.history)
        require(endings[Event.ACK] == (task.state is State.SUCCEEDED), "Invariant 3:", task.id, endings)
        code = task.failure.code if task.failure else ""
        match task.state, kind:
            case State.CANCELLED, _:
                require(task.id in self.cancelled, task.id, "was cancelled by nobody")
            case State.SUCCEEDED, _:
                require(kind is Kind.GOOD, task.id, "cannot have succeeded")
            case _, Kind.GOOD:
                charged = {attempt.failure.code for attempt in task.history if attempt.failure}
                require(
                    code == "deadline_passed" or charged <= {"deadline_passed", *self.disturbed},
                    *(task.id, "was good and failed:", task.failure, charged),
                )
            case _, Kind.BAD:
                require(code in {"image_corrupt", "deadline_passed", *self.disturbed}, task.id, code)
            case _:
                require(code in {"deadline_passed", *self.disturbed}, task.id, code)
