"""Tasks as rows of the journal, and back. A field that has its default is left out of the JSON columns."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, fields
from typing import Any

from imgray.target import ANYWHERE, Target
from imgray.task import (
    Attempt,
    BlobSource,
    CommandSource,
    Event,
    Failure,
    Lease,
    Output,
    OutputSpec,
    PathSource,
    Source,
    State,
    Task,
    TaskSpec,
    shared,
)

COLUMNS = (
    "seq", "id", "fingerprint", "tenant", "idempotency_key", "spec", "submitted_at", "state", "ready_at", "attempts",
    "alone", "token", "worker", "node", "leased_at", "expires_at", "finished_at", "outputs", "failure", "history",
)  # fmt: skip
FIXED = frozenset({"seq", "id", "fingerprint", "tenant", "idempotency_key", "spec", "submitted_at"})
"""Columns that never change once a task is accepted."""

UNREADABLE = (ValueError, TypeError, KeyError, AttributeError)
"""What `task_of` raises when a row is damaged: its JSON may even have become that of something else."""

_SPEC_DEFAULTS = {field.name: field.default for field in fields(TaskSpec)}


def row_of(task: Task) -> tuple[Any, ...]:
    """Return a task's values for `COLUMNS`."""
    spec = task.spec
    return (
        task.seq,
        spec.id,
        spec.fingerprint,
        spec.tenant,
        spec.idempotency_key or None,
        json.dumps(_spec_fields(spec)),
        task.submitted_at,
        task.state,
        task.ready_at,
        task.attempts,
        task.alone,
        task.token,
        task.lease.worker if task.lease else None,
        task.lease.node if task.lease else None,
        task.lease.leased_at if task.lease else None,
        task.expires_at,
        task.finished_at,
        json.dumps([asdict(output) for output in task.outputs]) if task.outputs else "[]",
        json.dumps(asdict(task.failure)) if task.failure else None,
        json.dumps([asdict(attempt) for attempt in task.history]) if task.history else "[]",
    )


def task_of(row: tuple[Any, ...]) -> Task:
    """Make a task from its values for `COLUMNS`.

    Raises:
        UNREADABLE: the row is damaged.
    """
    (seq, task_id, _fingerprint, _tenant, _key, spec, submitted_at, state, ready_at, attempts, alone, token, worker,
     node, leased_at, expires_at, finished_at, outputs, failure, history) = row  # fmt: skip
    return Task(
        spec=_spec(task_id, json.loads(spec)),
        seq=seq,
        state=State(state),
        submitted_at=submitted_at,
        ready_at=submitted_at if ready_at == submitted_at else ready_at,  # one number in memory
        attempts=attempts,
        alone=bool(alone),
        token=token,
        lease=Lease(token, worker, leased_at, node or "") if worker is not None else None,
        expires_at=expires_at,
        finished_at=finished_at,
        outputs=tuple(Output(**output) for output in json.loads(outputs)) if outputs != "[]" else (),
        failure=Failure(**json.loads(failure)) if failure else None,
        history=tuple(_attempt(attempt) for attempt in json.loads(history)) if history != "[]" else (),
    )


def _spec_fields(spec: TaskSpec) -> dict[str, Any]:
    outputs = [
        {"name": output.name, "pipeline": output.pipeline, **({"path": output.path} if output.path else {})}
        for output in spec.outputs
    ]
    rest = {
        name: value
        for name in _SPEC_DEFAULTS
        if name not in {"id", "source", "outputs", "target"} and (value := getattr(spec, name)) != _SPEC_DEFAULTS[name]
    }
    if spec.target != ANYWHERE:
        rest["target"] = asdict(spec.target)
    return {"source": asdict(spec.source), "outputs": outputs, **rest}


def _spec(task_id: str, values: dict[str, Any]) -> TaskSpec:
    source = values.pop("source")
    outputs = values.pop("outputs")
    values.pop("id", None)  # there in rows of the first version
    if "target" in values:
        target = values.pop("target")
        values["target"] = Target(**{**target, "labels": _pairs(target["labels"])})
    return TaskSpec(
        id=task_id,
        source=_source(source),
        outputs=shared(tuple(OutputSpec(**output) for output in outputs)),
        tenant=sys.intern(values.pop("tenant", "")),
        **values,
    )


def _source(values: dict[str, Any]) -> Source:
    if "key" in values:
        return BlobSource(values["key"])
    if "command" in values:
        return CommandSource(values["command"], values["path"], _pairs(values["arguments"]))
    return PathSource(values["path"])


def _pairs(values: list[list[str]]) -> tuple[tuple[str, str], ...]:
    return tuple((name, value) for name, value in values)


def _attempt(values: dict[str, Any]) -> Attempt:
    failure = values.pop("failure")
    return Attempt(**{**values, "ending": Event(values["ending"])}, failure=Failure(**failure) if failure else None)
