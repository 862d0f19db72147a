"""``brightness``: lighter or darker."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from imgray.operations.base import Curve


class Brightness(Curve):
    """Make lighter or darker: multiply all levels by a factor, then shift them.

    A factor keeps black black, as more light would; a shift moves black, too. What gets lighter than white is white.
    """

    name: ClassVar[str] = "brightness"
    example: ClassVar[str] = "brightness:1.4"
    group: ClassVar[str] = "colour"

    factor: float = Field(ge=0, le=100, description="1 leaves the levels as they are, 2 doubles them, 0 gives black.")
    shift: float = Field(default=0, ge=-255, le=255, description="Added afterwards: levels of 255, also in 16 bits.")

    def level(self, level: float) -> float:
        """Multiply and add."""
        return level * self.factor + self.shift / 255
