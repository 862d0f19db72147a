"""The process dies at each named point between an upload and its result, and later starts again."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from clusters import WAIT_S, cluster, until
from pictures import picture
from PIL import Image

from imgray.crash import CRASH, POINTS
from imgray.errors import TaskNotFoundError
from imgray.local import LocalCluster
from imgray.task import DEFAULT_OUTPUT, State

TESTS = Path(__file__).parents[1]
AFTER = 4
"""Promises made before the crash."""


def travel_until_killed(folder: Path, point: str) -> tuple[dict[str, int], set[str]]:
    """Return what was accepted (with the picture's number), and what was about to be purged."""
    fuse = folder / "fuse"
    accepted: dict[str, int] = {}
    purging = set()
    with subprocess.Popen(
        [sys.executable, TESTS / "journey.py", folder / "data"],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, CRASH: f"{point}@{fuse}", "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    ) as journey:
        assert journey.stdout is not None
        for line in journey.stdout:
            match line.split():
                case "accepted", task_id, seed:
                    accepted[task_id] = int(seed)
                case _, task_id:
                    purging.add(task_id)
            if len(accepted) == AFTER:
                fuse.touch()
    assert journey.returncode == -signal.SIGKILL, "it never came to this point"
    assert not fuse.exists()
    return accepted, purging


@pytest.mark.parametrize("point", POINTS)
async def test_what_was_promised_before_a_crash_is_kept_after_it(tmp_path: Path, point: str) -> None:
    """Invariants 1, 4 and 10."""
    accepted, purging = travel_until_killed(tmp_path, point)
    assert len(accepted) >= AFTER
    async with cluster(tmp_path / "data") as made:
        for task_id, seed in accepted.items():
            try:
                task = await made.gateway.wait(task_id, WAIT_S)
            except TaskNotFoundError:
                assert task_id in purging
                continue
            assert (task.state, task.spec.label) == (State.SUCCEEDED, str(seed))
            _, output = await made.gateway.output(task_id, DEFAULT_OUTPUT)
            data = await made.gateway.fetch(task_id, output)
            made_of_it = np.asarray(Image.open(io.BytesIO(data)))
            assert np.array_equal(made_of_it, np.asarray(picture(seed=seed))[..., [1, 0, 2]])
        await until(lambda: quiet(made))
        await nothing_names_what_is_gone(made)


async def quiet(made: LocalCluster) -> bool:
    tasks = (await made.gateway.master.statistics()).tasks
    garbage = await made.master._ledger.in_journal(lambda journal: journal.garbage(1))  # noqa: SLF001
    return not (tasks[State.QUEUED] or tasks[State.LEASED] or garbage)


async def nothing_names_what_is_gone(made: LocalCluster) -> None:
    tasks = await made.master._ledger.in_journal(lambda journal: list(journal.all()))  # noqa: SLF001
    keys = [key for task in tasks for key in task.keys]
    assert None not in await made.storage.get(keys)
