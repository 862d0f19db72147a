"""Keep one program for a worker: start it within its limits, pass on what it writes, end it and all that it started.

A script of the standard library alone, which imports nothing of imgray, so that it starts at once:
``python -I -S keeper.py OPTIONS COMMAND…`` with `OPTIONS` as JSON; `imgray.actors.job` runs it. Its standard input is
the worker: a byte `STOP` asks for a stop, and its end is the worker's end. Its standard output is frames: a kind and a
length (`HEADER`), then the bytes. It is two processes, so that one is there to clean up when the other is killed:
the outer one waits, the inner one is the program's parent. Both adopt whatever their descendants leave behind, so
nothing that the program started gets away by `fork` or `setsid`. The last act is to remove the program's folder.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import math
import os
import resource
import select
import signal
import struct
import subprocess
import sys
import time
from typing import Any

HEADER = struct.Struct("!cI")
STARTED, STDOUT, STDERR, ENDED = b"p", b"o", b"e", b"."
"""Frames: the program's number; what it wrote; how it ended, as JSON: a kind and a text."""
STOP = b"s"

STUCK_S = 10.0
"""How long a process that was killed may take to be gone: one that waits for a dead disk is never gone."""

_LOOK_S = 0.5  # until they are looked for again: one that was forked during the look may have been missed
_WORKER, _REPORTS = 0, 1  # standard input and output
_ONCE = select.EPOLLIN | select.EPOLLONESHOT
_LONGEST_S = 86_400.0  # of one wait: epoll counts milliseconds in an int
_READ_BYTES = 64 * 1024
_LAST_READS = 16  # when all writers are gone, a pipe holds no more than so many times that
_OPEN_FILES = 1024
_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER, _PR_SET_NO_NEW_PRIVS = 1, 36, 38  # linux/prctl.h


class Family:
    """Everything that descends from this process; ``changed`` is readable when one of them has ended."""

    def __init__(self, libc: ctypes.CDLL) -> None:
        libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        self.changed, write = os.pipe()
        for end in (self.changed, write):
            os.set_blocking(end, False)
        signal.set_wakeup_fd(write)
        for number in (signal.SIGCHLD, signal.SIGTERM):
            signal.signal(number, lambda *_: None)  # that it came is read from `changed`
        self.first: int | None = None
        """The child whose ending is wanted."""
        self.ending: int | None = None

    def reap(self) -> bool:
        """Collect those who have ended, and say whether anybody is left."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return False
            if not pid:
                return True
            if pid == self.first:
                self.ending = os.waitstatus_to_exitcode(status)

    def signal(self, *numbers: int) -> None:
        """Send signals to all of them, by groups: a group cannot fork its way out of a signal."""
        own = os.getpgrp()
        for target in {pid if group == own else -group for pid, group in self._members()}:
            for number in numbers:
                with contextlib.suppress(OSError):  # it has ended meanwhile
                    os.kill(target, number)

    def end(self) -> bool:
        """Kill them until nobody is left, and say whether that is so."""
        patience = time.monotonic() + STUCK_S
        while self.reap():
            self.signal(signal.SIGKILL)
            if select.select([self.changed], [], [], _LOOK_S)[0]:
                self.what_came()
                patience = time.monotonic() + STUCK_S
            elif time.monotonic() > patience:
                return False
        return True

    def what_came(self) -> bytes:
        """Return the numbers of the signals that came."""
        with contextlib.suppress(BlockingIOError):
            return os.read(self.changed, _READ_BYTES)
        return b""

    def _members(self) -> list[tuple[int, int]]:
        """Return each one's number and group."""
        children: dict[int, list[tuple[int, int]]] = {}
        for name in filter(str.isdecimal, os.listdir("/proc")):
            with contextlib.suppress(OSError), open(f"/proc/{name}/stat", "rb") as file:
                _, parent, group = file.read().rpartition(b")")[2].split()[:3]
                children.setdefault(int(parent), []).append((int(name), int(group)))
        found = children.get(os.getpid(), [])
        for pid, _ in found:  # which grows
            found += children.get(pid, [])
        return found


