"""A worker's end of its runner: send attempts to the child process, read results, replace it when it dies or hangs."""

from __future__ import annotations

import asyncio
import logging
import os
import pickle
import random
import signal
import sys
from collections.abc import Callable

from imgray.attempt import Limits
from imgray.errors import ImgrayError, TaskTimeoutError, WorkerDiedError
from imgray.retry import Backoff
from imgray.runner import HEADER, Drop, Ready, Result, Run, frame
from imgray.task import Failure

log = logging.getLogger(__name__)

_READ_BYTES = 2**20  # how much asyncio buffers of a runner's results
_DROP_GRACE_S = 2.0  # how long a dropped attempt may go on to the end of its operation before its process is ended
_RESTART = Backoff(base_s=0.2, cap_s=10.0)


class Supervisor:
    """An ever-present runner: attempts go in, each gives exactly one result, in the order in which they were sent.

    When the process dies, the attempt that ran gets a result that says so, and the others run in a new process.
    """

    def __init__(self, limits: Limits, timeout_s: float, on_result: Callable[[Result], None]) -> None:
        self._limits = limits
        self._timeout_s = timeout_s
        self._on_result = on_result
        self._unfinished: dict[int, Run] = {}  # by token, the running one first
        self._process: asyncio.subprocess.Process | None = None
        self._ready = False
        self._verdict: ImgrayError | None = None  # why we ended the process, when it was us
        self._timer: asyncio.TimerHandle | None = None
        self._rng = random.Random()  # noqa: S311  # jitter

    @property
    def pid(self) -> int | None:
        """The id of the present process, once it is ready."""
        return self._process.pid if self._process and self._ready else None

    def send(self, run: Run) -> None:
        """Queue an attempt."""
        self._unfinished[run.token] = run
        if len(self._unfinished) == 1:
            self._restart_timer()
        self._write(run)

    def drop(self, token: int) -> None:
        """Say that an attempt is no longer wanted. Its result comes soon, and empty unless it was done already."""
        if token not in self._unfinished:
            return
        self._write(Drop(token))
        if token == self._running:
            asyncio.get_running_loop().call_later(_DROP_GRACE_S, self._end_dropped, token)

    async def run(self) -> None:
        """Keep a process there until cancelled."""
        failures = 0
        try:
            while True:
                process = self._process = await self._start()
                await self._serve(process)
                how = await self._ended(process)
                log.warning("action=runner-ended pid=%d how=%r", process.pid, how)
                if self._ready:
                    failures = 0
                    self._blame(how)
                else:  # no attempt is at fault when the program cannot even start
                    failures += 1
                    await asyncio.sleep(_RESTART.delay_s(failures, self._rng))
        finally:
            if self._timer:
                self._timer.cancel()
            if self._process is not None:
                await self._ended(self._process)

    async def _start(self) -> asyncio.subprocess.Process:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-P",  # import nothing from the current folder: it may hold anything
            "-c",  # not -m: the messages must be those of the module imgray.runner, not of __main__
            "from imgray.runner import main; main()",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=_READ_BYTES,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )
        self._process = process
        self._write(self._limits)
        for run in self._unfinished.values():
            self._write(run)
        self._restart_timer()
        return process

    async def _serve(self, process: asyncio.subprocess.Process) -> None:
        """Pass on results until the process ends."""
        self._ready = False
        while True:
            match await _read(process):
                case Ready():
                    self._ready = True
                case Result() as result:
                    self._unfinished.pop(result.token, None)
                    self._restart_timer()
                    self._on_result(result)
                case _:
                    return

    def _blame(self, how: str) -> None:
        """Give the attempt that ran its result: the process died of it, or was ended because of it."""
        token = self._running
        if token is None:
            return
        error, self._verdict = self._verdict or WorkerDiedError(how), None
        del self._unfinished[token]
        self._on_result(Result(token, self._timeout_s, failure=Failure.of(error), died=True))

    @property
    def _running(self) -> int | None:
        return next(iter(self._unfinished), None)

    def _restart_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._unfinished:
            self._timer = asyncio.get_running_loop().call_later(self._timeout_s, self._end_hung)

    def _end_hung(self) -> None:
        self._verdict = TaskTimeoutError(self._timeout_s)
        self._kill()

    def _end_dropped(self, token: int) -> None:
        if token == self._running:
            self._kill()

    def _kill(self) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.kill()

    async def _ended(self, process: asyncio.subprocess.Process) -> str:
        self._kill()  # it may have closed its pipe and live on
        code = await process.wait()
        return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit status {code}"

    def _write(self, message: object) -> None:
        stdin = self._process.stdin if self._process else None
        if stdin is not None and not stdin.is_closing():
            stdin.write(frame(message))


async def _read(process: asyncio.subprocess.Process) -> object:
    """Read a message, or None at the end."""
    if process.stdout is None:
        return None
    try:
        (length,) = HEADER.unpack(await process.stdout.readexactly(HEADER.size))
        return pickle.loads(await process.stdout.readexactly(length))  # noqa: S301  # from our own child
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
