"""Command tasks over the whole service in one process: real programs, started, stopped, asked about and followed."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from clusters import SLOW, WAIT_S, cluster, submit, until, worker_of

from imgray.actors.worker import Worker
from imgray.catalogue import BUILT_IN
from imgray.errors import (
    CommandNotAllowedError,
    ImgrayError,
    JobArgumentError,
    JobNotFoundError,
    NotACommandError,
    PathNotAllowedError,
    RequestError,
    TaskNotFoundError,
    WorkerNotFoundError,
    WorkersReturningError,
)
from imgray.jobs import JobRequest
from imgray.local import LocalCluster
from imgray.messages import OutputPart
from imgray.scaling import Bounds
from imgray.target import Target
from imgray.task import State

COUNT = "import sys, time\nfor n in range(1, 31): print(n, flush=True); time.sleep(float(sys.argv[1]))\n"
CHILD = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print(child.pid, flush=True)
time.sleep(600)
"""
SCRIPTS = {
    "count.py": COUNT,
    "child.py": CHILD,
    "fail.py": "import sys; print('so far'); print('no further', file=sys.stderr); sys.exit(3)",
    "bytes.py": "import os; os.write(1, b'\\xff\\xfe caf\\xc3\\xa9\\n')",
    "much.py": "import os\nfor _ in range(2000): os.write(1, b'x' * 1000)\n",
}


@asynccontextmanager
async def allowing(folder: Path, **settings: object) -> AsyncIterator[LocalCluster]:
    """A cluster that allows a command, with a worker."""
    scripts = folder / "scripts"
    scripts.mkdir()
    for name, text in SCRIPTS.items():
        (scripts / name).write_text(text)
    python = {
        "run": [sys.executable, "{path}", "{pause}"],
        "folders": [str(scripts)],
        "arguments": {"pause": {"type": "number", "minimum": 0, "maximum": 10, "default": 0.01}},
        "grace_s": 1,
        "output_bytes": 100_000,
    }
    async with cluster(folder / "data", jobs={"python": python}, **settings) as made:
        await until(lambda: has_worker(made))
        yield made


async def has_worker(made: LocalCluster) -> bool:
    return bool(await made.master.workers())


async def following(made: LocalCluster, task_id: str, offset: int = 0) -> tuple[bytes, OutputPart]:
    """Follow a command to its end; give all that it wrote, and the last part."""
    written, last = b"", None
    async with asyncio.timeout(WAIT_S):
        async for part in made.gateway.jobs.follow(task_id, offset):
            written += b"".join(chunk.data for chunk in part.part.chunks)
            last = part
    assert last is not None
    assert last.ended is not None
    return written, last


async def first_line(made: LocalCluster, task_id: str) -> str:
    async with asyncio.timeout(WAIT_S):
        async for part in made.gateway.jobs.follow(task_id):
            for chunk in part.part.chunks:
                return chunk.data.decode().split()[0]
    raise AssertionError("it wrote nothing")


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


async def test_a_command_runs_on_the_chosen_worker_and_is_followed_to_its_end(tmp_path: Path) -> None:
    async with allowing(tmp_path) as made:
        other = made.add_worker("other")
        await until(lambda: registered(made, other.info.id))
        request = JobRequest("python", "count.py", target=Target(worker=other.info.id))
        task = await made.gateway.jobs.start(request)
        written, last = await following(made, task.id)
        assert written == "".join(f"{n}\n" for n in range(1, 31)).encode()
        assert last.ended
        assert last.ended.text == ""
        task = await made.gateway.wait(task.id, WAIT_S)
        assert (task.state, task.history[0].worker) == (State.SUCCEEDED, other.info.id)
        status = await made.gateway.jobs.query(other.info.id, task.id)
        assert (status.done, status.error, status.error_text) == (True, False, "")
        again, _ = await following(made, task.id, offset=len(b"1\n2\n"))
        assert again == written[4:]


