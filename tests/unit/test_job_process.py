"""Real programs as jobs: what they write, how they end, and that nothing is left of them."""

from __future__ import annotations

import asyncio
import json
import os
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from keeping import FAMILY, HOPPER, IMPATIENT, LIMITS, WAIT_S, Run, are_gone, python

from imgray.actors.job import JobEnd, JobEnding, JobLimits, run_job
from imgray.programs import JobProgram
from imgray.transcript import Stream, Transcript


@pytest.fixture(autouse=True)
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where programs have their folders, of which none may stay."""
    made = tmp_path / "folders"
    made.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(made))
    yield made
    assert list(made.iterdir()) == []


async def test_what_a_program_writes_is_there_while_it_runs(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    count = "import sys\nfor number in range(1, 4): print(number, flush=True); open(sys.argv[1]).read()"
    run = Run(python(count, str(fifo)))
    for number in (1, 2, 3):
        await run.until(lambda number=number: run.written().endswith(b"%d\n" % number))  # type: ignore[misc]
        assert run.transcript.ended is None
        await asyncio.to_thread(fifo.write_text, "go on")
    assert await run.ending() == JobEnding(JobEnd.ENDED, "")
    assert run.transcript.ended is not None
    assert (run.transcript.ended.text, run.written()) == ("", b"1\n2\n3\n")


@pytest.mark.parametrize(
    ("command", "text"),
    [
        (["true"], ""),
        (["sh", "-c", "exit 3"], "exit status 3"),
        (["sh", "-c", "kill -KILL $$"], "signal: killed"),
        (["sh", "-c", "kill -SEGV $$"], "signal: segmentation fault"),
        (python("bytearray(2**30)"), "exit status 1"),
        (python("open('large', 'wb').write(bytes(2**16))"), "exit status 1"),
        (["head", "-c", "100000", "/dev/zero"], ""),
        (["sh", "-c", "head -c 100000 /dev/zero > large; kill -$(($? - 128)) $$"], "signal: file size limit exceeded"),
    ],
)
async def test_an_ending_is_told_in_the_words_of_go(command: list[str], text: str) -> None:
    limits = replace(LIMITS, memory_bytes=2**28, file_bytes=2**15)
    assert await Run(command, limits).ending() == JobEnding(JobEnd.ENDED, text)


@pytest.mark.parametrize(
    ("command", "why"),
    [
        (["imgray-there-is-no-such-program"], "No such file or directory"),
        (["/etc/passwd"], "Permission denied"),
        (["echo", "a" * 2**20], "Argument list too long"),
        (["echo", "\0"], "embedded null byte"),
    ],
)
async def test_a_program_that_cannot_be_started_says_why(command: list[str], why: str) -> None:
    assert await Run(command).ending() == JobEnding(JobEnd.FAILED_TO_START, f"cannot be started: {why}")


async def test_streams_are_told_apart_and_stay_in_order() -> None:
    run = Run(["sh", "-c", "echo one; echo two >&2; printf '\\377\\000' >&2"])
    await run.ending()
    assert [(chunk.stream, chunk.data) for chunk in run.transcript.read(0, 99).chunks] == [
        (Stream.STDOUT, b"one\n"),
        (Stream.STDERR, b"two\n\xff\x00"),
    ]


async def test_a_program_has_an_empty_folder_a_clean_environment_and_no_input(folders: Path) -> None:
    code = """
import json, os, sys
print(json.dumps([dict(os.environ), os.getcwd(), os.listdir(), sys.stdin.read(), os.listdir("/proc/self/fd")]))
"""
    run = Run(["env", *python(code)])
    assert (await run.ending()).text == ""
    environment, here, listed, read, descriptors = json.loads(run.written())
    assert environment.keys() - {"LC_CTYPE"} == {"HOME", "LANG", "PATH", "TMPDIR"}
    assert environment["HOME"] == environment["TMPDIR"] == here
    assert Path(here).parent == folders
    assert (listed, read) == ([], "")
    assert sorted(descriptors) == ["0", "1", "2", "3"], "the last one is that of the listing"


async def test_a_stop_in_the_middle_lets_a_program_end_by_itself() -> None:
    code = """
