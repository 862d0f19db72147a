"""What several Masters would do, among whom tasks are divided by their ids: a prototype, and a simulation.

    python benchmarks/sharding.py

The prototype is 1, 2 and 4 real Masters on this machine, each with a process, a folder and a journal of its own; a
task goes to the one that its id says, and every worker calls all of them. The simulation takes from one real Master
what an exchange, a task and a commit cost, and gives each Master a core and a disk of its own.

Left out, of what a service would need: idempotency keys, where two submissions with different ids have to meet;
tenants, priorities, limits and targets, which would hold within one Master; lists by page, merged from all; one Master
that is away while the others are not; a pool that somebody has to look after.
"""

from __future__ import annotations

import heapq
import itertools
import os
import random
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import click
import numpy as np
from crowd import CONSOLE, HEADS, Figures, load_of, play, row_of, show

from imgray.actors.cluster import ray_running
from imgray.actors.pace import REPORT_S
from imgray.settings import Settings

_SLEEP_MS = 50
_PAYLOAD_BYTES = 1000
_BATCHES = (1, 2, 5, 10, 20)  # tasks in a report
_AHEAD = 3  # so many times what the workers hold is under way, as in crowd.py
_SETTLED_S = 8.0
_SIMULATED_S = 8.0  # after that


@dataclass(frozen=True, slots=True)
class Constants:
    """What a Master takes: processor time for an exchange and for a task, and time off the processor for a commit."""

    exchange_s: float
    task_s: float
    sync_s: float


def measured(seconds: float, workers: int) -> Constants:
    """Fit the constants to what one Master takes when its workers report fewer or more tasks at a time."""
    costs_s: list[float] = []
    syncs_s: list[float] = []
    usual = load_of(workers, _SLEEP_MS, _PAYLOAD_BYTES, at_once=True)
    for batch in _BATCHES:
        figures = play(replace(usual, batch=batch), seconds, 1, sockets=True)
        costs_s.append(figures.spent("cpu_s") / figures.tasks)
        syncs_s.append((figures.spent("commit_s") - figures.spent("journal_cpu_s")) / figures.spent("commits"))
        CONSOLE.print(f"{batch} tasks a report: {costs_s[-1] * 1e6:.0f} µs a task, {syncs_s[-1] * 1e3:.1f} ms a sync")
    matrix = np.array([[1 / batch, 1.0] for batch in _BATCHES])
    (exchange_s, task_s), *_ = np.linalg.lstsq(matrix, np.array(costs_s), rcond=None)
    return Constants(max(float(exchange_s), 0.0), max(float(task_s), 0.0), min(syncs_s))


@dataclass(slots=True)
class _Worker:
    """A worker: the Masters that its tasks are of, in the order in which it does them, and whom it waits for."""

    masters: Sequence[int]
    free_at: float
    held: deque[int] = field(default_factory=deque)
    done: Counter[int] = field(default_factory=Counter)  # and not reported yet
    asked: dict[int, int] = field(default_factory=dict)  # by Master, in calls that are not answered


@dataclass(frozen=True, slots=True)
class _Call:
    worker: _Worker
    done: int
    want: int
    at: float


@dataclass(slots=True)
class _Master:
    """A Master: the tasks that wait there, and the calls that wait for its next turn."""

    ready: int = 0
    calls: deque[_Call] = field(default_factory=deque)
    busy: bool = False


