"""Tasks as rows of the journal, and back. A field that has its default is left out of the JSON columns."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, fields
from operator import attrgetter
from typing import Any

from imgray.compact import fields_of
from imgray.target import ANYWHERE, Target
from imgray.task import (
    Attempt,
    BlobSource,
    CommandSource,
    Event,
    Failure,
    InlineSource,
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

_FIXED = ("seq", "id", "fingerprint", "tenant", "idempotency_key", "spec", "submitted_at")
CHANGING = (
    "state", "ready_at", "attempts", "alone", "token", "worker", "node", "leased_at", "expires_at", "finished_at",
    "outputs", "failure", "history",
)  # fmt: skip
"""Columns that change after a task was accepted."""
COLUMNS = (*_FIXED, *CHANGING)

UNREADABLE = (ValueError, TypeError, KeyError, AttributeError)
"""What `task_of` raises when a row is damaged: its JSON may even have become that of something else."""

_APART = {"id", "source", "outputs", "target"}
_SPEC_DEFAULTS = tuple((field.name, field.default) for field in fields(TaskSpec) if field.name not in _APART)
_SPEC_VALUES = attrgetter(*(name for name, _ in _SPEC_DEFAULTS))
_encoded = json.JSONEncoder(check_circular=False).encode


def row_of(task: Task) -> tuple[Any, ...]:
    """Return a task's values for `COLUMNS`."""
    spec = task.spec
    key = spec.idempotency_key or None
    submitted = (task.seq, spec.id, spec.fingerprint, spec.tenant, key, _encoded(_spec_fields(spec)), task.submitted_at)
    return (*submitted, *_standing(task))


def standing_of(task: Task) -> tuple[Any, ...]:
    """Return a task's values for `CHANGING`, and then its ``seq``."""
    return (*_standing(task), task.seq)


def _standing(task: Task) -> tuple[Any, ...]:
    lease = task.lease
    return (
        task.state,
        task.ready_at,
        task.attempts,
        task.alone,
        task.token,
        lease.worker if lease else None,
        lease.node if lease else None,
        lease.leased_at if lease else None,
        task.expires_at,
        task.finished_at,
        _encoded([fields_of(output) for output in task.outputs]) if task.outputs else "[]",
        _encoded(fields_of(task.failure)) if task.failure else None,
        _encoded([_attempt_fields(attempt) for attempt in task.history]) if task.history else "[]",
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
    values = zip(_SPEC_DEFAULTS, _SPEC_VALUES(spec), strict=True)
    rest = {name: value for (name, default), value in values if value != default}
    if spec.target != ANYWHERE:
        rest["target"] = asdict(spec.target)
    return {"source": fields_of(spec.source), "outputs": outputs, **rest}


def _attempt_fields(attempt: Attempt) -> dict[str, Any]:
    return {**fields_of(attempt), "failure": fields_of(attempt.failure) if attempt.failure else None}


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
    if "size_bytes" in values:
        return InlineSource(values["size_bytes"])
    return PathSource(values["path"])


def _pairs(values: list[list[str]]) -> tuple[tuple[str, str], ...]:
    return tuple((name, value) for name, value in values)


def _attempt(values: dict[str, Any]) -> Attempt:
    failure = values.pop("failure")
    return Attempt(**{**values, "ending": Event(values["ending"])}, failure=Failure(**failure) if failure else None)