class Keeper:
    """The program, its output, and who waits for them."""

    def __init__(self, options: dict[str, Any], command: list[str], libc: ctypes.CDLL) -> None:
        self._options = options
        self._command = command
        self._libc = libc
        self._pid = os.getpid()
        self._family = Family(libc)
        self._kind = "ended"  # or why it was told to end
        self._deadline = math.inf  # of the program; then of its grace
        self._over = False
        self._abandoned = False  # nobody waits any more
        self._sources: dict[int, bytes] = {}
        self._heard: list[int] = []  # sources that are to be listened to again
        self._pending = bytearray()
        self._epoll = select.epoll()  # it tells who came first: so what was written first is read first
        self._epoll.register(self._family.changed, select.EPOLLIN)
        self._epoll.register(_WORKER, select.EPOLLIN)
        self._epoll.register(_REPORTS, 0)
        os.set_blocking(_REPORTS, False)

    def run(self) -> None:
        """Run the program, and report how it ended when nothing is left of it."""
        folder = self._options["folder"]
        try:
            os.mkdir(folder, 0o700)
            process = self._start()
        except (OSError, ValueError, subprocess.SubprocessError) as error:
            ending = "failed_to_start", f"cannot be started: {getattr(error, 'strerror', None) or error}"
        else:
            self._family.first = process.pid
            self._frame(STARTED, str(process.pid).encode())
            self._watch()
            gone = self._family.end()
            self._pass_on_the_rest()
            ending = self._kind, self._words() if gone else "it does not end when it is killed"
        self._deadline = math.inf
        remove(folder)
        self._frame(ENDED, json.dumps(ending).encode())
        while self._pending and not self._abandoned:
            self._wait()

    def _start(self) -> subprocess.Popen[bytes]:
        out, err = os.pipe(), os.pipe()
        try:
            process = subprocess.Popen(  # noqa: S603  # what an operator allowed
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=out[1],
                stderr=err[1],
                cwd=self._options["folder"],
                env=self._options["environment"],
                start_new_session=True,
                preexec_fn=self._prepare,  # noqa: PLW1509  # there are no threads
            )
        finally:
            os.close(out[1])
            os.close(err[1])
        self._sources = {out[0]: STDOUT, err[0]: STDERR}
        for source in self._sources:
            os.set_blocking(source, False)
            self._epoll.register(source, _ONCE)
        self._deadline = time.monotonic() + self._options["timeout_s"]
        return process

    def _prepare(self) -> None:
        """Bind this process, which is about to become the program, to its keeper and its limits."""
        self._libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        self._libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)  # else it could become a user whom we cannot end
        if os.getppid() != self._pid:
            os._exit(1)  # the keeper was killed before it was bound to it
        for which, most in (
            (resource.RLIMIT_CORE, 0),
            (resource.RLIMIT_NOFILE, _OPEN_FILES),
            (resource.RLIMIT_FSIZE, self._options["file_bytes"]),
            # should both keepers be killed: the time that it would take if it kept every core busy
            (resource.RLIMIT_CPU, math.ceil(self._options["timeout_s"] * (os.cpu_count() or 1)) + 1),
            (resource.RLIMIT_DATA, self._options["memory_bytes"]),
        ):
            _, inherited = resource.getrlimit(which)
            allowed = most if inherited == resource.RLIM_INFINITY else min(most, inherited)
            resource.setrlimit(which, (allowed, allowed))

    def _watch(self) -> None:
        """Pass on what the program writes, until it has ended or is to be killed."""
        while not self._over:
            self._wait()
            if time.monotonic() >= self._deadline:
                if self._kind != "ended":  # the grace is over
                    return
                self._stop("timed_out")

    def _wait(self) -> None:
        """Wait until something happens, and deal with it."""
        self._epoll.modify(_REPORTS, select.EPOLLOUT if self._pending else 0)
        if not self._pending:  # else the program waits, too: the worker does not keep up
            for source in self._heard:
                self._epoll.modify(source, _ONCE)
            self._heard.clear()
        left_s = min(max(self._deadline - time.monotonic(), 0), _LONGEST_S)
        ready = [fd for fd, _ in self._epoll.poll(left_s)]
        if self._family.changed in ready:  # first: a stop that comes after the end is too late
            self._look()
        if _WORKER in ready:
            self._hear()
        if _REPORTS in ready:
            if self._pending:
                self._flush()
            else:  # nobody reads them
                self._leave()
        for source in ready:
            if source in self._sources and self._pass_on(source):
                self._heard.append(source)

    def _look(self) -> None:
        """See who has ended; when all were asked to, wait for all of them."""
        signals = self._family.what_came()
        left = self._family.reap()
        self._over |= not left or (self._kind == "ended" and self._family.ending is not None)
        if signal.SIGTERM in signals:
            self._stop("stopped")

    def _hear(self) -> None:
        try:
            heard = os.read(_WORKER, _READ_BYTES)
        except ConnectionError:
            heard = b""
        if not heard:
            self._leave()
        elif STOP in heard:
            self._stop("stopped")

    def _stop(self, why: str) -> None:
        """Ask all of them to end; a second time changes nothing."""
        if self._kind == "ended" and not self._over:
            self._kind = why
            self._deadline = time.monotonic() + self._options["grace_s"]
            self._family.signal(signal.SIGTERM, signal.SIGCONT)

    def _pass_on(self, source: int) -> bool:
        """Pass on what there is to read, and say whether more may come."""
        try:
            data = os.read(source, _READ_BYTES)
        except BlockingIOError:
            return True
        if data:
            self._frame(self._sources[source], data)
        else:
            del self._sources[source]
            os.close(source)
        return bool(data)

    def _pass_on_the_rest(self) -> None:
        """Pass on what the program wrote last."""
        for source in list(self._sources):
            for _ in range(_LAST_READS):
                if not self._pass_on(source):
                    break

    def _frame(self, kind: bytes, data: bytes) -> None:
        self._pending += HEADER.pack(kind, len(data)) + data
        self._flush()

    def _flush(self) -> None:
        try:
            del self._pending[: os.write(_REPORTS, self._pending)]
        except BlockingIOError:
            pass
        except BrokenPipeError:
            self._leave()

    def _leave(self) -> None:
        """Stop at once: nobody waits any more."""
        self._over = self._abandoned = True

    def _words(self) -> str:
        """Say how the program ended, as Go's `exec.ExitError` does."""
        code = self._family.ending or 0
        words = f"exit status {code}" if code > 0 else ""
        if code < 0:
            words = f"signal: {(signal.strsignal(-code) or str(-code)).lower()}"
        if self._kind == "timed_out":
            return f"time limit of {self._options['timeout_s']:g} s: {words or 'exit status 0'}"
        return words


