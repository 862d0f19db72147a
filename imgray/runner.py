"""The runner: a child process of a worker, in which attempts run. Hostile bytes meet decoders here and nowhere else.

A worker speaks to it through two pipes, in frames: a length in 8 bytes, then a pickle. It sends its `Settings`, then
`Run` and `Drop`; it gets `Ready`, then a `Result` for each `Run` in the order in which they were sent: the first one
without a result is the one that runs. When its input ends, its worker has ended, and it exits at once.
"""

from __future__ import annotations

import os
import pickle
import queue
import resource
import signal
import struct
import sys
import threading
import time
from typing import Any, BinaryIO

from msgspec import Struct

from imgray.attempt import Allowance, Product, run_attempt
from imgray.errors import ImgrayError, OutOfMemoryError
from imgray.heap import keep_memory, keep_objects
from imgray.process import end_session
from imgray.settings import Settings
from imgray.task import Failure, TaskSpec

HEADER = struct.Struct("!Q")

_EXIT_OUT_OF_MEMORY = 70  # EX_SOFTWARE of sysexits.h: there is none for memory


class Ready(Struct, frozen=True, gc=False):
    """The runner has started."""


class Run(Struct, frozen=True, gc=False):
    """Make an attempt."""

    spec: TaskSpec
    token: int
    data: bytes | None


class Drop(Struct, frozen=True, gc=False):
    """Forget an attempt: do not start it, or stop between two operations."""

    token: int


class Result(Struct, frozen=True, gc=False):
    """What became of an attempt: products, or a failure (of which the process may have died), or neither: dropped.

    ``unstarted`` says that no runner could be started, so that the task is to be given back; ``last``, that the process
    ends after this one, of itself, and nothing that it has not come to is to blame.
    """

    token: int
    elapsed_s: float
    products: tuple[Product, ...] = ()
    failure: Failure | None = None
    died: bool = False
    unstarted: bool = False
    last: bool = False


class _DroppedError(Exception):
    """The attempt is no longer wanted."""


def frame(message: object) -> bytes:
    """Pickle a message and put its length before it."""
    body = pickle.dumps(message, pickle.HIGHEST_PROTOCOL)
    return HEADER.pack(len(body)) + body


def _read(file: BinaryIO) -> Any | None:  # noqa: ANN401  # whatever the worker sent
    header = file.read(HEADER.size)
    if len(header) < HEADER.size:
        return None
    (length,) = HEADER.unpack(header)
    body = file.read(length)
    return pickle.loads(body) if len(body) == length else None  # noqa: S301  # from the worker that started us


class Runner:
    """Runs attempts one after the other, while a thread of its own listens for more."""

    def __init__(self, commands: BinaryIO, results: BinaryIO, allowance: Allowance) -> None:
        self._commands = commands
        self._results = results
        self._allowance = allowance
        self._queue: queue.SimpleQueue[Run] = queue.SimpleQueue()
        self._dropped: set[int] = set()

    def serve(self) -> None:
        """Run attempts until the process is ended, or has come to the limit of its memory: then it is worn out."""
        threading.Thread(target=self._listen, name="listen", daemon=True).start()
        self._send(Ready())
        while True:
            run = self._queue.get()
            result = self._run(run)
            try:
                self._send(result)
            except MemoryError:  # made, but not to be handed over; nothing of it has been written yet
                result = Result(run.token, result.elapsed_s, failure=Failure.of(OutOfMemoryError()), last=True)
                self._send(result)
            if result.last:
                return
            self._dropped.discard(run.token)

    def _send(self, message: object) -> None:
        self._results.write(frame(message))
        self._results.flush()

    def _listen(self) -> None:
        while True:
            try:
                command = _read(self._commands)
            except MemoryError:  # half a command is lost: start anew, with the one that took the memory alone
                os._exit(_EXIT_OUT_OF_MEMORY)
            match command:
                case Run() as run:
                    self._queue.put(run)
                case Drop(token):
                    self._dropped.add(token)
                case _:  # the worker is gone: nobody wants what is running
                    end_session(os.getpid())
                    os._exit(0)

    def _run(self, run: Run) -> Result:
        def checkpoint() -> None:
            if run.token in self._dropped:
                raise _DroppedError

        started = time.perf_counter()
        products: tuple[Product, ...] = ()
        failure = None
        last = False
        try:
            checkpoint()
            products = tuple(run_attempt(run.spec, run.token, run.data, self._allowance, checkpoint))
        except _DroppedError:
            pass
        except (MemoryError, OutOfMemoryError):
            failure = Failure.of(OutOfMemoryError())
            last = True
        except ImgrayError as error:
            failure = Failure.of(error)
        except Exception as error:  # noqa: BLE001  # a defect of ours must not end the other attempts
            failure = Failure.of(ImgrayError(f"Unexpected {type(error).__name__}: {error}"))
        return Result(run.token, time.perf_counter() - started, products, failure, last=last)


def main() -> None:
    """Serve the worker at the other end of standard input and output."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C in a terminal is for the command, which then ends us
    results = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # so that a stray print cannot break the frames
    settings = _read(sys.stdin.buffer)
    if isinstance(settings, Settings):
        keep_memory()
        most = settings.max_memory_bytes
        resource.setrlimit(resource.RLIMIT_DATA, (most, most))
        runner = Runner(sys.stdin.buffer, results, Allowance.of(settings))
        keep_objects()
        runner.serve()
        os._exit(0)  # at once: the listening thread cannot be ended
