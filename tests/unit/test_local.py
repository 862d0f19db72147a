"""The whole service in one process: the shipped Master, Storage and Workers, with real runners, without Ray."""

from __future__ import annotations

import asyncio
import io
import os
import signal
import time
from pathlib import Path

import numpy as np
import pytest
from clusters import SLOW, SWAP, WAIT_S, cluster, leased, submit, until, worker_of
from pictures import encoded, picture
from PIL import Image

from imgray.actors.master import Master
from imgray.actors.storage import Storage
from imgray.blobs import BlobStore
from imgray.catalogue import BUILT_IN
from imgray.errors import (
    BodyTooLargeError,
    JournalError,
    QueueFullError,
    RequestError,
    StorageUnavailableError,
    TaskCancelledError,
    TaskFailedError,
    TaskNotFoundError,
    TaskNotReadyError,
)
from imgray.gateway import Submission
from imgray.journal import Journal
from imgray.local import LocalCluster
from imgray.settings import Settings
from imgray.task import DEFAULT_OUTPUT, Event, State


async def test_an_image_is_submitted_processed_and_fetched(tmp_path: Path) -> None:
    image = picture()
    async with cluster(tmp_path) as made:
        task = await made.gateway.wait((await submit(made, encoded(image))).id, WAIT_S)
        _, output = await made.gateway.output(task.id, DEFAULT_OUTPUT)
        data = await made.gateway.fetch(task.id, output)
    result = np.asarray(Image.open(io.BytesIO(data)))
    assert np.array_equal(result, np.asarray(image)[..., [1, 0, 2]])
    assert (output.width, output.height, output.size_bytes) == (32, 24, len(data))
    assert [attempt.ending for attempt in task.history] == [Event.ACK]


async def test_several_outputs_of_one_input(tmp_path: Path, png: bytes) -> None:
    outputs = {"small": BUILT_IN.parse("resize:8"), "grey": BUILT_IN.parse("grayscale/convert:jpeg")}
    async with cluster(tmp_path) as made:
        (task,) = await made.gateway.submit([Submission(outputs, data=png)])
        task = await made.gateway.wait(task.id, WAIT_S)
    assert [(output.name, output.format, output.width) for output in task.outputs] == [
        ("small", "png", 8),
        ("grey", "jpeg", 32),
    ]


async def test_bad_images_fail_with_their_code_and_the_next_one_succeeds(tmp_path: Path, png: bytes) -> None:
    """Invariant 7."""
    async with cluster(tmp_path) as made:
        bad = await submit(made, b"hello")
        good = await submit(made, png)
        bad, good = await made.gateway.wait(bad.id, WAIT_S), await made.gateway.wait(good.id, WAIT_S)
        assert (bad.state, bad.attempts, good.state) == (State.FAILED, 1, State.SUCCEEDED)
        with pytest.raises(TaskFailedError) as caught:
            await made.gateway.output(bad.id, DEFAULT_OUTPUT)
        assert (caught.value.code, caught.value.status) == ("not_an_image", 415)


async def test_what_was_accepted_survives_the_end_of_everything(tmp_path: Path, png: bytes) -> None:
    """Invariants 1 and 10."""
    async with LocalCluster(Settings(data=tmp_path)) as made:
        for worker in list(made.workers):
            made.kill_worker(worker)
        tasks = [await submit(made, png) for _ in range(20)]
    async with cluster(tmp_path) as made:
        for task in tasks:
            assert (await made.gateway.wait(task.id, WAIT_S)).state is State.SUCCEEDED


