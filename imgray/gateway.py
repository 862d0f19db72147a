"""What a front end may ask of a cluster: one class, over two ports that Ray actors and in-process objects both fill."""

from __future__ import annotations

import asyncio
import contextvars
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from imgray.errors import (
    BodyTooLargeError,
    OutputNotFoundError,
    PassingError,
    RequestError,
    TaskCancelledError,
    TaskFailedError,
    TaskNotFoundError,
    TaskNotReadyError,
)
from imgray.messages import Exchange, Reply, WorkerInfo, WorkerView
from imgray.pipeline import Pipeline
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

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


class MasterPort(Protocol):
    """What the Master answers. Every call may be repeated."""

    async def submit(self, specs: Sequence[TaskSpec]) -> list[Task]:
        """Accept tasks whose inputs are stored; durable when it answers."""

    async def get(self, ids: Sequence[str]) -> list[Task | None]:
        """Return tasks by id, None for unknown ones."""

    async def wait(self, ids: Sequence[str], wait_s: float) -> list[Task]:
        """Return those that have finished as soon as there is one, or none after ``wait_s``."""

    async def page(self, states: Sequence[State], before: int | None, limit: int) -> list[Task]:
        """Return tasks in the given states, newest first, with a ``seq`` below ``before``."""

    async def cancel(self, ids: Sequence[str]) -> list[Task]:
        """Cancel live tasks; return all as they now stand."""

    async def withdraw(self, ids: Sequence[str]) -> list[Task]:
        """Cancel the tasks that no worker has yet; return all as they now stand."""

    async def redrive(self, ids: Sequence[str]) -> list[Task]:
        """Put dead letters back in the queue; return all as they now stand."""

    async def counts(self) -> dict[State, int]:
        """Count all tasks by state."""

    async def workers(self) -> list[WorkerView]:
        """List the registered workers."""

    async def register(self, info: WorkerInfo, held: Sequence[int], seq: int) -> None:
        """Enter a worker, with the tokens that it still works on and the number of its latest exchange."""

    async def exchange(self, request: Exchange) -> Reply:
        """Take a worker's report and answer with more work."""


class StoragePort(Protocol):
    """What Storage answers. Every call may be repeated."""

    async def put(self, blobs: Mapping[str, bytes]) -> None:
        """Store blobs; durable when it answers."""

    async def get(self, keys: Sequence[str]) -> list[bytes | None]:
        """Return blobs, None for unknown keys."""

    async def delete(self, keys: Sequence[str]) -> None:
        """Delete blobs."""


@dataclass(frozen=True, slots=True)
class Submission:
    """An image, by bytes or by path, and what to make of it.

    ``destinations`` names a file for each output that the worker is to write itself.
    """

    outputs: Mapping[str, Pipeline]
    data: bytes | None = None
    path: str | None = None
    destinations: Mapping[str, str] | None = None
    label: str = ""
    fingerprint: str = ""

    @classmethod
    def of(cls, data: bytes, pipeline: Pipeline, label: str = "") -> Submission:
        """Submit bytes for one unnamed output."""
        return cls({DEFAULT_OUTPUT: pipeline}, data=data, label=label)

    def spec(self, task_id: str) -> TaskSpec:
        """Say it in the table's terms.

        Raises:
            RequestError: there is no output, or one with a name that cannot be part of a key.
        """
        for name in self.outputs or [""]:
            if not _NAME.fullmatch(name):
                raise RequestError(f"'{name}' cannot be an output's name: use 1 to 64 of A-Z, a-z, 0-9, _ and -.")
        return TaskSpec(
            id=task_id,
            source=BlobSource(input_key(task_id)) if self.path is None else PathSource(self.path),
            outputs=tuple(
                OutputSpec(name, str(pipeline), (self.destinations or {}).get(name))
                for name, pipeline in self.outputs.items()
            ),
            label=self.label.encode(errors="replace").decode()[:MAX_LABEL],  # a file name may not even be text
            fingerprint=self.fingerprint,
        )


class Gateway:
    """One way into a cluster for HTTP, the command line and Python."""

    def __init__(self, master: MasterPort, storage: StoragePort, settings: Settings) -> None:
        self.master = master
        self.storage = storage
        self.settings = settings

    async def submit(self, submissions: Sequence[Submission]) -> list[Task]:
        """Store the inputs, then enter the tasks; both are on disk when this returns.

        It goes on when its caller is cancelled (a client that hangs up), so that no half of an upload is left.

        Raises:
            BodyTooLargeError: an input is over the limit.
            QueueFullError: too many tasks are live.
            MasterUnavailableError, StorageUnavailableError, JournalError: try again later.
        """
        for submission in submissions:
            if submission.data is not None and len(submission.data) > self.settings.max_body_bytes:
                raise BodyTooLargeError(self.settings.max_body_bytes)
        # In a context of its own: Ray Serve cancels whatever it finds in that of a request whose client hung up.
        storing = asyncio.get_running_loop().create_task(self._submit(submissions), context=contextvars.Context())
        return await asyncio.shield(storing)

    async def _submit(self, submissions: Sequence[Submission]) -> list[Task]:
        specs = [submission.spec(new_task_id()) for submission in submissions]
        blobs = {
            spec.source.key: submission.data or b""
            for spec, submission in zip(specs, submissions, strict=True)
            if isinstance(spec.source, BlobSource)
        }
        if blobs:
            await self.storage.put(blobs)  # first: no task is visible before its input is stored
        try:
            return await self.master.submit(specs)
        except PassingError as error:
            if error.status != _UNKNOWN_OUTCOME:
                await self.storage.delete(list(blobs))
            raise

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
