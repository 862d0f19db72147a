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
import random
import secrets
import statistics
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click
import ray
from PIL import Image
from rich.console import Console
from rich.table import Table

from imgray.actors.cluster import RAY_SETTINGS, ray_running, running_cluster
from imgray.actors.master import Master
from imgray.actors.remote import DETACHED, NAMESPACE, RayTransport, remote_gateway
from imgray.actors.storage import Storage
from imgray.actors.worker import REPORT_S
from imgray.blobs import BlobStore
from imgray.client import Client
from imgray.client.client import WINDOW
from imgray.journal import Journal
from imgray.messages import Ack, Exchange, Grant, Statistics
from imgray.ports import MasterPort, RemoteMaster
from imgray.scaling import Bounds
from imgray.settings import Settings
from imgray.target import WORKER_PREFIX, WorkerInfo, worker_id
from imgray.task import Changes, InlineSource, Output, OutputSpec, PathSource, State, Task, TaskSpec, new_task_id
from imgray.wire import Address, Listening, methods_of

CONSOLE = Console(highlight=False)
_CHUNK = 64  # tasks in one submission, as in `Client.map`
_AHEAD = 3  # so many times what the workers hold is under way: then none ever waits
_WAIT_S = 5.0  # length of one waiting call
_AT_ONCE_CLIENTS = 4  # at least, for workers that report at once: a client hears of what is done every 0.1 s
_IDLE_S = 5.0
_FULL = 0.9  # of the machine's cores: with more in use, it is the machine that limits
_MEMORY_TASKS = 100_000
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


# A real cluster that grows


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


# One Master, and workers without runners


@dataclass(frozen=True, slots=True)
class Load:
    """What is asked of the Masters. Workers hold ``held`` tasks, and report ``batch`` or more of them at a time.

    ``sleep_s`` is what a task takes, 0 for a worker that reports at once whatever it gets.
    """

    workers: int
    held: int
    batch: int
    sleep_s: float
    payload: bytes | None
    shards: int = 1


@dataclass(frozen=True, slots=True)
class Usage:
    """What a Master has used so far: processor time, that of the journal's thread, time in commits; and its memory."""

    cpu_s: float
    journal_cpu_s: float
    commit_s: float
    commits: int
    memory_bytes: int


class TimedJournal(Journal):
    """A journal that knows how long its commits take."""

    commits, commit_s, cpu_s = 0, 0.0, 0.0

    def write(self, changes: Changes) -> None:
        """See `Journal.write`."""
        begun, used = time.perf_counter(), time.thread_time()
        super().write(changes)
        self.commits += 1
        self.commit_s += time.perf_counter() - begun
        self.cpu_s += time.thread_time() - used


class NoPool:
    """A pool that is as large as it should be, and does nothing. (`Launcher`)"""

    async def cores(self) -> int:
        """Say that there is one."""
        return 1

    async def names(self) -> set[str]:
        """Name one."""
        return {f"{WORKER_PREFIX}1"}

    async def start(self, name: str) -> None:
        """Start none."""

    async def end(self, name: str) -> None:
        """End none."""


class LoneMaster(Master):
    """A Master as an actor, which believes of whoever registers that it is a worker and lives."""

    def __init__(self, settings: Settings) -> None:
        self._timed = TimedJournal.open(settings.data_folder)
        storage = Storage(BlobStore(settings.blobs_url), 0)
        super().__init__(settings, storage, _outlive, NoPool(), open_journal=lambda _: self._timed)
        self._listening = Listening(self, methods_of(MasterPort)) if settings.sockets else None

    async def address(self) -> Address | None:
        """Say where it listens, if it does."""
        return self._listening.address if self._listening else None

    async def usage(self) -> Usage:
        """Say what it has used."""
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])  # noqa: ASYNC240  # no disk
        journal = self._timed
        memory_bytes = pages * os.sysconf("SC_PAGE_SIZE")
        return Usage(time.process_time(), journal.cpu_s, journal.commit_s, journal.commits, memory_bytes)


