"""The doctor: finds what is wrong in a data folder and among its blobs, and repairs it, while no service runs on it.

It first works on a copy of the journal, and brings that as far as a repair would: so looking writes nothing to the
folder, and tells all that a repair will find. A repair may be cut short anywhere, and repeated.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from imgray import salvage
from imgray.blobs import BlobStore
from imgray.checkup import Checkup, Finding, Kind, Report, Tell, own_keys
from imgray.errors import BadSettingError, CommitsLostError, JournalCorruptError, JournalNewerError
from imgray.journal import FILE, SALVAGED, Journal
from imgray.lock import locked
from imgray.mark import Mark
from imgray.policy import Policy
from imgray.schema import MIGRATIONS
from imgray.settings import Settings
from imgray.table import TaskTable
from imgray.task import BlobSource, Failure, Task

_BATCH = 500  # tasks in one commit


def examine(settings: Settings, tell: Tell, *, checksums: bool = False, repair: bool = False) -> Report:
    """Look at everything, and repair what can be repaired if that is wanted.

    Args:
        settings: they say where the journal and the blobs are.
        tell: hears how far it is.
        checksums: read every output, to compare its SHA-256.
        repair: repair what is found; without it, nothing is written.

    Raises:
        BadSettingError: there is no journal, or the blob store is none that belongs to it.
        DataInUseError: a service runs on the folder.
        JournalNewerError: a newer imgray wrote the journal.
        JournalError, StorageUnavailableError, OSError: a disk refused.
    """
    if not _has_journal(settings.data_folder):
        raise BadSettingError("DATA", f"there is no journal in '{settings.data_folder}'")
    blobs = BlobStore(settings.blobs_url, make=False)  # if it cannot be reached, the journal is left alone
    now = time.time()
    with _sound_journal(settings.data_folder, repair=repair) as (journal, findings):
        report = Checkup(journal, blobs, settings, now, tell, checksums=checksums).run()
        report.findings[:0] = findings
        if repair:
            _repair(report, journal, blobs, Policy.of(settings), now)
    return report


@contextmanager
def _sound_journal(folder: Path, *, repair: bool) -> Iterator[tuple[Journal, list[Finding]]]:
    """Open the journal, or else a copy, after all that can be done for it, and say what was wrong with it."""
    with TemporaryDirectory(prefix="imgray-doctor-") as aside, ExitStack() as mine:
        mine.enter_context(locked(folder))
        findings: list[Finding] = []
        if (folder / SALVAGED).exists():
            problem = "A repair of the journal was cut short."
            findings.append(Finding(Kind.JOURNAL_DAMAGED, FILE, problem, f"put {SALVAGED} in its place"))
            if repair:
                salvage.finish(folder)
        sound, found = _diagnose(folder, Path(aside))
        findings += found
        if repair:
            if any(finding.repair for finding in found):
                salvage.install(folder, sound)
            sound = folder
            mine.close()  # `Journal.open` is about to hold it
        with closing(Journal.open(sound)) as journal:
            yield journal, findings


def _has_journal(folder: Path) -> bool:
    return any((folder / name).exists() for name in (FILE, SALVAGED)) or Mark.noted(folder) > 0


def _diagnose(folder: Path, aside: Path) -> tuple[Path, list[Finding]]:
    """Make a sound copy of the journal; return the folder where it is, and what is wrong with the original."""
    copy = aside / "copy"
    salvage.copy_journal(folder, copy)
    findings: list[Finding] = []
    kept = f"keep it as {salvage.next_kept(folder)}"
    try:
        try:
            journal = Journal.open(copy)
        except CommitsLostError as error:
            _, missing, acknowledged = error.args
            problem = f"The last {missing:,} of {acknowledged:,} acknowledged commits are missing at the journal's end."
            findings.append(Finding(Kind.COMMITS_LOST, FILE, problem, f"{kept}, and go on without them"))
            journal = Journal.open(copy, accept_loss=True)
        with closing(journal):
            if 0 < journal.found_version < len(MIGRATIONS):
                versions = f"version {journal.found_version}; this imgray has {len(MIGRATIONS)}"
                problem = f"The journal's schema is of {versions}, and migrates it when it opens it."
                findings.append(Finding(Kind.OLD_SCHEMA, FILE, problem))
            damage = _damage(journal)
    except JournalNewerError:
        raise
    except JournalCorruptError as error:
        damage = [error.args[-1]]
    if not damage:
        return copy, findings
    salvage.copy_journal(folder, aside / "damaged")  # afresh: what was opened was also written
    salvaged = salvage.salvage(aside / "damaged", aside / "salvaged")
    others = f" (and {len(damage) - 1} more)" if len(damage) > 1 else ""
    lost = "nobody can tell how many not" if salvaged.lost is None else f"about {salvaged.lost:,} cannot"
    problem = f"The journal is damaged: {damage[0]}{others}. {salvaged.saved:,} tasks can be read, {lost}."
    findings.append(Finding(Kind.JOURNAL_DAMAGED, FILE, problem, f"{kept}, and go on with what can be read"))
    return aside / "salvaged", findings


def _damage(journal: Journal) -> list[str]:
    """Read every page and every task.

    Raises:
        JournalCorruptError: one of them cannot be read.
    """
    journal.counts()
    problems = journal.problems()
    for _ in journal.all() if not problems else ():
        pass
    return problems


def _repair(report: Report, journal: Journal, blobs: BlobStore, policy: Policy, now: float) -> None:
    """Do what the findings say: rows first, blobs after, so that no task ever names what was deleted here."""
    failures: dict[str, Failure] = {}
    for finding in report.findings:
        if finding.failure is not None:
            failures.setdefault(finding.subject, finding.failure)
    ids = list(failures)
    for start in range(0, len(ids), _BATCH):
        tasks = list(journal.get(ids[start : start + _BATCH]).values())
        _lose(tasks, failures, journal, policy, now)
        for task in tasks:
            blobs.delete(key for key in own_keys(task) if task.spec.source != BlobSource(key))
    garbage = report.subjects(Kind.GARBAGE)
    blobs.delete(report.subjects(Kind.ORPHAN))
    blobs.delete(garbage)
    journal.collected(garbage)


def _lose(tasks: list[Task], failures: dict[str, Failure], journal: Journal, policy: Policy, now: float) -> None:
    jitter = random.Random()  # noqa: S311
    table = TaskTable(policy, token=0, next_seq=journal.next_seq(), counts=journal.counts(), rng=jitter)
    table.restore((task for task in tasks if not task.state.finished), now)
    for task in tasks:
        table.lose(task, failures[task.id], now)
    journal.write(table.drain())
