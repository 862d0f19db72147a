"""What is kept in memory because it may be wanted soon: the latest objects, up to a size."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

KeyT = TypeVar("KeyT", bound=Hashable)
HotT = TypeVar("HotT")


class Hot(Generic[KeyT, HotT]):
    """The objects that were set or asked for latest, as many as have a size together that is within a limit."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._objects: OrderedDict[KeyT, tuple[int, HotT]] = OrderedDict()
        self.size_bytes = 0
        """How large they are together."""

    def get(self, key: KeyT) -> HotT | None:
        """Return an object, which is the latest now."""
        if key not in self._objects:
            return None
        self._objects.move_to_end(key)
        return self._objects[key][1]

    def set(self, key: KeyT, size_bytes: int, hot: HotT) -> None:
        """Keep an object; the oldest ones go when there is no room."""
        self.drop(key)
        self._objects[key] = size_bytes, hot
        self.size_bytes += size_bytes
        while self.size_bytes > self._limit_bytes:
            _, (cooled, _) = self._objects.popitem(last=False)
            self.size_bytes -= cooled

    def drop(self, key: KeyT) -> None:
        """Let go of an object, if it is there."""
        size_bytes, _ = self._objects.pop(key, (0, None))
        self.size_bytes -= size_bytes
