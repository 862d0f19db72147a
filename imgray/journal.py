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
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Self

from imgray.errors import DataInUseError, JournalCorruptError, JournalError
from imgray.task import (
    Attempt,
    BlobSource,
    Event,
    Failure,
    Lease,
    Output,
    OutputSpec,
    PathSource,
    State,
    Task,
    TaskSpec,
)

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
)

_COLUMNS = (
    "seq, id, fingerprint, spec, submitted_at, state, ready_at, attempts, alone, token, worker, leased_at,"
    " finished_at, outputs, failure, history"
)
_UPSERT = f"""
    INSERT INTO tasks ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (seq) DO UPDATE SET
        state = excluded.state, ready_at = excluded.ready_at, attempts = excluded.attempts, alone = excluded.alone,
        token = excluded.token, worker = excluded.worker, leased_at = excluded.leased_at,
        finished_at = excluded.finished_at, outputs = excluded.outputs, failure = excluded.failure,
        history = excluded.history
"""  # noqa: S608  # the columns are the literal above


class Journal:
    """An open journal. Not for two threads at a time.

    Attributes:
        epoch: how many times this journal has been opened; a Master's tokens start from it, so they never come twice.
    """

    def __init__(self, connection: sqlite3.Connection, lock: int, epoch: int) -> None:
        self._connection = connection
        self._lock = lock
        self.epoch = epoch

    @classmethod
    def open(cls, folder: Path, wait_s: float = 0.0) -> Self:
        """Open, or make, the journal in a folder, and bump its epoch.

        Args:
            folder: where it is.
            wait_s: how long to wait for another process that has it open, and may be about to die.

        Raises:
            DataInUseError: another process has it open.
            JournalCorruptError: the file is damaged, no journal, or of a newer version.
            JournalError: the folder cannot be written.
        """
        try:
            folder.mkdir(parents=True, exist_ok=True)
            lock = _lock(folder, wait_s)
        except OSError as error:
            raise JournalError(f"{folder}: {error.strerror}") from error
        try:
            connection = sqlite3.connect(folder / FILE, isolation_level=None, check_same_thread=False)
            epoch = _prepare(connection)
        except sqlite3.OperationalError as error:
            os.close(lock)
            raise JournalError(f"{folder / FILE}: {error}") from error
        except sqlite3.DatabaseError as error:
            os.close(lock)
            raise JournalCorruptError(str(folder / FILE), str(error)) from error
        except JournalCorruptError:
            os.close(lock)
            raise
        return cls(connection, lock, epoch)

    def close(self) -> None:
        """Close the file and let another process have it."""
        self._connection.close()
        os.close(self._lock)

    def write(self, tasks: Iterable[Task]) -> None:
        """Store tasks as they now stand, all or none; they are on the disk when this returns.

        Raises:
            JournalError: nothing was written.
        """
        rows = [_row(task) for task in tasks]
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            self._connection.executemany(_UPSERT, rows)
            self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise JournalError(str(error)) from error

    def live(self) -> Iterator[Task]:
        """Read the queued and leased tasks, oldest first."""
        return self._tasks("WHERE state IN (?, ?) ORDER BY seq", (State.QUEUED, State.LEASED))

    def get(self, ids: Sequence[str]) -> dict[str, Task]:
        """Read tasks by id; unknown ids are left out."""
        return {
            task.id: task for task in self._tasks("WHERE id IN (SELECT value FROM json_each(?))", (json.dumps(ids),))
        }

    def find(self, fingerprints: Sequence[str]) -> dict[str, Task]:
        """Read the newest succeeded task of each fingerprint; those without one are left out."""
        where = "WHERE fingerprint IN (SELECT value FROM json_each(?)) AND fingerprint <> '' AND state = ? ORDER BY seq"
        found = self._tasks(where, (json.dumps(fingerprints), State.SUCCEEDED))
        return {task.spec.fingerprint: task for task in found}

    def page(self, states: Sequence[State], before: int | None, limit: int) -> list[Task]:
        """Read tasks in the given states (none: all), newest first, with a ``seq`` below ``before``."""
        where = "WHERE seq < ?"
        parameters: list[Any] = [2**63 - 1 if before is None else before]
        if states:
            where += f" AND state IN ({', '.join('?' * len(states))})"
            parameters += states
        return list(self._tasks(f"{where} ORDER BY seq DESC LIMIT ?", (*parameters, limit)))

    def counts(self) -> dict[State, int]:
        """Count the tasks by state."""
        rows = self._connection.execute("SELECT state, count(*) FROM tasks GROUP BY state")
        return {State(state): count for state, count in rows}

    def next_seq(self) -> int:
        """Return the ``seq`` for the next task; the sequence of a task never comes twice."""
        (last,) = self._connection.execute("SELECT max(seq) FROM tasks").fetchone()
        return (last or 0) + 1

    def _tasks(self, where: str, parameters: Sequence[Any]) -> Iterator[Task]:
        cursor = self._connection.execute(f"SELECT {_COLUMNS} FROM tasks {where}", parameters)  # noqa: S608  # literals
        return map(_task, cursor)


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


