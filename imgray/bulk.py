"""The bulk job: feed a plan to a cluster, a window at a time, and tell what becomes of each image."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from imgray.errors import PassingError
from imgray.gateway import Gateway, Submission
from imgray.journal import Journal
from imgray.pipeline import Pipeline
from imgray.plan import Item, Problem
from imgray.task import Failure, Filter, State, Task

WINDOW = 2048
"""Tasks under way at a time, whatever the size of the job."""

_CHUNK = 256  # tasks in one call
_WAIT_S = 5.0  # length of one waiting call
_CLOCK_SLACK_S = 1.0  # how far a file system's clock may be ahead of the Master's
_STOP_S = 10.0  # how long the attempts that run may take to end, when the job is interrupted
_LIVE = Filter(states=(State.QUEUED, State.LEASED))
_LEFTOVERS = 1000  # live tasks of an interrupted run that are cancelled in one call

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Ending:
    """What became of one image: ``failure`` says why not, ``skipped`` that its result was there already."""

    source: Path
    destinations: Mapping[str, Path]
    failure: Failure | None = None
    skipped: bool = False

    @classmethod
    def of(cls, problem: Problem) -> Ending:
        """Say that a path could not even be looked at."""
        return cls(problem.source, {}, Failure.of(problem.error))

    @classmethod
    def done_before(cls, item: Item) -> Ending:
        """Say that an earlier run made the result."""
        return cls(item.source, item.destinations, skipped=True)


class BulkJob:
    """One run over a plan.

    Args:
        gateway: the way into a cluster whose workers may read the sources and write the results.
        pipelines: what to make of each image, by the outputs' names.
        tell: called with each ending, as it comes.
    """

    def __init__(self, gateway: Gateway, pipelines: Mapping[str, Pipeline], tell: Callable[[Ending], None]) -> None:
        self._master = gateway.master
        self._gateway = gateway
        self._pipelines = pipelines
        self._tell = tell
        self._under_way: dict[str, Item] = {}
        self._submitting: asyncio.Task[None] | None = None

    async def run(self, items: Sequence[Item]) -> bool:
        """Process the items. Return False when cancelled: what ran is ended, what waited is taken back."""
        try:
            await self._process(items)
        except asyncio.CancelledError:
            await self._stop()
            return False
        return True

    async def _process(self, items: Sequence[Item]) -> None:
        for chunk in _chunks(items):
            while len(self._under_way) > WINDOW - _CHUNK:
                await self._collect(_WAIT_S)
            self._submitting = asyncio.get_running_loop().create_task(self._submit(chunk))
            await asyncio.shield(self._submitting)  # when cancelled, `_stop` must know what was accepted
        while self._under_way:
            await self._collect(_WAIT_S)

    async def _submit(self, items: Sequence[Item]) -> None:
        tasks = await self._gateway.submit([self._submission(item) for item in items])
        self._under_way |= {task.id: item for task, item in zip(tasks, items, strict=True)}

    async def _collect(self, wait_s: float) -> None:
        for task in await self._master.wait(list(self._under_way), wait_s):
            item = self._under_way.pop(task.id)
            if task.state is not State.CANCELLED:  # a cancelled one was not done, whoever cancelled it
                self._tell(Ending(item.source, item.destinations, task.failure))

    async def _stop(self) -> None:
        """Take back what waits; let what runs end, and tell how."""
        with contextlib.suppress(TimeoutError, PassingError):
            async with asyncio.timeout(_STOP_S):
                if self._submitting is not None:
                    await self._submitting
                for ids in _chunks(list(self._under_way)):
                    await self._master.withdraw(ids)
                while self._under_way:
                    await self._collect(_WAIT_S)

    def _submission(self, item: Item) -> Submission:
        return Submission(
            self._pipelines,
            path=str(item.source),
            destinations={name: str(path) for name, path in item.destinations.items()},
            label=item.source.name,
            fingerprint=item.fingerprint,
        )


def split_done(items: Sequence[Item], journal: Journal) -> tuple[list[Item], list[Item]]:
    """Tell the items whose result an earlier run made, and which is still as it was made, from those to process."""
    done: list[Item] = []
    missing: list[Item] = []
    for chunk in _chunks(items):
        earlier = journal.find([item.fingerprint for item in chunk])
        for item in chunk:
            (done if _still_there(earlier.get(item.fingerprint)) else missing).append(item)
    return done, missing


async def cancel_leftovers(gateway: Gateway) -> None:
    """Cancel what an earlier run left behind when it was killed: this run asks for what it wants itself."""
    while left := await gateway.master.page(_LIVE, None, _LEFTOVERS):
        await gateway.master.cancel([task.id for task in left])


def _still_there(task: Task | None) -> bool:
    """Say whether an earlier task's results lie where it wrote them, as large as then and not written since."""
    if task is None or task.finished_at is None:
        return False
    for output in task.outputs:
        try:
            status = Path(output.path or "").stat()
        except OSError:
            return False
        if status.st_size != output.size_bytes or status.st_mtime > task.finished_at + _CLOCK_SLACK_S:
            return False
    return True


def _chunks(items: Sequence[_T]) -> Iterator[Sequence[_T]]:
    for start in range(0, len(items), _CHUNK):
        yield items[start : start + _CHUNK]
