"""Tasks as rows of the journal, and back. A field that has its default is left out of the JSON columns."""

from __future__ import annotations

import json
import sys
from typing import Any, TypeVar

import msgspec
from msgspec.structs import replace

from imgray.task import Attempt, Failure, Lease, Output, State, Task, TaskSpec, shared

_T = TypeVar("_T")

_FIXED = ("seq", "id", "fingerprint", "tenant", "idempotency_key", "spec", "submitted_at")
CHANGING = (
    "state", "ready_at", "attempts", "alone", "token", "worker", "node", "leased_at", "expires_at", "finished_at",
    "outputs", "failure", "history",
)  # fmt: skip
"""Columns that change after a task was accepted."""
COLUMNS = (*_FIXED, *CHANGING)

UNREADABLE = (ValueError, TypeError, KeyError, AttributeError)
"""What `task_of` raises when a row is damaged: its JSON may even have become that of something else."""


def _plain(value: object) -> object:
    """Make what is a kind of text or number, as NumPy's, the thing itself: msgspec takes no other."""
    for kind in (str, float, int):
        if isinstance(value, kind):
            return kind(value)
    raise NotImplementedError


_encoded = msgspec.json.Encoder(enc_hook=_plain).encode
_SPEC = msgspec.json.Decoder(TaskSpec)
_OUTPUTS = msgspec.json.Decoder(tuple[Output, ...])
_FAILURE = msgspec.json.Decoder(Failure)
_HISTORY = msgspec.json.Decoder(tuple[Attempt, ...])


def row_of(task: Task) -> tuple[Any, ...]:
    """Return a task's values for `COLUMNS`."""
    spec = task.spec
    key = spec.idempotency_key or None
    submitted = (task.seq, spec.id, spec.fingerprint, spec.tenant, key, _text(spec), task.submitted_at)
    return (*submitted, *_standing(task))


def standing_of(task: Task) -> tuple[Any, ...]:
    """Return a task's values for `CHANGING`, and then its ``seq``."""
    return (*_standing(task), task.seq)


def _standing(task: Task) -> tuple[Any, ...]:
    lease = task.lease
    return (
        task.state.value,
        task.ready_at,
        task.attempts,
        int(task.alone),
        task.token,
        lease.worker if lease else None,
        lease.node if lease else None,
        lease.leased_at if lease else None,
        task.expires_at,
        task.finished_at,
        _text(task.outputs) if task.outputs else "[]",
        _text(task.failure) if task.failure else None,
        _text(task.history) if task.history else "[]",
    )


def task_of(row: tuple[Any, ...]) -> Task:
    """Make a task from its values for `COLUMNS`.

    Raises:
        UNREADABLE: the row is damaged.
    """
    (seq, task_id, _fingerprint, _tenant, _key, spec, submitted_at, state, ready_at, attempts, alone, token, worker,
     node, leased_at, expires_at, finished_at, outputs, failure, history) = row  # fmt: skip
    return Task(
        spec=_spec(task_id, spec),
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
        outputs=_value(_OUTPUTS, outputs) if outputs != "[]" else (),
        failure=_value(_FAILURE, failure) if failure else None,
        history=_value(_HISTORY, history) if history != "[]" else (),
    )


def _spec(task_id: str, text: str) -> TaskSpec:
    try:
        spec = _SPEC.decode(text)
    except msgspec.DecodeError:
        spec = msgspec.convert(_renewed(task_id, json.loads(text)), TaskSpec)
    return replace(spec, id=task_id, outputs=shared(spec.outputs), tenant=sys.intern(spec.tenant))


def _renewed(task_id: str, values: dict[str, Any]) -> dict[str, Any]:
    """Add what earlier versions left out: the id, and what kind of source it is."""
    source = values["source"]
    kinds = {"key": "blob", "command": "command", "size_bytes": "inline", "path": "path"}
    kind = next((kind for name, kind in kinds.items() if name in source), None)
    return {"id": task_id, **values, "source": {"type": kind, **source}}


def _text(value: object) -> str:
    try:
        return _encoded(value).decode()
    except UnicodeEncodeError:  # the name of a file that is not UTF-8: msgspec's JSON cannot say it
        return json.dumps(msgspec.to_builtins(value, enc_hook=_plain))


def _value(decoder: msgspec.json.Decoder[_T], text: str) -> _T:
    try:
        return decoder.decode(text)
    except msgspec.DecodeError:  # see `_text`
        return msgspec.convert(json.loads(text), decoder.type)