async def _outlive(_worker: str) -> None:
    await asyncio.Event().wait()


class Shard:
    """The way to one of several Masters. (`Transport`)"""

    def __init__(self, number: int) -> None:
        self._name = f"master-{number}"
        self._transport = RayTransport()

    async def call(self, _part: str, method: str, arguments: Sequence[Any]) -> Any:  # noqa: ANN401  # any answer
        """See `Transport.call`."""
        return await self._transport.call(self._name, method, arguments)


class Crowd:
    """Many workers without runners, and clients that keep them busy, as an actor."""

    def __init__(self, load: Load, settings: Settings) -> None:
        self._load = load
        self._settings = settings
        self._acked = 0
        self._latencies_s: list[float] = []
        self._running: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Let them begin."""
        load, loop = self._load, asyncio.get_running_loop()
        clients = max(-(-load.workers * load.held * _AHEAD // WINDOW), 1 if load.sleep_s else _AT_ONCE_CLIENTS)
        lives = [self._work(number, shard) for number in range(load.workers) for shard in range(load.shards)]
        self._running = [loop.create_task(life) for life in (*lives, *(self._feed() for _ in range(clients)))]

    async def counted(self) -> tuple[int, list[float], float]:
        """Return how many tasks were done, and how long exchanges took that had not to wait, since the last call."""
        for life in self._running:
            if life.done():
                life.result()
        counted = self._acked, self._latencies_s, time.process_time()
        self._acked, self._latencies_s = 0, []
        return counted

    async def _work(self, number: int, shard: int) -> None:
        """Be a worker, as far as one Master is concerned: it holds an equal part of its tasks from each."""
        load, now = self._load, time.monotonic
        most, least = -(-load.held // load.shards), -(-load.batch // load.shards)
        sleep_s = load.sleep_s * load.shards  # the worker is shared
        master = RemoteMaster(Shard(shard), self._settings)
        worker = worker_id(f"{WORKER_PREFIX}{number}", secrets.token_hex(4))
        await asyncio.sleep(random.uniform(0, REPORT_S))  # noqa: S311  # so that they do not call all at once
        await master.register(WorkerInfo(worker, f"{WORKER_PREFIX}{number}", "node", "host", 1, ""), (), 0)
        held: dict[int, Grant] = {}
        outcomes: tuple[Ack, ...] = ()
        newest, free_at = 0, now()
        for seq in itertools.count(1):
            begun = now()
            want = most - len(held) + len(outcomes)
            reply = await master.exchange(Exchange(worker, seq, newest, tuple(held), outcomes, want))
            if outcomes:
                self._latencies_s.append(now() - begun)
                self._acked += len(outcomes)
            for ack in outcomes:
                del held[ack.token]
            if not held:
                free_at = now()
            held |= {grant.token: grant for grant in reply.grants if grant.token > newest}
            newest = max((newest, *held))
            done = min(least, len(held))
            if sleep_s and held:
                done = min(max(done, int((now() - free_at) / sleep_s)), len(held))
                free_at += done * sleep_s
                await asyncio.sleep(max(free_at - now(), 0))
            outcomes = tuple(self._ack(grant) for grant in itertools.islice(held.values(), done))

    def _ack(self, grant: Grant) -> Ack:
        data = self._load.payload
        path = None if data is not None else grant.spec.outputs[0].path
        output = Output("image", "png", "image/png", 8, 8, len(data or b""), "0" * 64, path=path)
        return Ack(grant.spec.id, grant.token, (output,), 0.05, () if data is None else (("image", data),))

    async def _feed(self) -> None:
        """Do what `Client.map` does, with several Masters: a task goes to the one that its id says."""
        masters = [RemoteMaster(Shard(number), self._settings) for number in range(self._load.shards)]
        under_way: list[set[str]] = [set() for _ in masters]
        waiting: dict[int, asyncio.Task[list[Task]]] = {}
        while True:
            while sum(map(len, under_way)) <= WINDOW - _CHUNK:
                specs = [task_spec(self._load.payload) for _ in range(_CHUNK)]
                for shard, master in enumerate(masters):
                    mine = [spec for spec in specs if int(spec.id[-8:], 16) % len(masters) == shard]
                    if mine:
                        await submit(master, mine, self._load.payload)
                        under_way[shard] |= {spec.id for spec in mine}
            for shard, ids in enumerate(under_way):
                if ids and shard not in waiting:
                    call = masters[shard].wait(list(ids), _WAIT_S)
                    waiting[shard] = asyncio.get_running_loop().create_task(call)
            await asyncio.wait(waiting.values(), return_when=asyncio.FIRST_COMPLETED)
            for shard in [shard for shard, call in waiting.items() if call.done()]:
                under_way[shard] -= {task.id for task in waiting.pop(shard).result()}


def task_spec(payload: bytes | None) -> TaskSpec:
    """Make a task: with a small input of its own, or with one that the worker is to read from a path."""
    task_id = new_task_id()
    source = PathSource(f"/pictures/{task_id}.png") if payload is None else InlineSource(len(payload))
    path = f"/results/{task_id}.png" if payload is None else None
    return TaskSpec(task_id, source, (OutputSpec("image", "rest:50", path),), size_bytes=len(payload or b""))


async def submit(master: RemoteMaster, specs: Sequence[TaskSpec], payload: bytes | None) -> None:
    """Submit such tasks."""
    await master.submit(specs, {} if payload is None else {spec.id: payload for spec in specs})


@contextmanager
def lone_masters(count: int, *, sockets: bool) -> Iterator[tuple[list[Any], Settings]]:
    """Have so many Masters, each with a journal of its own, and the settings with which to call them."""
    with tempfile.TemporaryDirectory(prefix="imgray-saturate-") as folder:
        common = Settings(workers=1, sockets=sockets, max_live_tasks=10**7, call_timeout_s=300.0)
        masters = []
        for number in range(count):
            settings = common.model_copy(update={"data": Path(folder) / str(number)})
            options = {**DETACHED, "lifetime": None, "get_if_exists": False, "num_cpus": 0, "name": f"master-{number}"}
            masters.append(ray.remote(LoneMaster).options(**options).remote(settings))
        try:
            yield masters, common
        finally:
            for master in masters:
                ray.kill(master)


@dataclass(frozen=True, slots=True)
class Figures:
    """What the Masters did under a load; ``before`` and ``after`` are theirs, one by one."""

    tasks: int
    elapsed_s: float
    latencies_s: Sequence[float]
    before: Sequence[Usage]
    after: Sequence[Usage]
    load_cores: float

    def spent(self, what: str) -> float:
        """Return what the Masters used meanwhile, together."""
        pairs = zip(self.before, self.after, strict=True)
        return float(sum(getattr(now, what) - getattr(then, what) for then, now in pairs))


def play(load: Load, seconds: float, crowds: int, *, sockets: bool) -> Figures:
    """Put Masters under a load, and measure when it has settled."""
    with lone_masters(load.shards, sockets=sockets) as (masters, settings):
        shares = [load.workers // crowds + (number < load.workers % crowds) for number in range(crowds)]
        actor = ray.remote(Crowd).options(num_cpus=0, max_concurrency=100)
        people = [actor.remote(replace(load, workers=share), settings) for share in shares if share]
        try:
            ray.get([one.start.remote() for one in people])
            time.sleep(_WARM_UP_S + load.workers / 100)  # they have to find the Masters
            first = ray.get([one.counted.remote() for one in people])
            before, begun = ray.get([master.usage.remote() for master in masters]), time.monotonic()
            time.sleep(seconds)
            last = ray.get([one.counted.remote() for one in people])
            after, elapsed_s = ray.get([master.usage.remote() for master in masters]), time.monotonic() - begun
        finally:
            for one in people:
                ray.kill(one)
    latencies_s = sorted(itertools.chain.from_iterable(latencies for _, latencies, _ in last))
    load_s = sum(now[2] - then[2] for then, now in zip(first, last, strict=True))
    return Figures(sum(done for done, *_ in last), elapsed_s, latencies_s, before, after, load_s / elapsed_s)


def load_of(workers: int, sleep_ms: int, payload_bytes: int, *, at_once: bool, shards: int = 1) -> Load:
    """Describe workers that hold and report as many tasks at a time as real ones do when a task takes so long."""
    settings = Settings()
    held = min(max(int(settings.batch_s * 1000 / sleep_ms), 2), settings.max_batch)
    batch = max(round(REPORT_S * 1000 / sleep_ms), 1)
    payload = os.urandom(payload_bytes) if payload_bytes else None
    return Load(workers, held, batch, 0.0 if at_once else sleep_ms / 1000, payload, shards)


def memory_of_a_task(payload: bytes | None) -> float:
    """Return how many bytes a Master grows by for each task that waits."""
    with lone_masters(1, sockets=True) as ((master,), settings):

        async def fill() -> None:
            port = RemoteMaster(Shard(0), settings)
            for _ in range(_MEMORY_TASKS // 500):
                await submit(port, [task_spec(payload) for _ in range(500)], payload)

        before: Usage = ray.get(master.usage.remote())
        asyncio.run(fill())
        after: Usage = ray.get(master.usage.remote())
    grown = after.memory_bytes - before.memory_bytes
    return grown / _MEMORY_TASKS


# What is shown


def spread(values: Sequence[float], digits: int = 0) -> str:
    """Show median and range."""
    middle, least, most = (f"{value:,.{digits}f}" for value in (statistics.median(values), min(values), max(values)))
    return middle if least == most else f"{middle} ({least} to {most})"


def row_of(rounds: Sequence[Figures]) -> list[str]:
    """Show what Masters did: tasks/s, processor time, commits, exchanges, memory, and what the load itself took."""

    def middle(digits: int, *values: float) -> str:
        return f"{statistics.median(values):,.{digits}f}"

    ranked = [one.latencies_s or [0.0] for one in rounds]
    masters = [len(one.after) for one in rounds]
    return [
        spread([one.tasks / one.elapsed_s for one in rounds]),
        middle(0, *(one.spent("cpu_s") / max(one.tasks, 1) * 1e6 for one in rounds)),
        middle(0, *(one.spent("journal_cpu_s") / max(one.tasks, 1) * 1e6 for one in rounds)),
        middle(2, *(one.spent("cpu_s") / one.elapsed_s / count for one, count in zip(rounds, masters, strict=True))),
        middle(0, *(one.tasks / max(one.spent("commits"), 1) for one in rounds)),
        middle(1, *(one.spent("commit_s") / max(one.spent("commits"), 1) * 1e3 for one in rounds)),
        middle(1, *(one[len(one) // 2] * 1e3 for one in ranked)),
        middle(1, *(one[len(one) * 99 // 100] * 1e3 for one in ranked)),
        middle(0, *(sum(usage.memory_bytes for usage in one.after) / 2**20 for one in rounds)),
        middle(2, *(one.load_cores for one in rounds)),
    ]


HEADS = (
    "tasks/s", "Master µs/task", "of it journal", "of a core", "tasks/commit", "commit ms", "exchange ms p50", "p99",
    "memory MiB", "load's cores",
)  # fmt: skip


def show(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table, as Markdown where nobody looks."""
    if CONSOLE.is_terminal:
        table = Table(*heads)
        for row in rows:
            table.add_row(*row)
        CONSOLE.print(table)
        return
    for row in (heads, ["---"] * len(heads), *rows):
        print("|", " | ".join(row), "|")


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
