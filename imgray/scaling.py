"""How many workers there should be. No I/O, no clock."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

GOAL_S = 5.0
"""The pool grows until what waits would be done in so long, at the speed that was measured."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """Between how many workers the pool may vary."""

    minimum: int
    maximum: int

    @property
    def follows_cores(self) -> bool:
        """True when the pool is to be as large as the cluster."""
        return self == PER_CORE

    @property
    def fixed(self) -> bool:
        """True when neither load nor cluster matters."""
        return self.minimum == self.maximum and not self.follows_cores


PER_CORE = Bounds(-1, -1)
"""As many workers as the cluster has cores."""


@dataclass(frozen=True, slots=True)
class Load:
    """What there is to do.

    Attributes:
        waiting: how many tasks wait.
        waiting_pixels: of their images.
        waiting_s: how long what is next in turn has been ready.
        pixels_per_s: how much one worker does while it works.
        busy: how many workers have something to do.
    """

    waiting: int
    waiting_pixels: int
    waiting_s: float
    pixels_per_s: float
    busy: int

    @property
    def work_s(self) -> float:
        """How long one worker would take for what waits."""
        return self.waiting_pixels / self.pixels_per_s


class Scaler:
    """Decides on the size of a pool: it grows at once, and shrinks when for ``idle_s`` less would have done."""

    def __init__(self, idle_s: float) -> None:
        self._idle_s = idle_s
        self._needs: deque[tuple[float, int]] = deque()  # when, how many: of the last while, ever fewer

    def size(self, bounds: Bounds, load: Load, present: int, cores: int, now: float) -> int:
        """Say how many workers there should be, while ``present`` are there."""
        if bounds.follows_cores or bounds.fixed:
            self._needs.clear()
            return max(cores, 1) if bounds.follows_cores else bounds.minimum
        if not self._needs:
            self._needs.append((now, present))  # nobody knows that less would have done
        need = self._need(load, present)
        while self._needs and self._needs[-1][1] <= need:
            self._needs.pop()
        self._needs.append((now, need))
        while self._needs[0][0] <= now - self._idle_s:
            self._needs.popleft()
        return min(max(self._needs[0][1] if self._needs else need, bounds.minimum), bounds.maximum)

    @staticmethod
    def _need(load: Load, present: int) -> int:
        if not load.waiting:
            return load.busy
        late = load.waiting_s > GOAL_S  # whatever was measured, it is not enough
        return max(math.ceil(load.work_s / GOAL_S), load.busy, present + 1 if late else 1)
