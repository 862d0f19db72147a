"""The high-water mark: how many commits the journal has acknowledged, in a file of its own.

SQLite takes a damaged end of its log for a commit that a crash cut short, and drops it without a word. The mark is
written after each commit has reached the disk; a journal that holds fewer commits than it says has lost some that were
acknowledged. It is not synced: a power cut may leave it behind the journal, never ahead of it.
"""

from __future__ import annotations

import contextlib
import os
import struct
import zlib
from pathlib import Path

FILE = "journal.mark"
_NUMBER = struct.Struct("!Q")
_RECORD = struct.Struct("!QL")


class Mark:
    """The mark in a folder."""

    def __init__(self, folder: Path) -> None:
        """Open it, or make one.

        Raises:
            OSError: the folder cannot be written.
        """
        self._file = os.open(folder / FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    @classmethod
    def noted(cls, folder: Path) -> int:
        """Return the number of commits that the mark in a folder says, without making one; 0 when there is none."""
        if not (folder / FILE).exists():
            return 0
        with contextlib.closing(cls(folder)) as mark:
            return mark.read()

    def read(self) -> int:
        """Return the number of commits; 0 when there is no mark yet, or it is damaged itself."""
        record = os.pread(self._file, _RECORD.size, 0)
        if len(record) < _RECORD.size:
            return 0
        commits, check = _RECORD.unpack(record)
        return int(commits) if zlib.crc32(record[: _NUMBER.size]) == check else 0

    def write(self, commits: int) -> None:
        """Note the number of commits; a disk that refuses costs the check at the next opening, nothing else."""
        number = _NUMBER.pack(commits)
        with contextlib.suppress(OSError):
            os.pwrite(self._file, number + zlib.crc32(number).to_bytes(4), 0)

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)
