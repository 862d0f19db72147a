"""SQL that writes many rows in one step.

After each step of SQLite the journal's thread has to get hold of Python's interpreter again, and waits a whole turn for
it while another thread is busy. So a commit is to have few steps, however many tasks are in it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from functools import cache
from itertools import chain
from types import NoneType
from typing import Any

from imgray.rows import CHANGING, COLUMNS

_GIVEN = "(VALUES {rows}) WHERE column1 IS NOT NULL"
_CHANGED = ", ".join(f"{name} = new.column{place}" for place, name in enumerate(CHANGING, 1))

ADD_TASKS = f"INSERT INTO tasks ({', '.join(COLUMNS)}) SELECT * FROM {_GIVEN}"  # noqa: S608  # literals, here and below
CHANGE_TASKS = f"UPDATE tasks SET {_CHANGED} FROM (VALUES {{rows}}) AS new WHERE seq = new.column{len(CHANGING) + 1}"  # noqa: S608
ADD_INPUTS = f"INSERT OR REPLACE INTO inputs SELECT * FROM {_GIVEN}"  # noqa: S608
ADD_RESULTS = f"INSERT OR REPLACE INTO results SELECT * FROM {_GIVEN}"  # noqa: S608

_MOST_ROWS = 1024
"""Rows in one statement: SQLite takes 32,766 parameters."""

for kind in (NoneType, bytes):  # Python asks each such value in vain how it is adapted, which takes a microsecond
    sqlite3.register_adapter(kind, lambda value: value)


def write_rows(cursor: sqlite3.Cursor, statement: str, rows: Sequence[tuple[Any, ...]]) -> int:
    """Execute one of these statements for many rows; return how many it has written.

    Rows of nothing fill them up to a power of two, so that there are few statements, which SQLite compiles once.
    """
    written = 0
    for start in range(0, len(rows), _MOST_ROWS):
        some = rows[start : start + _MOST_ROWS]
        columns, count = len(some[0]), 1 << (len(some) - 1).bit_length()
        nothing = [None] * (columns * (count - len(some)))
        cursor.execute(_filled(statement, columns, count), [*chain.from_iterable(some), *nothing])
        written += cursor.rowcount
    return written


@cache
def _filled(statement: str, columns: int, rows: int) -> str:
    row = f"({', '.join('?' * columns)})"
    return statement.format(rows=", ".join([row] * rows))
