"""What workers and the Master say to each other: one call, ``exchange``, that reports finished work and takes new work.

Every call may be lost, answered and the answer lost, repeated or overtaken:

* Outcomes are repeated until a reply confirms them; the lease token makes the second one a no-op.
* ``seq`` numbers the calls of a worker. A repeated or overtaken call grants nothing new.
* ``received`` is the token of the latest grant that arrived. Later ones may have been lost, so they are sent again.
* ``held`` lists the tokens the worker works on: it renews their leases, and the reply names those that are void.
* A newer call ends the waiting of the one before.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from msgspec import Struct

from imgray.scaling import Bounds
from imgray.target import WorkerInfo
from imgray.task import Event, Failure, Output, State, TaskSpec
from imgray.transcript import Ended, Part, Transcript


class Ack(Struct, frozen=True, gc=False):
    """The attempt succeeded; its outputs are stored, but for small ones: these are ``results``, by name."""

    task_id: str
    token: int
    outputs: tuple[Output, ...]
    elapsed_s: float = 0.0
    results: tuple[tuple[str, bytes], ...] = ()


class Nack(Struct, frozen=True, gc=False):
    """The attempt failed."""

    task_id: str
    token: int
    failure: Failure
    alone: bool = False
    """True when the process that ran the attempt died of it, or may have."""


class Release(Struct, frozen=True, gc=False):
    """The task was never started and is given back unharmed."""

    task_id: str
    token: int


Outcome = Ack | Nack | Release


class Exchange(Struct, frozen=True, gc=False):
    """A worker's report and request: up to ``want`` images, and up to ``want_commands`` commands.

    ``draining`` says that it knows that it is to end, ``hurries`` that it will stop its commands.
    """

    worker: str
    seq: int
    received: int
    held: tuple[int, ...]
    outcomes: tuple[Outcome, ...]
    want: int
    want_commands: int = 0
    memory_bytes: int = 0
    draining: bool = False
    hurries: bool = False


class Grant(Struct, frozen=True, gc=False):
    """A leased task, as the worker needs it. ``data`` is its input, if that is kept with the task."""

    spec: TaskSpec
    token: int
    attempt: int
    data: bytes | None = None


class Reply(Struct, frozen=True, gc=False):
    """The Master's answer to `Exchange` number ``seq``.

    ``unknown`` says that the Master does not know the worker (it restarted, or gave the worker up): register again.
    ``void`` are tokens that the worker holds or reported and that are no longer valid: drop that work, keep no output.
    ``drain`` asks it to finish what runs, give back the rest, and end; ``hurry``, not to wait long for its commands.
    """

    seq: int
    grants: tuple[Grant, ...] = ()
    void: tuple[int, ...] = ()
    unknown: bool = False
    drain: bool = False
    hurry: bool = False


class WorkerState(StrEnum):
    """How a worker is."""

    ACTIVE = "active"
    DRAINING = "draining"
    LOST = "lost"


@dataclass(frozen=True, slots=True)
class WorkerView:
    """A worker as the Master sees it.

    ``running`` are the tasks that it runs now, of the ``leased`` that it holds. ``images_per_s`` is of the last half
    minute, ``memory_bytes`` that of its processes when it last called.
    """

    info: WorkerInfo
    state: WorkerState
    registered_at: float
    last_seen_at: float
    leased: int
    running: tuple[str, ...]
    succeeded: int
    failed: int
    images_per_s: float
    memory_bytes: int


@dataclass(frozen=True, slots=True)
class PoolView:
    """The pool of workers: its bounds, and why it is as large as it is.

    ``wanted`` workers there should be, ``started`` have been, ``active`` of them take tasks. What is next in turn waits
    since ``waiting_s``; one worker does ``pixels_per_s`` while it works.
    """

    bounds: Bounds
    wanted: int
    started: int
    active: int
    waiting: int
    waiting_pixels: int
    waiting_s: float
    pixels_per_s: float


@dataclass(frozen=True, slots=True)
class OutputPart:
    """A part of what a command has written, and how it ended: None while it runs."""

    part: Part
    ended: Ended | None

    @classmethod
    def of(cls, transcript: Transcript, offset: int, most_bytes: int) -> OutputPart:
        """Take a part from a transcript. It says how the command ended only with the last part."""
        part = transcript.read(offset, most_bytes)
        return cls(part, transcript.ended if part.next_offset >= transcript.size else None)


@dataclass(frozen=True, slots=True)
class Statistics:
    """The Master's books at one moment: the tasks in each state add up to all that were ever submitted.

    ``events`` (transitions made), ``refused`` (reports with a stale token) and ``calls`` (tasks that were not kept, and
    are in none of the other numbers but that of the events) are counted since the Master started.
    """

    submitted: int
    tasks: Mapping[State, int]
    events: Mapping[Event, int]
    refused: int
    calls: int
    live_bytes: int
    workers: int
    started_at: float
