"""One schedule: a small cluster, its callers, and what a seed does to them.

``python -m sim.world SEED`` in this folder's parent replays one, with its story.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import sys
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

from sim.disk import Disk, SimBlobs, SimJournal
from sim.history import History, Kind, image
from sim.loop import Process, SimLoop
from sim.parts import FixedPool, Network, SimRunner

from imgray.actors.master import Master
from imgray.actors.storage import Storage
from imgray.actors.worker import Worker
from imgray.catalogue import BUILT_IN
from imgray.errors import (
    IdempotencyConflictError,
    ImgrayError,
    PassingError,
    QueueFullError,
    RequestError,
    TaskNotFoundError,
)
from imgray.gateway import Gateway, Submission
from imgray.journal import Journal
from imgray.ports import MASTER, STORAGE, RemoteMaster, RemoteStorage, RemoteWorkers, UnansweredError
from imgray.settings import Settings
from imgray.target import WorkerInfo
from imgray.task import Task

log = logging.getLogger("simulation")

TODAY = 1.7e9
SETTINGS = Settings(
    data=Path("/nowhere"),
    lease_s=20,
    park_s=6,
    task_timeout_s=3,
    retry_base_s=0.2,
    retry_cap_s=2,
    call_timeout_s=15,
    batch_s=1,
    max_batch=4,
    result_ttl_s=0,
)
PIPELINE = BUILT_IN.parse("swap:rg")

_MAX_STEPS = 100_000
_PATIENCE_S = 900.0  # how long everything may take to end, once nothing is broken any more
_QUIET_S = 8.0
_LOOK_S = 4.0
_RESTART_S = 0.5


@dataclass
class Plan:
    """What a seed does."""

    workers: int
    clients: int
    tasks: int
    lost: float
    repeated: float
    settings: Settings
    blows: list[tuple[float, str, str]] = field(default_factory=list)  # when, what, to whom

    @classmethod
    def draw(cls, rng: random.Random) -> Plan:
        settings = SETTINGS.model_copy(
            update={
                "max_attempts": rng.choice([1, 2, 4]),
                "max_live_tasks": rng.choice([3, 200]),
                "result_ttl_s": rng.choice([0, 0, 0, 300.0]),
                "idempotency_s": rng.choice([5.0, 1e6]),
                "inline_bytes": rng.choice([0, 0, 1000]),
            }
        )
        plan = cls(
            workers=rng.randint(1, 3),
            clients=rng.randint(1, 2),
            tasks=rng.randint(1, 4),
            lost=rng.choice([0, 0, 0.05, 0.2]),
            repeated=rng.choice([0, 0.05, 0.2]),
            settings=settings,
        )
        plan.settings = settings.model_copy(update={"workers": plan.workers})  # so many, whatever the load
        victims = [MASTER, STORAGE, *(f"worker-{n}" for n in range(plan.workers)), "client-0"]
        for _ in range(rng.choice([0, 1, 1, 2, 3, 5])):
            what = rng.choice(["kill", "kill", "doom", "doom", "doom", "freeze", "fill"])
            victim = rng.choice(["journal", "blobs"]) if what == "fill" else rng.choice(victims)
            plan.blows.append((rng.uniform(0, 6), what, victim))
        return plan


class World:
    """A cluster in one process and no time."""

    def __init__(self, seed: int, make_journal: Callable[[Disk], Journal] | None = None) -> None:
        self.rng = random.Random(seed)
        self.plan = Plan.draw(self.rng)
        self.loop = SimLoop(self.rng, _MAX_STEPS, expected=(UnansweredError, ImgrayError))  # type: ignore[abstract]  # asyncio asks for no more
        frozen = any(what == "freeze" for _, what, _ in self.plan.blows)
        self.history = History(self.plan.settings.max_attempts, leases_expire=frozen or self.plan.lost > 0)
        self.disk = self.history.disk = Disk(self.history.commit)
        self.network = Network(self.loop, self.rng, self._answered)
        self.network.lost, self.network.repeated = self.plan.lost, self.plan.repeated
        self.processes: dict[str, Process] = {}
        self.false_alarms = 0.02 if self.plan.lost else 0.0
        self.story: list[str] = []
        self._make_journal = make_journal or SimJournal
        self._workers: dict[str, Process] = {}
        self._numbers = iter(range(10**9))
        self._starters: dict[str, Callable[[Process], None]] = {MASTER: self._master, STORAGE: self._storage}
        self._starters |= {f"worker-{n}": self._worker for n in range(self.plan.workers)}

    def run(self) -> None:
        """Play the schedule, and check its history."""
        for name in self._starters:
            self._start(name)
        for at, what, victim in self.plan.blows:
            self.loop.outside(at, self._strike, what, victim)
        director = self.loop.create_task(self._direct())
        self.loop.run(director)
        if self.loop.defects:
            raise AssertionError(f"defects: {self.loop.defects}")

    def tell(self, words: str) -> None:
        self.story.append(f"{self.loop.now:9.4f} {words}")

    def gateway(self) -> Gateway:
        settings = self.plan.settings
        return Gateway(
            RemoteMaster(self.network, settings),
            RemoteStorage(self.network, settings),
            RemoteWorkers(self.network, settings),
            settings,
        )

    # The plot

    async def _direct(self) -> None:
        clients = []
        for number in range(self.plan.clients):
            process = self.processes[f"client-{number}"] = Process(f"client-{number}")
            script = self._client(self.gateway(), number)
            client = self.loop.create_task(script, context=process.context())
            gone = self.loop.create_future()
            process.on_death.append(lambda gone=gone: gone.done() or gone.set_result(None))  # type: ignore[misc]
            clients.append(asyncio.wait({client, gone}, return_when=asyncio.FIRST_COMPLETED))
        for ended in await asyncio.gather(*clients):
            for task in ended[0]:
                task.result()
        await asyncio.sleep(max([0.0, *(at for at, _, _ in self.plan.blows)]))
        self._heal()
        deadline = self.loop.now + _PATIENCE_S
        quiet_at = self.loop.now
        while self.loop.now < quiet_at + _QUIET_S:  # calls of the dead may still come
            if self.disk.live() or self.disk.garbage:
                assert self.loop.now < deadline, f"never ends: {[str(task) for task in self.disk.live()]}"
                quiet_at = self.loop.now
            await asyncio.sleep(_LOOK_S)
        await self._look()

    def _heal(self) -> None:
        self.tell("all is well from here on")
        self.network.lost = self.network.repeated = self.false_alarms = 0.0
        self.disk.blobs_full = self.disk.journal_full = False
        for process in self.processes.values():
            process.doom = None
            self.loop.thaw(process)

    async def _look(self) -> None:
        gateway = self.gateway()
        seen: list[tuple[Any, Task | None, bytes | None]] = []
        for promise in self.history.promises.values():
            data = None
            try:
                task: Task | None = await gateway.get(promise.task_id)
            except TaskNotFoundError:
                task = None
            if task is not None and task.outputs:
                data = await gateway.fetch(task.id, task.outputs[0])
            seen.append((promise, task, data))
        statistics = await gateway.master.statistics()
        self.history.check(seen, dict(statistics.tasks))
        assert statistics.submitted == sum(statistics.tasks.values()), "Invariant 5: a task vanished"

    async def _client(self, gateway: Gateway, number: int) -> None:
        rng = self.rng
        for _ in range(self.plan.tasks):
            await asyncio.sleep(rng.uniform(0, 1))
            kind = rng.choice([Kind.GOOD, Kind.GOOD, Kind.GOOD, Kind.BAD, Kind.POISON])
            submission = Submission(
                {"image": PIPELINE},
                data=image(kind, next(self._numbers)),
                tenant=f"tenant-{number}",
                priority=rng.choice([-1, 0, 0, 1]),
                expires_at=rng.choice([None, None, None, TODAY + self.loop.now + 5]),
                idempotency_key=rng.choice(["", f"key-{number}-{rng.randint(0, 1)}"]),
            )
            task = await self._submit(gateway, submission)
            if task is not None:
                with contextlib.suppress(PassingError, TaskNotFoundError):
                    await self._meddle(gateway, task.id)

    async def _submit(self, gateway: Gateway, submission: Submission) -> Task | None:
        key = submission.idempotency_key
        for _ in range(3):
            try:
                (task,) = await gateway.submit([replace(submission)])
            except IdempotencyConflictError:
                return None
            except QueueFullError:
                await asyncio.sleep(1)
            except RequestError:  # its deadline has passed already
                return None
            except PassingError as error:
                self.tell(f"not accepted: {error.code}")
                if not key:
                    return None
            else:
                self.tell(f"accepted {task.id} {submission.data!r} {key}")
                lasting = key if self.plan.settings.idempotency_s > _PATIENCE_S else ""
                self.history.accepted(task, submission.data or b"", lasting)
                return task
        return None

    async def _meddle(self, gateway: Gateway, task_id: str) -> None:
        match self.rng.choice(["nothing", "nothing", "wait", "cancel", "redrive", "purge"]):
            case "wait":
                await gateway.wait(task_id, 10)
            case "cancel":
                self.history.cancelled.add(task_id)
                await gateway.cancel(task_id)
            case "redrive":
                await gateway.wait(task_id, 10)
                self.history.redriven.add(task_id)
                await gateway.redrive(task_id)
            case "purge":
                await gateway.wait(task_id, 10)
                with contextlib.suppress(ImgrayError):
                    await gateway.purge(task_id)

    # Blows

    def _strike(self, what: str, victim: str) -> None:
        self.tell(f"{what} {victim}")
        if what == "fill":
            setattr(self.disk, f"{victim}_full", True)
            self.loop.outside(self.rng.uniform(0, 5), setattr, self.disk, f"{victim}_full", False)  # noqa: FBT003
            return
        process = self.processes.get(victim)
        if process is None:
            return
        match what:
            case "kill":
                self.loop.kill(process)
            case "doom":
                process.doom = self.rng.randint(1, 60)
            case _:
                process.frozen = True
                self.loop.outside(self.rng.uniform(0, 40), self.loop.thaw, process)

    # Parts, started as `imgray.actors.remote` starts them

    def _start(self, name: str) -> None:
        process = self.processes[name] = Process(name)
        self.tell(f"{name} starts")
        process.on_death.append(lambda: self.tell(f"{name} dies"))
        process.on_death.append(lambda: self.loop.outside(self.rng.uniform(0, 2) * _RESTART_S, self._start, name))
        self.loop.call_soon(self._starters[name], process, context=process.context())

    def _master(self, process: Process) -> None:
        jump_s = 0  # of the time of day, as this Master found it; results may not expire by that
        if self.plan.blows and not self.plan.settings.result_ttl_s:
            jump_s = self.rng.choice([0, 0, -1000, 1000])
        try:
            master = Master(
                self.plan.settings,
                RemoteStorage(self.network, self.plan.settings),
                self._watch,
                FixedPool({f"worker-{n}" for n in range(self.plan.workers)}),
                clock=lambda: TODAY + jump_s + self.loop.now,
                open_journal=lambda _: self._journal(process),
            )
        except PassingError as error:
            self.tell(f"no master: {error.code}")
            self.loop.kill(process)
            return
        self.network.parts[MASTER] = process, master
        for loop in (master._ledger.committer, master._sizing):  # noqa: SLF001  # as MasterActor
            loop.add_done_callback(partial(self._crashed, process))

    def _journal(self, process: Process) -> Journal:
        journal = self._make_journal(self.disk)
        process.on_death.append(journal.close)  # as the kernel does
        return journal

    def _storage(self, process: Process) -> None:
        self.network.parts[STORAGE] = process, Storage(SimBlobs(self.disk), 200)

    def _worker(self, process: Process) -> None:
        info = WorkerInfo(f"{process.name}.{next(self._numbers)}", process.name, "node", "host", 1, "0")
        process.on_death.append(self._count_blame)
        self._workers[info.id] = process
        gateway = self.gateway()
        worker = Worker(info, gateway.master, gateway.storage, self.plan.settings, partial(SimRunner, self.rng))
        self.loop.create_task(worker.run()).add_done_callback(partial(self._crashed, process))

    def _crashed(self, process: Process, task: asyncio.Task[None]) -> None:
        self.loop.defects.append(f"{process.name} ended by itself: {task.exception()!r}")
        self.loop.kill(process)

    def _count_blame(self) -> None:
        self.history.blamed_workers += 1

    async def _watch(self, worker_id: str) -> None:
        """Wait until a worker is dead, or seems to be."""
        process = self._workers[worker_id]
        lost = self.loop.create_future()

        def lose() -> None:
            if not lost.done():
                lost.set_result(None)

        if not process.alive:
            await asyncio.sleep(self.rng.uniform(0, 1))
            return
        process.on_death.append(lambda: self.loop.outside(self.rng.uniform(0, 1), lose))
        if self.rng.random() < self.false_alarms:
            self._count_blame()
            self.loop.outside(self.rng.uniform(0, 5), lose)
        await lost

    def _answered(self, part: str, method: str, answer: Any) -> None:
        self.tell(f"{part} answers {method}")
        if part == MASTER:
            self.history.answered(method, answer)


@contextlib.contextmanager
def reproducible(rng: random.Random) -> Iterator[None]:
    """Have shipped code draw its jitter and its ids from a seed."""
    seeded = SimpleNamespace(Random=lambda: random.Random(rng.random()))
    ids = (f"{number:012x}" for number in range(10**9))
    with (
        patch("imgray.actors.worker.random", seeded),
        patch("imgray.actors.ledger.random", seeded),
        patch("imgray.ports.random", seeded),
        patch("imgray.task.secrets", SimpleNamespace(token_hex=lambda _: next(ids))),
        patch("imgray.task.time", SimpleNamespace(time_ns=lambda: 0)),
    ):
        yield


def play(seed: int, make_journal: Callable[[Disk], Journal] | None = None) -> World:
    """Play one schedule. An error says which seed replays it.

    Raises:
        AssertionError: something that must hold did not.
    """
    world = World(seed, make_journal)
    with reproducible(random.Random(seed)), warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of dead processes' coroutines, which nobody awaits any more
        try:
            world.run()
        except BaseException as error:
            error.add_note(f"replay it with: cd tests && python -m sim.world {seed}")
            error.add_note("\n".join(world.story[-100:]))
            raise
    return world


if __name__ == "__main__":
    sys.stdout.writelines(f"{line}\n" for line in play(int(sys.argv[1])).story)
