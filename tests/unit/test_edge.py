"""The TLS edge, over real sockets and with real certificates."""

from __future__ import annotations

import asyncio
import hashlib
import random
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest
from authorities import Authority, Pair
from running import free_port, until

from imgray import edge as edge_module
from imgray.credentials import GRPC, HTTP, server_context
from imgray.edge import edge
from imgray.errors import BadSettingError, ServiceError
from imgray.settings import Settings

SECONDS = 20
MUCH = random.Random(1).randbytes(8 * 2**20)

Behaviour = Callable[[socket.socket], None]


class Inner:
    """A server that speaks in clear, one thread for each connection."""

    def __init__(self, behaviour: Behaviour) -> None:
        self._behaviour = behaviour
        self._listening = socket.create_server(("127.0.0.1", 0), backlog=500)
        self.port: int = self._listening.getsockname()[1]
        self.open: set[socket.socket] = set()
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            connection.settimeout(SECONDS)
            self.open.add(connection)
            threading.Thread(target=self._handle, args=(connection,), daemon=True).start()

    def _handle(self, connection: socket.socket) -> None:
        with connection:
            with suppress(OSError):
                self._behaviour(connection)
            self.open.discard(connection)

    def close(self) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()


@contextmanager
def inner(behaviour: Behaviour) -> Iterator[Inner]:
    server = Inner(behaviour)
    try:
        yield server
    finally:
        server.close()


def echo(connection: socket.socket) -> None:
    while data := connection.recv(65536):
        connection.sendall(data)


def received(connection: socket.socket, count: int) -> bytes:
    parts = []
    while count:
        part = connection.recv(min(count, 65536))
        assert part, "it ended too early"
        parts.append(part)
        count -= len(part)
    return b"".join(parts)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def pair(authority: Authority) -> Pair:
    return authority.pair("localhost", "127.0.0.1")


@contextmanager
def edge_before(port: int, pair: Pair, client_ca: Path | None = None, protocol: str = HTTP) -> Iterator[int]:
    before = open_files()
    with edge(shown(pair, client_ca, protocol), "127.0.0.1", 0, port) as outer:
        yield outer
    until(lambda: open_files() <= before)  # nothing is left open


def shown(pair: Pair, client_ca: Path | None = None, protocol: str = HTTP) -> ssl.SSLContext:
    settings = Settings.having(tls_cert=pair.cert, tls_key=pair.key, tls_client_ca=client_ca)
    context = server_context(settings, protocol)
    assert context is not None
    return context


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def connected(port: int, context: ssl.SSLContext) -> ssl.SSLSocket:
    return context.wrap_socket(
        socket.create_connection(("127.0.0.1", port), timeout=SECONDS), server_hostname="localhost"
    )


@contextmanager
def calling(behaviour: Behaviour, authority: Authority, pair: Pair) -> Iterator[tuple[Inner, ssl.SSLSocket]]:
    with (
        inner(behaviour) as server,
        edge_before(server.port, pair) as port,
        connected(port, authority.trusted()) as client,
    ):
        yield server, client


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_what_is_sent_arrives_in_both_directions(
    authority: Authority, pair: Pair, version: ssl.TLSVersion
) -> None:
    context = authority.trusted()
    context.minimum_version = context.maximum_version = version
    with inner(echo) as server, edge_before(server.port, pair) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname="localhost")
        assert writer.get_extra_info("ssl_object").version() == version.name.replace("v1_", "v1.")

        async def send() -> None:
            for start in range(0, len(MUCH), 100_000):
                writer.write(MUCH[start : start + 100_000])
                await writer.drain()

        sent, got = await asyncio.wait_for(asyncio.gather(send(), reader.readexactly(len(MUCH))), SECONDS)
        assert (sent, hashlib.sha256(got).digest()) == (None, hashlib.sha256(MUCH).digest())
        writer.close()
        await writer.wait_closed()


def test_old_versions_of_tls_are_refused(authority: Authority, pair: Pair) -> None:
    context = authority.trusted()
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    with (
        inner(echo) as server,
        edge_before(server.port, pair) as port,
        pytest.raises(ssl.SSLError, match=r"(?i)version"),
    ):
        connected(port, context)


