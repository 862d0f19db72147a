"""``imgray doctor``: is everything there that the journal says?"""

from __future__ import annotations

import json
from pathlib import Path

import click
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from imgray import service
from imgray.checkup import Finding, Kind, Report
from imgray.doctor import examine
from imgray.errors import DataInUseError
from imgray.settings import Settings

EXIT_PROBLEMS = 1
SHOWN = 20
"""Findings of a kind that are listed for people."""

_TOLD = 500  # so many are looked at before the display is drawn anew


@click.command()
@click.option("--data", type=click.Path(file_okay=False, path_type=Path), help="Folder of the journal and the blobs.")
@click.option("--checksums", is_flag=True, help="Read every output, to compare its SHA-256.")
@click.option("--json", "as_json", is_flag=True, help="Print it for machines, all of it.")
@click.option("--repair", is_flag=True, help="Repair what is found. Without it, nothing is changed.")
def doctor(data: Path | None, checksums: bool, as_json: bool, repair: bool) -> None:  # noqa: FBT001  # flags
    """Look whether everything is there that the journal says, while no service runs.

    It needs as much room for temporary files as the journal takes (TMPDIR).

    Exit status: 0 when all is well, or has been repaired, 1 when there are problems, 2 when it cannot look.
    """
    settings = Settings.having(data=data)
    if service.find(settings.data_folder) is not None:  # even if its Master is just being started again
        raise DataInUseError(str(settings.data_folder))
    report = _examine(settings, checksums=checksums, repair=repair)
    if as_json:
        print(json.dumps(_as_json(report, repaired=repair)))
    else:
        _show(report, settings, repaired=repair)
    if report.problems and not repair:
        raise click.exceptions.Exit(EXIT_PROBLEMS)


def _examine(settings: Settings, *, checksums: bool, repair: bool) -> Report:
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        spinner = progress.add_task("Looking at the journal", total=None)

        def tell(what: str, count: int) -> None:
            if count % _TOLD == 0:
                progress.update(spinner, description=f"Looking at {what}: {count:,}")

        return examine(settings, tell, checksums=checksums, repair=repair)


def _show(report: Report, settings: Settings, *, repaired: bool) -> None:
    for kind in Kind:
        found = [finding for finding in report.findings if finding.kind is kind]
        for finding in found[:SHOWN]:
            repair = f" Repair: {finding.repair}." if finding.repair else ""
            print(f"{kind}: {finding.problem}{repair}")
        if len(found) > SHOWN:
            print(f"{kind}: ... and {len(found) - SHOWN:,} more (--json lists them all)")
    there = f"{_count(report.tasks, 'task')}, {_count(report.blobs, 'blob')}."
    problems = _count(report.problems, "problem")
    if not report.problems:
        print(f"Healthy: {there}")
    elif repaired:
        print(f"Repaired {problems} in {there}")
    else:
        print(f"{problems} in {there} To repair: imgray doctor --repair --data {settings.data_folder}")


def _as_json(report: Report, *, repaired: bool) -> dict[str, object]:
    return {
        "healthy": repaired or not report.problems,
        "repaired": repaired,
        "problems": report.problems,
        "tasks": report.tasks,
        "blobs": report.blobs,
        "findings": [_finding_as_json(finding) for finding in report.findings],
    }


def _finding_as_json(finding: Finding) -> dict[str, str]:
    return {
        "kind": finding.kind,
        "subject": finding.subject,
        "problem": finding.problem,
        "repair": finding.repair,
    }


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"
