"""The journal: every task on disk, in one SQLite file. The only module that writes the database.

A commit is on the disk when it returns (WAL, ``synchronous=FULL``). The schema stands in `imgray.schema`.
"""

from __future__ import annotations

import json
import math
import sqlite3
import time
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from imgray.crash import crash_point
from imgray.errors import CommitsLostError, JournalCorruptError, JournalError, JournalNewerError
from imgray.lock import locked
from imgray.mark import Mark
from imgray.rows import COLUMNS, UNREADABLE, row_of, standing_of, task_of
from imgray.scaling import Bounds
from imgray.schema import MIGRATIONS
from imgray.statements import ADD_INPUTS, ADD_RESULTS, ADD_TASKS, CHANGE_TASKS, write_rows
from imgray.task import Changes, Filter, State, Task

FILE = "journal.sqlite3"
LOG = f"{FILE}-wal"
SALVAGED = f"{FILE}.salvaged"
"""A whole journal that is about to take the place of a damaged one; while it is there, neither is opened."""

EPOCH_BITS = 32
"""A token is the journal's epoch above this many bits of a counter: tokens only grow, over restarts too."""

HANDOVER_S = 5.0
"""How long whoever starts a service waits for one that was killed to be gone."""

_LOG_PAGES = 4000
"""Pages of 4 KiB in the log before they go into the file: four times SQLite's default, for it takes two more syncs."""

_CACHE_KIB = 16_384

_LOST_EPOCHS = 1 << 20
"""More openings than a loss can have made the journal forget."""

_REFUSALS = frozenset({
    sqlite3.SQLITE_BUSY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_PERM, sqlite3.SQLITE_READONLY,
})  # fmt: skip
"""What SQLite says when the disk or the system is at fault, and not the file's content."""

_RAISE_META = "INSERT INTO meta VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = max(value, excluded.value)"
_ADD_PURGED = "INSERT INTO purged VALUES (?, ?) ON CONFLICT (state) DO UPDATE SET count = count + excluded.count"
_ADD_GARBAGE = "INSERT OR IGNORE INTO garbage VALUES (?)"
_MISSING = "a task that is to be changed is not there any more"
_COUNT_COMMIT = "UPDATE meta SET value = value + 1 WHERE key = 'commits' RETURNING value"


@dataclass(frozen=True, slots=True)
class Remains:
    """What a damaged journal still says besides its tasks; 0 and nothing where it cannot be read.

    ``epoch``, ``commits`` and ``last_seq`` are the highest that are known.
    """

    epoch: int
    commits: int
    last_seq: int
    purged: Mapping[State, int]
    garbage: Collection[str]
    store: int


