"""``contrast``: more or less of it."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from imgray.operations.base import Curve


class Contrast(Curve):
    """Move all levels away from a middle one (above 1) or towards it (below 1)."""

    name: ClassVar[str] = "contrast"
    example: ClassVar[str] = "contrast:1.6"
    group: ClassVar[str] = "colour"

    factor: float = Field(ge=0, le=100, description="1 leaves the levels as they are, 2 doubles their distance.")
    pivot: float = Field(default=127.5, ge=0, le=255, description="The level, of 255, that stays; also in 16 bits.")

    def level(self, level: float) -> float:
        """Scale the distance from the pivot."""
        pivot = self.pivot / 255
        return (level - pivot) * self.factor + pivot
