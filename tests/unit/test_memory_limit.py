"""The limit on a worker's memory: a task over it fails with its own code, and takes nothing with it."""

from __future__ import annotations

import pickle
import platform
import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from clusters import WAIT_S, cluster, submit, worker_of
from pictures import encoded, picture
from PIL import Image

from imgray.catalogue import BUILT_IN
from imgray.runner import HEADER, Begun, Ready, Run, frame
from imgray.settings import Settings
from imgray.task import BlobSource, OutputSpec, State, TaskSpec

LITTLE = 2**28
GREEDY = BUILT_IN.parse("resize:9000,9000,exact/rotate:45/resize:9,9,exact")  # of 324 MB, before it is rotated


async def test_a_task_over_the_limit_fails_and_the_ones_beside_it_do_not(tmp_path: Path) -> None:
    """Invariants 6 and 9."""
    png = encoded(picture())
    async with cluster(tmp_path, max_memory_bytes=LITTLE, max_pixels=200_000_000, max_attempts=3) as made:
        before = await submit(made, png)
        assert (await made.gateway.wait(before.id, WAIT_S)).state is State.SUCCEEDED
        first = worker_of(made).runner_pid
        greedy = await submit(made, png, GREEDY)
        beside = [await submit(made, png) for _ in range(3)]
        ended = await made.gateway.wait(greedy.id, WAIT_S)
        assert ended.failure is not None
        assert (ended.failure.code, ended.failure.status, ended.attempts) == ("out_of_memory", 413, 1)
        for task in beside:
            done = await made.gateway.wait(task.id, WAIT_S)
            assert (done.state, done.attempts) == (State.SUCCEEDED, 1)
        assert worker_of(made).runner_pid != first


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other libraries have other ways")
async def test_the_memory_of_one_image_is_kept_for_the_next(tmp_path: Path) -> None:
    """To ask the kernel for it again costs a page fault for each page."""
    jpeg = encoded(picture(size=(1600, 1200)), "JPEG")
    async with cluster(tmp_path) as made:
        await made.gateway.wait((await submit(made, encoded(picture()))).id, WAIT_S)  # then the runner is there

        async def fault_each(count: int) -> float:
            before = faults_of(worker_of(made).runner_pid)
            for task in [await submit(made, jpeg) for _ in range(count)]:
                assert (await made.gateway.wait(task.id, WAIT_S)).state is State.SUCCEEDED
            return (faults_of(worker_of(made).runner_pid) - before) / count

        decoded_pages = 1600 * 1200 * 4 / resource.getpagesize()
        assert await fault_each(2) > decoded_pages / 2  # the first one's memory is new
        await fault_each(8)  # until the heap has found its shape
        assert await fault_each(4) < decoded_pages / 10


def faults_of(pid: int | None) -> int:
    """Return how often a process has met a page that was not there (proc(5): field 10)."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[7])


HARNESS = """
import imgray.runner as runner
send, read = runner.frame, runner._read
def full(*messages):
    if any(isinstance(message, runner.Result) and message.products for message in messages):
        raise MemoryError
    return send(*messages)
def starved(file):
    commands = read(file)
    if any(isinstance(command, runner.Run) and command.token == 2 for command in commands):
        raise MemoryError
    return commands
runner.frame, runner._read = full, starved
runner.main()
"""


@contextmanager
def runner_given(token: int) -> Iterator[subprocess.Popen[bytes]]:
    """Have a runner that has little memory at certain points, with one attempt to make."""
    spec = TaskSpec("a", BlobSource("a"), (OutputSpec("image", ""),))
    with tempfile.TemporaryFile() as shared:
        shared.write(bytes(Begun.BYTES))
        shared.flush()
        command = [sys.executable, "-c", HARNESS, str(shared.fileno())]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, pass_fds=[shared.fileno()])
    with process:
        assert process.stdin is not None
        process.stdin.write(frame(Settings()) + frame(Run(spec, token, encoded(picture()))))
        process.stdin.flush()
        yield process  # its input stays open: without it, it would end


def message_of(process: subprocess.Popen[bytes]) -> Any:
    assert process.stdout is not None
    (length,) = HEADER.unpack(process.stdout.read(HEADER.size))
    (message,) = pickle.loads(process.stdout.read(length))  # noqa: S301  # from our own runner
    return message


def test_a_result_that_does_not_fit_into_memory_is_said_to_be_too_large() -> None:
    with runner_given(token=1) as process:
        assert isinstance(message_of(process), Ready)
        result = message_of(process)
        assert (result.token, result.last, result.failure.code) == (1, True, "out_of_memory")
        assert process.wait(WAIT_S) == 0


def test_a_runner_that_cannot_read_its_commands_ends() -> None:
    with runner_given(token=2) as process:
        assert process.wait(WAIT_S) not in {0, 1}


async def test_a_decoder_over_the_limit_is_no_other_case(tmp_path: Path) -> None:
    white = encoded(Image.new("RGB", (9000, 9000)))
    async with cluster(tmp_path, max_memory_bytes=LITTLE, max_pixels=200_000_000) as made:
        task = await submit(made, white)
        ended = await made.gateway.wait(task.id, WAIT_S)
    assert ended.failure is not None
    assert ended.failure.code == "out_of_memory"
