"""The backlog: the queued tasks, in the order in which they are leased. Books only; the table decides.

Ready ones wait in a fair queue for each target, images apart from commands; others for the end of their delay.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from imgray.errors import QueueFullError
from imgray.fair_queue import FairQueue
from imgray.target import ANYWHERE, Target
from imgray.task import State, Task, TaskSpec
from imgray.timers import Timers

Admits: TypeAlias = Callable[[Target], bool]
"""Says of a target whether a worker meets it."""

MAX_TARGETS = 1000
"""How many different targets tasks may wait for."""

_UNKNOWN_PIXELS = 1_000_000  # what a task costs its tenant when nobody knows how large its image is
_SLACK = 1024


@dataclass(frozen=True, slots=True)
class Waiting:
    """How much waits: tasks, pixels of their images, and since when the longest of those that are next in turn has."""

    tasks: int
    pixels: int
    since: float | None


class Backlog:
    """The queued tasks of a table. Those that were cancelled stay in their queue until it is their turn."""

    def __init__(self, tasks: Mapping[str, Task]) -> None:
        """Start empty; ``tasks`` are those of the table, as they now stand."""
        self._tasks = tasks
        self._delays: Timers[str] = Timers()
        self._bound: defaultdict[str, set[str]] = defaultdict(set)  # worker → live tasks that no other process may take
        self._clear()

    def _clear(self) -> None:
        self._queues: dict[bool, dict[Target, FairQueue]] = {False: {}, True: {}}  # of images, of commands
        self._size = 0

    def ready(self, now: float) -> int:
        """Estimate how many tasks are ready (cancelled ones may be counted)."""
        self.wake(now)
        return self._size

    def waiting(self, counts: Admits) -> Waiting:
        """Describe what is ready, of the targets that count (cancelled tasks may be counted)."""
        queues = [
            queue for queues in self._queues.values() for target, queue in queues.items() if queue and counts(target)
        ]
        heads = [task for queue in queues if (task := self._tasks.get(queue.peek())) and task.state is State.QUEUED]
        since = min((task.ready_at for task in heads), default=None)
        return Waiting(sum(map(len, queues)), sum(queue.cost for queue in queues), since)

    def check_room(self, specs: Iterable[TaskSpec]) -> None:
        """See that tasks do not wait for too many different targets: each one costs whoever hands out work.

        Raises:
            QueueFullError: they would.
        """
        targets = {spec.target for spec in specs}
        known = {target for queues in self._queues.values() for target in queues}
        if not targets <= known and len(targets | known) > MAX_TARGETS:
            raise QueueFullError(f"tasks wait for {MAX_TARGETS:,} different targets already")

    def processes(self) -> list[str]:
        """List the workers for which live tasks are meant that no other process may take."""
        return list(self._bound)

    def bound_to(self, worker: str) -> list[Task]:
        """Return the queued tasks that no other process than this worker may take."""
        tasks = [self._tasks[task_id] for task_id in sorted(self._bound.get(worker, ()))]
        return [task for task in tasks if task.state is State.QUEUED]

    def next_at(self) -> float | None:
        """Return a time before which no delay ends."""
        return self._delays.next_at()

    def note(self, task: Task) -> None:
        """Note a task of the table, as it now stands."""
        process = task.spec.target.process
        if process and not task.state.finished:
            self._bound[process].add(task.id)
        elif process and process in self._bound:
            self._bound[process].discard(task.id)
            if not self._bound[process]:
                del self._bound[process]

    def enter(self, task: Task, now: float) -> None:
        """Queue a task, when it is ready."""
        if task.ready_at > now:
            self.put_off(task)
        else:
            self._push(task)

    def put_off(self, task: Task) -> None:
        """Queue a task when its delay has ended."""
        self._delays.set(task.id, task.ready_at)

    def leave(self, task: Task) -> None:
        """Note that a task is no longer queued."""
        self._delays.stop(task.id)

    def wake(self, now: float) -> None:
        """Queue the tasks whose delay has ended."""
        for task_id in self._delays.due(now):
            self._push(self._tasks[task_id])
        if self._size > 2 * len(self._tasks) + _SLACK:  # most have been cancelled since
            self._clear()
            for task in self._tasks.values():
                if task.state is State.QUEUED and task.ready_at <= now:
                    self._push(task)

    def take(
        self, want: int, now: float, admits: Admits, fits: Callable[[Task], bool], *, commands: bool
    ) -> Iterator[Task]:
        """Take up to ``want`` ready images, or commands, that a worker may have, until one does not fit."""
        self.wake(now)
        queues = self._admitted(admits, commands=commands)
        while want > 0 and (queue := _first(queues)) is not None:
            task = self._tasks.get(queue.peek())
            if task is None or task.state is not State.QUEUED or task.ready_at > now:
                queue.drop()
                self._size -= 1
                if task is not None and task.state is State.QUEUED:  # put off since, or the clock went back
                    self.put_off(task)
                continue
            if not fits(task):
                return
            queue.take()
            self._size -= 1
            want -= 1
            yield task

    def _admitted(self, admits: Admits, *, commands: bool) -> list[tuple[bool, FairQueue]]:
        """Return the queues that a worker may take from, each with whether it is for some workers only."""
        queues = self._queues[commands]
        for target in [target for target, queue in queues.items() if not queue]:
            del queues[target]
        return [(target != ANYWHERE, queue) for target, queue in queues.items() if target == ANYWHERE or admits(target)]

    def _push(self, task: Task) -> None:
        spec = task.spec
        queue = self._queues[spec.is_command].setdefault(spec.target, FairQueue())
        queue.push(task.id, task.seq, spec.priority, spec.tenant, spec.pixels or _UNKNOWN_PIXELS)
        self._size += 1


def _first(queues: list[tuple[bool, FairQueue]]) -> FairQueue | None:
    """Return the queue whose first task is next, None when nothing waits.

    The highest priority goes first, and within it what has a target: others can do the rest.
    """
    filled = [(queue.priority, aimed, queue) for aimed, queue in queues if queue]
    return max(filled, key=lambda one: one[:2])[2] if filled else None
