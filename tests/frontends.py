"""The HTTP interface over the whole service in one process, called directly or through a socket."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import httpx
import uvicorn

from imgray.frontend.app import create_app
from imgray.local import LocalCluster
from imgray.settings import Settings

LIMIT = 200_000
SLOW = "/".join(["resize:3000,3000,exact", *["resize:2999,2999,exact", "resize:3000,3000,exact"] * 25])
START_S = 30


@asynccontextmanager
async def http(folder: Path, **settings: object) -> AsyncIterator[httpx.AsyncClient]:
    async with LocalCluster(_settings(folder, settings)) as cluster, calling(cluster) as client:
        yield client


@asynccontextmanager
async def calling(cluster: LocalCluster, caller: str = "127.0.0.1") -> AsyncIterator[httpx.AsyncClient]:
    app = create_app(cluster.settings, lambda: cluster.gateway)
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app, raise_app_exceptions=False, client=(caller, 4321))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            yield client


@contextmanager
def serving_here(folder: Path, **settings: object) -> Iterator[str]:
    """Serve on a port of this machine from a thread, for what calls and waits; give the address."""
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    ready = threading.Event()
    servers: list[uvicorn.Server] = []

    async def serve() -> None:
        async with LocalCluster(_settings(folder, settings)) as cluster:
            app = create_app(cluster.settings, lambda: cluster.gateway)
            server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
            servers.append(server)
            serving = asyncio.ensure_future(server.serve(sockets=[listening]))
            while not server.started:
                await asyncio.sleep(0.01)
            ready.set()
            await serving

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    try:
        assert ready.wait(START_S)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        for server in servers:
            server.should_exit = True
        thread.join(START_S)
        listening.close()


async def finished(client: httpx.AsyncClient, location: str) -> dict[str, Any]:
    answer = await client.get(location, params={"wait_s": 30})
    assert answer.status_code == 200
    task: dict[str, Any] = answer.json()
    return task


def _settings(folder: Path, settings: dict[str, object]) -> Settings:
    return Settings.having(**{"data": folder, "workers": 1, "max_body_bytes": LIMIT, **settings})
