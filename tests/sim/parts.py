"""The parts of imgray as the simulation runs them: shipped code, but for the runner's process and the disks."""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from sim.history import Kind, kind_of, reference
from sim.loop import Process, SimLoop

from imgray.attempt import Product
from imgray.errors import ImageCorruptError, ImgrayError, TaskTimeoutError, WorkerDiedError
from imgray.ports import UnansweredError
from imgray.runner import Result, Run
from imgray.settings import Settings
from imgray.task import Failure, Output, output_key

_LATENCY_S = 0.01
_TOO_LONG = 0.03  # share of attempts that run over their time limit


class SimRunner:
    """Makes attempts in virtual time. Poison kills its process, which takes a moment to come back."""

    def __init__(
        self,
        rng: random.Random,
        settings: Settings,
        on_ready: Callable[[], None],
        on_result: Callable[[Result], None],
    ) -> None:
        self._rng = rng
        self._timeout_s = settings.task_timeout_s
        self._inline_bytes = settings.inline_bytes
        self._on_ready = on_ready
        self._on_result = on_result
        self._queue: deque[Run] = deque()
        self._sent = asyncio.Event()
        self._dropped: set[int] = set()
        self.ready = False
        self.pid = None

    def send(self, run: Run) -> None:
        self._queue.append(run)
        self._sent.set()

    def drop(self, token: int) -> None:
        self._dropped.add(token)

    async def run(self) -> None:
        while True:
            await asyncio.sleep(self._rng.uniform(0, 0.3))
            self.ready = True
            self._on_ready()
            while self.ready:
                await self._sent.wait()
                run = self._queue[0]
                result = await self._attempt(run)
                self._queue.popleft()
                if not self._queue:
                    self._sent.clear()
                self.ready = not result.died
                self._on_result(result)

    async def _attempt(self, run: Run) -> Result:
        elapsed_s = self._rng.uniform(0.001, 0.4)
        hangs = self._rng.random() < _TOO_LONG
        await asyncio.sleep(self._timeout_s if hangs else elapsed_s)
        data = run.data or b""
        kind = kind_of(data)
        if run.token in self._dropped:
            return Result(run.token, elapsed_s)
        if hangs:
            return Result(run.token, elapsed_s, failure=Failure.of(TaskTimeoutError(self._timeout_s)), died=True)
        if kind is Kind.POISON:
            return Result(run.token, elapsed_s, failure=Failure.of(WorkerDiedError("signal SIGSEGV")), died=True)
        if kind is Kind.BAD:
            return Result(run.token, elapsed_s, failure=Failure.of(ImageCorruptError("bad checksum")))
        made = reference(data)
        key = output_key(run.spec.id, run.token, "image") if len(made) > self._inline_bytes else None
        output = Output("image", "png", "image/png", 1, 1, len(made), "", key=key)
        return Result(run.token, elapsed_s, (Product(output, made),))


class FixedPool:
    """Is told to start and to end workers, but never has to: there are as many as there should be. (`Launcher`)"""

    def __init__(self, names: set[str]) -> None:
        self._names = names

    async def cores(self) -> int:
        return len(self._names)

    async def names(self) -> set[str]:
        return self._names

    async def start(self, name: str) -> None:
        raise AssertionError(f"{name} is there")

    async def end(self, name: str) -> None:
        raise AssertionError(f"{name} is not too much")


class Network:
    """Carries calls between processes, and loses, repeats and overtakes them."""

    def __init__(self, loop: SimLoop, rng: random.Random, answered: Callable[[str, str, Any], None]) -> None:
        self._loop = loop
        self._rng = rng
        self._answered = answered
        self.parts: dict[str, tuple[Process, Any]] = {}
        self.lost = 0.0
        self.repeated = 0.0
        """Probabilities, of a request or an answer."""

    async def call(self, part: str, method: str, arguments: Sequence[Any]) -> Any:
        """Be a `Transport`."""
        answer = self._loop.create_future()
        times = 0 if self._rng.random() < self.lost else 1 + (self._rng.random() < self.repeated)
        process, target = self.parts.get(part, (None, None))  # as they are now: no call outlives whom it was made to
        for _ in range(times):
            self._loop.outside(
                self._latency_s(), self._deliver, process, getattr(target, method, None), part, arguments, answer
            )
        if not times:
            self._lose(answer)
        return await answer

    def _deliver(
        self, process: Process | None, method: Any, part: str, arguments: Sequence[Any], answer: asyncio.Future[Any]
    ) -> None:
        if process is None or not process.alive:
            self._fail(answer)
            return
        task = self._loop.create_task(method(*arguments), context=process.context())
        process.on_death.append(lambda: self._fail(answer))
        task.add_done_callback(lambda done: self._return(part, method.__name__, done, answer))

    def _return(self, part: str, method: str, task: asyncio.Task[Any], answer: asyncio.Future[Any]) -> None:
        error = task.exception()
        if error is None:
            self._answered(part, method, task.result())
        elif not isinstance(error, ImgrayError):
            self._loop.defects.append(f"{method} raised {error!r}")
        if self._rng.random() < self.lost:
            self._lose(answer)
        else:
            self._loop.outside(self._latency_s(), _settle, answer, error or task.result())

    def _lose(self, answer: asyncio.Future[Any]) -> None:
        """Let the caller find out, or wait until its patience ends."""
        if self._rng.random() < 0.5:
            self._fail(answer)

    def _fail(self, answer: asyncio.Future[Any]) -> None:
        self._loop.outside(self._rng.uniform(0, 1), _settle, answer, UnansweredError())

    def _latency_s(self) -> float:
        usual = self._rng.expovariate(1 / _LATENCY_S)
        return usual * 100 if self._rng.random() < self.repeated else usual  # now and then, one is overtaken


def _settle(answer: asyncio.Future[Any], value: Any) -> None:
    if answer.done():
        return
    if isinstance(value, BaseException):
        answer.set_exception(value)
        answer.exception()  # whoever waited may be dead
    else:
        answer.set_result(value)