class Journal:
    """An open journal. Not for two threads at a time.

    Attributes:
        epoch: grows with every opening of this journal; a Master's tokens start from it, so they never come twice.
        found_version: the version of the schema before it was opened; 0 when there was no journal.
    """

    def __init__(
        self, connection: sqlite3.Connection, mark: Mark, opened: ExitStack, epoch: int, found_version: int
    ) -> None:
        self._connection = connection
        self._mark = mark
        self._opened = opened
        self.epoch = epoch
        self.found_version = found_version

    @classmethod
    def open(cls, folder: Path, wait_s: float = 0.0, *, accept_loss: bool = False) -> Self:
        """Open, or make, the journal in a folder, and bump its epoch.

        Args:
            folder: where it is.
            wait_s: how long to wait for another process that has it open, and may be about to die.
            accept_loss: go on even if acknowledged commits are missing at its end.

        Raises:
            DataInUseError: another process has it open.
            CommitsLostError: acknowledged commits are missing at its end.
            JournalNewerError: it is of a newer version.
            JournalCorruptError: the file is damaged, or no journal.
            JournalError: the folder cannot be written.
        """
        path = folder / FILE
        with ExitStack() as undo:
            try:
                folder.mkdir(parents=True, exist_ok=True)
                undo.enter_context(locked(folder, wait_s))
                if (folder / SALVAGED).exists():
                    raise JournalCorruptError(str(path), "its repair was cut short; `imgray doctor --repair` ends it")
                mark = Mark(folder)
                undo.callback(mark.close)
                acknowledged = mark.read()
                if not accept_loss:
                    _check_commits(path, acknowledged)
                connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
                undo.callback(connection.close)
                epoch, commits, version = _prepare(connection, path, acknowledged)
            except OSError as error:
                raise JournalError(f"{folder}: {error.strerror}") from error
            except sqlite3.Error as error:
                raise _error_of(error, path) from error
            mark.write(commits)
            return cls(connection, mark, undo.pop_all(), epoch, version)

    def close(self) -> None:
        """Close the file and let another process have it."""
        self._opened.close()

    # Writing

    def write(self, changes: Changes) -> None:
        """Store tasks as they now stand, and remove purged ones, all or none; it is on the disk when this returns.

        The blobs of purged tasks become garbage, which is remembered until `collected` says that it is gone.

        Raises:
            JournalError: nothing was written.
        """
        with self._transaction() as execute:
            write_rows(execute, ADD_TASKS, [row_of(task) for task in changes.new])
            if write_rows(execute, CHANGE_TASKS, [standing_of(task) for task in changes.tasks]) < len(changes.tasks):
                raise sqlite3.DatabaseError(_MISSING)
            write_rows(execute, ADD_INPUTS, changes.inputs)
            write_rows(execute, ADD_RESULTS, changes.results)
            if changes.purged:
                self._purge(execute, changes.purged)
        crash_point("journal-committed")

    def collected(self, keys: Iterable[str]) -> None:
        """Forget garbage that has been deleted.

        Raises:
            JournalError: it could not be written; the garbage is deleted once more, to no harm.
        """
        with self._transaction() as execute:
            execute.executemany("DELETE FROM garbage WHERE key = ?", ((key,) for key in keys))

    def scale(self, configured: Bounds) -> Bounds | None:
        """Return how large the pool is to be, if that was set while these bounds were configured."""
        statement = "SELECT minimum, maximum FROM pool WHERE configured_minimum = ? AND configured_maximum = ?"
        found = self._rows(statement, (configured.minimum, configured.maximum))
        return next((Bounds(*bounds) for bounds in found), None)

    def set_scale(self, configured: Bounds, bounds: Bounds) -> None:
        """Remember how large the pool is to be, for as long as the same is configured.

        Raises:
            JournalError: it could not be written.
        """
        values = (configured.minimum, configured.maximum, bounds.minimum, bounds.maximum)
        with self._transaction() as execute:
            execute.execute("DELETE FROM pool")
            execute.execute("INSERT INTO pool VALUES (?, ?, ?, ?)", values)

    def adopt(self, remains: Remains) -> None:
        """Go on where a damaged journal left off, whose tasks have been written here.

        Raises:
            JournalError: nothing was written.
        """
        with self._transaction() as execute:
            _note_loss(execute, remains.epoch, remains.commits)
            execute.execute(_RAISE_META, ("last_seq", remains.last_seq))
            execute.executemany(_ADD_PURGED, remains.purged.items())
            execute.executemany(_ADD_GARBAGE, ((key,) for key in remains.garbage))
            for table in ("inputs", "results"):
                execute.execute(f"DELETE FROM {table} WHERE seq NOT IN (SELECT seq FROM tasks)")  # noqa: S608
            if remains.store:
                execute.execute("UPDATE meta SET value = ? WHERE key = 'store'", (remains.store,))

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Cursor]:
        try:
            cursor = self._connection.execute("BEGIN IMMEDIATE")
            yield cursor
            (commits,) = cursor.execute(_COUNT_COMMIT).fetchone()
            crash_point("journal-written")
            cursor.execute("COMMIT")
        except sqlite3.Error as error:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise JournalError(str(error)) from error
        self._mark.write(commits)

    def _purge(self, cursor: sqlite3.Cursor, tasks: Sequence[Task]) -> None:
        cursor.execute("UPDATE meta SET value = max(value, (SELECT max(seq) FROM tasks)) WHERE key = 'last_seq'")
        cursor.executemany("DELETE FROM tasks WHERE seq = ?", ((task.seq,) for task in tasks))
        for table in ("inputs", "results"):
            cursor.executemany(f"DELETE FROM {table} WHERE seq = ?", ((task.seq,) for task in tasks))  # noqa: S608
        cursor.executemany(_ADD_GARBAGE, ((key,) for task in tasks for key in task.keys))
        cursor.executemany(_ADD_PURGED, Counter(task.state for task in tasks).items())

    # Reading: every method raises JournalError when the disk refuses, JournalCorruptError when the file is damaged.

    def live(self) -> Iterator[Task]:
        """Read the queued and leased tasks, oldest first."""
        return self._tasks("WHERE state IN (?, ?) ORDER BY seq", (State.QUEUED, State.LEASED))

    def all(self) -> Iterator[Task]:
        """Read every task, oldest first."""
        return self._tasks("ORDER BY seq", ())

    def get(self, ids: Sequence[str]) -> dict[str, Task]:
        """Read tasks by id; unknown ids are left out."""
        where = "WHERE id IN (SELECT value FROM json_each(?))"
        return {task.id: task for task in self._tasks(where, (json.dumps(ids),))}

    def keyed(self, keys: Sequence[tuple[str, str]]) -> list[Task]:
        """Read the tasks that have one of these pairs of tenant and idempotency key."""
        where = (
            "WHERE (idempotency_key, tenant) IN (SELECT value ->> 1, value ->> 0 FROM json_each(?))"
            " AND idempotency_key IS NOT NULL"
        )
        return list(self._tasks(where, (json.dumps(keys),)))

    def find(self, fingerprints: Sequence[str]) -> dict[str, Task]:
        """Read the newest succeeded task of each fingerprint; those without one are left out."""
        where = "WHERE fingerprint IN (SELECT value FROM json_each(?)) AND fingerprint <> '' AND state = ? ORDER BY seq"
        found = self._tasks(where, (json.dumps(fingerprints), State.SUCCEEDED))
        return {task.spec.fingerprint: task for task in found}

    def page(self, wanted: Filter, before: int | None, limit: int) -> list[Task]:
        """Read the tasks that are asked for, newest first, with a ``seq`` below ``before``."""
        where = ["seq < ?"]
        parameters: list[Any] = [2**63 - 1 if before is None else before]
        if wanted.states:
            where.append(f"state IN ({', '.join('?' * len(wanted.states))})")
            parameters += wanted.states
        for condition, value in (
            ("tenant = ? AND tenant <> ''" if wanted.tenant else "tenant = ?", wanted.tenant),
            ("failure IS NOT NULL AND failure ->> 'code' = ?", wanted.code),
            ("finished_at < ?", wanted.finished_before),
        ):
            if value is not None:
                where.append(condition)
                parameters.append(value)
        return list(self._tasks(f"WHERE {' AND '.join(where)} ORDER BY seq DESC LIMIT ?", (*parameters, limit)))

    def expired(self, finished_before: float, submitted_before: float, limit: int) -> list[Task]:
        """Read tasks that finished before a time, but for those with an idempotency key submitted since another."""
        where = "WHERE finished_at < ? AND (idempotency_key IS NULL OR submitted_at < ?) ORDER BY finished_at LIMIT ?"
        return list(self._tasks(where, (finished_before, submitted_before, limit)))

    def inputs(self, seqs: Sequence[int]) -> dict[int, bytes]:
        """Read the inputs that are kept with these tasks."""
        where = "WHERE seq IN (SELECT value FROM json_each(?))"
        return dict(self._rows(f"SELECT seq, data FROM inputs {where}", (json.dumps(seqs),)))  # noqa: S608  # a literal

    def results(self, seq: int) -> dict[str, bytes]:
        """Read the outputs that are kept with a task."""
        return dict(self._rows("SELECT name, data FROM results WHERE seq = ?", (seq,)))

    def garbage(self, limit: int) -> list[str]:
        """List blobs that belonged to purged tasks and may still be there."""
        return [key for (key,) in self._rows("SELECT key FROM garbage LIMIT ?", (limit,))]

    def counts(self) -> dict[State, int]:
        """Count the tasks that there ever were, by state; purged ones count as what they were."""
        rows = self._rows("SELECT state, count(*) FROM tasks GROUP BY state UNION ALL SELECT state, count FROM purged")
        counts: Counter[State] = Counter()
        try:
            for state, count in rows:
                counts[State(state)] += count
        except ValueError as error:
            raise JournalCorruptError(FILE, str(error)) from error
        return counts

    def store(self) -> int:
        """Return the number by which this journal signs the blob store that it uses."""
        ((store,),) = self._rows("SELECT value FROM meta WHERE key = 'store'")
        return int(store)

    def next_seq(self) -> int:
        """Return the ``seq`` for the next task; the sequence of a task never comes twice."""
        rows = self._rows("SELECT max(value, coalesce((SELECT max(seq) FROM tasks), 0)) FROM meta WHERE key='last_seq'")
        ((last,),) = rows
        return int(last) + 1

    def lost_at(self) -> float | None:
        """Return when it was last accepted that tasks had been lost; None when none ever were."""
        return next((float(at) for (at,) in self._rows("SELECT value FROM meta WHERE key = 'lost_at'")), None)

    def problems(self) -> list[str]:
        """Have SQLite look at every page of the file, and list what is wrong with it."""
        return [line for (line,) in self._rows("PRAGMA integrity_check") if line != "ok"]

    def _tasks(self, where: str, parameters: Sequence[Any]) -> Iterator[Task]:
        for row in self._rows(f"SELECT {', '.join(COLUMNS)} FROM tasks {where}", parameters):  # noqa: S608  # literals
            try:
                yield task_of(row)
            except UNREADABLE as error:
                raise JournalCorruptError(FILE, f"task {row[1]} cannot be read: {error!r}") from error

    def _rows(self, statement: str, parameters: Sequence[Any] = ()) -> Iterator[tuple[Any, ...]]:
        try:
            yield from self._connection.execute(statement, parameters)
        except sqlite3.Error as error:
            raise _error_of(error, Path(FILE)) from error


