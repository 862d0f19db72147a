"""Programs that are hard to end, and what is left of them; run as a script, a worker of one program to be killed."""

from __future__ import annotations

import asyncio
import os
import select
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

from imgray.actors.job import JobEnding, JobLimits, run_job
from imgray.transcript import Stream, Transcript

WAIT_S = 30.0
LIMITS = JobLimits(timeout_s=WAIT_S, memory_bytes=2**29, output_bytes=2**16, grace_s=WAIT_S)
IMPATIENT = JobLimits(timeout_s=WAIT_S, memory_bytes=2**29, output_bytes=2**16, grace_s=0.2)

FAMILY = """
import os, signal, sys
def say(): os.write(1, b"%d\\n" % os.getpid())
if "deaf" in sys.argv: signal.signal(signal.SIGTERM, signal.SIG_IGN)
if not os.fork():            # a child
    say()
    signal.pause()
if not os.fork():            # a daemon: its parent has ended, its session is its own, and it has no pipe
    os.setsid()
    if os.fork(): os._exit(0)
    say()
    os.chdir("/")
    os.close(1)
    os.close(2)
    signal.pause()
os.wait()
say()
signal.pause()
"""
"""Three processes, each of which writes its number and waits for ever."""

HOPPER = """
import os, signal
os.write(1, b"%d\\n" % os.getpid())
if os.fork(): signal.pause()
os.close(1)
os.close(2)
while True:
    if os.fork(): os._exit(0)
    os.setsid()
"""
"""One that waits, and one that is always somebody else, in a session of its own."""


def python(code: str, *arguments: str) -> list[str]:
    return [sys.executable, "-I", "-S", "-c", code, *arguments]


class Run:
    """A program that runs as a job."""

    def __init__(self, command: list[str], limits: JobLimits = LIMITS) -> None:
        self.transcript = Transcript(limits.output_bytes)
        self.stop = asyncio.Event()
        self._news = asyncio.Event()
        self.task = asyncio.create_task(run_job(command, limits, self.transcript, self.stop, self._news.set))
        self.task.add_done_callback(lambda _: self._news.set())

    def written(self, *streams: Stream) -> bytes:
        part = self.transcript.read(0, 2**30)
        return b"".join(chunk.data for chunk in part.chunks if chunk.stream in (streams or Stream))

    async def until(self, so: Callable[[], bool]) -> None:
        """Wait until something is so; it is asked whenever the program has written something."""
        async with asyncio.timeout(WAIT_S):
            while not so():
                assert not self.task.done(), (self.task, self.written())
                self._news.clear()
                await self._news.wait()

    async def pids(self, count: int) -> list[int]:
        """Return the numbers that so many processes have written."""
        await self.until(lambda: self.written().count(b"\n") >= count)
        return [int(line) for line in self.written().split()]

    async def ending(self) -> JobEnding:
        async with asyncio.timeout(WAIT_S):
            return await self.task


def are_gone(pids: Iterable[int], within_s: float = 0) -> bool:
    """Say whether processes have ended, or do so in time."""
    for pid in pids:
        try:
            watched = os.pidfd_open(pid)
        except ProcessLookupError:
            continue
        try:
            if not select.select([watched], [], [], within_s)[0]:
                return False
        finally:
            os.close(watched)
    return True


def parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


async def work(command: list[str]) -> None:
    """Be the worker of one program, and repeat what it writes."""

    def repeat() -> None:
        sys.stdout.buffer.write(b"".join(chunk.data for chunk in transcript.read(0, 2**30).chunks))
        sys.stdout.flush()

    transcript = Transcript(LIMITS.output_bytes)
    await run_job(command, LIMITS, transcript, asyncio.Event(), repeat)


if __name__ == "__main__":
    asyncio.run(work(sys.argv[1:]))
