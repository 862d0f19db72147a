"""What imgray takes when it starts, when it has nothing to do, and of memory in the long run.

    python benchmarks/footprint.py

A cold start stands beside that of a bare Ray with as many actors, or of a bare Ray Serve with one handler and as many
actors; they take turns. The processor time of an idle service is told apart by whose it is, and stands beside that of
the same bare service. A worker's memory is that of its two processes, looked at after each tenth of the images.
"""

from __future__ import annotations

import contextlib
import io
import itertools
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from contenders.processes import free_port
from PIL import Image
from rich.progress import track

from imgray import connect

_BARE_RUN = """
import ray
ray.init("local", include_dashboard=False, log_to_driver=False)
class Part:
    def answer(self): return 1
parts = [ray.remote(Part).options(num_cpus=0).remote() for _ in range(4)]
ray.get([part.answer.remote() for part in parts])
ray.shutdown()
"""

_BARE_SERVE = """
import sys, signal, ray
from ray import serve
ray.init("local", include_dashboard=False, log_to_driver=False)
serve.start(http_options={"port": int(sys.argv[1])})
class Ready:
    async def __call__(self, request): return "ok"
class Part:
    async def answer(self): return 1
parts = [ray.remote(Part).options(num_cpus=0).remote() for _ in range(4)]
ray.get([part.answer.remote() for part in parts])
serve.run(serve.deployment(Ready).options(ray_actor_options={"num_cpus": 0}).bind(), route_prefix="/")
signal.pause()
"""

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_START_S = 120.0
_SETTLE_S = 10.0
_LOOK_S = 0.02
_KINDS = 40
_SIDES = (64, 1600)
_SEED = 6
_PIPELINE = "resize:256/convert:jpeg"
_OURS = {
    "MasterActor": "Master",
    "StorageActor": "Storage",
    "WorkerActor": "workers",
    "imgray.runner": "runners",
    "ServeReplica": "front end",
    "Part": "actors",
    "imgray serve": "command",
}
"""What is in a command line, the first that is; everything else is Ray's."""


@click.command()
@click.option("--rounds", default=3, help="Cold starts of each kind.")
@click.option("--idle-s", default=30.0, help="How long an idle service is watched.")
@click.option("--images", default=10_000, help="Images over which the memory of workers is watched.")
def main(rounds: int, idle_s: float, images: int) -> None:
    """Measure, and print."""
    with tempfile.TemporaryDirectory(prefix="imgray-footprint-") as name:
        scratch = Path(name)
        picture = scratch / "picture.jpg"
        Image.new("RGB", (320, 240), "teal").save(picture)
        kinds: dict[str, Callable[[], float]] = {
            "imgray run, one image": lambda: _run_imgray(picture, scratch),
            "a bare Ray, four actors": lambda: _whole([sys.executable, "-c", _BARE_RUN]),
            "imgray serve, to ready": lambda: _ready_after(_serve(scratch), "/readyz"),
            "a bare Ray Serve, to its first answer": lambda: _ready_after([sys.executable, "-c", _BARE_SERVE], "/"),
        }
        taken: dict[str, list[float]] = {kind: [] for kind in kinds}
        for kind, measure in track(list(kinds.items()) * rounds, "Starting"):
            taken[kind].append(measure())
        for kind, times in taken.items():
            print(f"{kind}: {statistics.median(times):.1f} s ({min(times):.1f} to {max(times):.1f})")
        _print_idle(scratch, idle_s)
        _print_memory(scratch, images)


# Cold starts


def _whole(command: list[str]) -> float:
    begun = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True, env=_environment())  # noqa: S603  # the programs above
    return time.perf_counter() - begun


def _run_imgray(picture: Path, scratch: Path) -> float:
    shutil.rmtree(scratch / "out", ignore_errors=True)
    return _whole([*_imgray("run"), str(picture), "--op", "swap:rg", "--out", str(scratch / "out")])


def _serve(scratch: Path) -> list[str]:
    return [*_imgray("serve"), "--data", tempfile.mkdtemp(dir=scratch), "--port"]


