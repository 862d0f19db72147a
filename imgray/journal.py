"""The journal: every task on disk, in one SQLite file. The only module that writes the database.

A commit is on the disk when it returns (WAL, ``synchronous=FULL``). To change the schema, append a script to
`MIGRATIONS`; never edit one that was released.
"""

from __future__ import annotations

import fcntl
import json
import os
import sqlite3
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Self

from imgray.crash import crash_point
from imgray.errors import DataInUseError, JournalCorruptError, JournalError
from imgray.mark import Mark
from imgray.rows import COLUMNS, FIXED, row_of, task_of
from imgray.task import Changes, Filter, State, Task

FILE = "journal.sqlite3"
LOCK = "lock"
HANDOVER_S = 5.0
"""How long whoever starts a service waits for one that was killed to be gone."""

_POLL_S = 0.05

MIGRATIONS = (
    """
    CREATE TABLE meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;
    INSERT INTO meta VALUES ('epoch', 0);
    CREATE TABLE tasks (
        seq          INTEGER PRIMARY KEY,
        id           TEXT    NOT NULL UNIQUE,
        fingerprint  TEXT    NOT NULL,
        spec         TEXT    NOT NULL,
        submitted_at REAL    NOT NULL,
        state        TEXT    NOT NULL,
        ready_at     REAL    NOT NULL,
        attempts     INTEGER NOT NULL,
        alone        INTEGER NOT NULL,
        token        INTEGER NOT NULL,
        worker       TEXT,
        leased_at    REAL,
        finished_at  REAL,
        outputs      TEXT    NOT NULL,
        failure      TEXT,
        history      TEXT    NOT NULL
    ) STRICT;
    CREATE INDEX tasks_by_state ON tasks (state, seq);
    CREATE INDEX tasks_by_fingerprint ON tasks (fingerprint, seq) WHERE fingerprint <> '';
    """,
    """
    ALTER TABLE tasks ADD COLUMN tenant TEXT NOT NULL DEFAULT '';
    ALTER TABLE tasks ADD COLUMN idempotency_key TEXT;
    ALTER TABLE tasks ADD COLUMN expires_at REAL;
    CREATE INDEX tasks_by_key ON tasks (idempotency_key, tenant) WHERE idempotency_key IS NOT NULL;
    CREATE INDEX tasks_by_tenant ON tasks (tenant, state, seq) WHERE tenant <> '';
    CREATE INDEX tasks_by_code ON tasks (failure ->> 'code', seq) WHERE failure IS NOT NULL;
    CREATE INDEX tasks_by_end ON tasks (finished_at) WHERE finished_at IS NOT NULL;
    CREATE TABLE purged (state TEXT PRIMARY KEY, count INTEGER NOT NULL) STRICT, WITHOUT ROWID;
    CREATE TABLE garbage (key TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;
    INSERT INTO meta VALUES ('commits', 0), ('last_seq', 0);
    """,
)

_COUNT_COMMIT = "UPDATE meta SET value = value + 1 WHERE key = 'commits' RETURNING value"
_UPSERT = f"""
    INSERT INTO tasks ({", ".join(COLUMNS)}) VALUES ({", ".join("?" * len(COLUMNS))})
    ON CONFLICT (seq) DO UPDATE SET {", ".join(f"{name} = excluded.{name}" for name in COLUMNS if name not in FIXED)}
"""  # noqa: S608  # the columns are literals


