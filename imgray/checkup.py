"""The checkup: whether the journal and the blob store agree. It looks and writes nothing; `imgray.doctor` repairs.

To add a kind of finding: a line in `Kind`, whoever finds it here, and what `imgray.doctor` does about it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum

from imgray.blobs import BlobNotFoundError, BlobStore
from imgray.errors import BadSettingError, InputLostError, OutputLostError
from imgray.journal import Journal
from imgray.settings import Settings
from imgray.task import INPUTS, OUTPUTS, STORES, BlobSource, Failure, InlineSource, Output, State, Task, output_key

Tell = Callable[[str, int], None]
"""Hears what is looked at, and how many of it have been."""

_NO_LIMIT = -1  # to SQLite


class Kind(StrEnum):
    """What can be found."""

    JOURNAL_DAMAGED = "journal_damaged"
    COMMITS_LOST = "commits_lost"
    INPUT_LOST = "input_lost"
    OUTPUT_LOST = "output_lost"
    ORPHAN = "orphan"
    GARBAGE = "garbage"
    OLD_SCHEMA = "old_schema"
    EVIDENCE = "evidence"
    NOT_REDRIVABLE = "not_redrivable"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong, or worth knowing.

    Attributes:
        kind: what kind of thing.
        subject: the task's id, the blob's key or the file's name.
        problem: what is wrong, in a sentence.
        repair: what a repair does about it; "" when nothing, because it is only worth knowing.
        failure: that with which a repair ends the task.
    """

    kind: Kind
    subject: str
    problem: str
    repair: str = ""
    failure: Failure | None = None


@dataclass(slots=True)
class Report:
    """What there is, and what was found."""

    tasks: int = 0
    blobs: int = 0
    findings: list[Finding] = field(default_factory=list)

    @property
    def problems(self) -> int:
        """How many findings a repair does something about."""
        return sum(bool(finding.repair) for finding in self.findings)

    def subjects(self, kind: Kind) -> list[str]:
        """List what the findings of a kind are about."""
        return [finding.subject for finding in self.findings if finding.kind is kind]


def own_keys(task: Task) -> Iterator[str]:
    """Name the blobs that a task may count on, or be about to: a worker that holds it may have stored its outputs."""
    yield from task.keys
    if task.lease is not None:
        yield from (output_key(task.id, task.token, output.name) for output in task.spec.outputs)


