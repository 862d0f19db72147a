"""The edge: ends TLS in front of a server on this machine that speaks in clear. It looks at no byte that passes.

One thread and one event loop for each edge. A connection has two halves, to the client and to the server inside. When
one ends, what it sent is delivered, and the other is ended too.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import ssl
import threading
from collections.abc import Iterator

from imgray.errors import ServiceError
from imgray.tls import CHUNK_BYTES, TlsSocket

log = logging.getLogger(__name__)

HANDSHAKE_S = 10.0
"""How long a client may take over its handshake."""

MOST_CONNECTIONS = 2000
"""How many connections there may be; more are closed at once, so that there are files left for the service itself."""

FIRST_S = 60.0
"""How long a client may take until it asks for something."""

_KEEPALIVE = {  # so that a connection ends whose client vanished, or never reads
    socket.TCP_KEEPIDLE: 60,
    socket.TCP_KEEPINTVL: 15,
    socket.TCP_KEEPCNT: 4,
    socket.TCP_USER_TIMEOUT: 120_000,  # milliseconds, as the others are not
}
_INNER = "127.0.0.1"
_CONNECT_S = 10.0
_GOODBYE_S = 30.0  # how long a client may take to read the end
_REST_S = 0.1  # before the next try to accept, when there is no event to wait for
_BACKLOG = 1024


@contextlib.contextmanager
def edge(context: ssl.SSLContext, host: str, port: int, inner_port: int) -> Iterator[int]:
    """Have TLS ended on an address for as long as the ``with`` block lasts; give the port.

    Args:
        context: from `imgray.credentials`.
        host: where to listen.
        port: the same; 0: any that is free.
        inner_port: where, on the loopback address, the server listens that gets what comes in.

    Raises:
        ServiceError: nobody can listen there.
    """
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listening = socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        raise ServiceError(f"Port {port} on {host} cannot be used: {error.strerror}.") from error
    with listening:
        listening.setblocking(False)  # noqa: FBT003  # the standard library's
        loop, ending = asyncio.new_event_loop(), asyncio.Event()

        def run() -> None:
            with contextlib.closing(loop):
                loop.run_until_complete(_serve(context, listening, inner_port, ending))

        thread = threading.Thread(target=run, name="edge", daemon=True)
        thread.start()
        try:
            yield listening.getsockname()[1]
        finally:
            loop.call_soon_threadsafe(ending.set)
            thread.join()


async def _serve(context: ssl.SSLContext, listening: socket.socket, inner_port: int, ending: asyncio.Event) -> None:
    connections: set[asyncio.Task[None]] = set()
    accepting = asyncio.ensure_future(_accept(context, listening, inner_port, connections))
    await ending.wait()
    for task in (accepting, *connections):
        task.cancel()
    await asyncio.gather(accepting, *connections, return_exceptions=True)


async def _accept(
    context: ssl.SSLContext, listening: socket.socket, inner_port: int, connections: set[asyncio.Task[None]]
) -> None:
    """Take connections in, for ever, each in a task of its own."""
    loop = asyncio.get_running_loop()
    while True:
        try:
            client, _ = await loop.sock_accept(listening)
        except OSError as error:  # too many files are open, or the client is gone already
            log.warning("action=refuse part=edge error=%s", error)
            await asyncio.sleep(_REST_S)
            continue
        if len(connections) >= MOST_CONNECTIONS:
            log.warning("action=refuse part=edge connections=%d", len(connections))
            client.close()
            continue
        connection = loop.create_task(_connect(context, client, inner_port))
        connections.add(connection)
        connection.add_done_callback(connections.discard)


async def _connect(context: ssl.SSLContext, connection: socket.socket, inner_port: int) -> None:
    """Carry one connection from its handshake to its end; an OSError, those of TLS and of time are some, ends it."""
    with connection, contextlib.suppress(OSError), socket.socket() as inner:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in _KEEPALIVE.items():
            connection.setsockopt(socket.IPPROTO_TCP, option, value)
        for one in (connection, inner):
            one.setblocking(False)  # noqa: FBT003  # the standard library's
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client = TlsSocket(connection, context)
        async with asyncio.timeout(HANDSHAKE_S):
            await client.handshake()
        if await _reached(inner, inner_port):
            await _carry(client, inner)
        async with asyncio.timeout(_GOODBYE_S):
            await client.end()


async def _reached(inner: socket.socket, port: int) -> bool:
    try:
        async with asyncio.timeout(_CONNECT_S):
            await asyncio.get_running_loop().sock_connect(inner, (_INNER, port))
    except OSError as error:  # TimeoutError is one
        log.warning("action=refuse part=edge inner_port=%d error=%s", port, error or "timeout")
        return False
    return True


async def _carry(client: TlsSocket, inner: socket.socket) -> None:
    """Pass on what comes from either side, until the server has ended or the client is gone."""
    up, down = (asyncio.ensure_future(way(client, inner)) for way in (_upward, _downward))
    try:
        await asyncio.wait((up, down), return_when=asyncio.FIRST_COMPLETED)
        if up.done() and up.exception() is None:  # it sends no more, but it may still read
            await asyncio.wait((down,))
    finally:
        up.cancel()
        down.cancel()
        await asyncio.gather(up, down, return_exceptions=True)


async def _upward(client: TlsSocket, inner: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    takes = True
    async with asyncio.timeout(FIRST_S):
        data = await client.read()
    while data:
        try:
            if takes:
                await loop.sock_sendall(inner, data)
        except OSError:  # it has answered, and takes no more: the client must come to read that
            takes = False
        data = await client.read()
    if takes:
        inner.shutdown(socket.SHUT_WR)


async def _downward(client: TlsSocket, inner: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    while data := await loop.sock_recv(inner, CHUNK_BYTES):
        await client.write(data)
