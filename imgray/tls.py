"""The server's half of TLS over a socket, for the edge: unlike asyncio's own, it tells a refused client why.

Reading and writing may go on at the same time, each once.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable
from typing import TypeVar

_T = TypeVar("_T")

CHUNK_BYTES = 64 * 1024


class TlsSocket:
    """A client's connection."""

    def __init__(self, connection: socket.socket, context: ssl.SSLContext) -> None:
        self._connection = connection
        self._loop = asyncio.get_running_loop()
        self._received, self._to_send = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._received, self._to_send, server_side=True)
        self._sending = asyncio.Lock()

    async def handshake(self) -> None:
        """Make the connection safe.

        Raises:
            OSError: the client cannot be talked to, or has not the certificate that it needs.
        """
        await self._step(self._tls.do_handshake)

    async def read(self) -> bytes:
        """Return what the client sends, b"" when it has said that it sends no more.

        Raises:
            OSError: it went away without a word.
        """
        return await self._step(lambda: self._tls.read(CHUNK_BYTES))

    async def write(self, data: bytes) -> None:
        """Send to the client, and return when all but what the system keeps has gone.

        Raises:
            OSError: the client went away.
        """
        await self._step(lambda: self._tls.write(data))

    async def end(self) -> None:
        """Say that nothing more will be sent, and wait until the client has read all and ends too.

        Raises:
            OSError: it went away.
        """
        with contextlib.suppress(ssl.SSLWantReadError):  # its goodbye, which not all clients send
            self._tls.unwrap()
        await self._send()
        self._connection.shutdown(socket.SHUT_WR)
        while await self._loop.sock_recv(self._connection, CHUNK_BYTES):  # closed before, it would lose what is sent
            pass

    async def _step(self, step: Callable[[], _T]) -> _T:
        """Have OpenSSL make a step, and carry for it what it wants to read and to send."""
        while True:
            try:
                result = step()
            except ssl.SSLWantReadError:
                await self._send()
                if data := await self._loop.sock_recv(self._connection, CHUNK_BYTES):
                    self._received.write(data)
                else:
                    self._received.write_eof()
            except ssl.SSLError:
                with contextlib.suppress(OSError):
                    await self._send()  # what is wrong
                raise
            else:
                await self._send()
                return result

    async def _send(self) -> None:
        async with self._sending:
            if data := self._to_send.read():
                await self._loop.sock_sendall(self._connection, data)
