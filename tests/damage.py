"""Damage to the pages of a journal."""

from __future__ import annotations

import random
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

PAGE = 4096


def overwrite(file: Path, page: int, count: int = 1) -> None:
    with file.open("r+b") as content:
        content.seek(page * PAGE)
        content.write(random.Random(page).randbytes(count * PAGE))


def pages_of(file: Path, name: str) -> list[int]:
    """Find the pages of a table or an index, counted from 0, the root first."""
    with closing(sqlite3.connect(file)) as connection:
        if "ENABLE_DBSTAT_VTAB" not in {option for (option,) in connection.execute("PRAGMA compile_options")}:
            pytest.skip("this SQLite cannot tell which page is whose")
        rows = connection.execute("SELECT pageno FROM dbstat WHERE name = ? ORDER BY path", (name,))
        return [number - 1 for (number,) in rows]
