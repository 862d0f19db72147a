"""A journey to be killed on: uploads one picture after another, and says what it is promised. Run as a program."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from clusters import SWAP, WAIT_S, cluster
from pictures import encoded, picture

from imgray.gateway import Submission

PICTURES = 12


async def travel(folder: Path) -> None:
    async with cluster(folder, inline_bytes=0) as made:
        for seed in range(PICTURES):
            (task,) = await made.gateway.submit([Submission.of(encoded(picture(seed=seed)), SWAP, label=str(seed))])
            print("accepted", task.id, seed, flush=True)  # noqa: T201  # this is what it was told
            await made.gateway.wait(task.id, WAIT_S)
            if seed % 3 == 0:
                print("purging", task.id, flush=True)  # noqa: T201
                await made.gateway.purge(task.id)


if __name__ == "__main__":
    asyncio.run(travel(Path(sys.argv[1])))