@pytest.mark.parametrize("protocol", [HTTP, GRPC])
def test_the_protocol_inside_is_named(authority: Authority, pair: Pair, protocol: str) -> None:
    context = authority.trusted()
    context.set_alpn_protocols(["h2", "http/1.1"])
    with (
        inner(echo) as server,
        edge_before(server.port, pair, protocol=protocol) as port,
        connected(port, context) as client,
    ):
        assert client.selected_alpn_protocol() == protocol


def test_many_connections_at_a_time(authority: Authority, pair: Pair) -> None:
    context = authority.trusted()

    def journey(number: int) -> bool:
        with connected(port, context) as client:
            ready.wait(SECONDS)  # all are open at the same time
            words = str(number).encode() * 5000
            client.sendall(words)
            return received(client, len(words)) == words

    count = 100
    ready = threading.Barrier(count)
    with inner(echo) as server, edge_before(server.port, pair) as port, ThreadPoolExecutor(count) as pool:
        assert all(pool.map(journey, range(count)))


def test_a_client_that_does_not_read_slows_the_server_down(authority: Authority, pair: Pair) -> None:
    sent = 0

    def endless(connection: socket.socket) -> None:
        nonlocal sent
        connection.settimeout(1)  # as it would be if nobody took it
        while True:
            sent += connection.send(MUCH[: 2**16])

    with calling(endless, authority, pair) as (server, client):
        assert client.recv(1)
        until(lambda: not server.open)  # it could not send any more
        assert sent < 64 * 2**20


def test_when_the_server_ends_the_client_gets_all_it_sent(authority: Authority, pair: Pair) -> None:
    with calling(lambda connection: connection.sendall(MUCH), authority, pair) as (_, client):
        assert received(client, len(MUCH)) == MUCH
        assert client.recv(1) == b""


def test_when_the_client_ends_the_server_gets_all_it_sent(authority: Authority, pair: Pair) -> None:
    got = bytearray()
    done = threading.Event()

    def take(connection: socket.socket) -> None:
        while data := connection.recv(65536):
            got.extend(data)
        done.set()

    with inner(take) as server, edge_before(server.port, pair) as port:
        with connected(port, authority.trusted()) as client:
            client.sendall(MUCH)
            client.unwrap()  # the goodbye of either side
        assert done.wait(SECONDS)
    assert bytes(got) == MUCH


def test_a_client_that_sends_no_more_still_gets_the_answer(authority: Authority, pair: Pair) -> None:
    def answer(connection: socket.socket) -> None:
        while connection.recv(65536):
            pass
        connection.sendall(b"all of it")

    received_bio, to_send = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = authority.trusted().wrap_bio(received_bio, to_send, server_hostname="localhost")
    with (
        inner(answer) as server,
        edge_before(server.port, pair) as port,
        socket.create_connection(("127.0.0.1", port), timeout=SECONDS) as connection,
    ):

        def step(action: Callable[[], object]) -> object:
            while True:
                try:
                    return action()
                except ssl.SSLWantReadError:
                    connection.sendall(to_send.read())
                    received_bio.write(connection.recv(65536))

        step(client.do_handshake)
        client.write(b"question")
        with suppress(ssl.SSLWantReadError):
            client.unwrap()  # Python's own sockets would read no more
        assert step(lambda: client.read(9)) == b"all of it"


def test_a_client_that_vanishes_frees_the_server(authority: Authority, pair: Pair) -> None:
    with inner(echo) as server, edge_before(server.port, pair) as port:
        client = connected(port, authority.trusted())
        client.sendall(b"x")
        assert client.recv(1) == b"x"
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # a reset, no word of goodbye
        client.close()
        until(lambda: not server.open)


def test_an_answer_that_comes_before_the_end_of_the_upload_is_delivered(authority: Authority, pair: Pair) -> None:
    def refuse(connection: socket.socket) -> None:
        connection.recv(10)
        connection.sendall(b"too large")
        connection.close()  # with much of the upload unread, which is a reset

    context = authority.trusted()
    with inner(refuse) as server, edge_before(server.port, pair) as port:
        for _ in range(100):  # which of the two the edge hears of first is a matter of luck
            with connected(port, context) as client:
                with suppress(OSError):
                    client.sendall(MUCH[:300_000])
                assert received(client, 9) == b"too large"


