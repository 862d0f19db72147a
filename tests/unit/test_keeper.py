"""Whoever of a worker and its keepers is killed, nothing is left of the program."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from keeping import FAMILY, WAIT_S, Run, are_gone, parent_of, python

from imgray import keeper
from imgray.actors.job import JobEnd

TESTS = Path(__file__).parents[1]


@pytest.fixture(autouse=True)
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    made = tmp_path / "folders"
    made.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(made))
    return made


@contextmanager
def worker_of(command: list[str], folders: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Start a process that runs one program as a job; it is killed at the end."""
    with subprocess.Popen(
        [sys.executable, TESTS / "keeping.py", *command],
        stdout=subprocess.PIPE,
        env={**os.environ, "TMPDIR": str(folders), "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    ) as worker:
        try:
            yield worker
        finally:
            worker.kill()


def written_by(worker: subprocess.Popen[bytes], count: int) -> list[int]:
    """Return the numbers that so many processes have written: a worker repeats them all with each."""
    assert worker.stdout is not None
    pids: dict[int, None] = {}
    while len(pids) < count:
        pids[int(worker.stdout.readline())] = None
    return list(pids)


def test_the_program_ends_with_its_worker(folders: Path) -> None:
    with worker_of(python(FAMILY, "deaf"), folders) as worker:
        pids = written_by(worker, 3)
        inner = inner_of(pids)
        outer = parent_of(inner)
        assert len(list(folders.iterdir())) == 1
    assert are_gone([*pids, inner, outer], WAIT_S)
    assert list(folders.iterdir()) == []


def test_the_program_ends_even_when_the_worker_and_both_keepers_are_killed_at_once(folders: Path) -> None:
    with worker_of(["sh", "-c", "echo $$; echo $PPID; exec sleep 600"], folders) as worker:
        program, inner = written_by(worker, 2)
        worker.send_signal(signal.SIGSTOP)  # so it cannot clean up
        os.killpg(os.getpgid(inner), signal.SIGKILL)
        assert are_gone([program], WAIT_S)


def inner_of(pids: list[int]) -> int:
    """Return the keeper that is the parent of a family."""
    return next(parent_of(pid) for pid in pids if parent_of(pid) not in pids)


async def keepers_of(run: Run) -> tuple[int, int, list[int]]:
    """Return the inner and the outer keeper of a family, and its processes."""
    pids = await run.pids(3)
    inner = inner_of(pids)
    return inner, parent_of(inner), pids


async def test_when_the_inner_keeper_is_killed_the_outer_one_ends_the_program(folders: Path) -> None:
    run = Run(python(FAMILY, "deaf"))
    inner, _, pids = await keepers_of(run)
    os.kill(inner, signal.SIGKILL)
    ending = await run.ending()
    assert (ending.kind, ending.text) == (JobEnd.KEEPER_DIED, "its keeper died, so it was killed")
    assert are_gone(pids)
    assert list(folders.iterdir()) == []


async def test_when_the_outer_keeper_is_killed_the_inner_one_goes_on(folders: Path) -> None:
    run = Run(python(FAMILY, "polite"))
    _, outer, pids = await keepers_of(run)
    os.kill(outer, signal.SIGKILL)
    assert are_gone([outer], WAIT_S)
    assert not are_gone(pids)
    run.stop.set()
    assert (await run.ending()).kind is JobEnd.STOPPED
    assert are_gone(pids)
    assert list(folders.iterdir()) == []


async def test_when_both_keepers_are_killed_the_worker_ends_the_programs_session(folders: Path) -> None:
    run = Run(["sh", "-c", "sleep 600 & echo $!; echo $$; echo $PPID; wait"])
    *pids, inner = await run.pids(3)
    os.killpg(os.getpgid(inner), signal.SIGKILL)
    assert (await run.ending()).kind is JobEnd.KEEPER_DIED
    assert are_gone(pids, WAIT_S)
    assert list(folders.iterdir()) == []


async def test_a_keeper_that_is_told_to_end_stops_its_program() -> None:
    run = Run(python(FAMILY, "polite"))
    inner, _, pids = await keepers_of(run)
    os.kill(inner, signal.SIGTERM)
    ending = await run.ending()
    assert (ending.kind, ending.text) == (JobEnd.STOPPED, "signal: terminated")
    assert are_gone(pids)


async def test_a_keeper_that_is_frozen_is_not_waited_for(folders: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("imgray.actors.job._SILENCE_S", 0.5)
    run = Run(["sh", "-c", "sleep 600 & echo $!; echo $$; echo $PPID; wait"])
    *pids, inner = await run.pids(3)
    os.kill(inner, signal.SIGSTOP)
    run.task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run.ending()
    assert are_gone([*pids, inner], WAIT_S)
    assert list(folders.iterdir()) == []


async def test_a_program_that_locks_and_digs_cannot_keep_its_folder(folders: Path) -> None:
    code = (
        "import os\nfor _ in range(2000):\n    os.mkdir('d' * 100); os.chdir('d' * 100)\n"
        "open('file', 'w').close(); os.symlink('/', 'link'); os.chmod('..', 0); os.chmod('.', 0)"
    )
    assert (await Run(python(code)).ending()).text == ""
    assert list(folders.iterdir()) == []


def test_removing_follows_no_link(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "file").touch()
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "link").symlink_to(kept)
    (tmp_path / "other").symlink_to(kept)
    keeper.remove(str(tmp_path / "folder"))
    keeper.remove(str(tmp_path / "other"))
    keeper.remove(str(tmp_path / "missing"))
    assert {path.name for path in tmp_path.iterdir()} == {"kept", "folders"}
    assert (kept / "file").exists()