class Journal:
    """An open journal. Not for two threads at a time.

    Attributes:
        epoch: how many times this journal has been opened; a Master's tokens start from it, so they never come twice.
    """

    def __init__(self, connection: sqlite3.Connection, lock: int, mark: Mark, epoch: int) -> None:
        self._connection = connection
        self._lock = lock
        self._mark = mark
        self.epoch = epoch

    @classmethod
    def open(cls, folder: Path, wait_s: float = 0.0, *, accept_loss: bool = False) -> Self:
        """Open, or make, the journal in a folder, and bump its epoch.

        Args:
            folder: where it is.
            wait_s: how long to wait for another process that has it open, and may be about to die.
            accept_loss: go on even if acknowledged commits are missing at its end.

        Raises:
            DataInUseError: another process has it open.
            JournalCorruptError: the file is damaged, no journal, or of a newer version.
            JournalError: the folder cannot be written.
        """
        with ExitStack() as undo:
            try:
                folder.mkdir(parents=True, exist_ok=True)
                lock = _lock(folder, wait_s)
                undo.callback(os.close, lock)
                mark = Mark(folder)
                undo.callback(mark.close)
                connection = sqlite3.connect(folder / FILE, isolation_level=None, check_same_thread=False)
                undo.callback(connection.close)
                epoch, commits = _prepare(connection, str(folder / FILE), 0 if accept_loss else mark.read())
            except OSError as error:
                raise JournalError(f"{folder}: {error.strerror}") from error
            except sqlite3.OperationalError as error:
                raise JournalError(f"{folder / FILE}: {error}") from error
            except sqlite3.DatabaseError as error:
                raise JournalCorruptError(str(folder / FILE), str(error)) from error
            mark.write(commits)
            undo.pop_all()
        return cls(connection, lock, mark, epoch)

    def close(self) -> None:
        """Close the file and let another process have it."""
        self._connection.close()
        self._mark.close()
        os.close(self._lock)

    # Writing

    def write(self, changes: Changes) -> None:
        """Store tasks as they now stand, and remove purged ones, all or none; it is on the disk when this returns.

        The blobs of purged tasks become garbage, which is remembered until `collected` says that it is gone.

        Raises:
            JournalError: nothing was written.
        """
        with self._transaction() as execute:
            execute.executemany(_UPSERT, map(row_of, changes.tasks))
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
        cursor.executemany("INSERT OR IGNORE INTO garbage VALUES (?)", ((key,) for task in tasks for key in task.keys))
        cursor.executemany(
            "INSERT INTO purged VALUES (?, ?) ON CONFLICT (state) DO UPDATE SET count = count + excluded.count",
            Counter(task.state for task in tasks).items(),
        )

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
            ("tenant = ?", wanted.tenant),
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

    def garbage(self, limit: int) -> list[str]:
        """List blobs that belonged to purged tasks and may still be there."""
        return [key for (key,) in self._rows("SELECT key FROM garbage LIMIT ?", (limit,))]

    def counts(self) -> dict[State, int]:
        """Count the tasks that there ever were, by state; purged ones count as what they were."""
        rows = self._rows("SELECT state, count(*) FROM tasks GROUP BY state UNION ALL SELECT state, count FROM purged")
        counts: Counter[State] = Counter()
        for state, count in rows:
            counts[State(state)] += count
        return counts

    def next_seq(self) -> int:
        """Return the ``seq`` for the next task; the sequence of a task never comes twice."""
        rows = self._rows("SELECT max(value, coalesce((SELECT max(seq) FROM tasks), 0)) FROM meta WHERE key='last_seq'")
        ((last,),) = rows
        return int(last) + 1

    def problems(self) -> list[str]:
        """Have SQLite look at every page of the file, and list what is wrong with it."""
        return [line for (line,) in self._rows("PRAGMA integrity_check") if line != "ok"]

    def _tasks(self, where: str, parameters: Sequence[Any]) -> Iterator[Task]:
        for row in self._rows(f"SELECT {', '.join(COLUMNS)} FROM tasks {where}", parameters):  # noqa: S608  # literals
            try:
                yield task_of(row)
            except (ValueError, TypeError, KeyError) as error:
                raise JournalCorruptError(FILE, f"task {row[1]} cannot be read: {error!r}") from error

    def _rows(self, statement: str, parameters: Sequence[Any] = ()) -> Iterator[tuple[Any, ...]]:
        try:
            yield from self._connection.execute(statement, parameters)
        except sqlite3.OperationalError as error:
            raise JournalError(str(error)) from error
        except sqlite3.DatabaseError as error:
            raise JournalCorruptError(FILE, str(error)) from error


def _lock(folder: Path, wait_s: float) -> int:
    lock = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    deadline = time.monotonic() + wait_s
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # the kernel lets go of it when the process dies
        except BlockingIOError:
            if time.monotonic() >= deadline:
                os.close(lock)
                raise DataInUseError(str(folder)) from None
            time.sleep(_POLL_S)  # flock itself has no time limit
        else:
            return lock


def _prepare(connection: sqlite3.Connection, path: str, acknowledged: int) -> tuple[int, int]:
    """Bring the schema up to date, see that no acknowledged commit is missing; return a new epoch, and the commits."""
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("BEGIN IMMEDIATE")
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > len(MIGRATIONS):
        raise JournalCorruptError(path, f"its schema version {version} is newer than this imgray ({len(MIGRATIONS)})")
    for script in MIGRATIONS[version:]:
        for statement in filter(None, map(str.strip, script.split(";"))):
            connection.execute(statement)
    connection.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")
    (commits,) = connection.execute("SELECT value FROM meta WHERE key = 'commits'").fetchone()
    if commits < acknowledged:
        raise JournalCorruptError(
            path,
            f"the last {acknowledged - commits} of {acknowledged} acknowledged commits are missing at its end."
            " Restore the folder, or see with `imgray doctor` what is left and go on with that",
        )
    (commits,) = connection.execute(_COUNT_COMMIT).fetchone()
    (epoch,) = connection.execute("UPDATE meta SET value = value + 1 WHERE key = 'epoch' RETURNING value").fetchone()
    connection.execute("COMMIT")
    return epoch, commits
