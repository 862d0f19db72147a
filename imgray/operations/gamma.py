"""``gamma``: lighten or darken the middle."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from imgray.operations.base import Curve


class Gamma(Curve):
    """Lighten (above 1) or darken (below 1) the middle levels; black and white stay.

    Each level, from 0 to 1, is raised to the power of 1 / gamma. A gamma and its reciprocal undo each other.
    """

    name: ClassVar[str] = "gamma"
    example: ClassVar[str] = "gamma:1.8"
    group: ClassVar[str] = "colour"

    gamma: float = Field(ge=0.1, le=10, description="1 leaves the levels as they are.")

    def level(self, level: float) -> float:
        """Raise to a power."""
        return float(level ** (1 / self.gamma))
