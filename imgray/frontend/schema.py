"""The JSON that the HTTP interface answers with."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel, Field

from imgray.messages import WorkerView
from imgray.task import Event, Failure, Output, State, Task


class ErrorJson(BaseModel):
    """Every error has this shape."""

    code: str = Field(description="Stable name of the error, for machines.")
    message: str = Field(description="What was wrong and what to do, for people.")
    task_id: str | None = Field(default=None, description="The task that it is about, if there is one.")


class OutputJson(BaseModel):
    """One result of a task."""

    name: str
    pipeline: str
    url: str | None = Field(default=None, description="Where to fetch it, once the task has succeeded.")
    format: str | None = None
    content_type: str | None = None
    width: int | None = None
    height: int | None = None
    size_bytes: int | None = None
    sha256: str | None = None


class TaskJson(BaseModel):
    """A task."""

    id: str
    state: State
    label: str
    tenant: str
    priority: int
    attempts: int = Field(description="Attempts begun so far.")
    submitted_at: datetime
    expires_at: datetime | None = Field(description="Its deadline; one that was redriven has none.")
    finished_at: datetime | None
    error: ErrorJson | None = Field(description="Why the task, or its latest attempt, failed.")
    outputs: list[OutputJson]

    @classmethod
    def of(cls, task: Task) -> TaskJson:
        """Show a task."""
        done = {output.name: output for output in task.outputs}
        return cls(
            id=task.id,
            state=task.state,
            label=task.spec.label,
            tenant=task.spec.tenant,
            priority=task.spec.priority,
            attempts=task.attempts,
            submitted_at=_utc(task.submitted_at),
            expires_at=_utc_or_none(task.expires_at),
            finished_at=_utc_or_none(task.finished_at),
            error=_error(task.failure, task.id),
            outputs=[
                _output(task.id, wanted.name, wanted.pipeline, done.get(wanted.name)) for wanted in task.spec.outputs
            ],
        )


class AttemptJson(BaseModel):
    """One execution of a task that has ended."""

    number: int
    worker: str
    node: str = Field(description="Where the worker ran; empty when that is not known.")
    leased_at: datetime
    ended_at: datetime
    ending: Event = Field(description="`ack`, `retry`, `fail`, `cancel`, `expire` (its deadline passed) or `lose`.")
    error: ErrorJson | None

    @classmethod
    def of(cls, task: Task) -> list[AttemptJson]:
        """Show the attempts of a task."""
        return [
            cls(
                number=attempt.number,
                worker=attempt.worker,
                node=attempt.node,
                leased_at=_utc(attempt.leased_at),
                ended_at=_utc(attempt.ended_at),
                ending=attempt.ending,
                error=_error(attempt.failure, task.id),
            )
            for attempt in task.history
        ]


class HistoryJson(BaseModel):
    """The story of a task. One whose deadline passes while it waits fails without an attempt."""

    id: str
    state: State
    submitted_at: datetime
    expires_at: datetime | None
    finished_at: datetime | None
    error: ErrorJson | None = Field(description="Why the task, or its latest attempt, failed.")
    attempts: list[AttemptJson]

    @classmethod
    def of(cls, task: Task) -> HistoryJson:
        """Tell a task's story."""
        return cls(
            id=task.id,
            state=task.state,
            submitted_at=_utc(task.submitted_at),
            expires_at=_utc_or_none(task.expires_at),
            finished_at=_utc_or_none(task.finished_at),
            error=_error(task.failure, task.id),
            attempts=AttemptJson.of(task),
        )


class TaskPage(BaseModel):
    """One page of a list of tasks, newest first."""

    tasks: list[TaskJson]
    next_cursor: str | None = Field(description="Give it as `cursor` to get the next page; null on the last one.")


class WorkerJson(BaseModel):
    """A registered worker."""

    id: str
    name: str
    node: str
    host: str
    pid: int
    version: str
    registered_at: datetime
    last_seen_at: datetime
    leased: int = Field(description="Tasks that it holds now.")
    succeeded: int
    failed: int

    @classmethod
    def of(cls, view: WorkerView) -> WorkerJson:
        """Show a worker."""
        return cls(
            id=view.info.id,
            name=view.info.name,
            node=view.info.node,
            host=view.info.host,
            pid=view.info.pid,
            version=view.info.version,
            registered_at=_utc(view.registered_at),
            last_seen_at=_utc(view.last_seen_at),
            leased=view.leased,
            succeeded=view.succeeded,
            failed=view.failed,
        )


class StatusJson(BaseModel):
    """The service at a glance: the tasks in each state add up to all that were ever submitted."""

    version: str
    submitted: int
    tasks: dict[State, int]
    workers: int


class OperationJson(BaseModel):
    """An operation of the catalogue."""

    name: str
    group: str
    summary: str
    example: str = Field(description="A pipeline that shows it.")
    arguments: dict[str, Any] = Field(description="JSON schema of its arguments, in the order of the grammar.")


def _output(task_id: str, name: str, pipeline: str, output: Output | None) -> OutputJson:
    if output is None:
        return OutputJson(name=name, pipeline=pipeline)
    return OutputJson(
        name=name,
        pipeline=pipeline,
        url=f"/v1/tasks/{task_id}/outputs/{name}" if output.key else None,
        format=output.format,
        content_type=output.content_type,
        width=output.width,
        height=output.height,
        size_bytes=output.size_bytes,
        sha256=output.sha256,
    )


def _error(failure: Failure | None, task_id: str) -> ErrorJson | None:
    return ErrorJson(code=failure.code, message=failure.message, task_id=task_id) if failure else None


def _utc(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _utc_or_none(seconds: float | None) -> datetime | None:
    return None if seconds is None else _utc(seconds)
