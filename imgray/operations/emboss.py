"""``emboss``: make a relief, lit from one side."""

from __future__ import annotations

import math
from typing import ClassVar

from PIL import Image
from pydantic import Field

from imgray.modes import TONES
from imgray.operations.base import Operation
from imgray.operations.edge import SOBEL_DOWN, SOBEL_RIGHT, SOBEL_STEP
from imgray.operations.neighbours import convolved, on_visible

_FLAT = 128  # the level of what is flat


class Emboss(Operation):
    """Make a grey relief in which bright parts stand out, lit from one side. Alpha is kept.

    Colour is left where the channels differ; put ``grayscale`` before it for a relief without.
    """

    name: ClassVar[str] = "emboss"
    example: ClassVar[str] = "emboss"
    group: ClassVar[str] = "filter"
    modes: ClassVar[frozenset[str]] = TONES

    angle: float = Field(
        default=315, ge=0, le=360, description="Where the light comes from: degrees, clockwise from the top."
    )
    amount: float = Field(default=100, ge=0, le=1000, description="Height of the relief in percent; 0 is flat.")

    def apply(self, image: Image.Image) -> Image.Image:
        """Take the slope away from the light: a sum of the slopes along the axes (Freeman and Adelson, 1991)."""
        angle = math.radians(self.angle)
        strength = self.amount / 100
        kernel = [
            strength * (down * math.cos(angle) - right * math.sin(angle))
            for down, right in zip(SOBEL_DOWN, SOBEL_RIGHT, strict=True)
        ]
        return on_visible(image, lambda colours: convolved(colours, kernel, SOBEL_STEP, _FLAT))
