"""The bulk job against `concurrent.futures.ProcessPoolExecutor` with the same function and as many processes.

Both read each image from a file, process it and write the result, synced, to a file. imgray also journals every task.
Start-up is left out on both sides.
"""

from __future__ import annotations

import asyncio
import shutil
import statistics
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import click

from imgray.actors.cluster import running_cluster
from imgray.attempt import Allowance, run_attempt
from imgray.bulk import BulkJob, Ending
from imgray.catalogue import BUILT_IN
from imgray.gateway import Gateway
from imgray.pipeline import Pipeline
from imgray.plan import Item, make_plan
from imgray.samples import draw_samples
from imgray.settings import Settings
from imgray.task import DEFAULT_OUTPUT, OutputSpec, PathSource, TaskSpec

WARM_UP = 16


ALLOWANCE = Allowance.of(Settings(file_roots=(Path("/"),)))


def one(item: Item, pipeline: str) -> None:
    """Do what a worker's runner does with one image."""
    outputs = tuple(OutputSpec(name, pipeline, str(path)) for name, path in item.destinations.items())
    run_attempt(TaskSpec("x", PathSource(str(item.source)), outputs), 1, None, ALLOWANCE, lambda: None)


def with_pool(pool: ProcessPoolExecutor, items: list[Item], pipeline: Pipeline) -> float:
    """Return images per second of a process pool."""
    begun = time.perf_counter()
    for _ in pool.map(one, items, [str(pipeline)] * len(items)):
        pass
    return len(items) / (time.perf_counter() - begun)


def with_imgray(gateway: Gateway, items: list[Item], pipeline: Pipeline) -> float:
    """Return images per second of imgray."""
    endings: list[Ending] = []
    begun = time.perf_counter()
    asyncio.run(BulkJob(gateway, {DEFAULT_OUTPUT: pipeline}, endings.append).run(items))
    rate = len(items) / (time.perf_counter() - begun)
    if any(ending.failure for ending in endings) or len(endings) != len(items):
        raise SystemExit("some images failed: the comparison means nothing")
    return rate


def same(items: list[Item], others: list[Item]) -> bool:
    """Say whether both made the same files."""
    return all(
        item.destinations[DEFAULT_OUTPUT].read_bytes() == other.destinations[DEFAULT_OUTPUT].read_bytes()
        for item, other in zip(items, others, strict=True)
    )


@click.command()
@click.option("--photos", type=click.Path(exists=True, file_okay=False, path_type=Path), help="Folder of images.")
@click.option("--pattern", default="*.*", help="Which files of it.")
@click.option("--op", default="swap:rg", help="Pipeline.")
@click.option("--repeat", default=10, help="How many times each image is in the job.")
@click.option("--rounds", default=3, help="How often both are measured.")
@click.option("--workers", default=2)
def main(photos: Path | None, pattern: str, op: str, repeat: int, rounds: int, workers: int) -> None:
    """Compare imgray's bulk job with a process pool."""
    pipeline = BUILT_IN.parse(op)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        sources = sorted(photos.glob(pattern)) if photos else draw_samples(folder / "samples")
        for number in range(repeat):
            (folder / f"in/{number}").mkdir(parents=True)
            for source in sources:
                shutil.copy(source, folder / f"in/{number}")
        ours, theirs = (
            make_plan([folder / "in"], folder / name, {DEFAULT_OUTPUT: pipeline}).items for name in ("ours", "theirs")
        )
        settings = Settings(data=folder / "data", workers=workers, file_roots=(Path("/"),))
        rates: dict[str, list[float]] = {"imgray": [], "pool": []}
        with running_cluster(settings) as gateway, ProcessPoolExecutor(workers) as pool:
            with_imgray(gateway, ours[:WARM_UP], pipeline)
            with_pool(pool, theirs[:WARM_UP], pipeline)
            for _ in range(rounds):
                rates["pool"].append(with_pool(pool, theirs, pipeline))
                rates["imgray"].append(with_imgray(gateway, ours, pipeline))
        equal = "equal" if same(ours, theirs) else "NOT EQUAL"
        print(f"{len(ours)} images, {workers} processes, {op}; the results are {equal}")
    for name, values in rates.items():
        shown = ", ".join(f"{value:.1f}" for value in values)
        print(f"{name:8} {statistics.median(values):7.1f} images/s  ({shown})")
    ratios = sorted(ours / theirs for ours, theirs in zip(rates["imgray"], rates["pool"], strict=True))
    print(f"ratio    {statistics.median(ratios):7.2f}           ({', '.join(f'{ratio:.2f}' for ratio in ratios)})")


if __name__ == "__main__":
    main()
