"""Ray Data: a map over paths. Not durable."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from contenders.base import Contender, FileJob, FilesRun, FileWork, cores
from contenders.private_ray import private_ray
from contenders.work import process_file

BLOCKS_PER_CORE = 8
"""Enough for the cores to end together; each costs a task of Ray's."""


@contextmanager
def files(work: FileWork) -> Iterator[FilesRun]:
    """Process files, a row each."""
    import ray.data  # noqa: PLC0415  # it needs packages that may be missing

    def process(row: dict[str, str]) -> dict[str, int]:
        process_file(row["source"], row["destination"], work.pipeline)
        return {"done": 1}

    with private_ray():
        context = ray.data.DataContext.get_current()
        context.enable_progress_bars = False
        context.print_on_execution_start = False

        def run(jobs: Sequence[FileJob]) -> None:
            blocks = min(len(jobs), BLOCKS_PER_CORE * cores())
            rows = ray.data.from_items([job._asdict() for job in jobs], override_num_blocks=blocks)
            rows.map(process).materialize()

        yield run


CONTENDERS = (
    Contender(
        name="ray-data",
        about="Ray Data, map over paths, not durable",
        install="pip install '.[bench]'",
        modules=("pandas", "pyarrow"),
        packages=("ray", "pyarrow"),
        files=files,
    ),
)