def test_without_a_server_inside_the_connection_ends(authority: Authority, pair: Pair) -> None:
    with edge_before(free_port(), pair) as port, connected(port, authority.trusted()) as client:
        assert client.recv(1) == b""


def test_a_handshake_that_takes_too_long_is_ended(
    authority: Authority, pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(edge_module, "HANDSHAKE_S", 0.2)
    with inner(echo) as server, edge_before(server.port, pair) as port:
        with socket.create_connection(("127.0.0.1", port), timeout=SECONDS) as silent:
            assert silent.recv(1) == b""
        with connected(port, authority.trusted()) as client:  # and the others are served
            client.sendall(b"x")
            assert client.recv(1) == b"x"


def test_a_client_that_asks_for_nothing_is_let_go(
    authority: Authority, pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(edge_module, "FIRST_S", 0.1)
    with inner(echo) as server, edge_before(server.port, pair) as port:
        with connected(port, authority.trusted()) as client:
            assert client.recv(1) == b""
        until(lambda: not server.open)


def test_no_more_connections_are_taken_than_there_may_be(
    authority: Authority, pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(edge_module, "MOST_CONNECTIONS", 2)
    with inner(echo) as server, edge_before(server.port, pair) as port:
        with (
            connected(port, authority.trusted()),
            connected(port, authority.trusted()),
            pytest.raises(OSError),  # noqa: PT011  # whichever: it is closed
        ):
            connected(port, authority.trusted())
        until(lambda: not server.open)
        with connected(port, authority.trusted()) as client:
            client.sendall(b"again")
            assert received(client, 5) == b"again"


def test_plain_text_reaches_nobody(pair: Pair) -> None:
    with inner(echo) as server, edge_before(server.port, pair) as port:
        with socket.create_connection(("127.0.0.1", port), timeout=SECONDS) as plain:
            plain.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            said = plain.recv(1000)
        assert b"HTTP" not in said
        assert not server.open


def test_mutual_tls_lets_in_only_clients_of_the_authority(authority: Authority, pair: Pair, tmp_path: Path) -> None:
    stranger = Authority(tmp_path, "stranger").pair("client")
    with inner(echo) as server, edge_before(server.port, pair, client_ca=authority.path) as port:
        with connected(port, authority.trusted(authority.pair("client"))) as client:
            client.sendall(b"x")
            assert client.recv(1) == b"x"
        until(lambda: not server.open)
        for pair_shown in (None, stranger):
            refused = pytest.raises(ssl.SSLError, match=r"(?i)certificate required|unknown ca")
            with refused, connected(port, authority.trusted(pair_shown)) as client:
                client.recv(1)  # in TLS 1.3 the client hears of it when it reads
        assert not server.open


def test_the_end_of_the_edge_is_the_end_of_its_connections(authority: Authority, pair: Pair) -> None:
    with inner(echo) as server, ExitStack() as stack:
        with edge(shown(pair), "127.0.0.1", 0, server.port) as port:
            client = stack.enter_context(connected(port, authority.trusted()))
            silent = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=SECONDS))
            client.sendall(b"x")
            assert client.recv(1) == b"x"
        assert client.recv(1) == silent.recv(1) == b""
        until(lambda: not server.open)
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port))


def test_a_port_that_is_taken_is_an_error(pair: Pair) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        refused = pytest.raises(ServiceError, match=f"Port {port} on 127.0.0.1 cannot be used: Address already in use")
        with refused, edge(shown(pair), "127.0.0.1", port, 1):
            pass


def test_a_file_that_cannot_be_loaded_is_named(authority: Authority, pair: Pair, tmp_path: Path) -> None:
    text, missing = tmp_path / "text.pem", tmp_path / "missing.pem"
    text.write_text("hello")
    other = authority.pair("other")
    for cert, key, client_ca, setting, path in (
        (text, pair.key, None, "TLS_CERT", text),
        (missing, pair.key, None, "TLS_CERT", missing),
        (pair.cert, text, None, "TLS_KEY", text),
        (pair.cert, missing, None, "TLS_KEY", missing),
        (pair.cert, other.key, None, "TLS_KEY", other.key),
        (pair.cert, pair.key, text, "TLS_CLIENT_CA", text),
    ):
        with pytest.raises(BadSettingError, match=f"IMGRAY_{setting}: '{path}' cannot be used"):
            shown(Pair(cert, key), client_ca)
