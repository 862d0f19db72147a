"""``imgray run``: process files and folders here and now."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from imgray.bulk import BulkJob, Ending, cancel_leftovers, split_done
from imgray.catalogue import Catalogue
from imgray.errors import RequestError
from imgray.extensions import catalogue_of
from imgray.journal import HANDOVER_S, Journal
from imgray.pipeline import Pipeline
from imgray.plan import Item, make_plan
from imgray.settings import Settings
from imgray.task import DEFAULT_OUTPUT

STATE_FOLDER = ".imgray"
"""Folder in ``--out`` that remembers what has been done."""

EXIT_FAILED = 1
EXIT_INTERRUPTED = 130


@click.command()
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--op", "ops", multiple=True, metavar="PIPELINE",
              help="What to do, as in swap:rg/convert:webp,quality=80; may be repeated.")  # fmt: skip
@click.option("--output", "outputs", multiple=True, metavar="NAME=PIPELINE",
              help="Several results of each image, in a folder each: small=resize:320; may be repeated.")  # fmt: skip
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder for the results.")
@click.option("--workers", type=click.IntRange(min=0), help="Size of the worker pool; 0: one per core.")
@click.option("--json", "report", type=click.Path(path_type=Path, allow_dash=True),
              help="Write what became of each image to this file, as JSON.")  # fmt: skip
def run(
    paths: tuple[Path, ...],
    *,
    ops: tuple[str, ...],
    outputs: tuple[str, ...],
    out: Path,
    workers: int | None,
    report: Path | None,
) -> None:
    """Process the images in PATHS, files and folders, and write the results to a folder.

    Folders are searched recursively, by content and not by name, and their structure is kept. The same command again
    does only what is missing. Ctrl-C stops it cleanly.

    Exit status: 0 when all succeeded, 1 when some failed, 2 when nothing could be begun, 130 when interrupted.
    """
    # The cluster is this user's own, and sources may be links to anywhere: the workers may use what the user may.
    # What was done is remembered for good: the next run over this folder does only what is missing.
    settings = Settings.having(data=out / STATE_FOLDER, file_roots=(Path("/"),), workers=workers, result_ttl_s=0)
    pipelines = _pipelines(catalogue_of(settings), ops, outputs)
    if out.exists() and not out.is_dir():
        raise RequestError(f"--out '{out}' is a file.")
    if report is not None and not report.absolute().parent.is_dir():
        raise RequestError(f"--json '{report}': there is no folder '{report.absolute().parent}'.")
    console = Console(stderr=True)
    with console.status("Looking for images…"):
        plan = make_plan(paths, out, pipelines)
    with closing(Journal.open(settings.data_folder, HANDOVER_S)) as journal:
        done, missing = split_done(plan.items, journal)
    tally = Tally(total=len(plan.items) + len(plan.problems), ignored=plan.ignored)
    for ending in (*map(Ending.of, plan.problems), *map(Ending.done_before, done)):
        tally.add(ending)
    try:
        finished = not missing or _process(missing, pipelines, settings, tally, console)
    finally:  # also when the cluster fails: what was done is done
        tally.show(out, to_stderr=str(report) == "-")
        if report is not None:
            described = {name: str(pipeline) for name, pipeline in pipelines.items()}
            _write_report(report, {"outputs": described, "out": str(out), **tally.as_json()})
    if not finished:
        raise click.exceptions.Exit(EXIT_INTERRUPTED)
    if tally.failed:
        raise click.exceptions.Exit(EXIT_FAILED)


@dataclass
class Tally:
    """What became of the images so far."""

    total: int
    ignored: int
    endings: list[Ending] = field(default_factory=list)
    succeeded: int = 0
    skipped: int = 0
    failed: int = 0
    started: float = field(default_factory=time.monotonic)
    elapsed_s: float = 0.0
    """From when the cluster was ready until the latest ending."""

    def add(self, ending: Ending) -> None:
        """Count one more."""
        self.endings.append(ending)
        self.skipped += ending.skipped
        self.failed += ending.failure is not None
        self.succeeded += ending.failure is None and not ending.skipped
        self.elapsed_s = time.monotonic() - self.started

    @property
    def images_per_s(self) -> float:
        """Images processed per second."""
        return (self.succeeded + self.failed) / self.elapsed_s if self.elapsed_s else 0.0

    @property
    def missing(self) -> int:
        """How many were not come to, because the run was interrupted."""
        return self.total - len(self.endings)

    def show(self, out: Path, *, to_stderr: bool) -> None:
        """Print a line for each failure, and the summary."""
        console = Console(soft_wrap=True, highlight=False, stderr=to_stderr)
        for ending in self.endings:
            if ending.failure is not None:
                line = f"{ending.source}: {ending.failure.code}: {ending.failure.message}"
                console.print(_printable(line), markup=False)
        table = Table(show_header=False, box=None, pad_edge=False, padding=(0, 2, 0, 0))
        table.add_column(justify="right")
        rows = (
            (self.succeeded, f"processed, in {self.elapsed_s:.1f} s ({self.images_per_s:.1f} images/s)"),
            (self.skipped, "done before"),
            (self.failed, "failed"),
            (self.missing, "not done: run the same command again to go on"),
            (self.ignored, "files ignored, which are no images"),
        )
        for count, words in rows:
            if count or not self.total:
                table.add_row(f"{count:,}", words)
        console.print(table)
        if self.succeeded or self.skipped:
            console.print(f"Results are in {_printable(out)}", markup=False)

    def as_json(self) -> dict[str, Any]:
        """Return everything, for machines."""
        return {
            "total": self.total,
            "succeeded": self.succeeded,
            "skipped": self.skipped,
            "failed": self.failed,
            "not_done": self.missing,
            "ignored": self.ignored,
            "elapsed_s": round(self.elapsed_s, 3),
            "images_per_s": round(self.images_per_s, 3),
            "images": [
                {
                    "source": str(ending.source),
                    "destinations": {name: str(path) for name, path in ending.destinations.items()},
                    "state": "failed" if ending.failure else "skipped" if ending.skipped else "succeeded",
                    **({"code": ending.failure.code, "message": ending.failure.message} if ending.failure else {}),
                }
                for ending in self.endings
            ],
        }


def _pipelines(catalogue: Catalogue, ops: Sequence[str], outputs: Sequence[str]) -> dict[str, Pipeline]:
    """Understand --op, or --output; files that they name are relative to where the user is."""
    if ops and outputs:
        raise RequestError("Give either --op, for one result of each image, or --output, for several.")
    pipelines = catalogue.parse_named(outputs) if outputs else {DEFAULT_OUTPUT: catalogue.parse("/".join(ops))}
    return {name: pipeline.anchored(Path.cwd()) for name, pipeline in pipelines.items()}


def _process(
    missing: Sequence[Item], pipelines: Mapping[str, Pipeline], settings: Settings, tally: Tally, console: Console
) -> bool:
    """Start a private cluster, run the job on it, and show how it goes; return False when interrupted."""
    from imgray.actors.cluster import running_cluster  # noqa: PLC0415  # help and errors need not wait for Ray

    progress = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[failed]} failed · {task.fields[rate]:.1f} images/s"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=console,
    )
    with progress:
        bar = progress.add_task("Starting", total=None, failed=0, rate=0.0)
        with running_cluster(settings) as gateway:
            tally.started = time.monotonic()
            progress.update(bar, description="Processing", total=tally.total)

            def tell(ending: Ending) -> None:
                tally.add(ending)
                progress.update(bar, advance=1, failed=tally.failed, rate=tally.images_per_s)

            async def job() -> bool:
                await cancel_leftovers(gateway)
                finished = await BulkJob(gateway, pipelines, tell).run(missing)
                progress.update(bar, description="Done" if finished else "Stopped")
                return finished

            return asyncio.run(job())


def _write_report(report: Path, content: dict[str, Any]) -> None:
    text = json.dumps(content, indent=2) + "\n"
    if str(report) == "-":
        print(text, end="")
    else:
        report.write_text(text, encoding="utf-8")


def _printable(words: object) -> str:
    """Show words in which there may be the name of a file that is not text."""
    return str(words).encode(errors="surrogateescape").decode(errors="replace")