async def registered(made: LocalCluster, worker_id: str) -> bool:
    return any(view.info.id == worker_id for view in await made.master.workers())


async def test_stopped_in_the_middle_its_children_are_gone(tmp_path: Path) -> None:
    async with allowing(tmp_path) as made:
        worker = worker_of(made).info
        task = await made.gateway.jobs.start(JobRequest("python", "child.py"))
        child = int(await first_line(made, task.id))
        assert alive(child)
        assert not (await made.gateway.jobs.query(worker.name, task.id)).done
        await made.gateway.jobs.stop(worker.id, task.id)
        assert not alive(child)
        status = await made.gateway.jobs.query(worker.id, task.id)
        assert (status.done, status.error, status.error_text) == (True, True, "signal: terminated")
        await made.gateway.jobs.stop(worker.id, task.id)  # done already is success
        written, last = await following(made, task.id)
        assert written == f"{child}\n".encode()
        assert last.ended
        assert last.ended.text == "signal: terminated"
        assert (await made.gateway.get(task.id)).state is State.CANCELLED


async def test_a_program_that_fails_says_how_and_keeps_what_it_wrote(tmp_path: Path) -> None:
    async with allowing(tmp_path) as made:
        task = await made.gateway.jobs.start(JobRequest("python", "fail.py"))
        written, last = await following(made, task.id)
        assert sorted(written.splitlines()) == [b"no further", b"so far"]
        assert last.ended
        assert last.ended.text == "exit status 3"
        task = await made.gateway.wait(task.id, WAIT_S)
        assert (task.state, task.attempts) == (State.FAILED, 1)
        assert task.failure
        assert (task.failure.code, task.failure.message) == ("job_failed", "exit status 3")
        status = await made.gateway.jobs.query(worker_of(made).info.id, task.id)
        assert (status.done, status.error, status.error_text) == (True, True, "exit status 3")


async def test_output_that_is_not_text_comes_as_it_is(tmp_path: Path) -> None:
    async with allowing(tmp_path) as made:
        task = await made.gateway.jobs.start(JobRequest("python", "bytes.py"))
        written, _ = await following(made, task.id)
        assert written == b"\xff\xfe caf\xc3\xa9\n"


async def test_of_much_output_the_beginning_and_the_end_are_kept(tmp_path: Path) -> None:
    async with allowing(tmp_path) as made:
        task = await made.gateway.jobs.start(JobRequest("python", "much.py"))
        await made.gateway.wait(task.id, WAIT_S)
        parts = [part async for part in made.gateway.jobs.follow(task.id, follow=False)]
        kept = sum(len(chunk.data) for part in parts for chunk in part.part.chunks)
        dropped = sum(part.part.dropped_bytes for part in parts)
        assert kept + dropped == 2_000_000
        assert 90_000 <= kept <= 100_000


@pytest.mark.parametrize(
    ("request_", "error"),
    [
        (JobRequest("rm", "count.py"), CommandNotAllowedError),
        (JobRequest("python", "../secret.py"), PathNotAllowedError),
        (JobRequest("python", "/etc/passwd"), PathNotAllowedError),
        (JobRequest("python"), JobArgumentError),
        (JobRequest("python", "count.py", {"pause": "-1"}), JobArgumentError),
        (JobRequest("python", "count.py", {"pause": "1; rm"}), JobArgumentError),
        (JobRequest("python", "count.py", {"other": "1"}), JobArgumentError),
        (JobRequest("python", "count.py", target=Target(worker="nobody"), waits=True), RequestError),
        (JobRequest("python", "count.py", target=Target(worker="nobody")), WorkerNotFoundError),
    ],
)
async def test_what_may_not_be_is_refused_and_nothing_is_accepted(
    tmp_path: Path, request_: JobRequest, error: type[ImgrayError]
) -> None:
    async with allowing(tmp_path) as made:
        with pytest.raises(error):
            await made.gateway.jobs.start(request_)
        assert (await made.master.statistics()).submitted == 0


