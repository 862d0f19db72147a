"""``maximum``: the brightest level around each pixel."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from PIL import Image
from pydantic import Field

from imgray.modes import DEEP
from imgray.operations.base import Operation
from imgray.operations.neighbours import MAX_WINDOW, Window, extreme


class Maximum(Operation):
    """Replace each level by the highest in the square around it: bright parts grow (dilation). Alpha is kept."""

    name: ClassVar[str] = "maximum"
    example: ClassVar[str] = "maximum:5"
    group: ClassVar[str] = "filter"
    modes: ClassVar[frozenset[str]] = DEEP

    size: Window = Field(default=3, ge=1, le=MAX_WINDOW, description="Side of the square in pixels, odd.")

    def apply(self, image: Image.Image) -> Image.Image:
        """Look for the maximum among what is visible."""
        return extreme(image, self.size, np.maximum, "black")
