"""One task at a time on an idle service, from submission to ready, against the image work itself."""

from __future__ import annotations

import socket
import statistics
import tempfile
import time
import urllib.parse
import urllib.request
from http.client import HTTPConnection
from json import loads
from pathlib import Path

import click

from imgray.actors.cluster import running_cluster
from imgray.attempt import Allowance, run_attempt
from imgray.frontend.deployment import deployed
from imgray.samples import draw_samples
from imgray.settings import Settings
from imgray.task import BlobSource, OutputSpec, TaskSpec

WARM_UP = 10


def work_s(data: bytes, pipeline: str) -> float:
    """Return how long the image work takes in this process."""
    spec = TaskSpec("x", BlobSource("inputs/x"), (OutputSpec("image", pipeline),))
    begun = time.perf_counter()
    run_attempt(spec, 1, data, Allowance.of(Settings()), lambda: None)
    return time.perf_counter() - begun


def task_s(connection: HTTPConnection, data: bytes, pipeline: str) -> float:
    """Return how long it takes from the first byte sent to the answer that the task is ready."""
    begun = time.perf_counter()
    connection.request("POST", f"/v1/tasks?pipeline={urllib.parse.quote(pipeline)}", data)
    answer = connection.getresponse()
    location = answer.headers["Location"]
    answer.read()
    connection.request("GET", f"{location}?wait_s=30")
    task = loads(connection.getresponse().read())
    elapsed = time.perf_counter() - begun
    if task["state"] != "succeeded":
        raise SystemExit(f"the task {task['state']}: {task['error']}")
    return elapsed


def bare_s(connection: HTTPConnection) -> float:
    """Return how long Serve takes for a request that does nothing."""
    begun = time.perf_counter()
    connection.request("GET", "/healthz")
    connection.getresponse().read()
    return time.perf_counter() - begun


def show(name: str, values: list[float]) -> None:
    """Print median and 95th percentile, in milliseconds."""
    p95 = statistics.quantiles(values, n=20)[-1]
    print(f"{name:44} p50 {statistics.median(values) * 1e3:6.1f} ms   p95 {p95 * 1e3:6.1f} ms")


@click.command()
@click.option("--photo", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="An image.")
@click.option("--op", default="swap:rg", help="Pipeline.")
@click.option("--tasks", default=100, help="How many tasks to measure.")
@click.option("--workers", default=2)
def main(photo: Path | None, op: str, tasks: int, workers: int) -> None:
    """Measure the latency of single tasks."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory() as scratch:
        path = photo or draw_samples(Path(scratch) / "samples")[0]
        data = path.read_bytes()
        settings = Settings(data=Path(scratch) / "data", workers=workers, port=port)
        with running_cluster(settings), deployed(settings):
            connection = HTTPConnection("127.0.0.1", port)
            for _ in range(WARM_UP):
                task_s(connection, data, op)
                work_s(data, op)
            work, whole, bare = [], [], []
            for _ in range(tasks):  # interleaved: whatever else slows the machine slows all three
                work.append(work_s(data, op))
                bare.append(bare_s(connection))
                whole.append(task_s(connection, data, op))
    show("image work alone", work)
    show("a request to Serve that does nothing", bare)
    show("task, from submission to ready", whole)
    show("task, above the median of the work", [one - statistics.median(work) for one in whole])


if __name__ == "__main__":
    main()
