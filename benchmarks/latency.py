"""One task at a time on an idle service, from submission to ready, against the image work itself.

With ``--profile``: where the time of a task goes, from a Python client, stage by stage.
"""

from __future__ import annotations

import asyncio
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
from imgray.catalogue import BUILT_IN
from imgray.frontend.deployment import deployed
from imgray.gateway import Gateway, Submission
from imgray.samples import draw_samples
from imgray.settings import Settings
from imgray.task import BlobSource, OutputSpec, TaskSpec

WARM_UP = 10
WAIT_S = 30.0


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
    print(f"{name:56} p50 {statistics.median(values) * 1e3:6.1f} ms   p95 {p95 * 1e3:6.1f} ms")


def profile(gateway: Gateway, data: bytes, pipeline: str, tasks: int) -> None:
    """Print what each stage of a task's journey takes. The clocks are those of one machine."""
    stages: dict[str, list[float]] = {}

    async def journey() -> dict[str, float]:
        begun = time.time()
        (task,) = await gateway.submit([Submission.of(data, BUILT_IN.parse(pipeline))])
        accepted = time.time()
        task = await gateway.wait(task.id, WAIT_S)
        told = time.time()
        (attempt,) = task.history
        work = work_s(data, pipeline)
        return {
            "the input is stored, and reaches the Master": task.submitted_at - begun,
            "it is leased to a worker": attempt.leased_at - task.submitted_at,
            "(the submitter is told, when it is on disk)": accepted - task.submitted_at,
            "commit, the way to the runner and back, outputs stored": attempt.ended_at - attempt.leased_at - work,
            "the image work itself, as measured here": work,
            "commit, and whoever waits is told": told - attempt.ended_at,
            "all": told - begun,
        }

    async def journeys() -> None:
        for number in range(WARM_UP + tasks):
            for stage, elapsed in (await journey()).items():
                if number >= WARM_UP:
                    stages.setdefault(stage, []).append(elapsed)

    asyncio.run(journeys())
    for stage, values in stages.items():
        show(stage, values)


@click.command()
@click.option("--photo", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="An image.")
@click.option("--op", default="swap:rg", help="Pipeline.")
@click.option("--tasks", default=100, help="How many tasks to measure.")
@click.option("--workers", default=2)
@click.option("--profile", "profiles", is_flag=True, help="Show where the time goes, by stage.")
def main(photo: Path | None, op: str, tasks: int, workers: int, *, profiles: bool) -> None:
    """Measure the latency of single tasks."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory() as scratch:
        path = photo or draw_samples(Path(scratch) / "samples")[0]
        data = path.read_bytes()
        settings = Settings(data=Path(scratch) / "data", workers=workers, port=port)
        if profiles:
            with running_cluster(settings) as gateway:
                profile(gateway, data, op, tasks)
            return
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