def _prepare(connection: sqlite3.Connection) -> int:
    """Bring the schema up to date and bump the epoch."""
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("BEGIN IMMEDIATE")
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > len(MIGRATIONS):
        (_, _, path) = connection.execute("PRAGMA database_list").fetchone()
        raise JournalCorruptError(path, f"its schema version {version} is newer than this imgray ({len(MIGRATIONS)})")
    for script in MIGRATIONS[version:]:
        for statement in filter(None, map(str.strip, script.split(";"))):
            connection.execute(statement)
    connection.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")
    (epoch,) = connection.execute("UPDATE meta SET value = value + 1 WHERE key = 'epoch' RETURNING value").fetchone()
    connection.execute("COMMIT")
    return int(epoch)


def _row(task: Task) -> tuple[Any, ...]:
    return (
        task.seq,
        task.id,
        task.spec.fingerprint,
        json.dumps(asdict(task.spec)),
        task.submitted_at,
        task.state,
        task.ready_at,
        task.attempts,
        task.alone,
        task.token,
        task.lease.worker if task.lease else None,
        task.lease.leased_at if task.lease else None,
        task.finished_at,
        json.dumps([asdict(output) for output in task.outputs]) if task.outputs else "[]",
        json.dumps(asdict(task.failure)) if task.failure else None,
        json.dumps([asdict(attempt) for attempt in task.history]) if task.history else "[]",
    )


def _task(row: tuple[Any, ...]) -> Task:
    (seq, _id, _fingerprint, spec, submitted_at, state, ready_at, attempts, alone, token, worker, leased_at,
     finished_at, outputs, failure, history) = row  # fmt: skip
    return Task(
        spec=_spec(json.loads(spec)),
        seq=seq,
        state=State(state),
        submitted_at=submitted_at,
        ready_at=ready_at,
        attempts=attempts,
        alone=bool(alone),
        token=token,
        lease=Lease(token, worker, leased_at) if worker is not None else None,
        finished_at=finished_at,
        outputs=tuple(Output(**output) for output in json.loads(outputs)),
        failure=Failure(**json.loads(failure)) if failure else None,
        history=tuple(_attempt(attempt) for attempt in json.loads(history)),
    )


def _spec(fields: dict[str, Any]) -> TaskSpec:
    source = fields["source"]
    return TaskSpec(
        id=fields["id"],
        source=BlobSource(**source) if "key" in source else PathSource(**source),
        outputs=tuple(OutputSpec(**output) for output in fields["outputs"]),
        label=fields["label"],
        fingerprint=fields["fingerprint"],
    )


def _attempt(fields: dict[str, Any]) -> Attempt:
    failure = fields.pop("failure")
    return Attempt(**{**fields, "ending": Event(fields["ending"])}, failure=Failure(**failure) if failure else None)
