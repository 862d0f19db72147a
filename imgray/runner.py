"""The runner: a child process of a worker, in which attempts run. Hostile bytes meet decoders here and nowhere else.

A worker speaks to it through two pipes, in frames: a length in 8 bytes, then a pickle of messages. It sends its
`Settings`, then `Run` and `Drop`; it gets `Ready`, then a `Result` for each `Run` in the order in which they were sent.
When attempts are quick, several results travel together. So that the worker knows all the same which attempt a runner
died of, they share memory in which the runner says what it has `Begun`. When its input ends, its worker has ended, and
it exits at once.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import pickle
import queue
import resource
import signal
import struct
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO

from msgspec import Struct

from imgray.attempt import Allowance, Product, run_attempt
from imgray.errors import ImgrayError, OutOfMemoryError
from imgray.heap import keep_memory, keep_objects
from imgray.operations.resampling import prepare
from imgray.process import end_session
from imgray.settings import Settings
from imgray.task import Failure, TaskSpec

HEADER = struct.Struct("!Q")

_TOKEN = struct.Struct("!Q")
_FRAME_BYTES = 2**16  # of images in one frame, or one that is larger
_QUICK_S = 0.005  # an attempt that takes less need not be reported before the next one is begun
_EXIT_OUT_OF_MEMORY = 70  # EX_SOFTWARE of sysexits.h: there is none for memory


class Ready(Struct, frozen=True, gc=False):
    """The runner has started."""


class Run(Struct, frozen=True, gc=False):
    """Make an attempt."""

    spec: TaskSpec
    token: int
    data: bytes | None

    @property
    def size_bytes(self) -> int:
        """How large it is."""
        return len(self.data or b"")


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

    @property
    def size_bytes(self) -> int:
        """How large it is."""
        return sum(len(product.data or b"") for product in self.products)


class Begun:
    """The token of the attempt that was begun last, in memory that a runner shares with its worker; first 0."""

    BYTES = _TOKEN.size
    """How large the file has to be."""

    def __init__(self, descriptor: int) -> None:
        """Share a file of `BYTES`; it may be closed afterwards."""
        self._memory = mmap.mmap(descriptor, self.BYTES)

    @property
    def token(self) -> int:
        """The token."""
        (token,) = _TOKEN.unpack(self._memory)
        return int(token)

    @token.setter
    def token(self, token: int) -> None:
        self._memory[:] = _TOKEN.pack(token)


class _DroppedError(Exception):
    """The attempt is no longer wanted."""


def frame(*messages: object) -> bytes:
    """Pickle messages and put their length before them."""
    body = pickle.dumps(messages, pickle.HIGHEST_PROTOCOL)
    return HEADER.pack(len(body)) + body


def frames(messages: Iterable[object]) -> Iterator[bytes]:
    """Put messages into few frames, but none that is much larger than it must be."""
    together: list[object] = []
    size_bytes = 0
    for message in messages:
        together.append(message)
        size_bytes += message.size_bytes if isinstance(message, Run | Result) else 0
        if size_bytes >= _FRAME_BYTES:
            yield frame(*together)
            together, size_bytes = [], 0
    if together:
        yield frame(*together)


def _read(file: BinaryIO) -> tuple[Any, ...]:
    """Read a frame; return its messages, none when the worker has ended."""
    header = file.read(HEADER.size)
    if len(header) < HEADER.size:
        return ()
    (length,) = HEADER.unpack(header)
    body = file.read(length)
    return pickle.loads(body) if len(body) == length else ()  # noqa: S301  # from the worker that started us


class Runner:
    """Runs attempts one after the other, while a thread of its own listens for more, and another one reports."""

    def __init__(self, commands: BinaryIO, results: BinaryIO, begun: Begun, allowance: Allowance) -> None:
        self._commands = commands
        self._results = results
        self._begun = begun
        self._allowance = allowance
        self._queue: queue.SimpleQueue[Run] = queue.SimpleQueue()
        self._dropped: set[int] = set()
        self._unsent: list[Result] = []
        self._sending = threading.Lock()
        self._made = threading.Event()

    def serve(self) -> None:
        """Run attempts until the process is ended, or has come to the limit of its memory: then it is worn out."""
        self._write(frame(Ready()))
        for work in (self._listen, self._report):
            threading.Thread(target=work, name=work.__name__, daemon=True).start()
        while True:
            run = self._queue.get()
            self._begun.token = run.token
            result = self._run(run)
            self._unsent.append(result)
            if result.elapsed_s < _QUICK_S and not self._queue.empty():
                self._made.set()
            else:
                with self._sending:
                    try:
                        self._send()
                    except MemoryError:  # made, but not to be handed over; nothing of it has been written yet
                        failure = Failure.of(OutOfMemoryError())
                        result = self._unsent[-1] = Result(run.token, result.elapsed_s, failure=failure, last=True)
                        self._send()
            if result.last:
                return
            self._dropped.discard(run.token)

    def _report(self) -> None:
        """Send the results of quick attempts: as many together as there are when this thread has its turn."""
        while True:
            self._made.wait()
            self._made.clear()
            with self._sending, contextlib.suppress(MemoryError):  # who has taken it sends them in the end
                self._send()

    def _send(self) -> None:
        """Send the results that there are."""
        results = self._unsent.copy()
        self._write(*frames(results))
        del self._unsent[: len(results)]

    def _write(self, *sent: bytes) -> None:
        self._results.writelines(sent)
        self._results.flush()

    def _listen(self) -> None:
        while True:
            try:
                commands = _read(self._commands)
            except MemoryError:  # half a command is lost: start anew, with the one that took the memory alone
                os._exit(_EXIT_OUT_OF_MEMORY)
            if not commands:  # the worker is gone: nobody wants what is running
                end_session(os.getpid())
                os._exit(0)
            for command in commands:
                if isinstance(command, Run):
                    self._queue.put(command)
                else:
                    self._dropped.add(command.token)

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
    match _read(sys.stdin.buffer):
        case (Settings() as settings,):
            keep_memory()
            prepare()
            most = settings.max_memory_bytes
            resource.setrlimit(resource.RLIMIT_DATA, (most, most))
            runner = Runner(sys.stdin.buffer, results, Begun(int(sys.argv[1])), Allowance.of(settings))
            keep_objects()
            runner.serve()
            os._exit(0)  # at once: the other threads cannot be ended
