"""The pace of a worker's reports: each costs the Master as much as some tasks, so that results travel together."""

from __future__ import annotations

import asyncio
import contextlib

REPORT_S = 0.25
"""How long a result may wait for others to be reported with, while the worker has enough to do."""

_PACE_S = 0.02  # between two reports, while there is anything to do


class Pace:
    """Says when to report: soon when little is left to do, at once when nothing is, or somebody waits for a result."""

    def __init__(self) -> None:
        self._hungry = asyncio.Event()
        self._urgent = asyncio.Event()
        self._reported_at = 0.0

    def fed(self) -> None:
        """Note that there is something to do again."""
        self._hungry.clear()
        self._urgent.clear()

    def finished(self, *, urgent: bool, hungry: bool) -> None:
        """Note a result: whether it has to be reported at once, and whether the next work is to be asked for."""
        if urgent:
            self._urgent.set()
        if urgent or hungry:
            self._hungry.set()

    async def due(self) -> None:
        """Wait until it is time to report, which then is to be done."""
        loop = asyncio.get_running_loop()
        for reason, at in ((self._hungry, loop.time() + REPORT_S), (self._urgent, self._reported_at + _PACE_S)):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(at):
                    await reason.wait()
        self._reported_at = loop.time()
