"""Timers: when something is due, by key. No clock: whoever asks says what time it is."""

from __future__ import annotations

import heapq
from collections.abc import Hashable
from typing import Generic, TypeVar

KeyT = TypeVar("KeyT", bound=Hashable)

_SLACK = 1024


class Timers(Generic[KeyT]):
    """A time for each key, and the keys whose time has come, earliest first.

    Stopping a timer and moving it to later cost nothing: the heap keeps the old entry, which is looked at again when it
    comes up. It is rebuilt when most of its entries are of that kind, so that it stays as small as what is in it.
    """

    def __init__(self) -> None:
        self._at: dict[KeyT, float] = {}
        self._heap: list[tuple[float, KeyT]] = []  # no later than the true time

    def __len__(self) -> int:
        return len(self._at)

    def __contains__(self, key: object) -> bool:
        return key in self._at

    def set(self, key: KeyT, at: float) -> None:
        """Start a timer, or move the one that this key has."""
        before = self._at.get(key)
        self._at[key] = at
        if before is None or at < before:
            heapq.heappush(self._heap, (at, key))
            if len(self._heap) > 2 * len(self._at) + _SLACK:
                self._heap = [(at, key) for key, at in self._at.items()]
                heapq.heapify(self._heap)

    def stop(self, key: KeyT) -> None:
        """Forget a timer, if there is one."""
        self._at.pop(key, None)

    def next_at(self) -> float | None:
        """Return a time before which nothing is due."""
        return self._heap[0][0] if self._heap else None

    def due(self, now: float) -> list[KeyT]:
        """Take the keys whose time has come."""
        keys = []
        while self._heap and self._heap[0][0] <= now:
            _, key = heapq.heappop(self._heap)
            at = self._at.get(key)
            if at is None:
                continue
            if at > now:
                heapq.heappush(self._heap, (at, key))
            else:
                del self._at[key]
                keys.append(key)
        return keys