async def test_a_path_that_a_link_leads_out_of_the_folder_fails_on_the_worker(tmp_path: Path) -> None:
    (tmp_path / "secret.py").write_text("print('secret')")
    async with allowing(tmp_path) as made:
        (tmp_path / "scripts" / "link.py").symlink_to(tmp_path / "secret.py")
        task = await made.gateway.jobs.start(JobRequest("python", "link.py"))
        written, _ = await following(made, task.id)
        task = await made.gateway.wait(task.id, WAIT_S)
        assert written == b""
        assert task.failure
        assert task.failure.code == "path_not_allowed"


async def test_nothing_is_allowed_unless_the_operator_says_so(tmp_path: Path) -> None:
    async with cluster(tmp_path) as made:
        with pytest.raises(CommandNotAllowedError, match="None is"):
            await made.gateway.jobs.start(JobRequest("python", "count.py"))


async def test_unknown_jobs_and_workers_are_told_apart(tmp_path: Path, png: bytes) -> None:
    async with allowing(tmp_path) as made:
        worker = worker_of(made).info.id
        image = await submit(made, png)
        task = await made.gateway.jobs.start(JobRequest("python", "count.py"))
        await made.gateway.wait(task.id, WAIT_S)
        for ask in (made.gateway.jobs.query, made.gateway.jobs.stop):
            with pytest.raises(JobNotFoundError):
                await ask(worker, "none")
            with pytest.raises(JobNotFoundError):
                await ask(worker, image.id)
            with pytest.raises(WorkerNotFoundError):
                await ask("nobody", task.id)
        with pytest.raises(NotACommandError):
            await anext(made.gateway.jobs.follow(image.id))
        with pytest.raises(TaskNotFoundError):
            await anext(made.gateway.jobs.follow("none"))
        await made.gateway.purge(task.id)
        with pytest.raises(JobNotFoundError):
            await made.gateway.jobs.query(worker, task.id)


async def test_a_job_that_is_stopped_before_it_starts_never_runs(tmp_path: Path) -> None:
    async with allowing(tmp_path, job_slots=1) as made:
        worker = worker_of(made).info
        running = await made.gateway.jobs.start(JobRequest("python", "child.py"))
        await first_line(made, running.id)
        waiting = await made.gateway.jobs.start(JobRequest("python", "count.py", target=Target(worker=worker.id)))
        await made.gateway.jobs.stop(worker.id, waiting.id)
        status = await made.gateway.jobs.query(worker.id, waiting.id)
        assert (status.done, status.error, status.error_text) == (True, True, "cancelled before it started")
        await made.gateway.jobs.stop(worker.name, running.id)


async def test_whoever_follows_a_job_that_waits_hears_that_it_is_quiet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("imgray.jobs._FOLLOW_S", 0.01)
    async with allowing(tmp_path) as made:
        nowhere = Target(labels=(("gpu", "true"),))
        request = JobRequest("python", "count.py", target=nowhere, waits=True, expires_at=time.time() + 60)
        parts = made.gateway.jobs.follow((await made.gateway.jobs.start(request)).id, offset=7)
        for _ in range(2):
            part = await asyncio.wait_for(anext(parts), WAIT_S)
            assert (part.part.chunks, part.part.next_offset, part.ended) == ((), 7, None)


async def test_commands_run_beside_images(tmp_path: Path, png: bytes) -> None:
    async with allowing(tmp_path) as made:
        job = await made.gateway.jobs.start(JobRequest("python", "child.py"))
        await first_line(made, job.id)
        image = await made.gateway.wait((await submit(made, png)).id, WAIT_S)
        assert image.state is State.SUCCEEDED
        (view,) = await made.master.workers()
        assert view.running == (job.id,)
        await made.gateway.jobs.stop(view.info.id, job.id)