def _check_commits(path: Path, acknowledged: int) -> None:
    """See that no acknowledged commit is missing, and leave the files as they are: what is left of the log is there."""
    if not acknowledged:
        return
    commits = 0
    if path.exists():
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            commits = _meta(connection).get("commits", 0)
    if commits < acknowledged:
        raise CommitsLostError(str(path), acknowledged - commits, acknowledged)


def _prepare(connection: sqlite3.Connection, path: Path, acknowledged: int) -> tuple[int, int, int]:
    """Bring the schema up to date, and accept it when acknowledged commits are missing.

    Returns:
        A new epoch, the number of commits, and the version of the schema that was found.
    """
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA temp_store = MEMORY")  # or each commit has a file of its own to go back by
    connection.execute(f"PRAGMA wal_autocheckpoint = {_LOG_PAGES}")
    connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
    cursor = connection.execute("BEGIN IMMEDIATE")
    (version,) = cursor.execute("PRAGMA user_version").fetchone()
    if version > len(MIGRATIONS):
        raise JournalNewerError(str(path), version, len(MIGRATIONS))
    for script in MIGRATIONS[version:]:
        for statement in filter(None, map(str.strip, script.split(";"))):
            cursor.execute(statement)
    cursor.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")
    found = _meta(connection)
    if not found.keys() >= {"epoch", "commits"}:
        raise JournalCorruptError(str(path), "it does not say how often it was opened and written")
    if found["commits"] < acknowledged:
        _note_loss(cursor, found["epoch"], acknowledged)
    (commits,) = cursor.execute(_COUNT_COMMIT).fetchone()
    (epoch,) = cursor.execute("UPDATE meta SET value = value + 1 WHERE key = 'epoch' RETURNING value").fetchone()
    cursor.execute("COMMIT")
    return epoch, commits, version


def _meta(connection: sqlite3.Connection) -> dict[str, int]:
    return dict(connection.execute("SELECT key, value FROM meta").fetchall())


def _note_loss(cursor: sqlite3.Cursor, epoch: int, commits: int) -> None:
    """Go on above every epoch and commit that may have been given out, and note when that was."""
    now = math.ceil(time.time())
    cursor.executemany(_RAISE_META, [("epoch", epoch + _LOST_EPOCHS), ("commits", commits), ("lost_at", now)])


def _error_of(error: sqlite3.Error, path: Path) -> JournalError | JournalCorruptError:
    """Tell a disk that refuses from a file that is damaged: text that is no text has no code at all."""
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT)
    if code & 0xFF in _REFUSALS:  # the low byte of an extended code
        return JournalError(f"{path}: {error}")
    return JournalCorruptError(str(path), str(error))
