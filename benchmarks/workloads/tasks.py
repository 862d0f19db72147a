"""Tasks that do nothing: how many a second, and how long one takes on an idle service."""

from __future__ import annotations

import io
import random
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from contenders.base import Contender, note
from PIL import Image
from workloads.base import Metric, Turn

PAYLOADS = 256  # different ones
NOOP_WARM_UP = 500

CALLS = 300
CALLS_WARM_UP = 30
MOST_PAUSE_S = 0.01
"""Between two calls it is idle, for a random time, so that no poller keeps step with them."""

RATE = Metric("rate", "tasks/s")
P50 = Metric("p50", "ms", lower_is_better=True)
P99 = Metric("p99", "ms", lower_is_better=True)

_SIDE = 18  # so many pixels of noise are a PNG of 1 kB
_SEED = 6


@dataclass(frozen=True, slots=True)
class Noop:
    """Tasks that do nothing, from a driver."""

    name: str = "noop"
    title: str = "Tasks that do nothing"
    about: str = "1 kB each, every one a task of its own: submitted by one driver, executed, all results awaited"
    metrics: tuple[Metric, ...] = (RATE,)
    contenders: tuple[str, ...] = ("pool", "imgray", "ray-tasks", "dask", "celery", "dramatiq")
    reference: str = "pool"

    def prepare(self, photos: Sequence[Path], inputs: Path, scale: float) -> None:
        """Make payloads."""
        del photos, scale
        _write_payloads(inputs)

    def measure(self, contender: Contender, turn: Turn) -> Mapping[str, float]:
        """Return tasks per second.

        Raises:
            ValueError: some payloads did not arrive.
        """
        if contender.noop is None:
            raise NotImplementedError(contender.name)
        kinds = _payloads(turn.inputs)
        count = turn.scaled(contender.noop_tasks, 10)
        payloads = [kinds[number % len(kinds)] for number in range(count)]
        with contender.noop(turn.scratch) as run:
            run(payloads[: turn.scaled(NOOP_WARM_UP, 10)])
            begun = time.perf_counter()
            arrived = run(payloads)
            elapsed_s = time.perf_counter() - begun
        if arrived != sum(map(len, payloads)):
            raise ValueError(f"{arrived} bytes arrived of {sum(map(len, payloads))}")
        note(f"{count:,} tasks")
        return {RATE.name: count / elapsed_s}

    def check(self, turn: Turn) -> str | None:
        """See nothing: the measurement has."""
        del turn
        return None


@dataclass(frozen=True, slots=True)
class Latency:
    """One task at a time on an idle service."""

    name: str = "latency"
    title: str = "One task that does nothing, on an idle service"
    about: str = "1 kB, from submission until the result is known to the caller; one at a time, with pauses"
    metrics: tuple[Metric, ...] = (P50, P99)
    contenders: tuple[str, ...] = (
        "pool",
        "imgray",
        "imgray-http",
        "ray-tasks",
        "dask",
        "celery",
        "dramatiq",
        "ray-actor",
        "serve",
    )
    reference: str = "pool"

    def prepare(self, photos: Sequence[Path], inputs: Path, scale: float) -> None:
        """Make payloads."""
        del photos, scale
        _write_payloads(inputs)

    def measure(self, contender: Contender, turn: Turn) -> Mapping[str, float]:
        """Return the median and the 99th percentile."""
        if contender.call is None:
            raise NotImplementedError(contender.name)
        kinds = _payloads(turn.inputs)
        rng = random.Random(_SEED)  # noqa: S311  # pauses
        taken_s: list[float] = []
        with contender.call(turn.scratch) as call:
            warm_up = turn.scaled(CALLS_WARM_UP, 3)
            for number in range(warm_up + turn.scaled(CALLS, 10)):
                time.sleep(rng.uniform(0, MOST_PAUSE_S))
                begun = time.perf_counter()
                call(kinds[number % len(kinds)])
                taken_s.append(time.perf_counter() - begun)
        centiles = statistics.quantiles(taken_s[warm_up:], n=100, method="inclusive")
        return {P50.name: centiles[49] * 1e3, P99.name: centiles[98] * 1e3}

    def check(self, turn: Turn) -> str | None:
        """See nothing: a call that fails raises."""
        del turn
        return None


def _write_payloads(folder: Path) -> None:
    """Make images of noise: 1 kB that cannot be compressed, and that whoever looks at it takes for an image."""
    rng = random.Random(_SEED)  # noqa: S311  # noise
    for number in range(PAYLOADS):
        buffer = io.BytesIO()
        Image.frombytes("RGB", (_SIDE, _SIDE), rng.randbytes(_SIDE * _SIDE * 3)).save(buffer, format="PNG")
        (folder / f"{number:03}").write_bytes(buffer.getvalue())


def _payloads(folder: Path) -> list[bytes]:
    return [path.read_bytes() for path in sorted(folder.iterdir())]


WORKLOADS = (Noop(), Latency())
