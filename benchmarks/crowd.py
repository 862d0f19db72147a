"""One real Master with a journal on disk, and a crowd of workers that make all calls of real ones but run nothing."""

from __future__ import annotations

import asyncio
import itertools
import os
import random
import secrets
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import ray
from rich.console import Console
from rich.table import Table

from imgray.actors.master import Master
from imgray.actors.pace import REPORT_S
from imgray.actors.remote import DETACHED
from imgray.actors.storage import Storage
from imgray.actors.transport import RayTransport
from imgray.blobs import BlobStore
from imgray.client.client import WINDOW
from imgray.journal import Journal
from imgray.messages import Ack, Exchange, Grant
from imgray.ports import MasterPort, RemoteMaster
from imgray.settings import Settings
from imgray.target import WORKER_PREFIX, WorkerInfo, worker_id
from imgray.task import Changes, InlineSource, Output, OutputSpec, PathSource, Task, TaskSpec, new_task_id
from imgray.wire import Address, Listening, methods_of

CONSOLE = Console(highlight=False)
_CHUNK = 64  # tasks in one submission, as in `Client.map`
_AHEAD = 3  # so many times what the workers hold is under way: then none ever waits
_WAIT_S = 5.0  # length of one waiting call
_AT_ONCE_CLIENTS = 4  # at least, for workers that report at once: a client hears of what is done every 0.1 s
_MEMORY_TASKS = 100_000
_WARM_UP_S = 8.0


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
