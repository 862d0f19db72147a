"""The limit on a worker's memory: a task over it fails with its own code, and takes nothing with it."""

from __future__ import annotations

from pathlib import Path

from clusters import WAIT_S, cluster, submit, worker_of
from pictures import encoded, picture
from PIL import Image

from imgray.catalogue import BUILT_IN
from imgray.task import State

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


async def test_a_decoder_over_the_limit_is_no_other_case(tmp_path: Path) -> None:
    white = encoded(Image.new("RGB", (9000, 9000)))
    async with cluster(tmp_path, max_memory_bytes=LITTLE, max_pixels=200_000_000) as made:
        task = await submit(made, white)
        ended = await made.gateway.wait(task.id, WAIT_S)
    assert ended.failure is not None
    assert ended.failure.code == "out_of_memory"
