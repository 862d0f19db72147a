"""A worker's end of its runner: real child processes, many quick attempts, and one that the process dies of."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from clusters import WAIT_S
from pictures import encoded, picture

from imgray.actors.runner import Supervisor
from imgray.errors import TaskTimeoutError, WorkerDiedError
from imgray.runner import Begun, Result, Run, frames
from imgray.settings import Settings
from imgray.task import InlineSource, OutputSpec, TaskSpec

THEIRS = """
import ctypes, os, time
from pathlib import Path
from PIL import Image
from imgray import operation

@operation()
def deadly(image: Image.Image) -> Image.Image:
    os._exit(3)

@operation()
def stuck(image: Image.Image) -> Image.Image:
    ctypes.PyDLL(None).sleep(1000)  # without giving up the interpreter
    return image

@operation()
def patient(image: Image.Image) -> Image.Image:
    while not Path({sign!r}).exists():
        time.sleep(0.01)
    return image
"""

SILENT = """
from imgray.runner import Runner
Runner._report = lambda self: None
"""
"""Has quick results not sent before something else sends them, as if that thread had no turn in time."""

QUICK, DEADLY, STUCK, PATIENT = "keep", "deadly", "stuck", "patient"
IMAGE = encoded(picture())


class Supervised:
    """A supervisor that is given attempts, numbered from 1, and what became of them."""

    def __init__(self, settings: Settings) -> None:
        self.supervisor = Supervisor(settings, self._noted, self._took)
        self.results: list[Result] = []
        self._changed = asyncio.Event()
        self._sent = 0

    def send(self, pipelines: Sequence[str], data: bytes = IMAGE) -> None:
        for pipeline in pipelines:
            self._sent += 1
            spec = TaskSpec(f"{self._sent:032x}", InlineSource(len(data)), (OutputSpec("image", pipeline),))
            self.supervisor.send(Run(spec, self._sent, data))

    async def have(self, count: int) -> list[Result]:
        """Wait for so many results."""
        async with asyncio.timeout(WAIT_S):
            while len(self.results) < count:
                self._changed.clear()
                await self._changed.wait()
        return self.results

    async def ready(self) -> None:
        async with asyncio.timeout(WAIT_S):
            while not self.supervisor.ready:
                self._changed.clear()
                await self._changed.wait()

    def _took(self, result: Result) -> None:
        self.results.append(result)
        self._noted()

    def _noted(self) -> None:
        self._changed.set()


@asynccontextmanager
async def supervised(tmp_path: Path, more: str = "", **fields: float) -> AsyncIterator[Supervised]:
    module = tmp_path / "theirs.py"
    module.write_text(THEIRS.replace("{sign!r}", repr(str(tmp_path / "sign"))) + more)
    made = Supervised(Settings.having(operations=[str(module)], **fields))
    running = asyncio.create_task(made.supervisor.run())
    try:
        yield made
    finally:
        running.cancel()
        await asyncio.wait([running])


async def test_each_attempt_has_one_result_in_the_order_in_which_they_were_sent(tmp_path: Path) -> None:
    async with supervised(tmp_path) as made:
        made.send([QUICK] * 1000)
        results = await made.have(1000)
    assert [result.token for result in results] == list(range(1, 1001))
    assert all(result.products[0].data == IMAGE for result in results)


@pytest.mark.parametrize("more", ["", SILENT])
@pytest.mark.parametrize("before", [0, 1, 40])
async def test_the_attempt_that_a_process_dies_of_is_blamed_and_no_other(
    tmp_path: Path, before: int, more: str
) -> None:
    """Invariant 6: those before it were made, though their results had perhaps not been sent."""
    async with supervised(tmp_path, more) as made:
        await made.ready()
        made.send([*[QUICK] * before, DEADLY, *[QUICK] * 20])
        results = await made.have(before + 21)
    assert sorted(result.token for result in results) == list(range(1, before + 22))
    assert [result.token for result in results if result.died] == [before + 1]
    assert [result.failure.code for result in results if result.failure] == [WorkerDiedError.code]


async def test_a_quick_result_does_not_wait_for_a_slow_attempt_behind_it(tmp_path: Path) -> None:
    async with supervised(tmp_path) as made:
        await made.ready()
        made.send([QUICK] * 9 + [PATIENT])
        assert len(await made.have(9)) == 9
        (tmp_path / "sign").touch()
        await made.have(10)


async def test_an_attempt_that_hangs_is_blamed_though_nothing_before_it_could_be_said(tmp_path: Path) -> None:
    async with supervised(tmp_path, SILENT, task_timeout_s=2.0) as made:
        await made.ready()
        made.send([*[QUICK] * 9, STUCK, QUICK])
        results = await made.have(11)
    assert sorted(result.token for result in results) == list(range(1, 12))
    assert [(one.token, one.failure.code) for one in results if one.failure] == [(10, TaskTimeoutError.code)]


def test_small_messages_share_a_frame_and_large_ones_do_not() -> None:
    spec = TaskSpec("a", InlineSource(1), (OutputSpec("image", ""),))
    small, large = Run(spec, 1, b"x"), Run(spec, 2, bytes(100_000))
    assert len(list(frames([small] * 100))) == 1
    assert len(list(frames([large] * 5))) == 5
    assert list(frames([])) == []


def test_what_was_begun_is_seen_by_all_who_share_the_file(tmp_path: Path) -> None:
    with (tmp_path / "shared").open("w+b") as file:
        file.write(bytes(Begun.BYTES))
        file.flush()
        one, other = Begun(file.fileno()), Begun(file.fileno())
    assert other.token == 0
    one.token = 2**63
    assert other.token == 2**63
