"""What a front end may ask of a cluster: one class, over two ports that Ray actors and in-process objects both fill."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from imgray.bounds import MAX_IDEMPOTENCY_KEY, check_name, check_spec, label_of
from imgray.crash import crash_point
from imgray.errors import (
    BodyTooLargeError,
    ImgrayError,
    OutputNotFoundError,
    PassingError,
    RequestError,
    TaskCancelledError,
    TaskFailedError,
    TaskLiveError,
    TaskNotFoundError,
    TaskNotReadyError,
    WorkersReturningError,
)
from imgray.extensions import catalogue_of
from imgray.jobs import Jobs
from imgray.pipeline import Pipeline
from imgray.ports import MasterPort, StoragePort, WorkersPort
from imgray.settings import Settings
from imgray.target import ANYWHERE, Target
from imgray.task import (
    CONTENT_KEY,
    DEFAULT_OUTPUT,
    FINISHED,
    BlobSource,
    Filter,
    InlineSource,
    Output,
    OutputSpec,
    PathSource,
    Source,
    State,
    Task,
    TaskSpec,
    input_key,
    new_task_id,
    shared,
)

MAX_HANDLED = 1000
"""Dead letters that one call redrives or purges at most."""

_HASHED_AT_ONCE = 64 * 1024  # bytes; more are hashed in a thread, so that nobody waits
_PIXELS_PER_BYTE = 3  # of a JPEG photograph, about; an estimate by which tenants share
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


@dataclass(frozen=True, slots=True)
class Submission:
    """An image, by bytes or by path, and what to make of it.

    Attributes:
        outputs: pipelines by the name of their output.
        data: the image as it is encoded, or None.
        path: where the workers find it, if there are no data.
        destinations: a file for each output that the worker is to write itself.
        label: the caller's own name for the image.
        fingerprint: see `TaskSpec`.
        pixels: how many the image has, 0 when unknown.
        tenant: on whose behalf; tenants share the workers fairly.
        priority: from ``-MAX_PRIORITY`` to ``MAX_PRIORITY``; a higher one goes first.
        expires_at: when the result is no longer wanted, in seconds since the epoch.
        idempotency_key: the same key again returns the first task, for as long as ``idempotency_s``.
        deduplicate: without a key, use one made of the image's content and what is to be made of it.
        target: which workers may take it.
        waits: accept it though no worker can take it yet; it then needs ``expires_at``.
        owner: name of the API key with which it is submitted.
    """

    outputs: Mapping[str, Pipeline]
    data: bytes | None = None
    path: str | None = None
    destinations: Mapping[str, str] | None = None
    label: str = ""
    fingerprint: str = ""
    pixels: int = 0
    tenant: str = ""
    priority: int = 0
    expires_at: float | None = None
    idempotency_key: str = ""
    deduplicate: bool = False
    target: Target = ANYWHERE
    waits: bool = False
    owner: str = ""
    _id: str = field(default="", init=False, compare=False)

    @classmethod
    def of(cls, data: bytes, pipeline: Pipeline, label: str = "") -> Submission:
        """Submit bytes for one unnamed output."""
        return cls({DEFAULT_OUTPUT: pipeline}, data=data, label=label)

    @property
    def task_id(self) -> str:
        """The id of the task that it becomes; a changed copy has another, and so has an earlier task with its key."""
        if not self._id:
            object.__setattr__(self, "_id", new_task_id())
        return self._id

    def spec(self, inline_bytes: int = 0, *, kept: bool = True) -> TaskSpec:
        """Say it in the table's terms; data of up to ``inline_bytes`` go with the task. If not ``kept``, it is a call.

        Raises:
            RequestError: something in it is not as described.
        """
        self._check()
        digest = self._digest() if self.idempotency_key or self.deduplicate else ""
        size = len(self.data or b"")
        spec = TaskSpec(
            id=self.task_id,
            source=self._source(inline_bytes),
            outputs=shared(
                tuple(
                    OutputSpec(name, str(pipeline), (self.destinations or {}).get(name))
                    for name, pipeline in self.outputs.items()
                )
            ),
            label=label_of(self.label),
            fingerprint=self.fingerprint,
            tenant=self.tenant,
            priority=self.priority,
            pixels=self.pixels or size * _PIXELS_PER_BYTE,
            size_bytes=size,
            expires_at=self.expires_at,
            idempotency_key=self.idempotency_key or (f"{CONTENT_KEY}{digest}" if self.deduplicate else ""),
            digest=digest,
            target=self.target,
            waits=self.waits,
            owner=self.owner,
            kept=kept,
        )
        check_spec(spec)
        return spec

    def _source(self, inline_bytes: int) -> Source:
        if self.path is not None:
            return PathSource(self.path)
        size_bytes = len(self.data or b"")
        inline = inline_bytes > 0 and size_bytes <= inline_bytes
        return InlineSource(size_bytes) if inline else BlobSource(input_key(self.task_id))

    def _check(self) -> None:
        for name in self.outputs or [""]:
            if not _NAME.fullmatch(name):
                raise RequestError(f"'{name}' cannot be an output's name: use 1 to 64 of A-Z, a-z, 0-9, _ and -.")
        check_name("idempotency key", self.idempotency_key, MAX_IDEMPOTENCY_KEY)

    def _digest(self) -> str:
        """Return a digest of all that decides what the result is."""
        content = hashlib.sha256(self.data if self.data is not None else (self.path or "").encode(errors="replace"))
        for name, pipeline in self.outputs.items():
            content.update(repr((name, str(pipeline), (self.destinations or {}).get(name))).encode(errors="replace"))
        return content.hexdigest()


@dataclass(frozen=True, slots=True)
class Page:
    """A part of a list of tasks. ``before`` is where the next part begins, None after the last one."""

    tasks: Sequence[Task]
    before: int | None


@dataclass(frozen=True, slots=True)
class Letters:
    """Which dead letters are meant: those with these ids, or without ids all that meet the conditions given.

    Tasks that are no dead letters are passed over. All of them are done in parts: `Handled.before` of one call is
    ``before`` of the next, so that each is taken once, even one that fails again meanwhile.
    """

    ids: Sequence[str] | None = None
    tenant: str | None = None
    code: str | None = None
    before: int | None = None

    @property
    def filter(self) -> Filter:
        """The conditions."""
        return Filter(tuple(_DEAD), self.tenant, self.code)


@dataclass(frozen=True, slots=True)
class Handled:
    """How many dead letters one call redrove or purged, and where to go on; None when it came to the end."""

    tasks: int
    before: int | None


class Gateway:
    """One way into a cluster for HTTP, the command line and Python."""

    def __init__(self, master: MasterPort, storage: StoragePort, workers: WorkersPort, settings: Settings) -> None:
        self.master = master
        self.storage = storage
        self.settings = settings
        self.jobs = Jobs(master, storage, workers, settings)
        self.catalogue = catalogue_of(settings)
        self._abandoning: set[asyncio.Task[None]] = set()

    async def submit(self, submissions: Sequence[Submission]) -> list[Task]:
        """Store the inputs, then enter the tasks; both are on disk when this returns.

        It goes on when its caller is cancelled (a client that hangs up), so that no half of an upload is left.

        For a submission that was made before, under the same idempotency key, that earlier task is returned.

        Raises:
            BodyTooLargeError: an input is over the limit.
            IdempotencyConflictError: an idempotency key is taken by another submission.
            QueueFullError: too much is live.
            MasterUnavailableError, StorageUnavailableError, JournalError: try again later.
        """
        self._check_sizes(submissions)
        # In a context of its own: Ray Serve cancels whatever it finds in that of a request whose client hung up.
        storing = asyncio.get_running_loop().create_task(self._submit(submissions), context=contextvars.Context())
        return await asyncio.shield(storing)

    def _check_sizes(self, submissions: Sequence[Submission]) -> None:
        for submission in submissions:
            if submission.data is not None and len(submission.data) > self.settings.max_body_bytes:
                raise BodyTooLargeError(self.settings.max_body_bytes)

    async def _submit(self, submissions: Sequence[Submission]) -> list[Task]:
        specs = await self._specs(submissions)
        blobs: dict[str, bytes] = {}
        inline: dict[str, bytes] = {}
        for spec, submission in zip(specs, submissions, strict=True):
            if isinstance(spec.source, BlobSource):
                blobs[spec.source.key] = submission.data or b""
            elif isinstance(spec.source, InlineSource):
                inline[spec.id] = submission.data or b""
        if blobs:
            await self.storage.put(blobs)  # first: no task is visible before its input is stored
            crash_point("input-stored")
        try:
            tasks = await self.master.submit(specs, inline)
        except ImgrayError as error:
            if error.status != _UNKNOWN_OUTCOME or isinstance(error, WorkersReturningError):
                accepted = await self._accepted_before(specs)
                await self._discard([key for key in blobs if key not in accepted])
            raise
        crash_point("task-accepted")
        if blobs:
            named = {key for task in tasks for key in task.keys}
            await self._discard([key for key in blobs if key not in named])
        return tasks

    async def _specs(self, submissions: Sequence[Submission]) -> list[TaskSpec]:
        def make() -> list[TaskSpec]:
            return [submission.spec(self.settings.inline_bytes) for submission in submissions]

        hashed = sum(len(one.data or b"") for one in submissions if one.deduplicate or one.idempotency_key)
        return await asyncio.to_thread(make) if hashed > _HASHED_AT_ONCE else make()

    async def _accepted_before(self, specs: Sequence[TaskSpec]) -> set[str]:
        """Name the blobs of those that an earlier call, whose answer was lost, has brought in."""
        if len(specs) == 1:  # it would have been returned
            return set()
        return {key for task in await self.master.get([spec.id for spec in specs]) if task for key in task.keys}

    async def _discard(self, keys: Sequence[str]) -> None:
        """Delete inputs of tasks that were not entered; if this fails, they are merely in the way."""
        if keys:
            with contextlib.suppress(PassingError):
                await self.storage.delete(keys)

    async def process(self, submission: Submission, wait_s: float) -> tuple[Task, bytes | None]:
        """Have an image with one output processed, and return the task and that output; nothing is kept of it.

        What takes longer than ``wait_s`` is submitted as a task like any other: then there is only that. If the caller
        is cancelled, so is the call.

        Raises:
            TaskFailedError: it failed.
            ImgrayError: as `submit`.
        """
        self._check_sizes([submission])
        if wait_s > 0:
            data = submission.data or b""
            spec = submission.spec(max(len(data), 1), kept=False)
            try:
                done = await self.master.process(spec, data, min(wait_s, self.settings.max_wait_s))
            except asyncio.CancelledError:
                self._abandon(spec.id)
                raise
            if done is not None:
                task, results = done
                (name,) = submission.outputs
                find_output(task, name)
                return task, dict(results)[name]
        (task,) = await self.submit([replace(submission)])
        return task, None

    def _abandon(self, task_id: str) -> None:
        """Cancel a call that nobody waits for any more, in the background."""

        async def cancel() -> None:
            with contextlib.suppress(ImgrayError):  # it has ended, or the Master has and it with that
                await self.master.cancel([task_id])

        abandoning = asyncio.get_running_loop().create_task(cancel(), context=contextvars.Context())
        self._abandoning.add(abandoning)
        abandoning.add_done_callback(self._abandoning.discard)

    async def get(self, task_id: str) -> Task:
        """Return a task.

        Raises:
            TaskNotFoundError: no task has this id.
        """
        (task,) = await self.master.get([task_id])
        if task is None:
            raise TaskNotFoundError(task_id)
        return task

    async def wait(self, task_id: str, wait_s: float) -> Task:
        """Return a task when it has finished, or as it stands after ``wait_s`` seconds.

        Raises:
            TaskNotFoundError: no task has this id.
        """
        if wait_s > 0:
            finished = await self.master.wait([task_id], min(wait_s, self.settings.max_wait_s))
            if finished:
                return finished[0]
        return await self.get(task_id)

    async def cancel(self, task_id: str) -> Task:
        """Cancel a task if it is live; return it as it then stands.

        Raises:
            TaskNotFoundError: no task has this id.
        """
        (task,) = await self.master.cancel([task_id])
        return task

    async def redrive(self, task_id: str) -> Task:
        """Put a dead letter back in the queue, with all its attempts before it; any other task stays as it is.

        Raises:
            TaskNotFoundError: no task has this id.
        """
        (task,) = await self.master.redrive([task_id])
        return task

    async def purge(self, task_id: str) -> None:
        """Remove a finished task, its input and its results for good. One that is gone already is no error.

        Raises:
            TaskLiveError: it has not finished.
        """
        if task_id not in await self.master.purge([task_id], FINISHED):
            raise TaskLiveError(task_id)

    async def page(self, wanted: Filter, before: int | None, limit: int) -> Page:
        """Return the tasks that are asked for, newest first, from ``before`` on."""
        tasks = await self.master.page(wanted, before, limit + 1)
        return Page(tasks[:limit], tasks[limit - 1].seq if len(tasks) > limit else None)

    async def redrive_letters(self, letters: Letters) -> Handled:
        """Put dead letters back in the queue, up to `MAX_HANDLED` of them.

        Raises:
            RequestError: there are both ids and conditions.
            QueueFullError: too much is live; some of them may have been put back.
        """
        page = await self._dead(letters)
        ids = [task.id for task in page.tasks]
        while ids:
            try:
                await self.master.redrive(ids)
                break
            except TaskNotFoundError:  # somebody purges them at the same time
                ids = [task.id for task in await self.master.get(ids) if task is not None]
        return Handled(len(ids), page.before)

    async def purge_letters(self, letters: Letters) -> Handled:
        """Remove dead letters and their inputs for good, up to `MAX_HANDLED` of them. Raises as `redrive_letters`."""
        page = await self._dead(letters)
        purged = await self.master.purge([task.id for task in page.tasks], _DEAD)
        return Handled(len(purged), page.before)

    async def _dead(self, letters: Letters) -> Page:
        """Look up the dead letters that are meant."""
        if letters.ids is None:
            return await self.page(letters.filter, letters.before, MAX_HANDLED)
        if letters != Letters(letters.ids):
            raise RequestError("Say which dead letters by their ids, or by code and tenant, not by both.")
        tasks = await self.master.get(list(dict.fromkeys(letters.ids)))
        return Page([task for task in tasks if task is not None and task.state in _DEAD], None)

    async def output(self, task_id: str, name: str, wait_s: float = 0.0) -> tuple[Task, Output]:
        """Return a task, when it has finished or after ``wait_s`` seconds, and that output of it, which can be fetched.

        Raises:
            TaskNotFoundError, OutputNotFoundError: there is no such task or output.
            TaskNotReadyError: the task has not finished.
            TaskFailedError, TaskCancelledError: it never will have outputs.
        """
        task = await self.wait(task_id, wait_s)
        if name not in {wanted.name for wanted in task.spec.outputs}:
            raise OutputNotFoundError(task_id, name)
        return task, find_output(task, name)

    async def fetch(self, task_id: str, output: Output) -> bytes:
        """Return the bytes of an output.

        Raises:
            OutputNotFoundError: it was written to a file, or its blob is gone.
        """
        if output.inline:
            data = await self.master.fetch(task_id, output.name)
        else:
            data = (await self.storage.get([output.key]))[0] if output.key else None
        if data is None:
            raise OutputNotFoundError(task_id, output.name)
        return data


_DEAD = frozenset({State.FAILED})
_UNKNOWN_OUTCOME = 503
"""Status of errors after which the tasks may have been accepted all the same, so their inputs must stay."""


def find_output(task: Task, name: str) -> Output:
    """Return a finished task's output by name.

    Raises:
        TaskNotReadyError: the task has not finished.
        TaskFailedError, TaskCancelledError: it has no outputs and never will.
        OutputNotFoundError: it has outputs, but none of this name.
    """
    if task.state is State.FAILED and task.failure is not None:
        failure = task.failure
        raise TaskFailedError(task.id, failure.code, failure.status, failure.message)
    if task.state is State.CANCELLED:
        raise TaskCancelledError(task.id)
    if task.state is not State.SUCCEEDED:
        raise TaskNotReadyError(task.id, task.state)
    for output in task.outputs:
        if output.name == name:
            return output
    raise OutputNotFoundError(task.id, name)