async def test_an_attempt_that_kills_its_process_is_tried_again_alone_and_then_a_dead_letter(
    tmp_path: Path, png: bytes
) -> None:
    """Invariant 6."""
    async with cluster(tmp_path, max_attempts=2) as made:
        poison = await submit(made, png, SLOW)
        innocent = await submit(made, png)
        killed: list[int | None] = [None]

        async def ready() -> bool:
            return worker_of(made).runner_pid not in killed

        for _ in range(2):
            await until(ready)
            await leased(made, poison.id)
            killed.append(worker_of(made).runner_pid)
            os.kill(killed[-1] or 0, signal.SIGKILL)
        poison = await made.gateway.wait(poison.id, WAIT_S)
        innocent = await made.gateway.wait(innocent.id, WAIT_S)
    assert (poison.state, poison.attempts, poison.alone) == (State.FAILED, 2, True)
    assert poison.failure is not None
    assert (poison.failure.code, "SIGKILL" in poison.failure.message) == ("worker_died", True)
    assert (innocent.state, innocent.attempts) == (State.SUCCEEDED, 1)


async def test_an_attempt_over_its_time_limit_is_ended_and_its_process_replaced(tmp_path: Path, png: bytes) -> None:
    """Invariant 8."""
    async with cluster(tmp_path, task_timeout_s=1.0, max_attempts=1) as made:
        hung = await submit(made, png, SLOW)
        hung = await made.gateway.wait(hung.id, WAIT_S)
        assert hung.failure is not None
        assert hung.failure.code == "task_timeout"
        after = await submit(made, png)
        assert (await made.gateway.wait(after.id, WAIT_S)).state is State.SUCCEEDED


async def test_a_dead_workers_tasks_go_to_another(tmp_path: Path, png: bytes) -> None:
    async with cluster(tmp_path) as made:
        running, waiting = await submit(made, png, SLOW), await submit(made, png)
        await leased(made, running.id)
        made.kill_worker(next(iter(made.workers)))

        async def noticed() -> bool:
            return bool((await made.gateway.get(running.id)).history)

        await until(noticed)
        made.add_worker("worker-2")
        await made.gateway.cancel(running.id)
        waiting = await made.gateway.wait(waiting.id, WAIT_S)
        assert (waiting.state, waiting.attempts) == (State.SUCCEEDED, 1)
        states = [view.state for view in await made.master.workers()]
        assert {"active", "lost"} == set(states)  # the pool may have started another worker itself


async def test_a_cluster_that_has_ended_starts_no_worker(tmp_path: Path) -> None:
    """The pool may find that there is none, while the cluster ends."""
    async with cluster(tmp_path) as made:
        assert await made.names() == {"worker-1"}
    await made.start("worker-1")
    assert await made.names() == set()


@pytest.mark.parametrize("running", [False, True])
async def test_a_task_is_cancelled_wherever_it_is(tmp_path: Path, png: bytes, running: bool) -> None:  # noqa: FBT001
    async with cluster(tmp_path) as made:
        first = await submit(made, png, SLOW)
        await leased(made, first.id)
        task = first if running else await submit(made, png, SLOW)
        assert (await made.gateway.cancel(task.id)).state is State.CANCELLED
        with pytest.raises(TaskCancelledError):
            await made.gateway.output(task.id, DEFAULT_OUTPUT)
        if not running:
            await made.gateway.cancel(first.id)
        after = await submit(made, png)  # the worker is free again, long before the cancelled work would have ended
        assert (await made.gateway.wait(after.id, 10)).state is State.SUCCEEDED
        assert (await made.gateway.cancel(after.id)).state is State.SUCCEEDED


async def test_a_dead_letter_can_be_redriven(tmp_path: Path, png: bytes) -> None:
    source = tmp_path / "later.png"
    async with cluster(tmp_path / "data", file_roots=[tmp_path]) as made:
        (task,) = await made.gateway.submit([Submission({"image": SWAP}, path=str(source))])
        task = await made.gateway.wait(task.id, WAIT_S)
        assert task.failure is not None
        assert task.failure.code == "source_unreadable"
        source.write_bytes(png)
        await made.master.redrive([task.id])
        task = await made.gateway.wait(task.id, WAIT_S)
    assert (task.state, [past.ending for past in task.history]) == (State.SUCCEEDED, [Event.FAIL, Event.ACK])


