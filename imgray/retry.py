"""When to try again: exponential backoff with full jitter, the same for tasks and for calls.

Full jitter (a uniform draw below the exponential bound) spreads a herd of retries best:
Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Backoff:
    """Delays that grow from ``base_s`` and stay below ``cap_s``."""

    base_s: float
    cap_s: float

    def delay_s(self, attempt: int, rng: random.Random) -> float:
        """Draw the delay after the ``attempt``-th failure, counted from 1."""
        bound = min(self.cap_s, self.base_s * 2.0 ** min(attempt - 1, 60))
        return rng.uniform(0.0, bound)

    def delays_s(self, rng: random.Random) -> Iterator[float]:
        """Draw the delays after the first failure, the second, and so on, without end."""
        attempt = 0
        while True:
            attempt += 1
            yield self.delay_s(attempt, rng)