class Checkup:
    """One look at a journal and a blob store that belong together, while nobody changes them."""

    def __init__(
        self, journal: Journal, blobs: BlobStore, settings: Settings, now: float, tell: Tell, *, checksums: bool
    ) -> None:
        self._journal = journal
        self._blobs = blobs
        self._settings = settings
        self._tell = tell
        self._checksums = checksums
        self._recent_at = now - settings.call_timeout_s
        self._sizes: dict[str, int] = {}
        self._unnamed: set[str] = set()
        self._older_than_loss: set[str] = set()
        self._others = False

    def run(self) -> Report:
        """Look at everything.

        Raises:
            BadSettingError: the blob store is none that belongs to the journal.
            JournalError, StorageUnavailableError: a disk refused.
        """
        report = Report()
        lost_at = self._journal.lost_at()
        self._check_owner(lost_at)
        self._list(lost_at)
        report.blobs = len(self._sizes)
        for task in self._journal.all():
            if task.keys and task.state is not State.FAILED and not self._sizes:
                url = self._settings.blobs_url
                raise BadSettingError(
                    "BLOBS",
                    f"'{url}' holds no blob at all, but the tasks have some; is it the right place? If all are lost,"
                    " the service itself finds that out, task by task",
                )
            report.findings += self._look_at(task)
            self._unnamed.difference_update(own_keys(task))
            report.tasks += 1
            self._tell("tasks", report.tasks)
        for key in self._journal.garbage(_NO_LIMIT):
            self._unnamed.discard(key)
            problem = f"Blob '{key}' belonged to a task that was purged, and has not been deleted yet."
            report.findings.append(Finding(Kind.GARBAGE, key, problem, "delete it"))
        report.findings += (self._unclaimed(key, lost_at) for key in sorted(self._unnamed))
        return report

    def _check_owner(self, lost_at: float | None) -> None:
        """See by the signatures in the store whether it is this journal's, and this journal's alone."""
        signatures = {blob.key for blob in self._blobs.list(STORES)}
        own = f"{STORES}/{self._journal.store():x}"
        if signatures and own not in signatures and lost_at is None:
            url = self._settings.blobs_url
            raise BadSettingError("BLOBS", f"'{url}' belongs to another journal; is it the right place?")
        self._others = bool(signatures - {own})

    def _list(self, lost_at: float | None) -> None:
        """Note every blob, and whether anybody must name it: of one that is quite new, the task may be on its way."""
        for folder in (INPUTS, OUTPUTS):
            for blob in self._blobs.list(folder):
                self._sizes[blob.key] = blob.size_bytes
                if blob.modified_at < self._recent_at:
                    self._unnamed.add(blob.key)
                    if lost_at is not None and blob.modified_at <= lost_at:
                        self._older_than_loss.add(blob.key)
                self._tell("blobs", len(self._sizes))

    def _look_at(self, task: Task) -> Iterator[Finding]:
        without_input = self._lacks_input(task)
        if without_input:
            yield from self._without_input(task)
        results = self._journal.results(task.seq) if any(output.inline for output in task.outputs) else {}
        for output in task.outputs:
            if output.path is None and (wrong := self._wrong(output, results)):
                if without_input:
                    problem = f"Output '{output.name}' of task '{task.id}' is {wrong}, and so is its input: it is lost."
                    yield Finding(Kind.NOT_REDRIVABLE, task.id, problem)
                    continue
                failure = Failure.of(OutputLostError(task.id, output.name, wrong))
                repair = "make the task a dead letter, which can be redriven"
                yield Finding(Kind.OUTPUT_LOST, task.id, failure.message, repair, failure)

    def _lacks_input(self, task: Task) -> bool:
        source = task.spec.source
        if isinstance(source, InlineSource):
            return task.seq not in self._journal.inputs([task.seq])
        return isinstance(source, BlobSource) and source.key not in self._sizes

    def _without_input(self, task: Task) -> Iterator[Finding]:
        failure = Failure.of(InputLostError(task.id))
        if not task.state.finished:
            yield Finding(Kind.INPUT_LOST, task.id, failure.message, "make the task a dead letter", failure)
        elif task.state is State.FAILED and task.failure != failure:
            problem = f"Dead letter '{task.id}' cannot be redriven: its input is no longer there."
            yield Finding(Kind.NOT_REDRIVABLE, task.id, problem)

    def _wrong(self, output: Output, results: Mapping[str, bytes]) -> str:
        """Say what is wrong with an output, a blob or one of its task's ``results``; "" when nothing is."""
        data = results.get(output.name)
        size = self._sizes.get(output.key) if output.key else None if data is None else len(data)
        if size is None:
            return "missing"
        if size != output.size_bytes:
            return f"{size:,} bytes long instead of {output.size_bytes:,}"
        if self._checksums:
            try:
                data = self._blobs.get(output.key) if output.key else data or b""
            except BlobNotFoundError:
                return "missing"
            if hashlib.sha256(data).hexdigest() != output.sha256:
                return "changed (its SHA-256 is another)"
        return ""

    def _unclaimed(self, key: str, lost_at: float | None) -> Finding:
        problem = f"No task names blob '{key}' ({self._sizes[key]:,} bytes)."
        if self._others:
            return Finding(
                Kind.EVIDENCE, key, f"{problem} It may be another journal's that uses this store, so it is kept."
            )
        if lost_at is None or key not in self._older_than_loss:
            return Finding(Kind.ORPHAN, key, problem, "delete it")
        lost = f"{datetime.fromtimestamp(lost_at, UTC):%Y-%m-%d %H:%M} UTC"
        kept = f" It may be of a task that was lost before {lost}, so it is kept: delete it when you need it no more."
        return Finding(Kind.EVIDENCE, key, problem + kept)
