"""The disks of the simulation: they outlive every process, and may be full for a while."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from imgray.blobs import BlobNotFoundError, BlobStore
from imgray.errors import JournalError, StorageUnavailableError
from imgray.journal import Journal
from imgray.scaling import Bounds
from imgray.task import Changes, Filter, State, Task


class Disk:
    """What is on disk. ``watch`` is told of every commit, before it counts."""

    def __init__(self, watch: Callable[[Changes], None]) -> None:
        self.watch = watch
        self.blobs: dict[str, bytes] = {}
        self.rows: dict[str, Task] = {}
        self.inputs: dict[int, bytes] = {}
        self.results: dict[tuple[int, str], bytes] = {}
        self.purged: Counter[State] = Counter()
        self.garbage: dict[str, None] = {}
        self.epoch = 0
        self.last_seq = 0
        self.blobs_full = False
        self.journal_full = False

    def apply(self, changes: Changes) -> None:
        for task in changes.standing:
            self.rows[task.id] = task
            self.last_seq = max(self.last_seq, task.seq)
        self.inputs |= dict(changes.inputs)
        self.results |= {(seq, name): data for seq, name, data in changes.results}
        for task in changes.purged:
            del self.rows[task.id]
            self.inputs.pop(task.seq, None)
            self.purged[task.state] += 1
            self.garbage.update(dict.fromkeys(task.keys))

    def live(self) -> list[Task]:
        return [task for task in self.rows.values() if not task.state.finished]


class SimBlobs(BlobStore):
    """Blobs in memory."""

    def __init__(self, disk: Disk) -> None:
        self._disk = disk

    def put(self, key: str, data: bytes | memoryview) -> None:
        if self._disk.blobs_full:
            raise StorageUnavailableError("no space left on device")
        assert self._disk.blobs.get(key, bytes(data)) == data, f"{key} is written twice, with different bytes"
        self._disk.blobs[key] = bytes(data)

    def get(self, key: str) -> bytes:
        try:
            return self._disk.blobs[key]
        except KeyError:
            raise BlobNotFoundError(key) from None

    def delete(self, keys: Iterable[str]) -> None:
        for key in keys:
            self._disk.blobs.pop(key, None)


class SimJournal(Journal):
    """A journal in memory: `Journal` without SQLite."""

    def __init__(self, disk: Disk) -> None:
        if disk.journal_full:
            raise JournalError("database or disk is full")
        self._disk = disk
        disk.epoch += 1
        self.epoch = disk.epoch

    def close(self) -> None:
        pass

    def store(self) -> int:
        return 1

    def scale(self, configured: Bounds) -> Bounds | None:  # noqa: ARG002  # nobody scales here
        return None

    def write(self, changes: Changes) -> None:
        if self._disk.journal_full:
            raise JournalError("database or disk is full")
        self._disk.watch(changes)
        self._disk.apply(changes)

    def collected(self, keys: Iterable[str]) -> None:
        for key in keys:
            self._disk.garbage.pop(key, None)

    def live(self) -> Iterator[Task]:
        return iter(sorted(self._disk.live(), key=lambda task: task.seq))

    def get(self, ids: Sequence[str]) -> dict[str, Task]:
        return {task_id: self._disk.rows[task_id] for task_id in ids if task_id in self._disk.rows}

    def inputs(self, seqs: Sequence[int]) -> dict[int, bytes]:
        return {seq: self._disk.inputs[seq] for seq in seqs if seq in self._disk.inputs}

    def results(self, seq: int) -> dict[str, bytes]:
        return {name: data for (number, name), data in self._disk.results.items() if number == seq}

    def keyed(self, keys: Sequence[tuple[str, str]]) -> list[Task]:
        return [task for task in self._disk.rows.values() if (task.spec.tenant, task.spec.idempotency_key) in keys]

    def page(self, wanted: Filter, before: int | None, limit: int) -> list[Task]:
        found = (task for task in self._disk.rows.values() if task.state in (wanted.states or State))
        older = (task for task in found if before is None or task.seq < before)
        return list(itertools.islice(sorted(older, key=lambda task: -task.seq), limit))

    def expired(self, finished_before: float, submitted_before: float, limit: int) -> list[Task]:
        ended = (task for task in self._disk.rows.values() if (task.finished_at or finished_before) < finished_before)
        kept = (task for task in ended if not task.spec.idempotency_key or task.submitted_at < submitted_before)
        return list(itertools.islice(kept, limit))

    def garbage(self, limit: int) -> list[str]:
        return list(itertools.islice(self._disk.garbage, limit))

    def counts(self) -> Mapping[State, int]:  # type: ignore[override]
        return Counter(task.state for task in self._disk.rows.values()) + self._disk.purged

    def next_seq(self) -> int:
        return self._disk.last_seq + 1


class ObservedJournal(Journal):
    """The real journal, with `Disk` told of what it holds."""

    disk: Disk

    def write(self, changes: Changes) -> None:
        if self.disk.journal_full:
            raise JournalError("database or disk is full")
        self.disk.watch(changes)
        super().write(changes)
        self.disk.apply(changes)

    def collected(self, keys: Iterable[str]) -> None:
        super().collected(keys)
        for key in keys:
            self.disk.garbage.pop(key, None)
