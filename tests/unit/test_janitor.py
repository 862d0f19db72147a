"""What is removed, and when: results past their time to live, purged tasks, and nothing that is still wanted."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from clusters import SLOW, SWAP, WAIT_S, cluster, leased, submit, until

from imgray.errors import StorageUnavailableError, TaskLiveError, TaskNotFoundError
from imgray.gateway import Submission
from imgray.local import LocalCluster
from imgray.task import State


async def is_gone(made: LocalCluster, task_id: str) -> bool:
    try:
        await made.gateway.get(task_id)
    except TaskNotFoundError:
        return True
    return False


def blobs(folder: Path) -> set[str]:
    return {path.name for kind in ("inputs", "outputs") for path in (folder / "blobs" / kind).glob("*")}


async def test_a_result_past_its_time_to_live_is_deleted_with_its_blobs_and_still_counts(
    tmp_path: Path, png: bytes
) -> None:
    """Invariant 5."""
    async with cluster(tmp_path, inline_bytes=0, result_ttl_s=0.5) as made:
        done = await made.gateway.wait((await submit(made, png)).id, WAIT_S)
        running = await submit(made, png, SLOW)
        await leased(made, running.id)
        await until(lambda: is_gone(made, done.id))

        async def collected() -> bool:
            return blobs(tmp_path) == {running.id}

        await until(collected)
        statistics = await made.gateway.master.statistics()
        assert (statistics.submitted, statistics.tasks[State.SUCCEEDED]) == (2, 1)
        await made.gateway.cancel(running.id)


async def test_a_result_with_an_idempotency_key_is_kept_as_long_as_the_key(tmp_path: Path, png: bytes) -> None:
    async with cluster(tmp_path, result_ttl_s=0.5, idempotency_s=1000) as made:
        (keyed,) = await made.gateway.submit([Submission({"image": SWAP}, data=png, idempotency_key="k")])
        plain = await submit(made, png)
        for task in (keyed, plain):
            await made.gateway.wait(task.id, WAIT_S)
        await until(lambda: is_gone(made, plain.id))
        assert not await is_gone(made, keyed.id)


async def test_what_is_purged_is_gone_at_once_and_what_is_live_stays(tmp_path: Path, png: bytes) -> None:
    async with cluster(tmp_path) as made:
        done = await made.gateway.wait((await submit(made, png)).id, WAIT_S)
        running = await submit(made, png, SLOW)
        with pytest.raises(TaskLiveError):
            await made.gateway.purge(running.id)
        await made.gateway.purge(done.id)
        await made.gateway.purge(done.id)  # once more does the same
        assert await is_gone(made, done.id)
        await made.gateway.cancel(running.id)


async def test_garbage_that_cannot_be_deleted_now_is_deleted_later(
    tmp_path: Path, png: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with cluster(tmp_path, inline_bytes=0, result_ttl_s=5) as made:
        real, refusals = made.storage.delete, 0

        async def away(keys: Sequence[str]) -> None:
            nonlocal refusals
            if refusals < 2:
                refusals += 1
                raise StorageUnavailableError
            await real(keys)

        monkeypatch.setattr(made.storage, "delete", away)
        task = await made.gateway.wait((await submit(made, png)).id, WAIT_S)
        await made.gateway.purge(task.id)

        async def collected() -> bool:
            return not blobs(tmp_path)

        await until(collected)
        assert refusals == 2
