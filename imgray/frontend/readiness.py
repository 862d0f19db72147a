"""Whether tasks can be accepted and worked on, for those who ask over HTTP and over gRPC."""

from __future__ import annotations

import asyncio

from imgray.errors import MasterUnavailableError, NoWorkerError
from imgray.gateway import Gateway
from imgray.messages import WorkerState

READY_TIMEOUT_S = 2.0


async def check_ready(gateway: Gateway) -> None:
    """See that the Master answers and has a worker.

    Raises:
        MasterUnavailableError, NoWorkerError: they do not.
    """
    try:
        async with asyncio.timeout(READY_TIMEOUT_S):
            workers = await gateway.master.workers()
    except TimeoutError:
        raise MasterUnavailableError from None
    if all(view.state is WorkerState.LOST for view in workers):
        raise NoWorkerError
