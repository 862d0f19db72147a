"""``posterize``: few levels."""

from __future__ import annotations

import math
from typing import ClassVar

from pydantic import Field

from imgray.operations.base import Curve


class Posterize(Curve):
    """Leave only a few levels of each channel, evenly spaced from black to white."""

    name: ClassVar[str] = "posterize"
    example: ClassVar[str] = "posterize:4"
    group: ClassVar[str] = "colour"

    levels: int = Field(ge=2, le=256, description="How many levels: 2 to the power of the bits that are to be left.")

    def level(self, level: float) -> float:
        """Go to the nearest level that is left."""
        steps = self.levels - 1
        return math.floor(level * steps + 0.5) / steps