class Simulation:
    """Workers and Masters in virtual time.

    A Master takes the calls that wait in turns, each as long as the disk syncs the turn before; they are answered after
    their own sync. A client replaces each task that is done by another, whose id draws a Master: so what waits is not
    the same everywhere. A worker reports every `REPORT_S`, to each Master whose tasks it did or of whom it wants some.
    """

    def __init__(self, workers: int, masters: int, constants: Constants, *, calls_all: bool, seed: int = 1) -> None:
        usual = load_of(workers, _SLEEP_MS, _PAYLOAD_BYTES, at_once=False)
        self._constants = constants
        self._capacity, self._sleep_s = usual.held, usual.sleep_s
        self._rng = random.Random(seed)  # noqa: S311  # repeatable
        self._order = itertools.count()
        self._events: list[tuple[float, int, _Worker | int, Sequence[tuple[_Call, int]]]] = []
        self._masters = [_Master() for _ in range(masters)]
        for _ in range(workers * self._capacity * _AHEAD):
            self._submit()
        for number in range(workers):
            first = self._rng.uniform(0, REPORT_S)
            theirs = range(masters) if calls_all else (number % masters,)
            self._at(first, _Worker(theirs, first))
        self.tasks = 0
        self.latencies_s: list[float] = []

    def run(self) -> tuple[float, float]:
        """Return tasks/s when it has settled, and the 99th percentile of how long an exchange takes."""
        until = _SETTLED_S
        for end in (_SETTLED_S, _SETTLED_S + _SIMULATED_S):
            self.tasks, self.latencies_s, until = 0, [], end
            while self._events[0][0] < until:
                now, _, who, answers = heapq.heappop(self._events)
                if isinstance(who, _Worker):
                    self._report(who, now)
                else:
                    self._answer(who, answers, now)
        self.latencies_s.sort()
        return self.tasks / _SIMULATED_S, self.latencies_s[len(self.latencies_s) * 99 // 100]

    def _at(self, when: float, who: _Worker | int, answers: Sequence[tuple[_Call, int]] = ()) -> None:
        heapq.heappush(self._events, (when, next(self._order), who, answers))

    def _submit(self) -> None:
        self._masters[self._rng.randrange(len(self._masters))].ready += 1

    def _report(self, worker: _Worker, now: float) -> None:
        """Have a worker tell its Masters what it has done, and ask for as much as it then has room for."""
        count = min(int((now - worker.free_at) / self._sleep_s + 1e-9), len(worker.held))
        worker.free_at = worker.free_at + count * self._sleep_s if len(worker.held) > count else now
        worker.done.update(worker.held.popleft() for _ in range(count))
        room = self._capacity - len(worker.held) - sum(worker.asked.values())
        free = [number for number in worker.masters if number not in worker.asked]
        self._rng.shuffle(free)
        for left, number in zip(range(len(free), 0, -1), free, strict=True):
            want = -(-max(room, 0) // left)
            room -= want
            if want or worker.done[number]:
                worker.asked[number] = want
                self._masters[number].calls.append(_Call(worker, worker.done.pop(number, 0), want, now))
                if not self._masters[number].busy:
                    self._turn(number, now)
        self._at(now + REPORT_S, worker)

    def _turn(self, number: int, now: float) -> None:
        """Have a Master decide on calls in the order in which they came, until the disk is free again, and sync."""
        master, constants = self._masters[number], self._constants
        master.busy = bool(master.calls)
        if not master.busy:
            return
        processor_s = 0.0
        answers = []
        while master.calls and processor_s < constants.sync_s:
            call = master.calls.popleft()
            processor_s += constants.exchange_s + call.done * constants.task_s
            for _ in range(call.done):
                self._submit()
            granted = min(call.want, master.ready)
            master.ready -= granted
            answers.append((call, granted))
        self._at(now + processor_s + constants.sync_s, number, answers)
        self._at(now + max(processor_s, constants.sync_s), number)  # the next turn

    def _answer(self, number: int, answers: Sequence[tuple[_Call, int]], now: float) -> None:
        """Tell the workers; without answers, it is the Master's next turn."""
        if not answers:
            self._turn(number, now)
        for call, granted in answers:
            worker = call.worker
            if not worker.held:
                worker.free_at = max(worker.free_at, now)
            worker.held.extend([number] * granted)
            worker.asked.pop(number)
            self.tasks += call.done
            self.latencies_s.append(now - call.at)


def _simulated(constants: Constants, masters: Sequence[int], workers: Sequence[int]) -> Iterator[list[str]]:
    """Yield the rows of a table: how near to linear each number of workers is."""
    for calls_all, count in itertools.product((True, False), masters):
        row = ["all" if calls_all else "one", str(count)]
        for number in workers:
            rate, p99_s = Simulation(number, count, constants, calls_all=calls_all).run()
            row.append(f"{rate:,.0f} ({rate * _SLEEP_MS / 1000 / number:.2f}; {p99_s * 1e3:,.0f} ms)")
        yield row


@click.command()
@click.option("--masters", multiple=True, default=(1, 2, 4), help="Real Masters.")
@click.option("--simulated", multiple=True, default=(1, 2, 4, 8, 16), help="Simulated ones.")
@click.option("--workers", default=64, help="Of the real Masters, in one process; they report at once.")
@click.option("--simulated-workers", multiple=True, default=(125, 250, 500, 1000, 2000, 4000))
@click.option("--seconds", default=20.0, help="How long the real Masters are measured, when they have settled.")
@click.option("--rounds", default=3)
def main(
    masters: Sequence[int],
    simulated: Sequence[int],
    workers: int,
    simulated_workers: Sequence[int],
    seconds: float,
    rounds: int,
) -> None:
    """Measure, simulate, and print."""
    with ray_running(Settings()):
        played: dict[int, list[Figures]] = {count: [] for count in masters}
        for _, count in itertools.product(range(rounds), masters):
            load = load_of(workers, _SLEEP_MS, _PAYLOAD_BYTES, at_once=True, shards=count)
            played[count].append(play(load, seconds, 1, sockets=True))
        show(("Masters", *HEADS), [[str(count), *row_of(figures)] for count, figures in played.items()])
        CONSOLE.print(f"(on {os.cpu_count()} cores, which Masters and workers share)")
        constants = measured(seconds, workers)
    CONSOLE.print(
        f"an exchange {constants.exchange_s * 1e6:.0f} µs, a task {constants.task_s * 1e6:.0f} µs,"
        f" a sync {constants.sync_s * 1e3:.1f} ms; of them, tasks/s (of linear; exchange p99):"
    )
    heads = ("a worker calls", "Masters", *(f"{number} workers" for number in simulated_workers))
    show(heads, list(_simulated(constants, simulated, simulated_workers)))


if __name__ == "__main__":
    main()