def _ready_after(command: list[str], path: str) -> float:
    """Start a service, with its port as the last argument, and say after how many seconds it answers."""
    begun = time.perf_counter()
    with _service(command, path):
        return time.perf_counter() - begun


@contextmanager
def _service(command: list[str], path: str) -> Iterator[int]:
    """Have a service running that answers at a path; give the number of its process."""
    port = free_port()
    silent = subprocess.DEVNULL
    process = subprocess.Popen([*command, str(port)], stdout=silent, stderr=silent, env=_environment())  # noqa: S603
    try:
        deadline = time.monotonic() + _START_S
        while not _answers(f"http://127.0.0.1:{port}{path}"):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{command[:3]} did not start")
            time.sleep(_LOOK_S)
        yield process.pid
    finally:
        process.terminate()
        process.wait()


def _answers(url: str) -> bool:
    with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310  # http
        return bool(answer.status == 200)  # noqa: PLR2004
    return False


def _imgray(command: str) -> list[str]:
    return [sys.executable, "-m", "imgray", command]


def _environment() -> dict[str, str]:
    return {**os.environ, "RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_MODE": "disabled"}


# An idle service


def _print_idle(scratch: Path, idle_s: float) -> None:
    for what, command, path in (
        ("imgray serve", _serve(scratch), "/readyz"),
        ("a bare Ray Serve", [sys.executable, "-c", _BARE_SERVE], "/"),
    ):
        with _service(command, path) as pid:
            time.sleep(_SETTLE_S)
            before = _processor_s(pid)
            time.sleep(idle_s)
            after = _processor_s(pid)
        shares = {kind: 100 * (after[kind] - before[kind]) / idle_s for kind in after}
        told_apart = ", ".join(f"{kind} {share:.1f}" for kind, share in sorted(shares.items()))
        print(f"idle {what}, percent of a core: {sum(shares.values()):.1f} ({told_apart})")


def _processor_s(root: int) -> Counter[str]:
    """Return the processor time that a process and its descendants have taken, by whose they are."""
    parents: dict[int, int] = {}
    used: dict[int, tuple[str, float]] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it has ended meanwhile
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
            said = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            parents[int(folder.name)] = int(fields[1])
            whose = next((kind for mark, kind in _OURS.items() if mark in said), "Ray")
            used[int(folder.name)] = whose, (int(fields[11]) + int(fields[12])) / _TICKS_PER_S
    total: Counter[str] = Counter()
    for pid, (whose, seconds) in used.items():
        if root in _line(pid, parents):
            total[whose] += seconds  # type: ignore[assignment]  # a counter of seconds
    return total


def _line(pid: int, parents: dict[int, int]) -> Iterator[int]:
    """Yield a process, its parent, and so on."""
    while pid in parents:
        yield pid
        pid = parents[pid]


# Memory


def _print_memory(scratch: Path, images: int) -> None:
    kinds = _kinds()
    sources = itertools.islice(itertools.cycle(kinds), images)
    seen: list[int] = []
    with connect(data=scratch / "memory") as client:
        for number, task in enumerate(track(client.map(sources, _PIPELINE), "Processing", total=images), 1):
            if task.error is not None:
                raise RuntimeError(f"a task failed: {task.error}")
            if number % max(images // 10, 1) == 0:
                seen.append(max(view.memory_bytes for view in client.workers()))
    print(f"largest worker, MB, after each tenth of {images:,} images: {[round(size / 1e6) for size in seen]}")


def _kinds() -> list[bytes]:
    """Draw pictures of many sizes, as JPEG and PNG."""
    rng = random.Random(_SEED)  # noqa: S311  # sizes
    made = []
    for number in range(_KINDS):
        side = round(rng.uniform(*_SIDES))
        buffer = io.BytesIO()
        noise = Image.effect_noise((side, side * 3 // 4), 40).convert("RGB")
        noise.save(buffer, "PNG" if number % 4 == 0 else "JPEG")
        made.append(buffer.getvalue())
    return made


if __name__ == "__main__":
    main()
