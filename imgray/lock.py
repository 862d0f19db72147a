"""The lock of a data folder: one process at a time. The kernel lets go of it when that process dies."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from imgray.errors import DataInUseError

FILE = "lock"
_POLL_S = 0.05


@contextmanager
def locked(folder: Path, wait_s: float = 0.0) -> Iterator[None]:
    """Have a folder to oneself for as long as the ``with`` block lasts, after waiting for another process to let go.

    Raises:
        DataInUseError: another process has it.
        OSError: the folder cannot be used.
    """
    lock = os.open(folder / FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        _acquire(lock, folder, wait_s)
        yield
    finally:
        os.close(lock)


def _acquire(lock: int, folder: Path, wait_s: float) -> None:
    deadline = time.monotonic() + wait_s
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                raise DataInUseError(str(folder)) from None
            time.sleep(_POLL_S)  # flock itself has no time limit
        else:
            return
