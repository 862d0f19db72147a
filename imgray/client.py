"""The Python client: submit pictures, wait, get pictures back; from a script, with or without a cluster."""

from __future__ import annotations

import asyncio
import io
import itertools
import json
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import numpy as np
import numpy.typing as npt
from PIL import Image

from imgray.actors.cluster import has_actors, ray_running, running_cluster
from imgray.actors.remote import remote_gateway
from imgray.catalogue import PipelineLike
from imgray.gateway import MAX_HANDLED, Gateway, Handled, Letters, Submission, find_output
from imgray.moment import seconds_of
from imgray.pipeline import Pipeline
from imgray.settings import Settings
from imgray.sources import ImageLike, with_image
from imgray.task import DEFAULT_OUTPUT, Attempt, Output, State, Task

WINDOW = 512
"""How many tasks `Client.map` keeps under way."""

_CHUNK = 64  # submissions in one call
_PAGE = 200  # dead letters looked at in one call
_WAIT_S = 10.0  # length of one waiting call
_T = TypeVar("_T")


class ClientTask:
    """A task that was submitted; `refresh` and `wait` bring it up to date."""

    def __init__(self, client: Client, task: Task, source: ImageLike | None = None) -> None:
        self._client = client
        self._task = task
        self.source = source
        """What was submitted, as the caller gave it; None for a task looked up by id."""

    def __repr__(self) -> str:
        return f"<imgray task {self.id} {self.state}>"

    @property
    def id(self) -> str:
        """Its id, by which any client finds it again."""
        return self._task.id

    @property
    def state(self) -> State:
        """Its state when last looked at."""
        return self._task.state

    @property
    def error(self) -> str | None:
        """Why it, or its latest attempt, failed: code and sentence."""
        failure = self._task.failure
        return f"{failure.code}: {failure.message}" if failure else None

    def refresh(self) -> Self:
        """Look at it again."""
        self._task = self._client.call(self._client.gateway.get(self.id))
        return self

    def wait(self, timeout_s: float | None = None) -> Self:
        """Wait until it has finished.

        Raises:
            TimeoutError: it has not, within the time given.
        """
        for _ in self._client.as_completed([self], timeout_s):
            pass
        return self

    def cancel(self) -> Self:
        """Cancel it; when it has finished already, it stays as it is."""
        self._task = self._client.call(self._client.gateway.cancel(self.id))
        return self

    def redrive(self) -> Self:
        """Put it back in the queue if it failed, with all its attempts before it."""
        self._task = self._client.call(self._client.gateway.redrive(self.id))
        return self

    def purge(self) -> None:
        """Remove it, its image and its results for good; it can no longer be looked at.

        Raises:
            TaskLiveError: it has not finished.
        """
        self._client.call(self._client.gateway.purge(self.id))

    @property
    def history(self) -> tuple[Attempt, ...]:
        """The attempts that had ended when it was last looked at."""
        return self._task.history

    def bytes(self, name: str = DEFAULT_OUTPUT) -> bytes:
        """Wait, and return an output as it is encoded.

        Raises:
            TaskFailedError: the task failed; its code and sentence say why.
            TaskCancelledError: it was cancelled.
            OutputNotFoundError: it has no output of this name.
        """
        output = self.output(name)
        if output.path is not None:
            return Path(output.path).read_bytes()
        return self._client.call(self._client.gateway.fetch(self.id, output))

    def image(self, name: str = DEFAULT_OUTPUT) -> Image.Image:
        """Wait, and return an output as a Pillow image. Raises as `bytes` does."""
        image = Image.open(io.BytesIO(self.bytes(name)))
        image.load()
        return image

    def array(self, name: str = DEFAULT_OUTPUT) -> npt.NDArray[Any]:
        """Wait, and return an output as an array of shape (height, width[, channels]). Raises as `bytes` does."""
        return np.asarray(self.image(name))

    def json(self, name: str = DEFAULT_OUTPUT) -> Any:  # noqa: ANN401  # an object, of what was asked for
        """Wait, and return what an output that is JSON says (`info`, `blurhash`, …). Raises as `bytes` does."""
        return json.loads(self.bytes(name))

    def output(self, name: str = DEFAULT_OUTPUT) -> Output:
        """Wait, and describe an output: format, size, checksum. Raises as `bytes` does."""
        return find_output(self.wait()._task, name)  # noqa: SLF001  # ourselves

    @property
    def snapshot(self) -> Task:
        """The task as it was when last looked at."""
        return self._task

    def update(self, task: Task) -> None:
        """Take a newer look at the task, that the client got together with others."""
        self._task = task


