"""The jobs of a worker: the programs that it runs for command tasks, several at a time, and what they write."""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import dataclass, field

from imgray.actors.job import JobEnding, JobLimits, run_job
from imgray.errors import CommandNotAllowedError, ImgrayError, JobFailedError, JobTimeoutError, WorkerDrainedError
from imgray.messages import OutputPart
from imgray.settings import Settings
from imgray.task import CommandSource, Failure, TaskSpec
from imgray.transcript import Transcript

_READ_BYTES = 256 * 1024  # of a transcript, in one answer


@dataclass(slots=True)
class _Job:
    """One program that runs, or has just ended."""

    task_id: str
    transcript: Transcript
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    news: asyncio.Event = field(default_factory=asyncio.Event)
    drained: bool = False

    def has_nothing_at(self, offset: int) -> bool:
        """Say whether there is nothing to tell yet to whoever knows what comes before an offset."""
        size = self.transcript.size
        return offset > size or (offset == size and self.transcript.ended is None)


class Jobs:
    """Runs the programs that the operator allowed, each in a process group of its own."""

    def __init__(self, settings: Settings) -> None:
        self._allowed = settings.jobs
        self._slots = settings.job_slots
        self._running: dict[int, _Job] = {}  # by token
        self._newest = 0
        self._begun = asyncio.Event()  # one more

    @property
    def free(self) -> int:
        """How many more programs may run."""
        return max(self._slots - len(self._running), 0)

    async def run(self, spec: TaskSpec, token: int) -> tuple[Failure | None, bytes]:
        """Run a command task to its end; return why it failed, None if it did not, and the dumped transcript.

        What it wrote can be read until `forget`.
        """
        source = spec.source
        assert isinstance(source, CommandSource)  # noqa: S101  # nothing else is granted as a command
        job = self._running[token] = _Job(spec.id, Transcript(0))
        self._newest = token
        self._begun.set()
        try:
            error = await self._run(source, job)
        except ImgrayError as refused:
            error = refused
            job.transcript.end(str(refused), time.time())
        job.news.set()
        return Failure.of(error) if error else None, job.transcript.dump()

    async def _run(self, source: CommandSource, job: _Job) -> ImgrayError | None:
        program = self._allowed.get(source.command)
        if program is None:
            raise CommandNotAllowedError.among(source.command, self._allowed)
        job.transcript = Transcript(program.output_bytes)
        command = await asyncio.to_thread(program.command_line, source.path, dict(source.arguments))
        limits = JobLimits.of(program)
        ending = await run_job(command, limits, job.transcript, job.stop, job.news.set)
        return _error_of(ending, job, limits)

    def stop(self, token: int) -> None:
        """Stop a program, if it still runs: its task is no longer wanted."""
        if job := self._running.get(token):
            job.stop.set()

    def drain(self) -> None:
        """Stop every program: the worker has to end."""
        for job in self._running.values():
            job.drained = True
            job.stop.set()

    def forget(self, token: int) -> None:
        """Let go of a program that has ended; what it wrote is in Storage."""
        if job := self._running.pop(token, None):
            job.news.set()

    async def output(self, token: int, offset: int, wait_s: float) -> OutputPart | None:
        """Return what a program wrote from an offset on, as soon as there is some; None when it does not run here.

        One that is only about to be granted is waited for: tokens come in order. With an offset behind everything, its
        end is waited for, until its transcript is in Storage.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                while token > self._newest:
                    self._begun.clear()
                    await self._begun.wait()
        job = self._running.get(token)
        if job is None:
            return None
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                while token in self._running and job.has_nothing_at(offset):
                    job.news.clear()
                    await job.news.wait()
        return OutputPart.of(job.transcript, offset, _READ_BYTES) if token in self._running else None


def _error_of(ending: JobEnding, job: _Job, limits: JobLimits) -> ImgrayError | None:
    if ending.timed_out:
        return JobTimeoutError(limits.timeout_s)
    if job.drained and ending.stopped:
        return WorkerDrainedError()
    return JobFailedError(ending.text) if ending.text else None
