"""How imgray scales out: tasks that only rest, on ever more nodes; and how much one Master can do.

    python benchmarks/scale.py               # 1 to 16 nodes, all on this machine; all that a task does is to sleep
    python benchmarks/scale.py --saturate    # one real Master and its journal, and ever more workers without runners

The first grows a real cluster, with real workers, while it measures. In the second the calls are real, but many workers
share a process, and report what they were granted at once, or when it could have been done. Nothing is asserted.
"""

from __future__ import annotations

import asyncio
import io
import itertools
import os
import statistics
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import click
import ray
from crowd import CONSOLE, HEADS, Figures, load_of, memory_of_a_task, play, row_of, show, spread
from PIL import Image

from imgray.actors.cluster import RAY_SETTINGS, ray_running, running_cluster
from imgray.actors.transport import NAMESPACE, remote_gateway
from imgray.client import Client
from imgray.client.client import WINDOW
from imgray.messages import Statistics
from imgray.scaling import Bounds
from imgray.settings import Settings
from imgray.task import State

_AHEAD = 3  # so many times what the workers hold is under way: then none ever waits
_IDLE_S = 5.0
_FULL = 0.9  # of the machine's cores: with more in use, it is the machine that limits
_LEAST_BYTES = 2 * 2**30  # of the machine's memory, with less of which no more workers are started
_STEP = 8  # workers that are started at a time: each takes seconds of a core
_WARM_UP_S = 8.0
_STORE_BYTES = 80 * 2**20  # of Ray's object store on each node; nothing here is large
_REST = '''
import time
from typing import Annotated
from PIL import Image
from pydantic import Field
from imgray import operation

@operation(example="rest:1")
def rest(image: Image.Image, ms: Annotated[int, Field(ge=0, le=60_000)] = 50) -> Image.Image:
    """Do nothing for so many milliseconds."""
    time.sleep(ms / 1000)
    return image
'''


@dataclass(frozen=True, slots=True)
class Row:
    """What one size of the cluster did in one round: tasks per second, and cores in use, by part."""

    workers: int
    rate: float
    cores: Mapping[str, float]


def processor_s() -> dict[str, float]:
    """Return the processor time of this process and of all that it started, so far, by part (proc(5): 4, 14, 15)."""
    parents: dict[int, int] = {}
    used: dict[int, float] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text(errors="replace").rpartition(")")[2].split()
        except OSError:  # it has just ended
            continue
        parents[int(stat.parent.name)] = int(fields[1])
        used[int(stat.parent.name)] = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    total: defaultdict[str, float] = defaultdict(float)
    for pid, seconds in used.items():
        above = pid
        while above not in {0, os.getpid()}:
            above = parents.get(above, 0)
        if above:
            total[_part(pid)] += seconds
    return total


def _part(pid: int) -> str:
    if pid == os.getpid():
        return "driver"
    try:
        command = Path(f"/proc/{pid}/cmdline").read_text(errors="replace")
    except OSError:
        return "Ray"
    parts = {"ray::Master": "Master", "ray::Storage": "Storage", "ray::Worker": "workers"}
    named = next((part for sign, part in parts.items() if command.startswith(sign)), "Ray")
    return "runners" if "imgray.runner" in command else named


def _available_bytes() -> int:
    """Return how much memory the machine has left."""
    lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable"))


