"""Crash points: named places where a test may have the process die, as by a power cut, or freeze.

``IMGRAY_CRASH=<name>@<file>`` kills the process with SIGKILL when it comes to the point of that name, if it can delete
the file: each file serves once. ``IMGRAY_FREEZE`` does the same with SIGSTOP. To add a point: a call where it is to be,
and its name in `POINTS`, which the tests walk.
"""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path

CRASH = "IMGRAY_CRASH"
FREEZE = "IMGRAY_FREEZE"
_SIGNALS = {CRASH: signal.SIGKILL, FREEZE: signal.SIGSTOP}

POINTS = (
    "input-stored",  # the blob of an upload is on disk, the Master has not been asked
    "blob-written",  # a blob is written, not yet synced
    "blob-synced",  # a blob is durable, nobody has been told
    "journal-written",  # a commit is prepared
    "journal-committed",  # a commit is on disk, nobody has been told
    "task-accepted",  # the Master has answered, the submitter has not
    "attempt-made",  # a worker has a result and has stored nothing
    "outputs-stored",  # the outputs are durable, the Master has not been told
    "garbage-deleted",  # the blobs of purged tasks are gone, the journal does not know
)


def crash_point(name: str) -> None:
    """Die or freeze here, if that was asked for."""
    for variable, number in _SIGNALS.items():
        wanted, _, fuse = os.environ.get(variable, "").partition("@")
        if wanted == name and _burn(Path(fuse)):
            # to this thread: sent to the process, another may take it, while this one goes on for a moment
            signal.pthread_kill(threading.get_ident(), number)


def _burn(fuse: Path) -> bool:
    try:
        fuse.unlink()
    except OSError:
        return False
    return True
