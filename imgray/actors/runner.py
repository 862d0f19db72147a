"""A worker's end of its runner: send attempts to the child process, read results, replace it when it dies or hangs."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import pickle
import random
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator

from imgray.errors import ImgrayError, TaskTimeoutError, WorkerDiedError
from imgray.process import end_session
from imgray.retry import Backoff
from imgray.runner import HEADER, Begun, Drop, Ready, Result, Run, frame, frames
from imgray.settings import Settings
from imgray.task import Failure

log = logging.getLogger(__name__)

_READ_BYTES = 2**20  # how much asyncio buffers of a runner's results
_START_LIMIT_S = 60.0  # how long a process may take until it is ready
_END_GRACE_S = 1.0  # how long a process may live without its pipe
_KILL_GRACE_S = 10.0  # how long a killed process may take to be gone
_DROP_GRACE_S = 2.0  # how long a dropped attempt may go on to the end of its operation before its process is ended
_ONE_THREAD = {"OMP_NUM_THREADS": "1"}  # for NumPy's products, if nobody says else: each core has a runner
_RESTART = Backoff(base_s=0.2, cap_s=10.0)


class Supervisor:
    """An ever-present runner: attempts go in, are made in that order, and each gives exactly one result.

    When the process dies, the attempt that ran gets a result that says so, and the others run in a new process: also
    those before it, whose results had not been sent. When no process can be started, all are given back.
    """

    def __init__(self, settings: Settings, on_ready: Callable[[], None], on_result: Callable[[Result], None]) -> None:
        self._settings = settings
        self._timeout_s = settings.task_timeout_s
        self._on_ready = on_ready
        self._on_result = on_result
        self._unfinished: dict[int, Run] = {}  # by token, in the order in which they were sent
        self._dropped: set[int] = set()
        self._unsent: list[Run | Drop] = []
        self._process: asyncio.subprocess.Process | None = None
        self._begun: Begun | None = None  # what that process says of itself
        self._verdict: tuple[int, ImgrayError] | None = None  # the attempt that we ended the process for, and why
        self._timer: asyncio.TimerHandle | None = None
        self._rng = random.Random()  # noqa: S311  # jitter
        self.ready = False
        """True while a process is there that has started; work sent meanwhile waits for it."""

    @property
    def pid(self) -> int | None:
        """The id of the present process, once it is ready."""
        return self._process.pid if self._process and self.ready else None

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
        self._dropped.add(token)
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
                started, self.ready = self.ready, False
                how = await _ended(process)
                await asyncio.to_thread(end_session, process.pid)
                log.warning("action=runner-ended pid=%d how=%r", process.pid, how)
                if started:
                    failures = 0
                    self._blame(how)
                else:  # no attempt is at fault when the program cannot even start
                    failures += 1
                    self._give_back()
                    await asyncio.sleep(_RESTART.delay_s(failures, self._rng))
        finally:
            if self._timer:
                self._timer.cancel()
            if self._process is not None and self._process.returncode is None:  # else its number may be another's
                self._kill()
                await _ended(self._process)
                end_session(self._process.pid)

    async def _start(self) -> asyncio.subprocess.Process:
        with _shared_file() as shared:
            self._begun = Begun(shared)
            process = self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-P",  # import nothing from the current folder: it may hold anything
                "-c",  # not -m: the messages must be those of the module imgray.runner, not of __main__
                "from imgray.runner import main; main()",
                str(shared),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                limit=_READ_BYTES,
                env={**_ONE_THREAD, **os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
                start_new_session=True,  # by which the programs that it runs are found, when it is no more
                pass_fds=(shared,),
            )
        self._verdict = None
        self._unsent.clear()
        if process.stdin is not None:
            process.stdin.write(frame(self._settings))
        for token in self._dropped & self._unfinished.keys():
            self._end(Result(token, 0.0))
        for run in self._unfinished.values():
            self._write(run)
        self._restart_timer()
        return process

    async def _serve(self, process: asyncio.subprocess.Process) -> None:
        """Pass on results until the process ends."""
        async for message in _messages(process):
            match message:
                case Ready():
                    self.ready = True
                    self._restart_timer()
                    self._on_ready()
                case Result() as result:
                    if result.last:  # what is to come finds the process gone, and has not done it
                        self._verdict = result.token, WorkerDiedError("it ran out of memory")
                    self._end(result)

    def _blame(self, how: str) -> None:
        """Give the attempt that ran its result: the process died of it, or was ended because of it."""
        token = self._running
        if token is None:
            return
        guilty, error = self._verdict or (token, WorkerDiedError(how))
        if guilty == token:  # else it had ended just before we ended the process: nobody is to blame
            self._end(Result(token, self._timeout_s, failure=Failure.of(error), died=True))

    def _give_back(self) -> None:
        for token in list(self._unfinished):
            self._end(Result(token, 0.0, unstarted=True))

    def _end(self, result: Result) -> None:
        if self._unfinished.pop(result.token, None) is not None:
            self._dropped.discard(result.token)
            self._restart_timer()
            self._on_result(result)

    @property
    def _running(self) -> int | None:
        """The attempt that runs: those before it have been made, though their results are on their way."""
        begun = self._begun.token if self._begun else 0
        return begun if begun in self._unfinished else next(iter(self._unfinished), None)

    def _restart_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if not self.ready:
            self._timer = asyncio.get_running_loop().call_later(_START_LIMIT_S, self._kill)
        elif self._unfinished:
            self._timer = asyncio.get_running_loop().call_later(self._timeout_s, self._end_hung)

    def _end_hung(self) -> None:
        if (token := self._running) is not None:
            self._verdict = token, TaskTimeoutError(self._timeout_s)
            self._kill()

    def _end_dropped(self, token: int) -> None:
        if token == self._running:
            self._verdict = token, WorkerDiedError("it was cancelled")
            self._kill()

    def _kill(self) -> None:
        process = self._process
        if process is not None and process.returncode is None:
            process.kill()
            if process.stdout is not None:  # a process stuck in the kernel does not even close its pipe
                asyncio.get_running_loop().call_later(_KILL_GRACE_S, process.stdout.feed_eof)

    def _write(self, message: Run | Drop) -> None:
        """Send a message, with others that are sent in the same turn of the loop: each write wakes the runner."""
        if not self._unsent:
            asyncio.get_running_loop().call_soon(self._flush)
        self._unsent.append(message)

    def _flush(self) -> None:
        stdin = self._process.stdin if self._process else None
        if stdin is not None and not stdin.is_closing():
            stdin.writelines(frames(self._unsent))
        self._unsent.clear()


async def _ended(process: asyncio.subprocess.Process) -> str:
    """Wait for the end of a process that has closed its pipe or was killed, and say how it ended."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_END_GRACE_S):  # kill() would lose the status of one that has ended
            await process.wait()
    if process.returncode is None:
        process.kill()
        try:
            async with asyncio.timeout(_KILL_GRACE_S):
                await process.wait()
        except TimeoutError:
            return "it does not end when killed"
    code = process.returncode or 0
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit status {code}"


async def _messages(process: asyncio.subprocess.Process) -> AsyncIterator[object]:
    """Read what a runner says, until its end."""
    buffer = bytearray()
    while data := await _read(process):
        buffer += data
        start = 0
        while len(buffer) >= start + HEADER.size:
            (length,) = HEADER.unpack_from(buffer, start)
            end = start + HEADER.size + length
            if len(buffer) < end:
                break
            for message in pickle.loads(memoryview(buffer)[start + HEADER.size : end]):  # noqa: S301  # from our own child
                yield message
            start = end
        del buffer[:start]


@contextlib.contextmanager
def _shared_file() -> Iterator[int]:
    """Have a file that processes can map into their memory; give its descriptor."""
    in_memory = sys.platform == "linux"
    with os.fdopen(os.memfd_create("begun"), "w+b") if in_memory else tempfile.TemporaryFile() as file:
        file.write(bytes(Begun.BYTES))
        file.flush()
        yield file.fileno()


async def _read(process: asyncio.subprocess.Process) -> bytes:
    with contextlib.suppress(ConnectionError):
        return await process.stdout.read(_READ_BYTES) if process.stdout is not None else b""
    return b""
