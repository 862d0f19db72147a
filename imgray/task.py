"""A task and everything it carries: values only. Who may change one, and how, stands in `imgray.table`.

They are structs of msgspec, which makes, changes, pickles and encodes them in a fraction of a dataclass's time; as no
frozen value can be part of a cycle, the garbage collector need not know of them.

queued ──lease──► leased ──ack─────► succeeded ──lose──► failed
  ▲  │              │ │
  │  │              │ └──fail──────► failed ──redrive──► queued
  │  └─cancel──┐    │                  ▲
  │            ▼    │                  └─expire, lose── queued, leased
  └──retry,    cancelled ◄──cancel── leased
     release
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import TypeAlias

from msgspec import Struct

from imgray.errors import ImgrayError
from imgray.target import ANYWHERE, Target

INPUTS = "inputs"
OUTPUTS = "outputs"
STORES = "stores"
"""First parts of blob keys; the last is that of the signatures which journals leave in the stores that they use."""

CONTENT_KEY = "\x1fsha256:"
"""How an idempotency key begins that was made of the content; no caller can send one that does."""

DEFAULT_OUTPUT = "image"
"""Name of the output of a task that was submitted with one unnamed pipeline."""


class State(StrEnum):
    """Where a task stands."""

    QUEUED = "queued"
    LEASED = "leased"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def finished(self) -> bool:
        """True when no attempt will follow, unless a dead letter is redriven."""
        return self in FINISHED


FINISHED = frozenset({State.SUCCEEDED, State.FAILED, State.CANCELLED})


class Event(StrEnum):
    """What can happen to a task."""

    LEASE = "lease"
    ACK = "ack"
    RETRY = "retry"
    FAIL = "fail"
    RELEASE = "release"
    CANCEL = "cancel"
    EXPIRE = "expire"
    LOSE = "lose"
    REDRIVE = "redrive"


TRANSITIONS: Mapping[tuple[State, Event], State] = {
    (State.QUEUED, Event.LEASE): State.LEASED,
    (State.QUEUED, Event.CANCEL): State.CANCELLED,
    (State.QUEUED, Event.EXPIRE): State.FAILED,
    (State.QUEUED, Event.LOSE): State.FAILED,
    (State.LEASED, Event.ACK): State.SUCCEEDED,
    (State.LEASED, Event.RETRY): State.QUEUED,
    (State.LEASED, Event.FAIL): State.FAILED,
    (State.LEASED, Event.RELEASE): State.QUEUED,
    (State.LEASED, Event.CANCEL): State.CANCELLED,
    (State.LEASED, Event.EXPIRE): State.FAILED,
    (State.LEASED, Event.LOSE): State.FAILED,
    (State.SUCCEEDED, Event.LOSE): State.FAILED,
    (State.FAILED, Event.REDRIVE): State.QUEUED,
}
"""The whole state machine. A pair that is not here cannot happen."""


class BlobSource(Struct, frozen=True, gc=False, tag="blob"):
    """An input that was uploaded: its bytes are a blob."""

    key: str


class InlineSource(Struct, frozen=True, gc=False, tag="inline"):
    """A small input that was uploaded: its bytes are kept in the journal, with the task."""

    size_bytes: int


class PathSource(Struct, frozen=True, gc=False, tag="path"):
    """An input that the worker reads itself."""

    path: str


class CommandSource(Struct, frozen=True, gc=False, tag="command"):
    """No image: a program that the operator allowed is run, with a path and arguments, and once at most."""

    command: str
    path: str = ""
    arguments: tuple[tuple[str, str], ...] = ()


Source: TypeAlias = BlobSource | InlineSource | PathSource | CommandSource


class OutputSpec(Struct, frozen=True, gc=False, omit_defaults=True):
    """One thing to make of the input: a pipeline in canonical form, and where to write the result.

    Without a path, the result becomes a blob.
    """

    name: str
    pipeline: str
    path: str | None = None


class TaskSpec(Struct, frozen=True, gc=False, omit_defaults=True):
    """What was submitted; it never changes.

    ``label`` is the caller's own name for the input (a file name), ``fingerprint`` a digest of what is to be made of
    what, by which an earlier task that did the same can be found. ``pixels`` (an estimate) and ``size_bytes`` are the
    input's. After ``expires_at`` it is no longer worth doing. Submissions of one ``tenant`` with the same
    ``idempotency_key`` are one task; ``digest`` tells whether they ask for the same. Only a worker that ``target``
    admits may take it; with ``waits``, it is accepted though there is none yet. ``owner`` is the name of the API key
    that it was submitted with. One that is not ``kept`` is a call: see `imgray.calls`.
    """

    id: str
    source: Source
    outputs: tuple[OutputSpec, ...]
    label: str = ""
    fingerprint: str = ""
    tenant: str = ""
    priority: int = 0
    pixels: int = 0
    size_bytes: int = 0
    expires_at: float | None = None
    idempotency_key: str = ""
    digest: str = ""
    target: Target = ANYWHERE
    waits: bool = False
    owner: str = ""
    kept: bool = True

    @property
    def is_command(self) -> bool:
        """True when it runs a program, and has no image."""
        return isinstance(self.source, CommandSource)


class Failure(Struct, frozen=True, gc=False, omit_defaults=True):
    """Why an attempt, or a task, failed: the error's code, status and sentence."""

    code: str
    status: int
    message: str
    passing: bool = False

    @classmethod
    def of(cls, error: ImgrayError) -> Failure:
        """Describe an error."""
        return cls(error.code, error.status, str(error), error.passing)