async def test_paths_outside_the_allowed_folders_are_refused_links_and_all(tmp_path: Path, png: bytes) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "secret.png").write_bytes(png)
    (tmp_path / "in" / "link.png").symlink_to(tmp_path / "secret.png")
    (tmp_path / "in" / "a.png").write_bytes(png)
    paths = ["secret.png", "in/../secret.png", "in/link.png"]
    async with cluster(tmp_path / "data", file_roots=[tmp_path / "in"]) as made:
        submissions = [Submission({"image": SWAP}, path=str(tmp_path / path)) for path in paths]
        outside = {"image": str(tmp_path / "out.png")}
        submissions.append(Submission({"image": SWAP}, path=str(tmp_path / "in/a.png"), destinations=outside))
        for task in await made.gateway.submit(submissions):
            ended = await made.gateway.wait(task.id, WAIT_S)
            assert ended.failure is not None
            assert ended.failure.code == "path_not_allowed"
    assert not (tmp_path / "out.png").exists()


@pytest.mark.parametrize("name", ["", "a/b", "../x", "x" * 65, "a b"])
async def test_an_output_has_a_name_that_can_be_part_of_a_key(tmp_path: Path, png: bytes, name: str) -> None:
    async with cluster(tmp_path) as made:
        with pytest.raises(RequestError, match="cannot be an output's name"):
            await made.gateway.submit([Submission({name: SWAP}, data=png)])


async def test_a_label_that_is_not_text_is_made_text(tmp_path: Path, png: bytes) -> None:
    async with cluster(tmp_path) as made:
        (task,) = await made.gateway.submit([Submission.of(png, SWAP, label=os.fsdecode(b"caf\xe9.png"))])
        assert task.spec.label == "caf?.png"


async def test_limits_have_errors_of_their_own(tmp_path: Path, png: bytes) -> None:
    """Invariant 9."""
    async with cluster(tmp_path, max_live_tasks=1, max_body_bytes=10_000, inline_bytes=0) as made:
        with pytest.raises(BodyTooLargeError):
            await submit(made, b"x" * 10_001)
        first = await submit(made, png, SLOW)
        with pytest.raises(QueueFullError):
            await submit(made, png)
        assert len(list((tmp_path / "blobs" / "inputs").iterdir())) == 1, "a refused input was kept"
        await made.gateway.cancel(first.id)


async def test_unknown_and_unfinished_tasks_have_errors_of_their_own(tmp_path: Path, png: bytes) -> None:
    async with cluster(tmp_path) as made:
        for call in (made.gateway.get("nope"), made.gateway.wait("nope", 1), made.gateway.cancel("nope")):
            with pytest.raises(TaskNotFoundError):
                await call
        task = await submit(made, png, SLOW)
        with pytest.raises(TaskNotReadyError):
            await made.gateway.output(task.id, DEFAULT_OUTPUT)
        assert (await made.gateway.wait(task.id, 0.05)).state in {State.QUEUED, State.LEASED}
        await made.gateway.cancel(task.id)


async def test_the_counts_add_up(tmp_path: Path, png: bytes) -> None:
    """Invariant 5."""
    async with cluster(tmp_path) as made:
        tasks = [await submit(made, data) for data in (png, b"hello", png)]
        for task in tasks:
            await made.gateway.wait(task.id, WAIT_S)
        counts = (await made.master.statistics()).tasks
    assert sum(counts.values()) == 3
    assert (counts[State.SUCCEEDED], counts[State.FAILED]) == (2, 1)


