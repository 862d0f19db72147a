"""The JSON that the HTTP interface answers with."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel, Field

from imgray.bounds import MAX_LABEL, MAX_PRIORITY, MAX_TENANT
from imgray.jobs import JobRequest
from imgray.messages import PoolView, WorkerState, WorkerView
from imgray.moment import parse_moment
from imgray.programs import JobProgram
from imgray.target import ANYWHERE, Target
from imgray.task import CommandSource, Event, Failure, Output, State, Task


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


class TargetJson(BaseModel):
    """Which workers may take a task: those that meet every condition given."""

    worker: str = Field(default="", description="An id, for this one process, or a name, for whoever has it.")
    node: str = Field(default="", description="The id of a node.")
    labels: dict[str, str] = Field(default={}, description="Labels that the worker's Ray node has.")

    @classmethod
    def of(cls, target: Target) -> TargetJson:
        """Show a target."""
        return cls(worker=target.worker, node=target.node, labels=dict(target.labels))

    def target(self) -> Target:
        """Say it in the table's terms."""
        return Target(self.worker, self.node, tuple(sorted(self.labels.items())))


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
    command: str | None = Field(description="The command that it runs, if it is no image; see `/v1/tasks/{id}/output`.")
    path: str | None = Field(description="The path that the command is given.")
    worker: str | None = Field(description="The worker that has it now.")
    target: TargetJson | None = Field(description="Which workers may take it; null: any.")

    @classmethod
    def of(cls, task: Task) -> TaskJson:
        """Show a task."""
        done = {output.name: output for output in task.outputs}
        source = task.spec.source
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
            command=source.command if isinstance(source, CommandSource) else None,
            path=source.path if isinstance(source, CommandSource) else None,
            worker=task.lease.worker if task.lease else None,
            target=TargetJson.of(task.spec.target) if task.spec.target != ANYWHERE else None,
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
    """A worker."""

    id: str
    name: str
    state: WorkerState
    node: str
    host: str
    pid: int
    cores: int = Field(description="Of its node.")
    version: str
    labels: dict[str, str] = Field(description="Those of its Ray node.")
    operations: list[str]
    commands: list[str]
    registered_at: datetime
    last_seen_at: datetime
    leased: int = Field(description="Tasks that it holds now.")
    running: list[str] = Field(description="Those of them that it runs now.")
    succeeded: int
    failed: int
    images_per_s: float = Field(description="Of the last half minute.")
    memory_bytes: int = Field(description="Of its two processes.")

    @classmethod
    def of(cls, view: WorkerView) -> WorkerJson:
        """Show a worker."""
        return cls(
            id=view.info.id,
            name=view.info.name,
            state=view.state,
            node=view.info.node,
            host=view.info.host,
            pid=view.info.pid,
            cores=view.info.cores,
            version=view.info.version,
            labels=dict(view.info.labels),
            operations=list(view.info.operations),
            commands=list(view.info.commands),
            registered_at=_utc(view.registered_at),
            last_seen_at=_utc(view.last_seen_at),
            leased=view.leased,
            running=list(view.running),
            succeeded=view.succeeded,
            failed=view.failed,
            images_per_s=round(view.images_per_s, 2),
            memory_bytes=view.memory_bytes,
        )


class PoolRequest(BaseModel):
    """How large the pool is to be."""

    minimum: int | None = Field(default=None, ge=0, le=10_000)
    maximum: int | None = Field(default=None, ge=0, le=10_000, description="Up to here it grows with the load.")
    per_core: bool = Field(default=False, description="As many as the cluster has cores, now and when that changes.")


class PoolJson(BaseModel):
    """The pool of workers."""

    per_core: bool
    minimum: int | None
    maximum: int | None
    wanted: int = Field(description="How many workers there should be, by its bounds and the load.")
    started: int = Field(description="How many have been started; they may still wait for room in the cluster.")
    active: int = Field(description="How many take tasks.")
    waiting: int = Field(description="Tasks that wait.")
    waiting_pixels: int
    waiting_s: float = Field(description="Since when the next of them waits.")
    pixels_per_s: float = Field(description="What one worker does while it works, as measured.")

    @classmethod
    def of(cls, view: PoolView) -> PoolJson:
        """Show the pool."""
        bounds = None if view.bounds.follows_cores else view.bounds
        return cls(
            per_core=bounds is None,
            minimum=bounds and bounds.minimum,
            maximum=bounds and bounds.maximum,
            wanted=view.wanted,
            started=view.started,
            active=view.active,
            waiting=view.waiting,
            waiting_pixels=view.waiting_pixels,
            waiting_s=round(view.waiting_s, 1),
            pixels_per_s=round(view.pixels_per_s),
        )


class CommandJson(BaseModel):
    """A command that the operator allows."""

    name: str
    summary: str
    takes_path: bool
    arguments: dict[str, Any] = Field(description="The rule of each argument.")
    timeout_s: float

    @classmethod
    def of(cls, name: str, program: JobProgram) -> CommandJson:
        """Show a command."""
        return cls(
            name=name,
            summary=program.summary,
            takes_path=bool(program.folders),
            arguments={argument: rule.model_dump() for argument, rule in program.arguments.items()},
            timeout_s=program.timeout_s,
        )


class JobJson(BaseModel):
    """A command to run, and where."""

    command: str
    path: str = ""
    arguments: dict[str, str] = {}
    target: TargetJson = TargetJson()
    wait_for_worker: bool = Field(
        default=False, description="Accept it though no worker can take it yet; needs `expires_at`."
    )
    label: str = Field(default="", max_length=MAX_LABEL)
    tenant: str = Field(default="", max_length=MAX_TENANT)
    priority: int = Field(default=0, ge=-MAX_PRIORITY, le=MAX_PRIORITY)
    expires_at: str = Field(default="", description="ISO 8601 with an offset, or seconds since the epoch.")

    def request(self, owner: str) -> JobRequest:
        """Say it in the gateway's terms.

        Raises:
            RequestError: something in it cannot be understood.
        """
        return JobRequest(
            self.command,
            self.path,
            self.arguments,
            target=self.target.target(),
            waits=self.wait_for_worker,
            label=self.label,
            tenant=self.tenant,
            priority=self.priority,
            expires_at=parse_moment(self.expires_at) if self.expires_at else None,
            owner=owner,
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
        url=f"/v1/tasks/{task_id}/outputs/{name}" if output.path is None else None,
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
