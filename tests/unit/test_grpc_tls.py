"""gRPC behind the TLS edge, with real certificates."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc
import pytest
from authorities import Authority, Pair
from grpc_calls import ALL, Served, grpc_here
from pictures import encoded, picture

from imgray.credentials import GRPC, server_context
from imgray.edge import edge
from imgray.v1 import imgray_pb2 as pb
from imgray.v1 import imgray_pb2_grpc

CALL_S = 20
REFUSED_S = 5


@contextmanager
def edged(served: Served) -> Iterator[str]:
    context = server_context(served.cluster.settings, GRPC)
    assert context is not None
    with edge(context, "127.0.0.1", 0, served.port) as port:
        yield f"localhost:{port}"


def credentials(authority: Authority, pair: Pair | None = None) -> grpc.ChannelCredentials:
    if pair is None:
        return grpc.ssl_channel_credentials(authority.path.read_bytes())
    return grpc.ssl_channel_credentials(authority.path.read_bytes(), pair.key.read_bytes(), pair.cert.read_bytes())


async def journey(channel: grpc.aio.Channel) -> None:
    """Have an image of two megabytes go up and down."""
    async with channel:
        imgray = imgray_pb2_grpc.ImgrayStub(channel)
        request = pb.SubmitRequest(
            options=pb.SubmitOptions(pipeline="convert:bmp"), image=encoded(picture(size=(900, 700)))
        )
        task = await imgray.Submit(request, metadata=ALL, timeout=CALL_S)
        await imgray.Wait(pb.WaitRequest(id=task.id), metadata=ALL, timeout=CALL_S)
        parts = [part async for part in imgray.Download(pb.DownloadRequest(id=task.id), metadata=ALL, timeout=CALL_S)]
        assert sum(len(part.chunk) for part in parts) == parts[0].output.size_bytes > 1_500_000


async def refused(channel: grpc.aio.Channel) -> None:
    async with channel:
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await imgray_pb2_grpc.ImgrayStub(channel).ListWorkers(
                pb.ListWorkersRequest(), metadata=ALL, timeout=REFUSED_S
            )
        assert raised.value.code() in {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED}


async def test_clients_come_by_tls_and_not_in_clear(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    pair = authority.pair("localhost")
    async with grpc_here(tmp_path / "data", host="0.0.0.0", tls_cert=pair.cert, tls_key=pair.key) as served:
        with edged(served) as address:
            await journey(grpc.aio.secure_channel(address, credentials(authority)))
            await refused(grpc.aio.insecure_channel(address))
            await refused(grpc.aio.secure_channel(address, credentials(Authority(tmp_path, "another"))))


async def test_with_mutual_tls_a_client_shows_a_certificate_of_the_right_authority(tmp_path: Path) -> None:
    authority, another = Authority(tmp_path), Authority(tmp_path, "another")
    pair = authority.pair("localhost")
    settings = {"tls_cert": pair.cert, "tls_key": pair.key, "tls_client_ca": authority.path}
    async with grpc_here(tmp_path / "data", **settings) as served:
        with edged(served) as address:
            await journey(grpc.aio.secure_channel(address, credentials(authority, authority.pair("client"))))
            await refused(grpc.aio.secure_channel(address, credentials(authority)))
            await refused(grpc.aio.secure_channel(address, credentials(authority, another.pair("client"))))
