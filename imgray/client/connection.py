"""A connection to a cluster: it runs the gateway's coroutines in a thread of its own, for callers that do not await."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import ExitStack
from types import TracebackType
from typing import Any, Self, TypeVar

from imgray.gateway import Gateway

_T = TypeVar("_T")


class Connection:
    """A way into a cluster. Use it with ``with``, or call `close`."""

    def __init__(self, gateway: Gateway, resources: ExitStack) -> None:
        """Wrap a gateway.

        Args:
            gateway: the way into the cluster.
            resources: what `close` is to end.
        """
        self.gateway = gateway
        self._resources = resources
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="imgray-client", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the connection, and the cluster if `imgray.connect` started it."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())  # output that was not followed to its end
            self._loop.close()
        self._resources.close()

    def call(self, coroutine: Coroutine[Any, Any, _T]) -> _T:
        """Run a coroutine of the gateway's in the connection's own thread, and return what it returns."""
        called = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        try:
            return called.result()
        finally:
            called.cancel()  # when this thread is interrupted, nobody waits for it any more

    def each(self, items: AsyncIterator[_T]) -> Iterator[_T]:
        """Yield what an iterator of the gateway's gives, of which None is nothing."""

        async def take() -> _T | None:
            return await anext(items, None)

        while (item := self.call(take())) is not None:
            yield item
