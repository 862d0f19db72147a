"""Tasks, outputs and workers as messages of `imgray.v1`; the same as the JSON of `imgray.frontend.schema`."""

from __future__ import annotations

from google.protobuf.timestamp_pb2 import Timestamp

from imgray.errors import RequestError
from imgray.messages import WorkerView
from imgray.target import Target
from imgray.task import Failure, Output, State, Task
from imgray.transcript import Chunk, Ended
from imgray.v1 import imgray_pb2 as pb

_NANOSECONDS = 10**9


def task_message(task: Task) -> pb.Task:
    """Show a task."""
    done = {output.name: output for output in task.outputs}
    return pb.Task(
        id=task.id,
        state=task.state.name,
        label=_text(task.spec.label),
        tenant=task.spec.tenant,
        priority=task.spec.priority,
        attempts=task.attempts,
        submitted_at=_timestamp(task.submitted_at),
        expires_at=_timestamp(task.expires_at),
        finished_at=_timestamp(task.finished_at),
        error=_error(task.failure),
        outputs=[output_message(wanted.name, wanted.pipeline, done.get(wanted.name)) for wanted in task.spec.outputs],
    )


def output_message(name: str, pipeline: str, output: Output | None) -> pb.Output:
    """Show an output, or one that is not there yet."""
    if output is None:
        return pb.Output(name=name, pipeline=_text(pipeline))
    return pb.Output(
        name=name,
        pipeline=_text(pipeline),
        format=output.format,
        content_type=output.content_type,
        width=output.width,
        height=output.height,
        size_bytes=output.size_bytes,
        sha256=output.sha256,
    )


def worker_message(view: WorkerView) -> pb.Worker:
    """Show a worker."""
    info = view.info
    return pb.Worker(
        id=info.id,
        name=info.name,
        state=view.state.name,
        node=info.node,
        host=info.host,
        pid=info.pid,
        version=info.version,
        cores=info.cores,
        labels=dict(info.labels),
        operations=info.operations,
        commands=info.commands,
        registered_at=_timestamp(view.registered_at),
        last_seen_at=_timestamp(view.last_seen_at),
        leased=view.leased,
        running=view.running,
        succeeded=view.succeeded,
        failed=view.failed,
        images_per_s=view.images_per_s,
        memory_bytes=view.memory_bytes,
    )


def chunk_message(chunk: Chunk) -> pb.StreamJobResponse:
    """Show a piece of what a job wrote."""
    return pb.StreamJobResponse(
        stream=chunk.stream.name, offset=chunk.offset, at=timestamp_of(chunk.at), data=chunk.data
    )


def ended_message(offset: int, ended: Ended) -> pb.StreamJobResponse:
    """Show how a job ended."""
    told = pb.StreamJobResponse.Ended(error_text=_text(ended.text), at=timestamp_of(ended.at))
    return pb.StreamJobResponse(offset=offset, ended=told)


def target_of(message: pb.Target) -> Target:
    """Return which workers a message means."""
    return Target(message.worker, message.node, tuple(sorted(message.labels.items())))


def state_of(number: int) -> State:
    """Return the state that a message names.

    Raises:
        RequestError: it names none.
    """
    try:
        return State[pb.Task.State.Name(number)]
    except (KeyError, ValueError):
        raise RequestError(f"{number} is no state of a task.") from None


def seconds_of(timestamp: Timestamp) -> float:
    """Return a moment in seconds since the epoch."""
    return timestamp.seconds + timestamp.nanos / _NANOSECONDS


def timestamp_of(seconds: float) -> Timestamp:
    """Return a moment as a message."""
    nanoseconds = round(seconds * _NANOSECONDS)
    return Timestamp(seconds=nanoseconds // _NANOSECONDS, nanos=nanoseconds % _NANOSECONDS)


def _timestamp(seconds: float | None) -> Timestamp | None:
    return None if seconds is None else timestamp_of(seconds)


def _error(failure: Failure | None) -> pb.Error | None:
    return None if failure is None else pb.Error(code=failure.code, message=_text(failure.message))


def _text(text: str) -> str:
    """Return what a message can hold: file names, and what is said of them, may not be text."""
    return text.encode(errors="replace").decode()
