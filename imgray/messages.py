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

from imgray.task import Event, Failure, Output, State, TaskSpec


@dataclass(frozen=True, slots=True)
class WorkerInfo:
    """Who a worker is. ``name`` is its place in the pool, ``id`` this process of it."""

    id: str
    name: str
    node: str
    host: str
    pid: int
    version: str


@dataclass(frozen=True, slots=True)
class Ack:
    """The attempt succeeded; its outputs are stored."""

    task_id: str
    token: int
    outputs: tuple[Output, ...]


@dataclass(frozen=True, slots=True)
class Nack:
    """The attempt failed."""

    task_id: str
    token: int
    failure: Failure
    alone: bool = False
    """True when the process that ran the attempt died of it, or may have."""


@dataclass(frozen=True, slots=True)
class Release:
    """The task was never started and is given back unharmed."""

    task_id: str
    token: int


Outcome = Ack | Nack | Release


@dataclass(frozen=True, slots=True)
class Exchange:
    """A worker's report and request."""

    worker: str
    seq: int
    received: int
    held: tuple[int, ...]
    outcomes: tuple[Outcome, ...]
    want: int


@dataclass(frozen=True, slots=True)
class Grant:
    """A leased task, as the worker needs it."""

    spec: TaskSpec
    token: int
    attempt: int


@dataclass(frozen=True, slots=True)
class Reply:
    """The Master's answer to `Exchange` number ``seq``.

    ``unknown`` says that the Master does not know the worker (it restarted, or gave the worker up): register again.
    ``void`` are tokens that the worker holds or reported and that are no longer valid: drop that work, keep no output.
    """

    seq: int
    grants: tuple[Grant, ...] = ()
    void: tuple[int, ...] = ()
    unknown: bool = False


@dataclass(frozen=True, slots=True)
class WorkerView:
    """A worker as the Master sees it."""

    info: WorkerInfo
    registered_at: float
    last_seen_at: float
    leased: int
    succeeded: int
    failed: int


@dataclass(frozen=True, slots=True)
class Statistics:
    """The Master's books at one moment: the tasks in each state add up to all that were ever submitted.

    ``events`` (transitions made) and ``refused`` (reports with a stale token) are counted since the Master started.
    """

    submitted: int
    tasks: Mapping[State, int]
    events: Mapping[Event, int]
    refused: int
    live_bytes: int
    workers: int
    started_at: float