def grow(
    nodes: Sequence[int], each: int, sleep_ms: int, seconds: float, patience_s: float, *, sockets: bool
) -> Iterator[Row]:
    """Have a cluster of one node grow, and measure it at each size."""
    from ray.cluster_utils import Cluster  # noqa: PLC0415  # it starts to log when it is imported

    os.environ.update({"RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_MODE": "disabled", **RAY_SETTINGS})
    node = {"num_cpus": each, "object_store_memory": _STORE_BYTES, "include_dashboard": False}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="imgray-scale-")))
        source = folder / "rest.py"
        source.write_text(_REST, encoding="utf-8")
        settings = Settings(data=folder / "data", workers=min(nodes) * each, sockets=sockets, operations=(str(source),))
        left = _available_bytes()
        cluster = Cluster(initialize_head=True, head_node_args=node)
        stack.callback(cluster.shutdown)
        for _ in range(min(nodes) - 1):
            cluster.add_node(**node)
        ray.init(cluster.address, namespace=NAMESPACE, log_to_driver=False, logging_level="ERROR")
        stack.callback(ray.shutdown)
        stack.enter_context(running_cluster(settings))
        held = max(round(settings.batch_s * 1000 / sleep_ms), 2)
        for count in sorted(nodes):
            begun = time.monotonic()
            while len(cluster.list_all_nodes()) < count:
                cluster.add_node(**node)
            there = asyncio.run(_scale(count * each, settings, patience_s))
            took_s = time.monotonic() - begun
            row = _measure(there, f"rest:{sleep_ms}/convert:bmp", held, seconds, settings)
            taken = (left - _available_bytes()) / 2**20
            CONSOLE.print(f"{count} nodes, {there} workers: {took_s:.0f} s more to start, {taken:,.0f} MiB of memory")
            CONSOLE.print("cores while there is nothing to do:", _cores(_IDLE_S))
            yield row
            if there < count * each:
                CONSOLE.print("More cannot be started here.")
                return


async def _scale(wanted: int, settings: Settings, patience_s: float) -> int:
    """Have the pool grow, some workers at a time; return how many there are, which may be fewer."""
    master = remote_gateway(settings).master
    there = (await master.pool()).active
    while there < wanted and (there < _STEP or _available_bytes() > _LEAST_BYTES):
        step = min(there + _STEP, wanted)
        await master.scale(Bounds(step, step))
        deadline = time.monotonic() + patience_s
        while there < step and time.monotonic() < deadline:
            await asyncio.sleep(0.5)
            there = (await master.pool()).active
        CONSOLE.print(f"{there} of {wanted} workers")
        if there < step:
            break
    return there


def _measure(workers: int, pipeline: str, held: int, seconds: float, settings: Settings) -> Row:
    """Keep the workers busy, and count what they do in a while."""
    with _clients(workers * held * _AHEAD, pipeline, settings):
        time.sleep(_WARM_UP_S)
        done, begun = _succeeded(settings), time.monotonic()
        cores = _cores(seconds)
        done, elapsed_s = _succeeded(settings) - done, time.monotonic() - begun
    return Row(workers, done / elapsed_s, cores)


def _cores(seconds: float) -> dict[str, float]:
    """Watch for a while how many cores are in use, by part."""
    before, begun = processor_s(), time.monotonic()
    time.sleep(seconds)
    after, elapsed_s = processor_s(), time.monotonic() - begun
    return {part: round((used - before.get(part, 0.0)) / elapsed_s, 3) for part, used in after.items()}