def remove(folder: str) -> None:
    """Remove a folder, however deep and locked what lies in it; what cannot be removed stays.

    Folders in folders are moved up to the first one: so no path is too long, and nothing recurses.
    """
    if os.path.islink(folder):  # the program has put it there
        os.unlink(folder)
    mark = os.urandom(8).hex()
    with contextlib.suppress(OSError):
        while entries := _entries(folder):
            for number, entry in enumerate(entries):
                if not entry.is_dir(follow_symlinks=False):
                    os.unlink(entry.path)
                    continue
                for inner in _entries(entry.path):
                    if inner.is_dir(follow_symlinks=False):
                        os.chmod(inner.path, 0o700)
                        os.rename(inner.path, f"{folder}/{mark}-{number}-{inner.inode()}")
                    else:
                        os.unlink(inner.path)
                os.rmdir(entry.path)
        os.rmdir(folder)


def _entries(folder: str) -> list[os.DirEntry[str]]:
    os.chmod(folder, 0o700)
    with os.scandir(folder) as entries:
        return list(entries)


def main() -> None:
    """Be the outer process, and have an inner one."""
    options, command = json.loads(sys.argv[1]), sys.argv[2:]
    libc = ctypes.CDLL(None)
    family = Family(libc)
    inner = os.fork()
    if not inner:
        Keeper(options, command, libc).run()
        return
    _, status = os.waitpid(inner, 0)
    if status:
        family.end()
        remove(options["folder"])
        sys.exit(1)


if __name__ == "__main__":
    main()
