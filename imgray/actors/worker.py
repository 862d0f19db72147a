"""The Worker: pulls tasks from the Master, has its runner make the attempts, stores outputs, reports.

The worker itself never touches an image: whatever bytes do to a decoder, they do to the runner, and the worker is there
to say which task it was and to start another runner.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import platform
import random
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Protocol, TypeVar

from imgray.actors.held import Held
from imgray.actors.jobs import Jobs
from imgray.actors.pace import Pace
from imgray.actors.runner import Supervisor
from imgray.crash import crash_point
from imgray.errors import InputLostError, PassingError
from imgray.extensions import catalogue_of
from imgray.messages import Ack, Exchange, Grant, Nack, Outcome, OutputPart, Release, Reply
from imgray.ports import MasterPort, StoragePort
from imgray.process import memory_of
from imgray.retry import Backoff
from imgray.runner import Result, Run
from imgray.settings import Settings
from imgray.target import WorkerInfo, worker_id
from imgray.task import BlobSource, Failure, InlineSource, TaskSpec, transcript_key
from imgray.version import __version__

log = logging.getLogger(__name__)

_QUIET_S = 1.0  # how long a worker that has enough to do and nothing to report keeps silent

_LOOK_S = 1.0  # between two looks at how much memory is taken

_FIRST_CAPACITY = 2  # one attempt that runs and one that waits, until the time that one takes is known
_SMOOTHING = 0.2  # weight of the newest attempt in the mean time of one
_RECONNECT = Backoff(base_s=0.1, cap_s=2.0)
_T = TypeVar("_T")


class AttemptRunner(Protocol):
    """What makes a worker's attempts, one at a time; `Supervisor` is the one that does it in a child process."""

    @property
    def ready(self) -> bool:
        """True when it has started."""

    @property
    def pid(self) -> int | None:
        """The id of its process."""

    def send(self, run: Run) -> None:
        """Queue an attempt."""

    def drop(self, token: int) -> None:
        """Say that an attempt is no longer wanted."""

    async def run(self) -> None:
        """Make attempts until cancelled."""


MakeRunner = Callable[[Settings, Callable[[], None], Callable[[Result], None]], AttemptRunner]
"""Settings, what to call when it is ready, and what with each result."""


