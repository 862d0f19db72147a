"""Calls between processes of one machine: many at a time over one Unix socket, without Ray in between.

An address is a name that the kernel forgets with the process that listens there, and a secret, which whoever is to call
gets through Ray. Each end sees that the other is of the same user, and the one that listens sees the secret, before it
looks at anything else: what follows are pickles. They come in frames, a length in 8 bytes and then a pickle: a `_Call`
one way, and an `_Answer` the other way for each, in any order.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
import os
import pickle
import secrets
import socket
import struct
import sys
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from typing import Any, NamedTuple, cast

from imgray.errors import ImgrayError

log = logging.getLogger(__name__)

AVAILABLE = sys.platform == "linux"
"""Whether there are such names here, and one can ask who is at the other end."""

_HEADER = struct.Struct("!Q")
_CREDENTIALS = struct.Struct("3i")  # pid, uid, gid
_SECRET_BYTES = 32
_BACKLOG = 4096  # or what the system allows


class Address(NamedTuple):
    """Where a process listens."""

    name: str
    secret: bytes


class BrokenError(Exception):
    """The other end is not there, or no more."""


class _Call(NamedTuple):
    number: int
    method: str
    arguments: Sequence[Any]


class _Answer(NamedTuple):
    number: int
    value: Any
    error: ImgrayError | None = None


class _Frames(asyncio.Protocol):
    """One end of a connection: messages in, messages out."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See that the other end is of this user."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by name
        if not _is_ours(transport.get_extra_info("socket")):
            log.warning("action=refuse part=wire reason=user")
            self.close()

    def data_received(self, data: bytes) -> None:
        """Take in what came, and handle the messages that are whole."""
        self._buffer += data
        start = 0
        with memoryview(self._buffer) as view:
            while len(view) - start >= _HEADER.size:
                (length,) = _HEADER.unpack_from(view, start)
                end = start + _HEADER.size + length
                if len(view) < end:
                    break
                self._handle(pickle.loads(view[start + _HEADER.size : end]))  # noqa: S301  # of this user, who knows the secret
                start = end
        del self._buffer[:start]

    def send(self, message: object) -> None:
        """Send a message, if there is still somebody to read it."""
        if self._transport is not None and not self._transport.is_closing():
            body = pickle.dumps(message, pickle.HIGHEST_PROTOCOL)
            self._transport.writelines((_HEADER.pack(len(body)), body))

    def close(self) -> None:
        """End the connection at once."""
        if self._transport is not None:
            self._transport.abort()

    def _handle(self, message: Any) -> None:  # noqa: ANN401  # a call or an answer
        raise NotImplementedError


class Caller(_Frames):
    """The end that asks; `connect` makes one."""

    def __init__(self, secret: bytes) -> None:
        super().__init__()
        self._secret = secret
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._calls = 0
        self._lost = False
        self._loop = asyncio.get_running_loop()

    @property
    def usable(self) -> bool:
        """True while the other end is there, and this event loop is the one that it was reached from."""
        return not self._lost and self._loop is asyncio.get_running_loop()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Show the secret."""
        super().connection_made(transport)
        if self._transport is not None:
            self._transport.write(self._secret)

    def close(self) -> None:
        """End the connection at once, if its event loop has not ended already, and it with that."""
        if not self._loop.is_closed():
            super().close()

    def connection_lost(self, _error: Exception | None) -> None:
        """Tell everyone who waits."""
        self._lost = True
        for answered in self._waiting.values():
            if not answered.done():
                answered.set_exception(BrokenError())

    async def call(self, method: str, arguments: Sequence[Any]) -> Any:  # noqa: ANN401  # any answer
        """Have a method called there, and return what it returns.

        Raises:
            BrokenError: no answer came, and none will.
            ImgrayError: what the method raised.
        """
        if self._lost:
            raise BrokenError
        self._calls += 1
        number = self._calls
        answered = self._waiting[number] = asyncio.get_running_loop().create_future()
        try:
            self.send(_Call(number, method, arguments))
            return await answered
        finally:
            del self._waiting[number]

    def _handle(self, message: _Answer) -> None:
        answered = self._waiting.get(message.number)
        if answered is None or answered.done():  # nobody waits for it any more
            return
        if message.error is None:
            answered.set_result(message.value)
        else:
            answered.set_exception(message.error)


class _Listener(_Frames):
    """The end that answers."""

    def __init__(self, target: object, methods: AbstractSet[str], secret: bytes) -> None:
        super().__init__()
        self._target = target
        self._methods = methods
        self._secret = secret
        self._admitted = False
        self._running: set[asyncio.Task[None]] = set()

    def data_received(self, data: bytes) -> None:
        """Take in no message before the secret."""
        self._buffer += data
        if not self._admitted:
            if len(self._buffer) < _SECRET_BYTES:
                return
            self._admitted = hmac.compare_digest(self._buffer[:_SECRET_BYTES], self._secret)
            del self._buffer[:_SECRET_BYTES]
        if self._admitted:
            super().data_received(b"")
        else:
            log.warning("action=refuse part=wire reason=secret")
            self.close()

    def _handle(self, message: _Call) -> None:
        running = asyncio.get_running_loop().create_task(self._answer(*message))
        self._running.add(running)  # the loop itself does not keep it
        running.add_done_callback(self._running.discard)

    async def _answer(self, number: int, method: str, arguments: Sequence[Any]) -> None:
        try:
            if method not in self._methods:
                raise ImgrayError(f"There is no call '{method}'.")  # noqa: TRY301  # answered like any other error
            answer = _Answer(number, await getattr(self._target, method)(*arguments))
            self.send(answer)
        except ImgrayError as error:
            self.send(_Answer(number, None, error))
        except Exception as error:
            log.exception("action=defect part=wire method=%s", method)
            self.send(_Answer(number, None, ImgrayError(f"Unexpected {type(error).__name__}: {error}")))


class Listening:
    """A process that can be called; needs a running event loop."""

    def __init__(self, target: object, methods: AbstractSet[str]) -> None:
        """Listen.

        Args:
            target: whose methods are called.
            methods: names of those that may be.
        """
        self.address = Address(f"\0imgray-{secrets.token_hex(16)}", secrets.token_bytes(_SECRET_BYTES))
        secret = self.address.secret
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listening.bind(self.address.name)
        listening.listen(_BACKLOG)
        listening.setblocking(False)  # noqa: FBT003  # the standard library's
        loop = asyncio.get_running_loop()
        self._serving = loop.create_task(
            loop.create_unix_server(lambda: _Listener(target, methods, secret), sock=listening)
        )

    async def close(self) -> None:
        """Listen no more."""
        (await self._serving).close()


async def connect(address: Address) -> Caller:
    """Reach the process at an address.

    Raises:
        BrokenError: there is none on this machine.
    """
    there = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        there.setblocking(False)  # noqa: FBT003  # the standard library's
        there.connect(address.name)  # of this machine: it is there at once, or not at all
        _, caller = await asyncio.get_running_loop().create_unix_connection(lambda: Caller(address.secret), sock=there)
    except OSError:
        there.close()
        raise BrokenError from None
    return caller


def methods_of(port: type) -> frozenset[str]:
    """Name the methods of a port."""
    return frozenset(name for name in vars(port) if not name.startswith("_"))


def _is_ours(connection: socket.socket) -> bool:
    """Say whether the process at the other end runs as the user that this one runs as."""
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    _, user, _ = _CREDENTIALS.unpack(credentials)
    return bool(user == os.geteuid())