LONG = BUILT_IN.parse("/".join(str(SLOW).split("/")[:9]))  # a second, or so


async def has_begun(worker: Worker) -> bool:
    return bool(worker._runner._unfinished)  # type: ignore[attr-defined]  # noqa: SLF001  # no event tells


async def test_a_drained_worker_finishes_what_runs_and_gives_back_the_rest(tmp_path: Path, png: bytes) -> None:
    async with allowing(tmp_path) as made:
        worker = worker_of(made)
        job = await made.gateway.jobs.start(JobRequest("python", "count.py", {"pause": "0.02"}))
        await first_line(made, job.id)
        running, waiting = await submit(made, png, LONG), await submit(made, png)
        await until(lambda: has_begun(worker))
        assert (await made.master.drain(worker.info.name)).state == "draining"
        with pytest.raises(WorkerNotFoundError):
            await made.master.drain("nobody")
        await asyncio.wait_for(asyncio.shield(made._running[worker.info.id]), WAIT_S)  # noqa: SLF001
        assert (await made.gateway.get(job.id)).state is State.SUCCEEDED
        assert (await made.gateway.get(running.id)).state is State.SUCCEEDED
        left = await made.gateway.get(waiting.id)
        assert left.state in {State.QUEUED, State.SUCCEEDED}
        assert left.attempts == len(left.history)
        assert await made.master.workers() == []
        assert (await made.master.pool()).bounds == Bounds(0, 0), "the pool is smaller by one"


async def test_a_worker_that_has_to_end_stops_its_commands_after_a_while(tmp_path: Path) -> None:
    async with allowing(tmp_path, drain_s=0.2) as made:
        worker = worker_of(made)
        job = await made.gateway.jobs.start(JobRequest("python", "child.py"))
        child = int(await first_line(made, job.id))
        worker.drain(hurry=True)  # as SIGTERM does
        await asyncio.wait_for(asyncio.shield(made._running[worker.info.id]), WAIT_S)  # noqa: SLF001
        ended = await made.gateway.get(job.id)
        assert ended.failure
        assert ended.failure.code == "worker_drained"
        assert not alive(child)


async def test_a_worker_that_dies_takes_its_commands_with_it(tmp_path: Path) -> None:
    async with allowing(tmp_path) as made:
        worker = worker_of(made).info.id
        job = await made.gateway.jobs.start(JobRequest("python", "child.py"))
        child = int(await first_line(made, job.id))
        made.kill_worker(worker)
        ended = await made.gateway.wait(job.id, WAIT_S)
        assert ended.failure
        assert (ended.state, ended.failure.code) == (State.FAILED, "worker_died")
        assert not alive(child)
        _, last = await following(made, job.id)
        assert last.ended
        assert "died" in last.ended.text
        status = await made.gateway.jobs.query(worker, job.id)
        assert (status.done, status.error) == (True, True)


async def test_what_is_redriven_for_a_worker_that_is_no_more_fails_again(tmp_path: Path) -> None:
    async with allowing(tmp_path) as made:
        worker = worker_of(made).info.id
        job = await made.gateway.jobs.start(JobRequest("python", "child.py", target=Target(worker=worker)))
        await first_line(made, job.id)
        made.kill_worker(worker)
        await made.gateway.wait(job.id, WAIT_S)
        await made.gateway.redrive(job.id)
        again = await made.gateway.wait(job.id, WAIT_S)
        assert again.failure
        assert again.failure.code == "target_lost"


async def test_the_pool_grows_and_shrinks_as_it_is_told(tmp_path: Path) -> None:
    async with cluster(tmp_path) as made:

        async def workers(count: int) -> None:
            async def so_many() -> bool:
                return sum(view.state == "active" for view in await made.master.workers()) == count

            await until(so_many)

        await workers(1)
        await made.master.scale(Bounds(3, 3))
        await workers(3)
        await made.master.scale(Bounds(0, 0))
        await workers(0)
        await made.master.scale(Bounds(1, 2))
        await workers(1)