class Client:
    """A connection to a cluster. Use it with ``with``, or call `close`."""

    def __init__(self, gateway: Gateway, resources: ExitStack, *, reads_paths: bool) -> None:
        """Wrap a gateway; `imgray.connect` makes one.

        Args:
            gateway: the way into the cluster.
            resources: what `close` is to end.
            reads_paths: the workers are on this machine, and may read the caller's files themselves.
        """
        self.gateway = gateway
        self._resources = resources
        self._reads_paths = reads_paths
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="imgray-client", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the connection, and the cluster if `imgray.connect` started it."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()
        self._resources.close()

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

        Raises:
            PipelineError, SourceError, ImageError, QueueFullError, IdempotencyConflictError: as over HTTP.
        """
        asked = Submission(
            self._pipelines(pipeline, outputs),
            label=label,
            tenant=tenant,
            priority=priority,
            expires_at=None if expires_at is None else seconds_of(expires_at),
            idempotency_key=idempotency_key,
            deduplicate=deduplicate,
        )
        return self._submit(asked, [source])[0]

    def map(
        self,
        sources: Iterable[ImageLike],
        pipeline: PipelineLike = "",
        *,
        outputs: Mapping[str, PipelineLike] | None = None,
        tenant: str = "",
        priority: int = 0,
    ) -> Iterator[ClientTask]:
        """Submit many images, and yield each task as it finishes; ``task.source`` says which it was.

        Only so many are under way at a time that memory stays bounded, however many there are. The arguments are those
        of `submit`.
        """
        asked = Submission(self._pipelines(pipeline, outputs), tenant=tenant, priority=priority)
        rest = iter(sources)
        under_way: dict[str, ClientTask] = {}
        exhausted = False
        while under_way or not exhausted:
            while not exhausted and len(under_way) <= WINDOW - _CHUNK:
                chunk = list(itertools.islice(rest, _CHUNK))
                exhausted = len(chunk) < _CHUNK
                if chunk:
                    under_way |= {task.id: task for task in self._submit(asked, chunk)}
            for task in self._finished(under_way, _WAIT_S):
                yield under_way.pop(task.id)

    def as_completed(self, tasks: Iterable[ClientTask], timeout_s: float | None = None) -> Iterator[ClientTask]:
        """Yield tasks as they finish.

        Raises:
            TimeoutError: some have not, within the time given.
        """
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        under_way: dict[str, ClientTask] = {}
        same: defaultdict[str, list[ClientTask]] = defaultdict(list)  # with an idempotency key, several may be one
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

    def call(self, coroutine: Coroutine[Any, Any, _T]) -> _T:
        """Run a coroutine of the gateway's in the client's own thread, and return what it returns."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()

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

    def _finished(self, under_way: Mapping[str, ClientTask], wait_s: float) -> list[ClientTask]:
        finished = self.call(self.gateway.master.wait(list(under_way)[:WINDOW], wait_s))
        for task in finished:
            under_way[task.id].update(task)
        return [under_way[task.id] for task in finished]

    def _submit(self, asked: Submission, sources: Sequence[ImageLike]) -> list[ClientTask]:
        submissions = [with_image(asked, source, reads_paths=self._reads_paths) for source in sources]
        tasks = self.call(self.gateway.submit(submissions))
        return [ClientTask(self, task, source) for task, source in zip(tasks, sources, strict=True)]


def connect(address: str = "", **overrides: Any) -> Client:  # noqa: ANN401  # fields of Settings
    """Connect to a cluster, or start a private one here that ends with the client.

    Args:
        address: a Ray cluster's address, or ``auto`` for the one on this machine. If empty, and Ray is not connected
            already, a private cluster is started, with its journal in a temporary folder unless ``data`` names one.
        overrides: settings, by name, in place of those of the environment.

    Raises:
        SetupError: the cluster cannot be reached or started.
    """
    with ExitStack() as stack:
        settings = Settings.having(address=address or None, **overrides)
        stack.enter_context(ray_running(settings))
        private = not has_actors()
        if private:
            if "data" not in settings.model_fields_set:
                folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="imgray-"))
                settings = settings.model_copy(update={"data": Path(folder)})
            if "file_roots" not in settings.model_fields_set:
                settings = settings.model_copy(update={"file_roots": (Path("/"),)})
            gateway = stack.enter_context(running_cluster(settings))
        else:
            gateway = asyncio.run(_gateway_there(settings))
        return Client(gateway, stack.pop_all(), reads_paths=private)


async def _gateway_there(settings: Settings) -> Gateway:
    """Return the way into the cluster that is there, with its settings: its operations are meant."""
    return remote_gateway(await remote_gateway(settings).master.settings())