class Worker:
    """Runs attempts on images one at a time, and beside them commands.

    Owns: its runner, its programs, and the outcomes that the Master has not confirmed.
    Guarantees: outputs are stored before their ack is sent; every outcome is reported until it is confirmed.
    Lost on death: the attempts it held, which the Master gives to others.
    """

    def __init__(
        self,
        info: WorkerInfo,
        master: MasterPort,
        storage: StoragePort,
        settings: Settings,
        make_runner: MakeRunner = Supervisor,
    ) -> None:
        self.info = info
        self._master = master
        self._storage = storage
        self._settings = settings
        self._runner = make_runner(settings, self._runner_ready, self._finished)
        self._jobs = Jobs(settings)
        self._held = Held()
        self._outcomes: dict[int, Outcome] = {}  # by token, until the Master confirms them
        self._results: list[Result] = []
        self._registered = False
        self._seq = self._newest = self._registered_seq = 0
        self._mean_s: float | None = None
        self._produced = asyncio.Event()  # there are results to store
        self._pace = Pace()
        self._look_at = 0.0
        self._memory = 0
        self._to_report = asyncio.Event()  # there are outcomes to send
        self._beginning = asyncio.Lock()  # attempts begin in order of grant: the Master counts on it
        self._storage_away = False
        self._draining = self._hurries = False
        self._group = asyncio.TaskGroup()
        self._rng = random.Random()  # noqa: S311  # jitter

    @property
    def runner_pid(self) -> int | None:
        """The id of the runner's process, once it is ready."""
        return self._runner.pid

    async def run(self) -> None:
        """Work until cancelled, or drained: then everything has been given back or reported, and the Master knows."""
        try:
            async with self._group:
                loops = [self._group.create_task(loop) for loop in (self._runner.run(), self._store())]
                await self._pull()
                await self._deregister()
                for loop in loops:
                    loop.cancel()
        except Exception:
            log.exception("action=crash worker=%s", self.info.id)
            raise

    # Pulling and reporting

    async def _pull(self) -> None:
        """Keep a call to the Master open; one that waits for work is ended by the next, which reports."""
        failures = 0
        while not self._drained:
            if not self._registered:
                failures = await self._paced(self._register(), failures)
                continue
            if not self._outcomes and not self._want() and self._runner.ready:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_QUIET_S):  # wait_for may swallow the end of this worker (Python 3.11)
                        await self._to_report.wait()
            self._to_report.clear()
            reports = bool(self._outcomes)
            call = self._group.create_task(self._paced(self._exchange(), failures))
            if reports:  # it is answered soon, and the next would only say the same again
                failures = await call
                continue
            report = self._group.create_task(self._to_report.wait())
            await asyncio.wait({call, report}, return_when=asyncio.FIRST_COMPLETED)
            report.cancel()
            failures = call.result() if call.done() else 0

    async def _deregister(self) -> None:
        failures = 1
        while failures:
            failures = await self._paced(self._master.deregister(self.info.id), failures)

    @property
    def _drained(self) -> bool:
        return self._draining and not self._held

    def drain(self, *, hurry: bool) -> None:
        """Take nothing new, finish what runs, give back the rest, and end; in a hurry, stop commands after a while."""
        if hurry and not self._hurries:
            self._hurries = True
            asyncio.get_running_loop().call_later(self._settings.drain_s, self._jobs.drain)
            self._to_report.set()
        if self._draining:
            return
        log.info("action=drain worker=%s", self.info.id)
        self._draining = True
        for token in self._held.images[1:]:
            self._runner.drop(token)
        self._to_report.set()

    async def _paced(self, call: Awaitable[None], failures: int) -> int:
        """Make a call, and wait a little when the Master is away; return how many calls in a row have failed."""
        try:
            await call
        except PassingError as error:
            log.info("action=retry worker=%s %s", self.info.id, error)
            await asyncio.sleep(_RECONNECT.delay_s(failures + 1, self._rng))
            return failures + 1
        return 0

    async def _register(self) -> None:
        self._registered_seq = self._seq
        await self._master.register(self.info, self._held.tokens, self._seq)
        self._registered = True

    async def _exchange(self) -> None:
        self._seq += 1
        outcomes = tuple(self._outcomes.values())
        request = Exchange(
            worker=self.info.id,
            seq=self._seq,
            received=self._newest,
            held=self._held.tokens,
            outcomes=outcomes,
            want=self._want(),
            want_commands=0 if self._draining or self._storage_away else self._jobs.free,
            memory_bytes=self._memory_bytes(),
            draining=self._draining,
            hurries=self._hurries,
        )
        self._take(await self._master.exchange(request), outcomes)

    def _memory_bytes(self) -> int:
        """Say how much memory the worker and its runner take; it is looked up now and then, as that is not cheap."""
        now = asyncio.get_running_loop().time()
        if now >= self._look_at:
            self._look_at, self._memory = now + _LOOK_S, memory_of(os.getpid(), self._runner.pid)
        return self._memory

    def _take(self, reply: Reply, confirmed: Sequence[Outcome]) -> None:
        if reply.unknown:
            self._registered = False
            return
        for outcome in confirmed:
            self._outcomes.pop(outcome.token, None)
            self._held.drop(outcome.token)
            if isinstance(outcome, Ack) and outcome.token in reply.void:
                self._group.create_task(self._discard([output.key for output in outcome.outputs if output.key]))
        for token in reply.void:
            if self._held.drop(token):
                self._runner.drop(token)
                self._jobs.stop(token)
        if reply.drain:
            self.drain(hurry=reply.hurry)
        if reply.seq > self._registered_seq:  # what came before was given back when we registered
            self._receive([grant for grant in reply.grants if grant.token > self._newest])  # a grant may come twice

    def _receive(self, new: Sequence[Grant]) -> None:
        if not new:
            return
        self._newest = new[-1].token
        self._held.add(new)
        self._pace.fed()
        images = [grant for grant in new if not grant.spec.is_command]
        if images:
            self._group.create_task(self._begin(images))
        for grant in new:
            if grant.spec.is_command:
                self._group.create_task(self._command(grant))

    async def _discard(self, keys: Sequence[str]) -> None:
        """Delete outputs that were stored for a lease that is lost; if this fails, they are merely in the way."""
        with contextlib.suppress(PassingError):
            await self._storage.delete(keys)

    def _want(self) -> int:
        """Say how many more tasks can be done here: none while the runner or Storage is away."""
        able = self._runner.ready and not self._storage_away and not self._draining
        return max(self._capacity() - self._held.unfinished, 0) if able else 0

    def _runner_ready(self) -> None:
        self._to_report.set()  # the next call wants work

    def _capacity(self) -> int:
        """Say how many tasks to hold, so that they last for ``batch_s``."""
        if self._mean_s is None:
            return _FIRST_CAPACITY
        fitting = int(self._settings.batch_s / max(self._mean_s, 1e-6))
        return min(max(fitting, _FIRST_CAPACITY), self._settings.max_batch)

    # Running programs

    async def _command(self, grant: Grant) -> None:
        """Run a program, store what it wrote, and report."""
        if self._draining:
            self._finished(Result(grant.token, 0.0, unstarted=True))
            return
        started = time.monotonic()
        failure, transcript = await self._jobs.run(grant.spec, grant.token)
        key = transcript_key(grant.spec.id, grant.token)
        await self._from_storage(lambda: self._storage.put({key: transcript}))
        self._jobs.forget(grant.token)
        self._finished(Result(grant.token, time.monotonic() - started, failure=failure))
        self._to_report.set()  # a slot is free

    async def output(self, token: int, offset: int, wait_s: float) -> OutputPart | None:
        """See `WorkersPort.output`."""
        return await self._jobs.output(token, offset, min(wait_s, self._settings.longest_park_s))

    # Making attempts

    async def _begin(self, grants: Sequence[Grant]) -> None:
        """Fetch the inputs of new tasks in one call, and send them to the runner."""
        async with self._beginning:
            keys = [grant.spec.source.key for grant in grants if isinstance(grant.spec.source, BlobSource)]
            blobs = (
                dict(zip(keys, await self._from_storage(lambda: self._storage.get(keys)), strict=True)) if keys else {}
            )
            for grant in grants:
                if grant.token not in self._held:  # cancelled meanwhile
                    continue
                if self._draining:
                    self._finished(Result(grant.token, 0.0, unstarted=True))
                    continue
                source = grant.spec.source
                data = blobs[source.key] if isinstance(source, BlobSource) else grant.data
                if isinstance(source, BlobSource | InlineSource) and data is None:
                    self._finished(Result(grant.token, 0.0, failure=Failure.of(InputLostError(grant.spec.id))))
                else:
                    self._runner.send(Run(grant.spec, grant.token, data))

    async def _from_storage(self, call: Callable[[], Awaitable[_T]]) -> _T:
        """Make a call to Storage until it succeeds: no task is charged because a disk is full or a process away."""
        failures = 0
        while True:
            try:
                answer = await call()
            except PassingError as error:
                failures += 1
                self._storage_away = True
                log.warning("action=retry worker=%s %s", self.info.id, error)
                await asyncio.sleep(_RECONNECT.delay_s(failures, self._rng))
            else:
                if failures:
                    self._storage_away = False
                    self._to_report.set()  # the next call wants work again
                return answer

    def _finished(self, result: Result) -> None:
        """Take a result from the runner."""
        spec = self._held.spec(result.token)
        if spec is None:
            return
        self._held.finish(result.token)
        if result.products:
            mean_s = self._mean_s if self._mean_s is not None else result.elapsed_s
            self._mean_s = mean_s + _SMOOTHING * (result.elapsed_s - mean_s)
        self._results.append(result)
        self._produced.set()
        left = self._held.unfinished
        self._pace.finished(urgent=not spec.kept or not left, hungry=left <= self._capacity() // 2)

    async def _store(self) -> None:
        """Store outputs and turn results into outcomes: many at a time while there is much to do, at once if not."""
        while True:
            await self._produced.wait()
            await self._pace.due()
            self._produced.clear()
            results, self._results = self._results, []
            await self._settle([result for result in results if result.token in self._held])
            self._to_report.set()

    async def _settle(self, results: Sequence[Result]) -> None:
        crash_point("attempt-made")
        blobs = {
            product.output.key: product.data
            for result in results
            for product in result.products
            if product.output.key and product.data is not None
        }
        if blobs:
            await self._from_storage(lambda: self._storage.put(blobs))  # first: an ack names only what is stored
            crash_point("outputs-stored")
        for result in results:
            spec = self._held.spec(result.token)
            if spec is not None:
                self._outcomes[result.token] = _outcome(spec, result)
            elif keys := [product.output.key for product in result.products if product.output.key]:
                self._group.create_task(self._discard(keys))  # cancelled, or given to another, while they were stored


def info_of(name: str, node: str, settings: Settings, labels: Mapping[str, str]) -> WorkerInfo:
    """Describe this process as a worker."""
    return WorkerInfo(
        id=worker_id(name, secrets.token_hex(4)),
        name=name,
        node=node,
        host=platform.node(),
        pid=os.getpid(),
        version=__version__,
        cores=os.cpu_count() or 1,
        labels=tuple(sorted(labels.items())),
        operations=tuple(sorted(catalogue_of(settings).operations)),
        commands=tuple(sorted(settings.jobs)),
    )


def _outcome(spec: TaskSpec, result: Result) -> Outcome:
    dropped = not (result.products or result.failure or spec.is_command)
    if result.unstarted or dropped:
        return Release(spec.id, result.token)
    if result.failure is not None:
        return Nack(spec.id, result.token, result.failure, alone=result.died)
    outputs = tuple(product.output for product in result.products)
    small = tuple((one.output.name, one.data) for one in result.products if one.output.inline and one.data is not None)
    return Ack(spec.id, result.token, outputs, result.elapsed_s, small)
