"""Limits per key: how many submissions and bytes a second. Token buckets, one set of them in each replica.

It knows neither HTTP nor gRPC, and the clock is an argument.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from imgray.errors import RateLimitedError, TooMuchAtOnceError
from imgray.keys import Caller, Key
from imgray.settings import DEFAULT_RECEIVED_BYTES

_ROUNDING = 1e-6  # less than one of anything, more than sums of many floats are off


class Bucket:
    """A second's worth of what a rate allows, but at least ``least``: it fills at that rate, and may be in debt."""

    def __init__(self, rate: float, least: float, now: float) -> None:
        self.rate = rate
        self._burst = max(rate, least)
        self._level = self._burst
        self._now = now

    def wait_s(self, amount: float, now: float) -> float:
        """Say how long to wait until so much may be taken; for more than it ever holds, until it is full."""
        self._level = min(self._burst, self._level + self.rate * max(now - self._now, 0.0))
        self._now = now
        missing = min(amount, self._burst) - self._level
        return missing / self.rate if missing > _ROUNDING else 0.0

    def take(self, amount: float) -> None:
        """Take so much, even if that is more than there is."""
        self._level -= amount


class Receiving:
    """How much of what is being uploaded a replica holds, whoever sends it: bounded, or a thousand uploads fill it."""

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._bytes = 0

    @contextmanager
    def upload(self) -> Iterator[Callable[[int], None]]:
        """Count one upload, until the ``with`` block ends and lets go of it; gives what to call with each part's size.

        What is called raises `TooMuchAtOnceError` when there is no room.
        """
        counted = 0

        def count(size_bytes: int) -> None:
            nonlocal counted
            if self._bytes + size_bytes > self._most_bytes:
                raise TooMuchAtOnceError(self._most_bytes)
            counted += size_bytes
            self._bytes += size_bytes

        try:
            yield count
        finally:
            self._bytes -= counted


class Limits:
    """Admits what the callers' keys allow, and no more at a time than there is room for."""

    def __init__(
        self,
        keys: Sequence[Key],
        clock: Callable[[], float] = time.monotonic,
        most_received_bytes: int = DEFAULT_RECEIVED_BYTES,
    ) -> None:
        self.receiving = Receiving(most_received_bytes)
        self._clock = clock
        now = clock()
        self._submissions = {
            key.name: Bucket(key.submissions_per_s, 1.0, now) for key in keys if key.submissions_per_s is not None
        }
        self._bytes = {key.name: Bucket(key.bytes_per_s, 1.0, now) for key in keys if key.bytes_per_s is not None}

    def admit(self, caller: Caller, size_bytes: int | None) -> None:
        """Admit a submission, or refuse it and take nothing.

        Args:
            caller: who submits.
            size_bytes: how much is uploaded; None when nobody knows yet: then `charge` is to follow.

        Raises:
            RateLimitedError: the key is over a limit.
        """
        now = self._clock()
        known = size_bytes or 0
        wanted = (
            ("submissions_per_s", self._submissions.get(caller.name), 1, 1),
            ("bytes_per_s", self._bytes.get(caller.name), 1 if size_bytes is None else known, known),
        )
        for limit, bucket, amount, _ in wanted:
            if bucket is not None and (wait_s := bucket.wait_s(amount, now)) > 0:
                raise RateLimitedError(caller.name, limit, bucket.rate, math.ceil(wait_s))
        for _, bucket, _, amount in wanted:
            if bucket is not None:
                bucket.take(amount)

    def charge(self, caller: Caller, size_bytes: int) -> None:
        """Count bytes of a submission that was admitted before its size was known."""
        if bucket := self._bytes.get(caller.name):
            bucket.take(size_bytes)