@contextmanager
def _clients(under_way: int, pipeline: str, settings: Settings) -> Iterator[None]:
    """Have as many `Client.map` as it takes to keep so many tasks under way; at the end, these are finished."""
    picture = io.BytesIO()
    Image.new("RGB", (8, 8), "teal").save(picture, "png")
    ending = threading.Event()

    def images() -> Iterator[bytes]:
        while not ending.is_set():
            yield picture.getvalue()

    def drive() -> None:
        with Client(remote_gateway(settings), ExitStack(), reads_paths=False) as client:
            for task in client.map(images(), pipeline):
                if task.state is not State.SUCCEEDED:
                    CONSOLE.print(f"A task is {task.state}: {task.error}")

    threads = [threading.Thread(target=drive) for _ in range(-(-under_way // WINDOW))]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        ending.set()
        for thread in threads:
            thread.join()


def _succeeded(settings: Settings) -> int:
    async def ask() -> Statistics:
        return await remote_gateway(settings).master.statistics()

    return asyncio.run(ask()).tasks.get(State.SUCCEEDED, 0)


def _show_nodes(rows: Mapping[tuple[str, int], Sequence[Row]], sleep_ms: int) -> None:
    shown: list[list[str]] = []
    first: dict[str, float] = {}
    for (through, workers), rounds in rows.items():
        rates = [one.rate for one in rounds]
        single = first.setdefault(through, statistics.median(rates) / workers)
        used = [sum(one.cores.values()) for one in rounds]
        shown.append(
            [
                through,
                str(workers),
                spread(rates, 1),
                spread([rate * sleep_ms / 1000 / workers for rate in rates], 3),
                spread([rate / workers / single for rate in rates], 3),
                spread([one.cores["Master"] / one.rate * 1e6 for one in rounds]),
                spread([one.cores["Master"] for one in rounds], 2),
                spread(used, 2) + (" (all)" if statistics.median(used) > _FULL * (os.cpu_count() or 1) else ""),
            ]
        )
        parts = {part: statistics.median([one.cores.get(part, 0.0) for one in rounds]) for part in rounds[0].cores}
        CONSOLE.print(f"{through}, {workers} workers, cores:", parts)
    heads = (
        "through",
        "workers",
        "tasks/s",
        "of linear",
        "of the first row",
        "Master µs/task",
        "of a core",
        "cores in all",
    )
    show(heads, shown)


@click.command()
@click.option("--saturate", is_flag=True, help="Measure one Master, with workers that have no runners.")
@click.option("--nodes", multiple=True, default=(1, 2, 4, 8, 16), help="Sizes of the cluster.")
@click.option("--workers-per-node", "each", default=4)
@click.option("--workers", multiple=True, default=(2, 8, 32, 128, 512, 1000), help="With --saturate: how many.")
@click.option("--sleep-ms", default=50, type=click.IntRange(min=1), help="What a task takes.")
@click.option("--seconds", default=20.0, help="How long each is measured, when it has settled.")
@click.option("--rounds", default=3)
@click.option("--through", multiple=True, type=click.Choice(["sockets", "ray"]), default=("sockets", "ray"))
@click.option("--patience-s", default=600.0, help="How long eight more workers may take to start.")
@click.option("--payload-bytes", default=1000, help="With --saturate: of an input, and of a result; 0: both are files.")
@click.option("--crowds", default=1, help="With --saturate: processes that the workers share.")
def main(
    *,
    saturate: bool,
    nodes: tuple[int, ...],
    each: int,
    workers: tuple[int, ...],
    sleep_ms: int,
    seconds: float,
    rounds: int,
    through: tuple[str, ...],
    patience_s: float,
    payload_bytes: int,
    crowds: int,
) -> None:
    """Measure, and print."""
    turns = list(itertools.product(range(rounds), through))
    if not saturate:
        rows: defaultdict[tuple[str, int], list[Row]] = defaultdict(list)
        for number, way in turns:
            CONSOLE.print(f"round {number + 1}, through {way}")
            for row in grow(nodes, each, sleep_ms, seconds, patience_s, sockets=way == "sockets"):
                rows[way, row.workers].append(row)
                CONSOLE.print(f"{row.workers} workers: {row.rate:,.1f} tasks/s")
        _show_nodes(dict(sorted(rows.items())), sleep_ms)
        return
    loads: defaultdict[tuple[str, str, int], list[Figures]] = defaultdict(list)
    with ray_running(Settings()):
        for (_, way), count, at_once in itertools.product(turns, workers, (True, False)):
            load = load_of(count, sleep_ms, payload_bytes, at_once=at_once)
            figures = play(load, seconds, crowds, sockets=way == "sockets")
            takes = "nothing" if at_once else f"{sleep_ms} ms"
            loads[way, takes, count].append(figures)
            CONSOLE.print(
                f"{way}, {count} workers, a task takes {takes}: {figures.tasks / figures.elapsed_s:,.0f} tasks/s"
            )
        show(
            ("through", "a task takes", "workers", *HEADS),
            [[way, takes, str(count), *row_of(all_rounds)] for (way, takes, count), all_rounds in loads.items()],
        )
        for kind, payload in (("kept with it", os.urandom(1000)), ("a file", None)):
            values = [memory_of_a_task(payload) for _ in range(rounds)]
            CONSOLE.print(f"memory of 100,000 tasks that wait, input {kind}: {spread([v / 10 for v in values])} MB")


if __name__ == "__main__":
    main()
