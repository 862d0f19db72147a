"""An event loop in virtual time, in which several processes live, and can be killed or frozen between any two steps.

A process is a context: every callback runs in the context that scheduled it, so the loop knows whose step comes next.
The steps of a dead process are dropped, without cancellation and without ``finally``, as SIGKILL would; those of a
frozen one are kept until it thaws, as with SIGSTOP. Threads become delays: what is sent to an executor is carried out
in one step, and answered in a later one.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import heapq
import itertools
import random
from collections import deque
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

LONGEST_DISK_S = 0.02


@dataclass(eq=False)
class Process:
    """Something that dies as one. ``doom`` is the number of its steps left until it dies of itself, if it is to."""

    name: str
    alive: bool = True
    frozen: bool = False
    doom: int | None = None
    backlog: list[asyncio.Handle] = field(default_factory=list)
    on_death: list[Callable[[], None]] = field(default_factory=list)

    def context(self) -> contextvars.Context:
        context = contextvars.Context()
        context.run(PROCESS.set, self)
        return context


PROCESS: contextvars.ContextVar[Process | None] = contextvars.ContextVar("PROCESS", default=None)


class StuckError(AssertionError):
    """Nothing is left to happen, or too much happens."""


class SimLoop(asyncio.AbstractEventLoop):
    """Runs callbacks in order of virtual time."""

    def __init__(self, rng: random.Random, max_steps: int, expected: tuple[type[Exception], ...]) -> None:
        self.expected = expected
        self.now = 0.0
        self.steps = 0
        self.defects: list[str] = []
        self._rng = rng
        self._max_steps = max_steps
        self._ready: deque[asyncio.Handle] = deque()
        self._timers: list[tuple[float, int, asyncio.TimerHandle]] = []
        self._order = itertools.count()
        self._free_at: dict[Any, float] = {}  # when a pool of one thread has done what it was given
        self._outside = contextvars.Context()
        self._tasks: list[asyncio.Task[Any]] = []

    def run(self, task: asyncio.Task[Any]) -> None:
        """Run until a task has ended."""
        asyncio._set_running_loop(self)  # noqa: SLF001  # what a loop does that runs
        try:
            while not task.done():
                self._step()
        finally:
            self._bury()
            asyncio._set_running_loop(None)  # noqa: SLF001
        task.result()

    def _bury(self) -> None:
        """Close what was left in the middle, now: CPython 3.11 crashes when its garbage collector has to do it."""
        for task in self._tasks:
            coroutine = task.get_coro()
            if not task.done() and coroutine is not None:
                with contextlib.suppress(Exception):  # whatever a dead process still has to say
                    coroutine.close()

    def _step(self) -> None:
        self.steps += 1
        if self.steps > self._max_steps:
            raise StuckError(f"{self.steps} steps: somebody runs in a circle")
        if self._ready:
            handle = self._ready.popleft()
        elif self._timers:
            at, _, handle = heapq.heappop(self._timers)
            self.now = max(self.now, at)
        else:
            raise StuckError("everybody waits for ever")
        if handle.cancelled():
            return
        process = handle._context.get(PROCESS)  # type: ignore[attr-defined]  # noqa: SLF001  # whose step this is
        if process is not None:
            if not process.alive:
                return
            if process.frozen:
                process.backlog.append(handle)
                return
            if process.doom is not None:
                process.doom -= 1
                if process.doom <= 0:
                    self.kill(process)
                    return
        handle._run()  # noqa: SLF001

    def kill(self, process: Process) -> None:
        """Let a process take no step any more."""
        if process.alive:
            process.alive = False
            for tell in process.on_death:
                self.outside(0.0, tell)

    def thaw(self, process: Process) -> None:
        """Let a frozen process go on."""
        process.frozen = False
        self._ready.extend(process.backlog)
        process.backlog.clear()

    def outside(self, delay_s: float, callback: Callable[..., Any], *args: Any) -> None:
        """Call something later that belongs to no process."""
        self.call_later(delay_s, callback, *args, context=self._outside)

    # What asyncio asks of a loop

    def time(self) -> float:
        return self.now

    def call_soon(self, callback: Callable[..., Any], *args: Any, context: Any = None) -> asyncio.Handle:  # type: ignore[override]
        handle = asyncio.Handle(callback, args, self, context)
        self._ready.append(handle)
        return handle

    def call_later(  # type: ignore[override]
        self, delay: float, callback: Callable[..., Any], *args: Any, context: Any = None
    ) -> asyncio.TimerHandle:
        return self.call_at(self.now + delay, callback, *args, context=context)

    def call_at(  # type: ignore[override]
        self, when: float, callback: Callable[..., Any], *args: Any, context: Any = None
    ) -> asyncio.TimerHandle:
        handle = asyncio.TimerHandle(when, callback, args, self, context)
        heapq.heappush(self._timers, (when, next(self._order), handle))
        return handle

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """Leave it: it is passed over when its time comes."""

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=self)

    def create_task(self, coro: Coroutine[Any, Any, Any], **kwargs: Any) -> asyncio.Task[Any]:  # type: ignore[override]
        task = asyncio.Task(coro, loop=self, **kwargs)
        task._log_destroy_pending = False  # type: ignore[attr-defined]  # noqa: SLF001  # its process may be killed
        self._tasks.append(task)
        return task

    def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> asyncio.Future[Any]:  # type: ignore[override]
        answer = self.create_future()
        at = self.now + self._rng.uniform(0, LONGEST_DISK_S)
        if executor is not None and executor._max_workers == 1:  # noqa: SLF001  # first come, first served
            at = max(at, self._free_at.get(executor, 0.0))
            self._free_at[executor] = at

        def carry_out() -> None:
            try:
                result = func(*args)
            except Exception as error:  # noqa: BLE001  # as a thread pool does
                self.call_soon(settle, answer.set_exception, error)
            else:
                self.call_soon(settle, answer.set_result, result)

        def settle(setter: Callable[[Any], None], value: Any) -> None:
            if not answer.done():
                setter(value)

        self.call_at(at, carry_out)
        return answer

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        if isinstance(context.get("exception"), self.expected):
            return  # of a call whose caller was killed before it could look
        self.defects.append(f"{context.get('exception')!r} in {context.get('message')}")

    def get_debug(self) -> bool:
        return False

    def is_running(self) -> bool:
        return True

    def is_closed(self) -> bool:
        return False