async def test_in_the_first_seconds_nobody_is_taken_for_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A Master that has just been started again does not know yet who is there."""
    monkeypatch.setattr("imgray.actors.dispatcher.RETURN_S", 60.0)
    async with allowing(tmp_path) as made:
        for call in (
            made.gateway.jobs.start(JobRequest("python", "count.py", target=Target(worker="nobody"))),
            made.master.drain("nobody"),
        ):
            with pytest.raises(WorkersReturningError):
                await call
        worker = worker_of(made).info.id
        made.master._dispatcher.start_afresh()  # noqa: SLF001  # as after a commit that failed
        await made.master.scale(Bounds(0, 0))
        await until(lambda: registered(made, worker))
        assert not made._running[worker].done(), "a worker that had not registered again was ended"  # noqa: SLF001


async def test_no_more_commands_run_than_there_are_slots(tmp_path: Path) -> None:
    """A grant that the worker has not heard of counts."""
    async with allowing(tmp_path, job_slots=2) as made:
        worker = worker_of(made).info.id
        jobs = [await made.gateway.jobs.start(JobRequest("python", "child.py")) for _ in range(5)]

        async def two_run() -> bool:
            return len((await made.master.workers())[0].running) == 2

        await until(two_run)
        states = [(await made.gateway.get(job.id)).state for job in jobs]
        assert states.count(State.LEASED) == 2
        for job in jobs:
            await made.gateway.jobs.end(job)
        assert [view.leased for view in await made.master.workers() if view.info.id == worker] == [0]


async def test_what_was_written_can_be_read_when_its_worker_is_no_more(tmp_path: Path) -> None:
    async with allowing(tmp_path) as made:
        job = await made.gateway.jobs.start(JobRequest("python", "child.py"))
        child = await first_line(made, job.id)
        await made.gateway.jobs.end(job)
        made.kill_worker(worker_of(made).info.id)
        written, _ = await following(made, job.id)
        assert written.decode().split() == [child]
        await made.gateway.jobs.end(await made.gateway.get(job.id))
        assert (await made.gateway.jobs.status(await made.gateway.get(job.id))).error_text == "signal: terminated"


async def test_a_redriven_job_is_followed_anew(tmp_path: Path) -> None:
    async with allowing(tmp_path, job_slots=1) as made:
        failed = await made.gateway.jobs.start(JobRequest("python", "fail.py"))
        await made.gateway.wait(failed.id, WAIT_S)
        blocker = await made.gateway.jobs.start(JobRequest("python", "child.py"))
        await first_line(made, blocker.id)
        again = await made.gateway.redrive(failed.id)
        assert again.state is State.QUEUED
        assert not (await made.gateway.jobs.status(again)).done
        assert [part async for part in made.gateway.jobs.follow(failed.id, follow=False)] == []
        await made.gateway.jobs.end(blocker)
        _, last = await following(made, failed.id)
        assert last.ended
        assert last.ended.text == "exit status 3"


@pytest.mark.parametrize(
    "wrong",
    [
        {"expires_at": float("nan"), "waits": True},
        {"expires_at": 1e300},
        {"tenant": "x" * 65},
        {"priority": 10},
        {"label": "\ud800", "target": Target(node="\ud800")},
        {"target": Target(labels=(("a", "x" * 256),))},
        {"target": Target(labels=tuple((str(n), "x") for n in range(33)))},
        {"path": "count\ud800.py"},
        {"path": "x" * 5000},
    ],
)
async def test_a_job_beyond_the_bounds_is_refused(tmp_path: Path, wrong: dict[str, Any]) -> None:
    async with allowing(tmp_path) as made:
        with pytest.raises(RequestError):
            await made.gateway.jobs.start(JobRequest(**{"command": "python", "path": "count.py", **wrong}))
        assert (await made.master.statistics()).submitted == 0
