"""The Python client over the whole service in one process: workers, the pool, targets, and jobs with real programs."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from clients import local_client
from clusters import WAIT_S
from running import until

from imgray.client import Client
from imgray.errors import (
    CommandNotAllowedError,
    JobArgumentError,
    NotACommandError,
    RequestError,
    TaskNotFoundError,
    WorkerNotFoundError,
    WorkersReturningError,
)
from imgray.jobs import JobStatus
from imgray.task import State
from imgray.transcript import Stream

SCRIPTS = {
    "count": "import sys, time\nfor n in range(1, 31): print(n, flush=True); time.sleep(float(sys.argv[1]))\n",
    "both": "import os\nos.write(1, b'out\\n'); os.write(2, b'err \\xff\\n')\nraise SystemExit(3)",
}
COUNTED = "".join(f"{n}\n" for n in range(1, 31))


@contextmanager
def allowing(folder: Path, **settings: Any) -> Iterator[Client]:
    """A client of a service that allows a command, with workers."""
    scripts = folder / "scripts"
    scripts.mkdir()
    for name, text in SCRIPTS.items():
        (scripts / name).write_text(text)
    python = {
        "run": [sys.executable, "{path}", "{pause}"],
        "folders": [str(scripts)],
        "arguments": {"pause": {"type": "number", "minimum": 0, "maximum": 10, "default": 0.01}},
        "grace_s": 1,
    }
    with local_client(folder, jobs={"python": python}, **settings) as client:
        until(lambda: bool(client.workers()))
        yield client


def test_a_job_runs_on_a_worker_and_its_output_comes_while_it_runs(tmp_path: Path) -> None:
    with allowing(tmp_path, workers=2) as client:
        until(lambda: len(client.workers()) == 2)
        assert list(client.commands()) == ["python"]
        worker = client.workers()[1].info
        job = client.start("python", Path("count"), worker=worker.name, arguments={"pause": 0.05}, label="mine")
        chunks = job.output()
        first = next(chunks)
        assert (first.stream, first.offset, first.data.split()[0]) == (Stream.STDOUT, 0, b"1")
        assert (job.status(), job.state) == (JobStatus(done=False), State.LEASED)
        assert (first.data + b"".join(chunk.data for chunk in chunks)).decode() == COUNTED
        assert job.wait(WAIT_S).state is State.SUCCEEDED
        assert job.status() == JobStatus(done=True)
        assert (job.history[0].worker, job.snapshot.spec.label) == (worker.id, "mine")
        assert client.job(job.id).text() == COUNTED
        assert b"".join(chunk.data for chunk in job.output(offset=4)).decode() == COUNTED[4:]


def test_a_job_that_fails_says_how(tmp_path: Path) -> None:
    with allowing(tmp_path) as client:
        job = client.start("python", "both")
        assert sorted(job.text().splitlines()) == ["err \ufffd", "out"]
        assert (job.text("stdout"), job.text(Stream.STDERR)) == ("out\n", "err \ufffd\n")
        assert job.wait(WAIT_S).error == "job_failed: exit status 3"
        assert job.status() == JobStatus(done=True, error=True, error_text="exit status 3")


def test_a_job_is_stopped_wherever_it_is(tmp_path: Path) -> None:
    with allowing(tmp_path, job_slots=1) as client:
        running = client.start("python", "count", arguments={"pause": 10})
        assert next(running.output()).data == b"1\n"
        waiting = client.start("python", "count")
        assert list(waiting.output(follow=False)) == []
        assert waiting.stop().state is State.CANCELLED
        assert waiting.status().error_text == "cancelled before it started"
        assert running.stop().state is State.CANCELLED
        assert running.status() == JobStatus(done=True, error=True, error_text="signal: terminated")
        assert running.stop().text() == "1\n"


def test_output_that_is_not_read_to_its_end_is_in_nobodys_way(tmp_path: Path) -> None:
    with allowing(tmp_path) as client:
        job = client.start("python", "count", arguments={"pause": 10})
        for _ in job.output():
            break
        left = job.output()
        assert next(left).data == b"1\n"
        job.cancel()
    del left


def test_jobs_and_images_are_waited_for_together(tmp_path: Path, png: bytes) -> None:
    with allowing(tmp_path) as client:
        jobs = [client.start("python", "count") for _ in range(3)]
        assert {job.id for job in client.as_completed(jobs, WAIT_S)} == {job.id for job in jobs}
        image = client.submit(png)
        with pytest.raises(NotACommandError):
            client.job(image.id)
        with pytest.raises(TaskNotFoundError):
            client.job("nope")
        with pytest.raises(TimeoutError):
            client.start("python", "count", arguments={"pause": 10}).wait(0.01)


def test_what_may_not_be_started_is_refused(tmp_path: Path) -> None:
    with allowing(tmp_path) as client:
        with pytest.raises(CommandNotAllowedError):
            client.start("rm", "count")
        with pytest.raises(JobArgumentError):
            client.start("python", "count", arguments={"pause": -1})
        with pytest.raises(RequestError, match="expires_at"):
            client.start("python", "count", node_labels={"gpu": "true"}, wait_for_worker=True)
        assert sum(client.counts().values()) == 0


def test_tasks_go_to_the_workers_that_they_name(tmp_path: Path, png: bytes) -> None:
    with allowing(tmp_path, workers=2) as client:
        until(lambda: len(client.workers()) == 2)
        one, other = (view.info for view in client.workers())
        assert client.submit(png, worker=other.id).wait(WAIT_S).history[0].worker == other.id
        done = list(client.map([png] * 5, "swap:rg", worker=one.name, node=one.node))
        assert {task.history[0].worker for task in done} == {one.id}
        with pytest.raises((WorkerNotFoundError, WorkersReturningError)):
            client.submit(png, node_labels={"gpu": "true"})
        waiting = client.submit(
            png, node_labels={"gpu": "true"}, wait_for_worker=True, expires_at=time.time() + 0.2
        ).wait(WAIT_S)
        assert (waiting.state, (waiting.error or "").partition(":")[0]) == (State.FAILED, "deadline_passed")


def test_the_pool_is_scaled_and_a_worker_drained(tmp_path: Path) -> None:
    with allowing(tmp_path) as client:
        assert client.pool().bounds.follows_cores
        assert client.scale(3).bounds.minimum == 3
        until(lambda: client.pool().active == 3)
        assert client.drain("worker-2").state == "draining"
        until(lambda: [view.info.name for view in client.workers()] == ["worker-1", "worker-3"])
        bounds = client.scale(1, 4).bounds
        assert (bounds.minimum, bounds.maximum) == (1, 4)
        assert client.scale(None).bounds.follows_cores
        for wrong in ((4, 1), (-1, None)):
            with pytest.raises(RequestError):
                client.scale(*wrong)
        with pytest.raises(WorkerNotFoundError):
            client.drain("nobody")


def test_a_client_is_used_by_several_threads(tmp_path: Path) -> None:
    with allowing(tmp_path) as client:
        texts: list[str] = []
        jobs = [client.start("python", "count") for _ in range(4)]
        threads = [threading.Thread(target=lambda job=job: texts.append(job.text())) for job in jobs]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(WAIT_S)
        assert texts == [COUNTED] * 4
