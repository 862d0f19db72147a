"""imgray over HTTP, as `imgray serve` runs it, and a bare handler on the same Serve as a measure of the machine."""

from __future__ import annotations

import json
import time
import urllib.parse
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from http.client import HTTPConnection
from multiprocessing import get_context
from pathlib import Path

from contenders.base import Call, Contender, FilesRun, FileWork, Gate, Shot
from contenders.ours import NOOP_PIPELINE, settings
from contenders.processes import free_port
from contenders.round_trip import submit_and_wait, travel
from fastapi import FastAPI, Request
from ray import serve

from imgray.actors.cluster import running_cluster
from imgray.frontend.deployment import deployed

CLIENTS = 16
"""Clients that upload, wait and download at a time: enough for no worker to wait."""

RESIZE = "resize:256/convert:jpeg,quality=85"

_NOBODY = "nobody"
_HOUR_S = 3600


@contextmanager
def served(scratch: Path) -> Iterator[int]:
    """Have the whole service running for as long as the ``with`` block lasts; give its port."""
    here = settings(scratch, free_port())
    with running_cluster(here), deployed(here):
        yield here.port


@contextmanager
def files(work: FileWork) -> Iterator[FilesRun]:
    """Upload each image, wait until it is processed, and download the result, by clients in a process of their own."""
    with served(work.scratch) as port, ProcessPoolExecutor(1, get_context("spawn")) as clients:
        yield lambda jobs: clients.submit(travel, port, work.pipeline, list(jobs), CLIENTS).result()


@contextmanager
def call(scratch: Path) -> Iterator[Call]:
    """Submit one durable task, and wait for it, over a connection that is kept."""
    with served(scratch) as port:
        connection = HTTPConnection("127.0.0.1", port)

        def one(payload: bytes) -> None:
            submit_and_wait(connection, NOOP_PIPELINE, payload)

        yield one
        connection.close()


@contextmanager
def bare_call(scratch: Path) -> Iterator[Call]:
    """Ask the same service whether it lives, which asks nothing of any actor."""
    with served(scratch) as port:
        connection = HTTPConnection("127.0.0.1", port)

        def one(_payload: bytes) -> None:
            connection.request("GET", "/healthz")
            connection.getresponse().read()

        yield one
        connection.close()


@contextmanager
def server(scratch: Path, pictures: Path) -> Iterator[Callable[[str], Shot]]:
    """Process an image in one call, which uploads it."""
    target = f"/v1/process?pipeline={urllib.parse.quote(RESIZE, safe='')}"
    with served(scratch) as port:
        yield lambda name: Shot(port, "POST", target, pictures / name)


@contextmanager
def ingest(scratch: Path, body: Path) -> Iterator[Gate]:
    """Accept tasks, durably. They are for a worker that is not there, so that no work is done meanwhile."""
    with served(scratch) as port:
        wanted = {"worker": _NOBODY, "wait_for_worker": "true", "expires_at": f"{time.time() + _HOUR_S:.0f}"}
        target = f"/v1/tasks?{urllib.parse.urlencode({'pipeline': 'swap:rg', **wanted})}"
        yield Gate(Shot(port, "POST", target, body, 202), lambda: _queued(port))


def _queued(port: int) -> int:
    connection = HTTPConnection("127.0.0.1", port)
    connection.request("GET", "/v1/status")
    queued: int = json.loads(connection.getresponse().read())["tasks"]["queued"]
    connection.close()
    return queued


@contextmanager
def bare_ingest(scratch: Path, body: Path) -> Iterator[Gate]:
    """Read bodies, by a handler of the same Serve that does nothing else."""
    with served(scratch) as port:
        app = FastAPI()

        @app.post("/")
        async def read(request: Request) -> int:
            return len(await request.body())

        class Bare:
            """Reads, and answers the length."""

        deployment = serve.deployment(name="Bare", max_ongoing_requests=1000, ray_actor_options={"num_cpus": 0})
        serve.run(deployment(serve.ingress(app)(Bare)).bind(), name="bare", route_prefix="/bare")
        yield Gate(Shot(port, "POST", "/bare/", body))


CONTENDERS = (
    Contender(
        name="imgray-http",
        about="imgray over HTTP: upload, wait, download",
        install="pip install .",
        packages=("imgray", "ray", "fastapi"),
        files=files,
        call=call,
        server=server,
        ingest=ingest,
    ),
    Contender(
        name="serve",
        about="a handler on the same Ray Serve that only reads the body: a measure of the machine",
        install="comes with imgray",
        packages=("ray", "fastapi"),
        call=bare_call,
        ingest=bare_ingest,
    ),
)
