"""Command tasks for front ends: start one, stop it, ask about it, follow what it writes. A job's id is its task's."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field

from imgray.bounds import check_spec, label_of
from imgray.errors import (
    CommandNotAllowedError,
    JobNotFoundError,
    NotACommandError,
    PassingError,
    TaskNotFoundError,
    WorkerNotFoundError,
    WorkerUnavailableError,
)
from imgray.messages import OutputPart, WorkerState
from imgray.ports import MasterPort, StoragePort, WorkersPort
from imgray.programs import JobProgram
from imgray.retry import Backoff
from imgray.settings import Settings
from imgray.target import ANYWHERE, Target, worker_name
from imgray.task import CommandSource, State, Task, TaskSpec, new_task_id, transcript_key
from imgray.transcript import Ended, Part, Transcript

_FOLLOW_S = 10.0  # how long one call waits for more output
_READ_BYTES = 256 * 1024
_EVERYTHING = 1 << 62  # an offset behind all that is ever written
_AGAIN = Backoff(base_s=0.1, cap_s=1.0)


@dataclass(frozen=True, slots=True)
class JobRequest:
    """A command to run, and where. Without conditions in the target, any worker may."""

    command: str
    path: str = ""
    arguments: Mapping[str, str] = field(default_factory=dict)
    target: Target = ANYWHERE
    waits: bool = False
    label: str = ""
    tenant: str = ""
    priority: int = 0
    expires_at: float | None = None
    owner: str = ""
    task_id: str = field(default_factory=new_task_id, init=False)


@dataclass(frozen=True, slots=True)
class JobStatus:
    """How a job is; ``error_text`` says how the program ended if not well, as in ``exit status 1``."""

    done: bool
    error: bool = False
    error_text: str = ""


class Jobs:
    """The way to the commands of a cluster."""

    def __init__(self, master: MasterPort, storage: StoragePort, workers: WorkersPort, settings: Settings) -> None:
        self._master = master
        self._storage = storage
        self._workers = workers
        self._settings = settings
        self._rng = random.Random()  # noqa: S311  # jitter

    @property
    def allowed(self) -> Mapping[str, JobProgram]:
        """The commands that the operator allows, by name."""
        return self._settings.jobs

    async def start(self, request: JobRequest) -> Task:
        """Accept a command task; it is on disk when this returns.

        Raises:
            CommandNotAllowedError: the operator has not allowed the command.
            RequestError: the path or an argument is not as the operator's rules want it.
            WorkerNotFoundError: no worker can take it, and it is not to wait for one.
            QueueFullError, MasterUnavailableError, JournalError: try again later.
        """
        program = self.allowed.get(request.command)
        if program is None:
            raise CommandNotAllowedError.among(request.command, self.allowed)
        program.check(request.path, request.arguments)
        spec = TaskSpec(
            id=request.task_id,
            source=CommandSource(request.command, request.path, tuple(sorted(request.arguments.items()))),
            outputs=(),
            label=label_of(request.label),
            tenant=request.tenant,
            priority=request.priority,
            expires_at=request.expires_at,
            target=request.target,
            waits=request.waits,
            owner=request.owner,
        )
        check_spec(spec)
        (task,) = await self._master.submit([spec], {})
        return task

    async def stop(self, worker: str, job_id: str) -> None:
        """Stop a job on a worker, and wait until its processes are gone. One that has ended already is no error.

        Raises:
            JobNotFoundError, WorkerNotFoundError: there is none.
        """
        await self.end(await self._on(worker, job_id))

    async def end(self, task: Task) -> None:
        """Stop a job wherever it is, as `stop` does.

        Raises:
            WorkerUnavailableError: the job is no longer wanted, but its worker does not say that it has ended.
        """
        await self._master.cancel([task.id])
        task = await self._known(task.id)
        begun = _begun(task)
        if begun is None or task.state is not State.CANCELLED or await self._kept(task) is not None:
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._settings.call_timeout_s + self._longest_grace_s):
                while await self._live(begun, _EVERYTHING, _FOLLOW_S) is not None:
                    pass
                if await self._kept(task) is not None:
                    return
        views = await self._master.workers()
        if any(view.info.id == begun[0] and view.state is not WorkerState.LOST for view in views):
            raise WorkerUnavailableError

    async def query(self, worker: str, job_id: str) -> JobStatus:
        """Say how a job on a worker is.

        Raises:
            JobNotFoundError, WorkerNotFoundError: there is none.
        """
        return await self.status(await self._on(worker, job_id))

    async def status(self, task: Task) -> JobStatus:
        """Say how a job is, wherever it is, by its task as it stands now."""
        begun = _begun(task)
        match task.state:
            case State.SUCCEEDED:
                return JobStatus(done=True)
            case State.FAILED:
                return JobStatus(done=True, error=True, error_text=task.failure.message if task.failure else "")
            case State.CANCELLED if begun is None:
                return JobStatus(done=True, error=True, error_text="cancelled before it started")
        kept = await self._kept(task) if task.state is State.CANCELLED else None
        if kept is not None:
            return _status(kept.ended.text if kept.ended else "cancelled")
        live = await self._live(begun, _EVERYTHING, 0.0) if begun else None
        if live is not None and live.ended is not None:  # it may not have been reported yet
            return _status(live.ended.text)
        return _status("cancelled") if live is None and task.state is State.CANCELLED else JobStatus(done=False)

    async def _on(self, worker: str, job_id: str) -> Task:
        """Return a job that was meant for a worker, or runs or ran there."""
        (task,) = await self._master.get([job_id])
        if task is not None and task.spec.is_command:
            there = task.lease.worker if task.lease else task.history[-1].worker if task.history else ""
            if worker in {task.spec.target.worker, there, worker_name(there)} - {""}:
                return task
        if any(worker in {view.info.id, view.info.name} for view in await self._master.workers()):
            raise JobNotFoundError(job_id, worker)
        raise WorkerNotFoundError(f"worker {worker}")

    async def _known(self, task_id: str) -> Task:
        (task,) = await self._master.get([task_id])
        if task is None:
            raise TaskNotFoundError(task_id)
        return task

    async def follow(self, task_id: str, offset: int = 0, *, follow: bool = True) -> AsyncIterator[OutputPart]:
        """Give what a command has written from an offset on, and, if it is to be followed, what it will have.

        The last part says how it ended, if it has.

        Raises:
            TaskNotFoundError: no task has this id.
            NotACommandError: it is no command.
        """
        failures = 0
        wait_s = _FOLLOW_S if follow else 0.0
        while True:
            task = await self._known(task_id)
            if not task.spec.is_command:
                raise NotACommandError(task_id)
            begun = _begun(task)
            if begun is None and not task.state.finished:
                if not follow:
                    return
                await self._master.wait_started(task_id, wait_s)
                yield OutputPart(Part((), offset, 0), None)  # so that nobody in between takes the connection for dead
                continue
            kept = await self._kept(task) if task.state.finished else None
            live = await self._live(begun, offset, wait_s) if begun and kept is None else None
            if live is not None:
                failures = 0
                offset = live.part.next_offset
                yield live
                if live.ended or not (follow or live.part.chunks):
                    return
                continue
            if not task.state.finished:
                failures += 1
                await asyncio.sleep(_AGAIN.delay_s(failures, self._rng))  # its worker is away, or about to report
                continue
            for part in _parts(kept, task, offset):
                yield part
            return

    async def _live(self, begun: tuple[str, int], offset: int, wait_s: float) -> OutputPart | None:
        """Ask the worker that runs a command; None when it is not there or does not run it any more."""
        try:
            return await self._workers.output(*begun, offset, wait_s)
        except PassingError:
            return None

    async def _kept(self, task: Task) -> Transcript | None:
        """Return what is kept of the output of the latest attempt, None when that is nothing."""
        begun = _begun(task)
        if begun is None:
            return None
        (dumped,) = await self._storage.get([transcript_key(task.id, begun[1])])
        return Transcript.load(dumped) if dumped is not None else None

    @property
    def _longest_grace_s(self) -> float:
        return max((program.grace_s for program in self.allowed.values()), default=0.0)


def _status(ending: str) -> JobStatus:
    return JobStatus(done=True, error=bool(ending), error_text=ending)


def _begun(task: Task) -> tuple[str, int] | None:
    """Return where, and under which token, a task runs or ran last; None when it never did, or is to run again."""
    if task.lease is not None:
        return task.lease.worker, task.lease.token
    if task.state is State.QUEUED or not task.history:
        return None
    return task.history[-1].worker, task.history[-1].token


def _parts(kept: Transcript | None, task: Task, offset: int) -> list[OutputPart]:
    """Return what is kept, from an offset on."""
    told = task.failure.message if task.failure else ("" if task.state is State.SUCCEEDED else str(task.state))
    if kept is None:
        return [OutputPart(Part((), offset, 0), Ended(told, task.finished_at or 0.0))]
    parts: list[OutputPart] = []
    while not parts or parts[-1].ended is None:
        part = OutputPart.of(kept, offset, _READ_BYTES)
        if part.ended is None and part.part.next_offset >= kept.size:  # it was cut off
            part = OutputPart(part.part, Ended(told, task.finished_at or 0.0))
        parts.append(part)
        offset = part.part.next_offset
    return parts
