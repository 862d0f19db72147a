"""Salvage: a new journal from what can still be read of a damaged one. Damaged files are kept, and never written.

Everything here works on folders that `locked` holds, or that nobody else knows.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from functools import cached_property
from itertools import count, islice
from pathlib import Path
from typing import Any

from imgray import mark
from imgray.errors import JournalError
from imgray.journal import EPOCH_BITS, FILE, LOG, SALVAGED, Journal, Remains
from imgray.mark import Mark
from imgray.rows import COLUMNS, UNREADABLE, task_of
from imgray.task import INPUTS, OUTPUTS, Changes, State, Task

KEPT = f"{FILE}.damaged"
"""What damaged files are called from then on, with a number."""

_BATCH = 500  # tasks in one commit
_BEYOND = 10_000  # how far behind the last task that is known others are looked for
_LARGEST = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Salvaged:
    """How many tasks could be read, and about how many not; None when nobody can tell."""

    saved: int
    lost: int | None


def copy_journal(folder: Path, into: Path) -> None:
    """Copy a journal as it is, log and mark and all; of one whose salvage was cut short, the salvaged one.

    Raises:
        OSError: it cannot be read, or there is no room.
    """
    into.mkdir()
    names = {FILE: FILE, LOG: LOG} if not (folder / SALVAGED).exists() else {SALVAGED: FILE}
    for name, copy in {**names, mark.FILE: mark.FILE}.items():
        with suppress(FileNotFoundError):
            shutil.copyfile(folder / name, into / copy)


def salvage(damaged: Path, into: Path) -> Salvaged:
    """Put what can be read of the journal in one folder, a copy, into a new journal in another.

    Raises:
        JournalError: the new one cannot be written.
        OSError: the copy cannot be.
    """
    Journal.open(into).close()
    with closing(sqlite3.connect(damaged / FILE)) as connection:
        readable = bool(_Source(connection).columns())
    if not readable:
        _graft((into / FILE).read_bytes(), damaged / FILE)
    with closing(Journal.open(into)) as journal, closing(sqlite3.connect(damaged / FILE)) as connection:
        source = _Source(connection)
        saved, epoch = 0, source.meta("epoch")
        tasks = source.tasks()
        while batch := list(islice(tasks, _BATCH)):
            saved += _write(journal, batch)
            epoch = max(epoch, *(task.token >> EPOCH_BITS for task in batch))
        commits = max(source.meta("commits"), Mark.noted(damaged))
        inputs, results = source.inputs(), source.results()
        while some := list(islice(inputs, _BATCH)):
            journal.write(Changes(inputs=some))
        while more := list(islice(results, _BATCH)):
            journal.write(Changes(results=more))
        garbage = source.garbage() if readable else ()
        journal.adopt(Remains(epoch, commits, source.last_seq, source.purged(), garbage, source.meta("store")))
        indexed = source.indexed()
    return Salvaged(saved, max(indexed - saved, 0) if indexed else None)


def install(folder: Path, sound: Path) -> None:
    """Put the closed journal of one folder in the place of the damaged one in another, which is kept beside it.

    Raises:
        JournalError: the sound one is not whole.
        OSError: there is no room, or the folder cannot be written.
    """
    if (sound / LOG).exists():  # SQLite could not finish it, and says nothing of that when it closes a file
        raise JournalError(f"{sound / FILE}: its log could not be written into it")
    part = folder / f"{SALVAGED}.part"
    shutil.copyfile(sound / FILE, part)
    _sync(part)
    part.replace(folder / SALVAGED)
    _sync(folder)
    finish(folder)


def finish(folder: Path) -> None:
    """Put a salvaged journal, if there is one, in its place. May be cut short anywhere, and repeated.

    Raises:
        OSError: the folder cannot be written.
    """
    if not (folder / SALVAGED).exists():
        return
    kept = folder / next_kept(folder)
    for name in (LOG, f"{FILE}-shm", FILE):  # the file last: its number is taken when all is there
        with suppress(FileNotFoundError):
            (folder / name).rename(kept.with_name(name.replace(FILE, kept.name)))
    _sync(folder)  # or else a power cut could leave the new file with the old log, which is not its own
    (folder / SALVAGED).replace(folder / FILE)
    _sync(folder)


def next_kept(folder: Path) -> str:
    """Name the file as which the next damaged journal will be kept."""
    return next(name for number in count(1) if not (folder / (name := f"{KEPT}-{number}")).exists())


def _graft(fresh: bytes, file: Path) -> None:
    """Give a file whose first page is destroyed that of a new journal: both have their tables in the same places.

    The offsets are those of https://www.sqlite.org/fileformat2.html#the_database_header. In a journal that was migrated
    the tables of later versions are elsewhere: of these, nothing is believed that would have blobs deleted.
    """
    size = int.from_bytes(fresh[16:18])
    page = bytearray(fresh[:size])
    page[28:32] = (file.stat().st_size // size).to_bytes(4)
    page[32:40] = bytes(8)  # the list of free pages
    with file.open("r+b") as damaged:
        damaged.write(page)


def _write(journal: Journal, tasks: Sequence[Task]) -> int:
    """Write tasks, and return how many; of those that contradict each other, the first stays."""
    try:
        journal.write(Changes(new=tasks))
    except JournalError as error:
        if not isinstance(error.__cause__, sqlite3.IntegrityError):
            raise
        return sum(_write(journal, [task]) for task in tasks) if len(tasks) > 1 else 0
    return len(tasks)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class _Source:
    """A damaged journal: every question is answered as far as it can be."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def columns(self) -> set[str]:
        """List the columns of the tasks; none when not even the schema can be read."""
        return {name for _, name, *_ in self._until_damage("PRAGMA table_info(tasks)")}

    def tasks(self) -> Iterator[Task]:
        """Read every task that can be read, in any order."""
        there = self.columns()
        columns = ", ".join(name if name in there else "NULL" for name in COLUMNS)
        select = f"SELECT {columns} FROM tasks WHERE seq BETWEEN ? AND ? ORDER BY seq"  # noqa: S608  # literals
        for row in self._all(select, self.last_seq):
            with suppress(*UNREADABLE):
                yield task_of(row)

    def inputs(self) -> Iterator[tuple[int, bytes]]:
        """Read the inputs that are kept with tasks."""
        select = "SELECT seq, data FROM inputs WHERE seq BETWEEN ? AND ? ORDER BY seq"
        rows = self._all(select, self.number("SELECT max(seq) FROM inputs"))
        return ((seq, data) for seq, data in rows if isinstance(data, bytes))

    def results(self) -> Iterator[tuple[int, str, bytes]]:
        """Read the outputs that are kept with tasks."""
        select = "SELECT rowid, seq, name, data FROM results WHERE rowid BETWEEN ? AND ? ORDER BY rowid"
        rows = self._all(select, self.number("SELECT max(rowid) FROM results"))
        return (
            (seq, name, data)
            for _, seq, name, data in rows
            if isinstance(seq, int) and isinstance(name, str) and isinstance(data, bytes)
        )

    def _all(self, select: str, last: int) -> Iterator[tuple[Any, ...]]:
        """Read every row that can be read; its number comes first, and ``last`` is the highest that is heard of."""
        ranges = [(0, _LARGEST)]
        while ranges:
            yield from self._read(select, last, *ranges.pop(), ranges)

    def _read(
        self, select: str, last: int, low: int, high: int, ranges: list[tuple[int, int]]
    ) -> Iterator[tuple[Any, ...]]:
        """Read a range from both ends up to what is damaged; leave the halves of the rest, until it stands alone.

        On a page that is half destroyed a number may be any, and a reading end there as if all had been read: so what
        lies beyond is always asked for.
        """
        whole = True
        try:
            for row in self._connection.execute(select, (low, high)):
                if not low <= row[0] <= high:
                    break
                low = row[0] + 1
                yield row
        except sqlite3.Error:
            whole = False
        for row in self._until_damage(f"{select} DESC", low, high):
            if not low <= row[0] <= high:
                break
            whole = False
            high = row[0] - 1
            yield row
        high = min(high, max(low, last) + _BEYOND)
        if not whole and low < high:
            middle = (low + high) // 2
            ranges += [(low, middle), (middle + 1, high)]

    @cached_property
    def last_seq(self) -> int:
        """The highest ``seq`` that is heard of anywhere."""
        return max(
            self.meta("last_seq"),
            self.number("SELECT max(seq) FROM tasks"),
            self.number("SELECT seq FROM tasks ORDER BY id DESC LIMIT 1"),  # ids sort by time
            *(
                self.number("SELECT max(seq) FROM tasks INDEXED BY tasks_by_state WHERE state = ?", state)
                for state in State
            ),
        )

    def meta(self, key: str) -> int:
        """Return a number of the journal's own, 0 when it cannot be read."""
        return self.number("SELECT value FROM meta WHERE key = ?", key)

    def indexed(self) -> int:
        """Count the tasks in the indexes, which may be whole where the tasks are not; 0 when they are not."""
        return max(
            self.number("SELECT count(*) FROM tasks INDEXED BY tasks_by_state WHERE state > ''"),
            self.number("SELECT count(*) FROM tasks INDEXED BY sqlite_autoindex_tasks_1 WHERE id > ''"),
        )

    def purged(self) -> dict[State, int]:
        """Read how many tasks were purged."""
        counts = dict(self._both_ways("SELECT state, count FROM purged ORDER BY state"))
        return {state: counts[state] for state in State if isinstance(counts.get(state), int)}

    def garbage(self) -> set[str]:
        """Read which blobs were left to be deleted."""
        keys = (key for (key,) in self._both_ways("SELECT key FROM garbage ORDER BY key"))
        return {key for key in keys if isinstance(key, str) and key.startswith((f"{INPUTS}/", f"{OUTPUTS}/"))}

    def number(self, statement: str, *parameters: Any) -> int:  # noqa: ANN401  # what SQLite takes
        """Return the number that a statement yields, 0 when it cannot."""
        found = [value for (value,) in self._until_damage(statement, *parameters)]
        return found[0] if found and isinstance(found[0], int) else 0

    def _both_ways(self, statement: str) -> Iterator[tuple[Any, ...]]:
        yield from self._until_damage(statement)
        yield from self._until_damage(f"{statement} DESC")

    def _until_damage(self, statement: str, *parameters: Any) -> Iterator[tuple[Any, ...]]:  # noqa: ANN401  # the same
        with suppress(sqlite3.Error):
            yield from self._connection.execute(statement, parameters)