import signal
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
print("hello", flush=True)
signal.sigwait({signal.SIGTERM})
print("bye")
"""
    run = Run(python(code))
    await run.until(lambda: run.written() == b"hello\n")
    run.stop.set()
    assert await run.ending() == JobEnding(JobEnd.STOPPED, "")
    assert run.written() == b"hello\nbye\n"


@pytest.mark.parametrize(("name", "text"), [("polite", "signal: terminated"), ("deaf", "signal: killed")])
async def test_a_stop_ends_all_that_a_program_started(name: str, text: str) -> None:
    run = Run(python(FAMILY, name), IMPATIENT if name == "deaf" else LIMITS)
    pids = await run.pids(3)
    assert not are_gone(pids)
    run.stop.set()
    assert await run.ending() == JobEnding(JobEnd.STOPPED, text)
    assert are_gone(pids)


async def test_a_stop_catches_who_is_always_somebody_else() -> None:
    """It asserts that the ending comes: it does not, while anybody is left."""
    run = Run(python(HOPPER), IMPATIENT)
    pids = await run.pids(1)
    run.stop.set()
    assert (await run.ending()).stopped
    assert are_gone(pids)


async def test_what_outlives_its_program_is_ended_and_does_not_delay_its_ending() -> None:
    run = Run(["sh", "-c", "sleep 600 & echo $!; (setsid sleep 600 & echo $!); exit 1"])
    assert await run.ending() == JobEnding(JobEnd.ENDED, "exit status 1")
    pids = await asyncio.gather(*[asyncio.to_thread(int, line) for line in run.written().split()])
    assert len(pids) == 2
    assert are_gone(pids)


async def test_a_time_limit_ends_it_and_is_told() -> None:
    run = Run(["sh", "-c", "echo $$; exec sleep 600"], replace(LIMITS, timeout_s=0.3))
    assert await run.ending() == JobEnding(JobEnd.TIMED_OUT, "time limit of 0.3 s: signal: terminated")
    assert are_gone(map(int, run.written().split()))


async def test_endless_output_delays_no_stop_and_fills_no_memory() -> None:
    run = Run(["yes", "0123456789" * 10])
    await run.until(lambda: run.transcript.size > 4 * 2**20)
    run.stop.set()
    assert await run.ending() == JobEnding(JobEnd.STOPPED, "signal: terminated")
    assert run.transcript.dropped_bytes >= run.transcript.size - LIMITS.output_bytes
    assert run.written().startswith(b"0123456789")


async def test_a_stop_that_races_with_the_end_is_one_or_the_other() -> None:
    async def race(turns: int) -> JobEnding:
        run = Run(["true"])
        for _ in range(turns):
            await asyncio.sleep(0)
        await asyncio.sleep(turns / 1000)
        run.stop.set()
        return await run.ending()

    endings = {await race(turns) for turns in range(0, 60, 2)}
    assert {ending.kind for ending in endings} <= {JobEnd.ENDED, JobEnd.STOPPED}
    assert {ending.text for ending in endings if ending.kind is JobEnd.ENDED} <= {""}


async def test_a_stop_before_the_start_starts_nothing(tmp_path: Path) -> None:
    stop = asyncio.Event()
    stop.set()
    transcript = Transcript(0)
    ending = await run_job(["touch", str(tmp_path / "trace")], LIMITS, transcript, stop)
    assert ending == JobEnding(JobEnd.STOPPED, "stopped before it was started")
    assert transcript.ended is not None
    assert not (tmp_path / "trace").exists()


@pytest.mark.parametrize("times", [1, 3])
async def test_to_cancel_ends_everything_first(times: int) -> None:
    run = Run(python(FAMILY, "deaf"))
    pids = await run.pids(3)
    for _ in range(times):
        run.task.cancel()
        await asyncio.sleep(0)
    with pytest.raises(asyncio.CancelledError):
        await run.ending()
    assert are_gone(pids)
    assert run.transcript.ended is None


async def test_to_cancel_while_it_starts_leaves_nothing() -> None:
    for turns in range(8):
        run = Run(["sleep", str(WAIT_S)])
        for _ in range(turns):
            await asyncio.sleep(0)
        run.task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run.ending()


def test_limits_are_those_of_the_operators_program() -> None:
    assert JobLimits.of(JobProgram(run=("true",))) == JobLimits(3600.0, 2**30, 2 * 2**20, 5.0, 2**30)
