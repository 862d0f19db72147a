"""What a front end may ask of a cluster: one class, over two ports that Ray actors and in-process objects both fill."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import hashlib
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

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
)
from imgray.pipeline import Pipeline
from imgray.ports import MasterPort, StoragePort
from imgray.settings import Settings
from imgray.task import (
    DEFAULT_OUTPUT,
    BlobSource,
    Output,
    OutputSpec,
    PathSource,
    State,
    Task,
    TaskSpec,
    input_key,
    new_task_id,
)

MAX_LABEL = 255
"""Characters of a label that are kept."""

MAX_PRIORITY = 9
MAX_TENANT = 64
MAX_IDEMPOTENCY_KEY = 255
"""Characters of a tenant's label and of an idempotency key."""

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

    @classmethod
    def of(cls, data: bytes, pipeline: Pipeline, label: str = "") -> Submission:
        """Submit bytes for one unnamed output."""
        return cls({DEFAULT_OUTPUT: pipeline}, data=data, label=label)

    def spec(self, task_id: str) -> TaskSpec:
        """Say it in the table's terms.

        Raises:
            RequestError: something in it is not as described.
        """
        self._check()
        digest = self._digest() if self.idempotency_key or self.deduplicate else ""
        size = len(self.data or b"")
        return TaskSpec(
            id=task_id,
            source=BlobSource(input_key(task_id)) if self.path is None else PathSource(self.path),
            outputs=tuple(
                OutputSpec(name, str(pipeline), (self.destinations or {}).get(name))
                for name, pipeline in self.outputs.items()
            ),
            label=self.label.encode(errors="replace").decode()[:MAX_LABEL],  # a file name may not even be text
            fingerprint=self.fingerprint,
            tenant=self.tenant,
            priority=self.priority,
            pixels=self.pixels or size * _PIXELS_PER_BYTE,
            size_bytes=size,
            expires_at=self.expires_at,
            idempotency_key=self.idempotency_key or (f"sha256:{digest}" if self.deduplicate else ""),
            digest=digest,
        )

    def _check(self) -> None:
        for name in self.outputs or [""]:
            if not _NAME.fullmatch(name):
                raise RequestError(f"'{name}' cannot be an output's name: use 1 to 64 of A-Z, a-z, 0-9, _ and -.")
        if not -MAX_PRIORITY <= self.priority <= MAX_PRIORITY:
            raise RequestError(f"priority={self.priority}: use {-MAX_PRIORITY} (last) to {MAX_PRIORITY} (first).")
        for name, text, limit in (
            ("tenant", self.tenant, MAX_TENANT),
            ("idempotency key", self.idempotency_key, MAX_IDEMPOTENCY_KEY),
        ):
            if len(text) > limit or not text.isprintable():
                raise RequestError(f"The {name} {text[:limit]!r} is not of at most {limit} printable characters.")
        if self.expires_at is not None and not math.isfinite(self.expires_at):
            raise RequestError(f"expires_at={self.expires_at}: give a time.")

    def _digest(self) -> str:
        """Return a digest of all that decides what the result is."""
        content = hashlib.sha256(self.data if self.data is not None else (self.path or "").encode(errors="replace"))
        for name, pipeline in self.outputs.items():
            content.update(repr((name, str(pipeline), (self.destinations or {}).get(name))).encode(errors="replace"))
        return content.hexdigest()


class Gateway:
    """One way into a cluster for HTTP, the command line and Python."""

    def __init__(self, master: MasterPort, storage: StoragePort, settings: Settings) -> None:
        self.master = master
        self.storage = storage
        self.settings = settings

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
        for submission in submissions:
            if submission.data is not None and len(submission.data) > self.settings.max_body_bytes:
                raise BodyTooLargeError(self.settings.max_body_bytes)
        # In a context of its own: Ray Serve cancels whatever it finds in that of a request whose client hung up.
        storing = asyncio.get_running_loop().create_task(self._submit(submissions), context=contextvars.Context())
        return await asyncio.shield(storing)

    async def _submit(self, submissions: Sequence[Submission]) -> list[Task]:
        specs = await asyncio.to_thread(lambda: [submission.spec(new_task_id()) for submission in submissions])
        blobs = {
            spec.source.key: submission.data or b""
            for spec, submission in zip(specs, submissions, strict=True)
            if isinstance(spec.source, BlobSource)
        }
        if blobs:
            await self.storage.put(blobs)  # first: no task is visible before its input is stored
            crash_point("input-stored")
        try:
            tasks = await self.master.submit(specs)
        except ImgrayError as error:
            if error.status != _UNKNOWN_OUTCOME:
                await self._discard(list(blobs))
            raise
        crash_point("task-accepted")
        await self._discard([key for key in blobs if key not in {key for task in tasks for key in task.keys}])
        return tasks

    async def _discard(self, keys: Sequence[str]) -> None:
        """Delete inputs of tasks that were not entered; if this fails, they are merely in the way."""
        if keys:
            with contextlib.suppress(PassingError):
                await self.storage.delete(keys)

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
        if task_id not in await self.master.purge([task_id]):
            raise TaskLiveError(task_id)

    async def output(self, task_id: str, name: str) -> Output:
        """Describe an output that can be fetched.

        Raises:
            TaskNotFoundError, OutputNotFoundError: there is no such task or output.
            TaskNotReadyError: the task has not finished.
            TaskFailedError, TaskCancelledError: it never will have outputs.
        """
        task = await self.get(task_id)
        if name not in {wanted.name for wanted in task.spec.outputs}:
            raise OutputNotFoundError(task_id, name)
        return find_output(task, name)

    async def fetch(self, task_id: str, output: Output) -> bytes:
        """Return the bytes of an output.

        Raises:
            OutputNotFoundError: it was written to a file, or its blob is gone.
        """
        data = (await self.storage.get([output.key]))[0] if output.key else None
        if data is None:
            raise OutputNotFoundError(task_id, output.name)
        return data


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
