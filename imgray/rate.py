"""A rate that follows the present: events count less the longer ago they are."""

from __future__ import annotations

import math


class Rate:
    """Events per second, of about the last ``span_s`` seconds."""

    def __init__(self, span_s: float) -> None:
        self._span_s = span_s
        self._value = 0.0
        self._at = -math.inf

    def add(self, events: float, now: float) -> None:
        """Count events."""
        if now > self._at:
            self._value, self._at = self.at(now), now
        self._value += events / self._span_s

    def at(self, now: float) -> float:
        """Return the rate at a time."""
        return self._value * math.exp(-max(now - self._at, 0.0) / self._span_s) if self._value else 0.0
