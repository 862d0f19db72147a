"""imgray and its peers side by side: the one command of the benchmark suite.

    python benchmarks/compare.py --photos FOLDER --out results

In each round every contender takes its turn once, in an order that rotates; each turn is a process of its own, which
starts the contender, warms it up, measures it, and ends it. Who is missing is skipped, with the step that installs it;
whose output is wrong, or who loses a task, gets no figure. Nothing else should run beside it.
"""

from __future__ import annotations

import importlib.util
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import click
from contenders.base import cores
from contenders.registry import MODULES, contender
from report import Report, plot, table
from rich.console import Console
from workloads.base import Turn, Workload
from workloads.pictures import drawn, found
from workloads.registry import WORKLOADS
from workloads.rounds import Series, play


@click.command()
@click.option("--only", multiple=True, type=click.Choice(list(WORKLOADS)), help="This workload; may be repeated.")
@click.option(
    "--contender", "chosen", multiple=True, type=click.Choice(list(MODULES)), help="This one; may be repeated."
)
@click.option("--rounds", default=3, type=click.IntRange(min=1), help="How often each contender takes its turn.")
@click.option(
    "--photos",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder of PNG and JPEG photographs; without it, pictures are drawn.",
)
@click.option(
    "--scale", default=1.0, type=click.FloatRange(0, 1, min_open=True), help="Fraction of all sizes, for a quick look."
)
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), help="Folder for JSON, Markdown and plots.")
def main(
    only: tuple[str, ...], chosen: tuple[str, ...], rounds: int, photos: Path | None, scale: float, out: Path | None
) -> None:
    """Compare imgray with its peers."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    console = Console()
    workloads = [workload for name, workload in WORKLOADS.items() if not only or name in only]
    names = {
        workload.name: [one for one in workload.contenders if not chosen or one in chosen] for workload in workloads
    }
    wanted = [name for name in MODULES if any(name in some for some in names.values())]
    report = _report(
        wanted, {"rounds": rounds, "scale": scale, "photographs": "given" if photos else "drawn", "workers": cores()}
    )
    for name, reason in report.skipped.items():
        console.print(f"{name} is skipped: {reason}", highlight=False)
    if out and not importlib.util.find_spec("matplotlib"):
        console.print("There will be no plots: no module matplotlib; pip install '.[bench]'", highlight=False)
    done: list[Workload] = []
    with tempfile.TemporaryDirectory(prefix="imgray-compare-") as scratch:
        folder = Path(scratch)
        pictures = found(photos) if photos else drawn(folder / "drawn")
        for workload in workloads:
            playing = [name for name in names[workload.name] if name not in report.skipped]
            if not playing:
                continue
            report.results[workload.name] = _results(console, workload, playing, rounds, pictures, folder, scale)
            done.append(workload)
            console.print(table(workload, report.results[workload.name]))
            if out:
                report.write(out, done)
                if importlib.util.find_spec("matplotlib"):
                    plot(workload, report.results[workload.name], out)


def _report(names: Sequence[str], settings: dict[str, object]) -> Report:
    """Begin a report by seeing who is there."""
    contenders = {name: contender(name) for name in names}
    missing = {name: f"{one.missing}; {one.install}" for name, one in contenders.items() if one.missing}
    return Report(
        settings,
        {name: one.versions for name, one in contenders.items() if name not in missing},
        {name: one.about for name, one in contenders.items()},
        missing,
    )


def _results(
    console: Console,
    workload: Workload,
    names: Sequence[str],
    rounds: int,
    photos: Sequence[Path],
    folder: Path,
    scale: float,
) -> dict[str, Series]:
    """Have all contenders do one workload, and tell how it goes."""
    inputs = folder / workload.name
    inputs.mkdir()
    with console.status(f"{workload.name}: making the inputs"):
        workload.prepare(photos, inputs, scale)
    results = {name: Series() for name in names}
    with console.status("") as status:
        status.update(f"{workload.name}: turn 1 of {len(names) * rounds}")
        for number, outcome in enumerate(play(workload, names, rounds, folder, Turn(inputs, folder, scale)), 2):
            series = results[outcome.contender]
            series.problem = outcome.problem
            series.notes = list(outcome.notes)
            series.rounds.append(dict(outcome.figures))
            said = outcome.problem or ", ".join(
                f"{metric.name} {outcome.figures[metric.name]:,.1f} {metric.unit}" for metric in workload.metrics
            )
            console.print(f"{workload.name}: {outcome.contender}: {said}", highlight=False, markup=False)
            status.update(f"{workload.name}: turn {number} of {len(names) * rounds}")
    return results


def _interrupt(*_: object) -> NoReturn:
    """End by way of every ``with`` block."""
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