async def test_a_journal_that_cannot_be_written_accepts_nothing_and_recovers(
    tmp_path: Path, png: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Invariant 1: what is not on disk was not accepted."""
    async with cluster(tmp_path) as made:
        before = await submit(made, png)
        await made.gateway.wait(before.id, WAIT_S)

        def full(*_: object) -> None:
            raise JournalError("disk full")

        with monkeypatch.context() as patch:
            patch.setattr(Journal, "write", full)
            with pytest.raises(JournalError, match="disk full"):
                await submit(made, png)
        assert sum((await made.master.statistics()).tasks.values()) == 1
        after = await submit(made, png)
        assert (await made.gateway.wait(after.id, WAIT_S)).state is State.SUCCEEDED


async def test_a_storage_that_is_away_costs_no_attempt(
    tmp_path: Path, png: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Invariant 10: a full disk makes tasks wait, not fail."""
    async with cluster(tmp_path, inline_bytes=0) as made:
        real, refusals = made.storage.put, 0

        async def full(blobs: dict[str, bytes]) -> None:
            nonlocal refusals
            if refusals < 5 and any(key.startswith("outputs/") for key in blobs):
                refusals += 1
                raise StorageUnavailableError("no space left")
            await real(blobs)

        monkeypatch.setattr(made.storage, "put", full)
        tasks = [await made.gateway.wait((await submit(made, png)).id, WAIT_S) for _ in range(2)]
    assert [(task.state, task.attempts) for task in tasks] == [(State.SUCCEEDED, 1)] * 2
    assert refusals == 5


async def test_an_input_that_is_gone_is_a_dead_letter_that_says_so(tmp_path: Path, png: bytes) -> None:
    async with LocalCluster(Settings(data=tmp_path, inline_bytes=0)) as made:
        made.kill_worker(next(iter(made.workers)))
        task = await submit(made, png)
    (tmp_path / "blobs" / "inputs" / task.id).unlink()
    async with cluster(tmp_path) as made:
        task = await made.gateway.wait(task.id, WAIT_S)
    assert task.failure is not None
    assert (task.state, task.attempts, task.failure.code) == (State.FAILED, 1, "input_lost")


async def test_a_runner_that_cannot_start_gives_its_tasks_back(
    tmp_path: Path, png: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Invariant 8: the tasks wait for a worker that can, uncharged."""
    async with cluster(tmp_path) as made:
        (worker,) = made.workers.values()
        await made.gateway.wait((await submit(made, png)).id, WAIT_S)
        monkeypatch.setattr("sys.executable", "/bin/false")
        running = await submit(made, png, SLOW)
        await leased(made, running.id)
        os.kill(worker.runner_pid or 0, signal.SIGKILL)
        task = await submit(made, png)
        monkeypatch.undo()
        made.add_worker("worker-2")
        task = await made.gateway.wait(task.id, WAIT_S)
        assert (task.state, task.attempts) == (State.SUCCEEDED, 1)
        await made.gateway.cancel(running.id)


async def test_a_master_that_was_frozen_does_not_take_its_silence_for_the_workers(tmp_path: Path, png: bytes) -> None:
    """Invariant 8: a machine that sleeps charges nobody."""
    ahead = 0.0

    def clock() -> float:
        return asyncio.get_running_loop().time() + ahead

    async with LocalCluster(Settings(data=tmp_path), clock) as made:
        task = await submit(made, png, SLOW)
        await leased(made, task.id)
        ahead = 1000.0
        made.master._ledger.ring(clock() - 940)  # noqa: SLF001  # the alarm that was due while the process was frozen
        after = await made.gateway.get(task.id)
        assert (after.state, after.attempts) == (State.LEASED, 1)
        await made.gateway.cancel(task.id)


async def test_a_deadline_passes_after_a_restart_even_when_no_worker_comes(tmp_path: Path, png: bytes) -> None:
    """Invariant 8: nobody else would wake the Master."""
    async with cluster(tmp_path) as made:
        made.kill_worker(next(iter(made.workers)))
        (task,) = await made.gateway.submit([Submission({"image": SWAP}, data=png, expires_at=time.time() + 1)])
    settings = Settings(data=tmp_path)
    storage = Storage(BlobStore(settings.blobs_url), settings.cache_bytes)

    async def watch(_worker_id: str) -> None:
        """Know of no worker."""

    master = Master(settings, storage, watch, made)
    (ended,) = await master.wait([task.id], WAIT_S)
    await master.close()
    assert ended.failure is not None
    assert ended.failure.code == "deadline_passed"
