"""Run an allowed program for a worker, by a keeper (`imgray.keeper`), and note what it writes."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import secrets
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Self

from imgray import keeper
from imgray.process import ENVIRONMENT, end_session
from imgray.programs import JobProgram
from imgray.transcript import Stream, Transcript

_READ_BYTES = 64 * 1024  # how much asyncio buffers of the output
_SILENCE_S = keeper.STUCK_S + 10.0  # how long a keeper may be late
_STREAMS = {keeper.STDOUT: Stream.STDOUT, keeper.STDERR: Stream.STDERR}


@dataclass(frozen=True, slots=True)
class JobLimits:
    """What a program may use; ``output_bytes`` are kept of what it writes, ``file_bytes`` may be in any one file."""

    timeout_s: float
    memory_bytes: int
    output_bytes: int
    grace_s: float
    file_bytes: int = 2**30

    @classmethod
    def of(cls, program: JobProgram) -> Self:
        """Take them from what the operator said."""
        return cls(program.timeout_s, program.memory_bytes, program.output_bytes, program.grace_s, program.file_bytes)


class JobEnd(StrEnum):
    """Why a program has ended."""

    ENDED = "ended"
    STOPPED = "stopped"
    TIMED_OUT = "timed_out"
    FAILED_TO_START = "failed_to_start"
    KEEPER_DIED = "keeper_died"


@dataclass(frozen=True, slots=True)
class JobEnding:
    """How a program has ended, in Go's words: ``exit status 1``, ``signal: killed``, and "" for success."""

    kind: JobEnd
    text: str

    @property
    def stopped(self) -> bool:
        """True when it ended because it was told to."""
        return self.kind is JobEnd.STOPPED

    @property
    def timed_out(self) -> bool:
        """True when it ended because it took too long."""
        return self.kind is JobEnd.TIMED_OUT


async def run_job(
    command: Sequence[str],
    limits: JobLimits,
    transcript: Transcript,
    stop: asyncio.Event,
    on_output: Callable[[], None] = lambda: None,
    *,
    clock: Callable[[], float] = time.time,
) -> JobEnding:
    """Run a program to its end; when that is known, nothing is left of it.

    To cancel this ends the program, and all that it started, at once; the cancellation comes when nothing is left.

    Args:
        command: the program and its arguments.
        limits: what it may use.
        transcript: where its output and its ending are noted.
        stop: when it is set, the program is told to end, and killed ``grace_s`` later.
        on_output: called when something was noted.
        clock: says when it was.
    """
    if stop.is_set():
        ending = JobEnding(JobEnd.STOPPED, "stopped before it was started")
    else:

        def note(stream: Stream, data: bytes) -> None:
            transcript.append(stream, data, clock())
            on_output()

        job = _Job(command, limits, note)
        running = asyncio.create_task(job.run(stop))
        try:
            ending = await asyncio.shield(running)
        except asyncio.CancelledError:
            job.abandoned.set()
            while not running.done():
                with contextlib.suppress(asyncio.CancelledError):
                    await asyncio.wait({running})
            raise
    transcript.end(ending.text, clock())
    on_output()
    return ending


class _Job:
    """A program, by its keeper's pipes."""

    def __init__(self, command: Sequence[str], limits: JobLimits, on_output: Callable[[Stream, bytes], None]) -> None:
        self._command = command
        self._limits = limits
        self._on_output = on_output
        self._folder = Path(tempfile.gettempdir(), f"imgray-job-{secrets.token_hex(8)}")
        self._session = 0
        self._ending: JobEnding | None = None
        self.abandoned = asyncio.Event()

    async def run(self, stop: asyncio.Event) -> JobEnding:
        try:
            process = await self._start()
        except (OSError, ValueError) as error:  # a text that no command line may hold
            return JobEnding(JobEnd.FAILED_TO_START, f"cannot be started: {getattr(error, 'strerror', None) or error}")
        why = "its keeper died"
        try:
            async with asyncio.timeout(self._limits.timeout_s + self._limits.grace_s + _SILENCE_S) as patience:
                await self._attend(process, stop, patience)
        except TimeoutError:
            why = "its keeper did not answer"
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        if self._ending is None and self._folder.exists():  # to remove it is a keeper's last act
            await asyncio.to_thread(self._clean_up)
        return self._ending or JobEnding(JobEnd.KEEPER_DIED, f"{why}, so it was killed")

    async def _start(self) -> asyncio.subprocess.Process:
        options = {
            "folder": str(self._folder),
            "environment": {**ENVIRONMENT, "HOME": str(self._folder), "TMPDIR": str(self._folder)},
            "timeout_s": self._limits.timeout_s,
            "grace_s": self._limits.grace_s,
            "memory_bytes": self._limits.memory_bytes,
            "file_bytes": self._limits.file_bytes,
        }
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", "-S", keeper.__file__, json.dumps(options), *self._command),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=_READ_BYTES,
            start_new_session=True,  # else it would end with the worker's group, before it has cleaned up
        )

    async def _attend(
        self, process: asyncio.subprocess.Process, stop: asyncio.Event, patience: asyncio.Timeout
    ) -> None:
        """Note what comes, and pass on what is asked, until both keepers are gone."""
        assert process.stdin is not None  # noqa: S101  # they are pipes
        assert process.stdout is not None  # noqa: S101  # the same
        stdin = process.stdin
        loop = asyncio.get_running_loop()

        async def pass_on(event: asyncio.Event, message: Callable[[], None], within_s: float) -> None:
            await event.wait()
            message()
            patience.reschedule(loop.time() + within_s)

        messengers = [
            asyncio.create_task(pass_on(stop, lambda: stdin.write(keeper.STOP), self._limits.grace_s + _SILENCE_S)),
            asyncio.create_task(pass_on(self.abandoned, stdin.close, _SILENCE_S)),
        ]
        try:
            with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
                while True:
                    await self._note(process.stdout)
            await process.wait()
        finally:
            stdin.close()
            for messenger in messengers:
                messenger.cancel()

    async def _note(self, source: asyncio.StreamReader) -> None:
        """Read one frame of a keeper's, and note what it says."""
        kind, length = keeper.HEADER.unpack(await source.readexactly(keeper.HEADER.size))
        data = await source.readexactly(length)
        if kind in _STREAMS:
            self._on_output(_STREAMS[kind], data)
        elif kind == keeper.STARTED:
            self._session = int(data)
        else:
            how, text = json.loads(data)
            self._ending = JobEnding(JobEnd(how), text)

    def _clean_up(self) -> None:
        """End what is left when both keepers were killed: what has left the program's session is lost sight of."""
        if self._session:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._session, signal.SIGKILL)
            end_session(self._session)
        keeper.remove(str(self._folder))