class Output(Struct, frozen=True, gc=False, omit_defaults=True):
    """One result of a task: a blob (``key``), or a file that the worker wrote (``path``), or kept with the task."""

    name: str
    format: str
    content_type: str
    width: int
    height: int
    size_bytes: int
    sha256: str
    key: str | None = None
    path: str | None = None

    @property
    def inline(self) -> bool:
        """True when its bytes are kept in the journal, with the task."""
        return self.key is None and self.path is None


class Attempt(Struct, frozen=True, gc=False, omit_defaults=True):
    """One execution of a task that has ended, for its history."""

    number: int
    worker: str
    leased_at: float
    ended_at: float
    ending: Event
    failure: Failure | None = None
    node: str = ""
    token: int = 0


class Lease(Struct, frozen=True, gc=False):
    """An exclusive claim on a task, with its fencing token; when it expires is the table's business."""

    token: int
    worker: str
    leased_at: float
    node: str = ""


class Task(Struct, frozen=True, gc=False):
    """A task at one moment.

    ``attempts`` counts the leases granted, less those given back unharmed. ``alone`` is set when a worker died running
    it: it is then leased with no neighbour. ``token`` is that of the latest lease; after success, of the one that won.
    ``expires_at`` is its spec's, until it is redriven: then it is wanted whenever it comes.
    """

    spec: TaskSpec
    seq: int
    state: State
    submitted_at: float
    ready_at: float
    attempts: int = 0
    alone: bool = False
    token: int = 0
    lease: Lease | None = None
    expires_at: float | None = None
    finished_at: float | None = None
    outputs: tuple[Output, ...] = ()
    failure: Failure | None = None
    history: tuple[Attempt, ...] = ()

    @property
    def id(self) -> str:
        """The id under which it was submitted."""
        return self.spec.id

    @property
    def keys(self) -> tuple[str, ...]:
        """The blobs that belong to it."""
        source = self.spec.source
        inputs = (source.key,) if isinstance(source, BlobSource) else ()
        return (*inputs, *(output.key for output in self.outputs if output.key), *self.transcripts)

    @property
    def transcripts(self) -> tuple[str, ...]:
        """The blobs in which what a command wrote is kept, of each attempt; one may not be there (yet)."""
        if not self.spec.is_command:
            return ()
        tokens = [attempt.token for attempt in self.history] + [self.token] * (self.lease is not None)
        return tuple(transcript_key(self.id, token) for token in tokens)

    def story(self) -> str:
        """Tell in a few words what became of the task, for error messages."""
        past = "; ".join(
            f"attempt {attempt.number} on {attempt.worker}: {attempt.ending}"
            + (f" ({attempt.failure.code})" if attempt.failure else "")
            for attempt in self.history
        )
        return f"the task is {self.state}" + (f", after {past}" if past else "")


@dataclass(frozen=True, slots=True)
class Filter:
    """Which tasks are asked for: those that meet every condition given. No states: tasks in any state."""

    states: tuple[State, ...] = ()
    tenant: str | None = None
    code: str | None = None
    """That of the failure."""
    finished_before: float | None = None


@dataclass(frozen=True, slots=True)
class Changes:
    """What the journal is to write: new tasks and others as they now stand, and finished tasks that are to be no more.

    With them go the small ``inputs`` of new tasks, by ``seq``, and ``results``, by ``seq`` and name.
    """

    new: Sequence[Task] = ()
    tasks: Sequence[Task] = ()
    purged: Sequence[Task] = ()
    inputs: Sequence[tuple[int, bytes]] = ()
    results: Sequence[tuple[int, str, bytes]] = ()

    @property
    def standing(self) -> Sequence[Task]:
        """The tasks as they now stand, whether they are new or not."""
        return (*self.new, *self.tasks)


@lru_cache(maxsize=1024)
def shared(outputs: tuple[OutputSpec, ...]) -> tuple[OutputSpec, ...]:
    """Return an equal value that was seen before: a million tasks ask for the same, and it is kept once."""
    return outputs


def new_task_id() -> str:
    """Make an id that sorts by time and never comes twice: 48 bits of milliseconds and 80 random bits, in hex."""
    return f"{time.time_ns() // 1_000_000:012x}{secrets.token_hex(10)}"


def input_key(task_id: str) -> str:
    """Name the blob that holds a task's uploaded input."""
    return f"{INPUTS}/{task_id}"


def output_key(task_id: str, token: int, name: str) -> str:
    """Name the blob of an output; each attempt has keys of its own, so that none can overwrite another's."""
    return f"{OUTPUTS}/{task_id}.{token:x}.{name}"


def transcript_key(task_id: str, token: int) -> str:
    """Name the blob of what a command wrote during an attempt."""
    return output_key(task_id, token, "transcript")
