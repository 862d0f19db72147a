"""The client itself: submit pictures, start commands, wait for them, and look after those that failed."""

from __future__ import annotations

import itertools
import os
import time
from collections import defaultdict
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from imgray.catalogue import PipelineLike
from imgray.client.job import ClientJob
from imgray.client.operator import Operator
from imgray.client.submitted import Submitted
from imgray.client.task import ClientTask
from imgray.errors import NotACommandError
from imgray.gateway import MAX_HANDLED, Gateway, Handled, Letters, Submission
from imgray.jobs import JobRequest
from imgray.moment import seconds_of
from imgray.pipeline import Pipeline
from imgray.sources import ImageLike, with_image
from imgray.target import Target
from imgray.task import DEFAULT_OUTPUT, State

WINDOW = 2048
"""How many tasks `Client.map` keeps under way."""

_CHUNK = 512  # submissions in one call, at most;
_CHUNK_BYTES = 8 * 2**20  # or so many bytes of images, and a last one
_PAGE = 200  # dead letters looked at in one call
_WAIT_S = 10.0  # length of one waiting call
_Submitted = TypeVar("_Submitted", bound=Submitted)


class Client(Operator):
    """A connection to a cluster. Use it with ``with``, or call `close`."""

    def __init__(self, gateway: Gateway, resources: ExitStack, *, reads_paths: bool) -> None:
        """Wrap a gateway; `imgray.connect` makes one.

        Args:
            gateway: the way into the cluster.
            resources: what `close` is to end.
            reads_paths: the workers are on this machine, and may read the caller's files themselves.
        """
        super().__init__(gateway, resources)
        self._reads_paths = reads_paths

    def submit(
        self,
        source: ImageLike,
        pipeline: PipelineLike = "",
        *,
        outputs: Mapping[str, PipelineLike] | None = None,
        label: str = "",
        tenant: str = "",
        priority: int = 0,
        expires_at: datetime | float | None = None,
        idempotency_key: str = "",
        deduplicate: bool = False,
        worker: str = "",
        node: str = "",
        node_labels: Mapping[str, str] | None = None,
        wait_for_worker: bool = False,
    ) -> ClientTask:
        """Submit an image; when this returns, the task is on disk.

        Args:
            source: a path, encoded bytes, a Pillow image or an array.
            pipeline: what to make of it, as one output named ``image``.
            outputs: instead of that, several pipelines by name; the image is decoded once.
            label: your own name for it; for a path, the file's name.
            tenant: on whose behalf; tenants share the workers fairly.
            priority: -9 to 9; a higher one goes first.
            expires_at: when the result is no longer wanted: then the task fails.
            idempotency_key: your own name for this submission; the same one again returns the first task.
            deduplicate: without a key, take the image's content and the pipeline for one.
            worker: only this one may take it: by id this one process, or by name whoever has it.
            node: only workers on this node may take it.
            node_labels: only workers on nodes with these labels may take it.
            wait_for_worker: accept it though no worker can take it yet; it then needs ``expires_at``.

        Raises:
            PipelineError, SourceError, ImageError, QueueFullError, IdempotencyConflictError, WorkerNotFoundError: as
                over HTTP.
        """
        asked = Submission(
            self._pipelines(pipeline, outputs),
            label=label,
            tenant=tenant,
            priority=priority,
            expires_at=_seconds(expires_at),
            idempotency_key=idempotency_key,
            deduplicate=deduplicate,
            target=_target(worker, node, node_labels),
            waits=wait_for_worker,
        )
        return self._enter([(source, self._with_image(asked, source))])[0]

    def map(
        self,
        sources: Iterable[ImageLike],
        pipeline: PipelineLike = "",
        *,
        outputs: Mapping[str, PipelineLike] | None = None,
        tenant: str = "",
        priority: int = 0,
        expires_at: datetime | float | None = None,
        worker: str = "",
        node: str = "",
        node_labels: Mapping[str, str] | None = None,
        wait_for_worker: bool = False,
    ) -> Iterator[ClientTask]:
        """Submit many images, and yield each task as it finishes; ``task.source`` says which it was.

        Only so many are under way at a time that memory stays bounded, however many there are. The arguments are those
        of `submit`.
        """
        asked = Submission(
            self._pipelines(pipeline, outputs),
            tenant=tenant,
            priority=priority,
            expires_at=_seconds(expires_at),
            target=_target(worker, node, node_labels),
            waits=wait_for_worker,
        )
        rest = iter(sources)
        under_way: dict[str, ClientTask] = {}
        exhausted = False
        while under_way or not exhausted:
            while not exhausted and len(under_way) <= WINDOW - _CHUNK:
                chunk = self._chunk(asked, rest)
                exhausted = not chunk
                under_way |= {task.id: task for task in self._enter(chunk)}
            for task in self._finished(under_way, _WAIT_S):
                yield under_way.pop(task.id)

    def start(
        self,
        command: str,
        path: str | os.PathLike[str] = "",
        *,
        arguments: Mapping[str, str | float] | None = None,
        worker: str = "",
        node: str = "",
        node_labels: Mapping[str, str] | None = None,
        wait_for_worker: bool = False,
        label: str = "",
        tenant: str = "",
        priority: int = 0,
        expires_at: datetime | float | None = None,
    ) -> ClientJob:
        """Start a command that the operator allows; when this returns, the job is on disk. It runs once at most.

        Args:
            command: its name; see `commands`.
            path: what it is to be done to: absolute, or relative to the first folder of the command.
            arguments: values of the command's arguments, by name.
            worker: only this one may run it: by id this one process, or by name whoever has it.
            node: only workers on this node may run it.
            node_labels: only workers on nodes with these labels may run it.
            wait_for_worker: accept it though no worker can run it yet; it then needs ``expires_at``.
            label: your own name for it.
            tenant: on whose behalf.
            priority: -9 to 9; a higher one goes first.
            expires_at: by when it has to be done: then the job fails.

        Raises:
            CommandNotAllowedError, JobArgumentError, PathNotAllowedError, WorkerNotFoundError, QueueFullError: as over
                HTTP.
        """
        asked = JobRequest(
            command,
            os.fspath(path),
            {name: str(value) for name, value in (arguments or {}).items()},
            target=_target(worker, node, node_labels),
            waits=wait_for_worker,
            label=label,
            tenant=tenant,
            priority=priority,
            expires_at=_seconds(expires_at),
        )
        return ClientJob(self, self.call(self.gateway.jobs.start(asked)))

    def as_completed(self, tasks: Iterable[_Submitted], timeout_s: float | None = None) -> Iterator[_Submitted]:
        """Yield tasks as they finish.

        Raises:
            TimeoutError: some have not, within the time given.
        """
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        under_way: dict[str, _Submitted] = {}
        same: defaultdict[str, list[_Submitted]] = defaultdict(list)  # with an idempotency key, several may be one
        for task in tasks:
            if task.state.finished:
                yield task
            elif under_way.setdefault(task.id, task) is not task:
                same[task.id].append(task)
        while under_way:
            left_s = _WAIT_S if deadline is None else min(deadline - time.monotonic(), _WAIT_S)
            if left_s <= 0:
                raise TimeoutError(f"{len(under_way)} tasks have not finished within {timeout_s:g} s.")
            for task in self._finished(under_way, left_s):
                yield under_way.pop(task.id)
                for other in same[task.id]:
                    other.update(task.snapshot)
                    yield other

    def task(self, task_id: str) -> ClientTask:
        """Look up a task by id.

        Raises:
            TaskNotFoundError: no task has this id.
        """
        return ClientTask(self, self.call(self.gateway.get(task_id)))

    def job(self, job_id: str) -> ClientJob:
        """Look up a job by id.

        Raises:
            TaskNotFoundError, NotACommandError: no task has this id, or it runs no command.
        """
        task = self.call(self.gateway.get(job_id))
        if not task.spec.is_command:
            raise NotACommandError(job_id)
        return ClientJob(self, task)

    def dead_letters(self, code: str | None = None, tenant: str | None = None) -> Iterator[ClientTask]:
        """Yield the tasks that failed for good, newest first.

        Args:
            code: only those that failed with this error code.
            tenant: only this tenant's; empty: only those that name none.
        """
        wanted = Letters(tenant=tenant, code=code).filter
        before: int | None = None
        while True:
            page = self.call(self.gateway.page(wanted, before, _PAGE))
            yield from (ClientTask(self, task) for task in page.tasks)
            before = page.before
            if before is None:
                return

    def redrive(
        self, tasks: Iterable[ClientTask | str] | None, *, code: str | None = None, tenant: str | None = None
    ) -> int:
        """Put dead letters back in the queue, with all their attempts before them; return how many.

        Args:
            tasks: tasks or their ids, of which those that are no dead letters are passed over; None: all there are.
            code: of all, only those that failed with this error code.
            tenant: of all, only this tenant's; empty: only those that name none.

        Raises:
            QueueFullError: too much is live; some may have been put back.
        """
        return self._handle(self.gateway.redrive_letters, tasks, Letters(code=code, tenant=tenant))

    def purge(
        self, tasks: Iterable[ClientTask | str] | None, *, code: str | None = None, tenant: str | None = None
    ) -> int:
        """Remove dead letters and their images for good; return how many. The arguments are those of `redrive`."""
        return self._handle(self.gateway.purge_letters, tasks, Letters(code=code, tenant=tenant))

    def counts(self) -> dict[State, int]:
        """Count all tasks by state."""
        return dict(self.call(self.gateway.master.statistics()).tasks)

    def _handle(
        self,
        handle: Callable[[Letters], Coroutine[Any, Any, Handled]],
        tasks: Iterable[ClientTask | str] | None,
        letters: Letters,
    ) -> int:
        """Redrive or purge dead letters, as many at a time as one call takes."""
        if tasks is not None:
            ids = iter([task if isinstance(task, str) else task.id for task in tasks])
            chunks = iter(lambda: list(itertools.islice(ids, MAX_HANDLED)), [])
            return sum(self.call(handle(replace(letters, ids=chunk))).tasks for chunk in chunks)
        count = 0
        while True:
            handled = self.call(handle(letters))
            count += handled.tasks
            if handled.before is None:
                return count
            letters = replace(letters, before=handled.before)

    def _pipelines(self, pipeline: PipelineLike, outputs: Mapping[str, PipelineLike] | None) -> dict[str, Pipeline]:
        """Take pipelines in any form; files that they name are the caller's, if the workers can read these."""
        taken = {
            name: self.gateway.catalogue.take(one) for name, one in (outputs or {DEFAULT_OUTPUT: pipeline}).items()
        }
        return {name: one.anchored(Path.cwd()) for name, one in taken.items()} if self._reads_paths else taken

    def _finished(self, under_way: Mapping[str, _Submitted], wait_s: float) -> list[_Submitted]:
        finished = self.call(self.gateway.master.wait(list(itertools.islice(under_way, WINDOW)), wait_s))
        for task in finished:
            under_way[task.id].update(task)
        return [under_way[task.id] for task in finished]

    def _chunk(self, asked: Submission, sources: Iterator[ImageLike]) -> list[tuple[ImageLike, Submission]]:
        """Take as many images as go into one call."""
        chunk: list[tuple[ImageLike, Submission]] = []
        size_bytes = 0
        while len(chunk) < _CHUNK and size_bytes < _CHUNK_BYTES:
            try:
                source = next(sources)
            except StopIteration:
                break
            submission = self._with_image(asked, source)
            chunk.append((source, submission))
            size_bytes += len(submission.data or b"")
        return chunk

    def _with_image(self, asked: Submission, source: ImageLike) -> Submission:
        return with_image(asked, source, reads_paths=self._reads_paths)

    def _enter(self, chunk: Sequence[tuple[ImageLike, Submission]]) -> list[ClientTask]:
        if not chunk:
            return []
        tasks = self.call(self.gateway.submit([submission for _, submission in chunk]))
        return [ClientTask(self, task, source) for task, (source, _) in zip(tasks, chunk, strict=True)]


def _seconds(moment: datetime | float | None) -> float | None:
    return None if moment is None else seconds_of(moment)


def _target(worker: str, node: str, labels: Mapping[str, str] | None) -> Target:
    return Target(worker, node, tuple(sorted((labels or {}).items())))
