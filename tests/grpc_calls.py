"""Calling the gRPC interface: over the whole service in one process, through a socket; and what every caller needs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
from grpc_health.v1 import health_pb2_grpc

from imgray.frontend.grpc.servicer import Servicer
from imgray.frontend.limits import Limits
from imgray.keys import digest_of
from imgray.local import LocalCluster
from imgray.settings import Settings
from imgray.v1 import imgray_pb2 as pb
from imgray.v1 import imgray_pb2_grpc

LIMIT = 4_000_000
CHUNK = 300_000
CALL_S = 60

ALL_SCOPES = ["submit", "read", "operate"]
TOKENS = {name: f"imgray_{name}" for name in ("all", *ALL_SCOPES, "slow")}
KEYS: list[dict[str, Any]] = [
    {"name": "all", "sha256": digest_of(TOKENS["all"]), "scopes": ALL_SCOPES},
    *({"name": scope, "sha256": digest_of(TOKENS[scope]), "scopes": [scope]} for scope in ALL_SCOPES),
    {"name": "slow", "sha256": digest_of(TOKENS["slow"]), "scopes": ["submit"], "submissions_per_s": 0.001},
]


def bearing(token: str) -> tuple[tuple[str, str], ...]:
    return (("authorization", f"Bearer {token}"),)


ALL = bearing(TOKENS["all"])


@dataclass
class Served:
    """A gRPC server over a cluster in this process."""

    cluster: LocalCluster
    servicer: Servicer
    port: int
    channel: grpc.aio.Channel
    imgray: Any
    health: Any


@asynccontextmanager
async def grpc_here(folder: Path, **settings: object) -> AsyncIterator[Served]:
    given = {"data": folder, "workers": 1, "max_body_bytes": LIMIT, "keys": KEYS, **settings}
    async with LocalCluster(Settings.having(**given)) as cluster:
        servicer = Servicer(cluster.settings, lambda: cluster.gateway, Limits(cluster.settings.keys))
        server = grpc.aio.server()
        imgray_pb2_grpc.add_ImgrayServicer_to_server(servicer, server)
        health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        try:
            async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
                stub, health = imgray_pb2_grpc.ImgrayStub(channel), health_pb2_grpc.HealthStub(channel)
                yield Served(cluster, servicer, port, channel, stub, health)
        finally:
            await server.stop(None)


def upload(data: bytes, options: pb.SubmitOptions) -> Iterator[pb.UploadRequest]:
    yield pb.UploadRequest(options=options)
    for start in range(0, len(data), CHUNK):
        yield pb.UploadRequest(chunk=data[start : start + CHUNK])
    yield pb.UploadRequest(size_bytes=len(data))


async def uploaded(served: Served, messages: Iterable[pb.UploadRequest], metadata: Any = ALL) -> pb.Task:
    """Upload by the client without asyncio: that with it may call an answer that comes early an internal error."""

    def call() -> pb.Task:
        with grpc.insecure_channel(f"127.0.0.1:{served.port}") as channel:
            stub: Any = imgray_pb2_grpc.ImgrayStub(channel)
            task: pb.Task = stub.Upload(iter(messages), metadata=metadata, timeout=CALL_S)
            return task

    return await asyncio.to_thread(call)


def told(error: grpc.RpcError) -> tuple[grpc.StatusCode, Mapping[str, str | bytes]]:
    """Return the status of an error, and the metadata after it."""
    call: Any = error
    return call.code(), dict(call.trailing_metadata() or ())
