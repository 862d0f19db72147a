"""``threshold``: black and white."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from PIL import Image
from pydantic import Field

from imgray.modes import DEEP, DEPTH_RATIO, on_colours
from imgray.operations.base import Operation


class Threshold(Operation):
    """Make black what is darker than a level, and white the rest; it goes by luma, and gives a grey image."""

    name: ClassVar[str] = "threshold"
    example: ClassVar[str] = "threshold:128"
    group: ClassVar[str] = "colour"
    modes: ClassVar[frozenset[str]] = DEEP

    level: float = Field(default=128, ge=0, le=255, description="The darkest level, of 255, that becomes white.")

    def apply(self, image: Image.Image) -> Image.Image:
        """Compare; 16-bit grey is compared in 16 bits."""
        if image.mode == "I;16":
            white = np.asarray(image) >= self.level * DEPTH_RATIO
            return Image.fromarray(white.astype(np.uint8) * np.uint8(255))
        table = [255 if level >= self.level else 0 for level in range(256)]
        return on_colours(image, lambda colours: colours.convert("L").point(table))
