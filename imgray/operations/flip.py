"""``flip``: exchange top and bottom."""

from __future__ import annotations

from typing import ClassVar

from PIL import Image

from imgray.operations.base import Operation


class Flip(Operation):
    """Turn the image upside down, as a lake mirrors it. No pixel is mixed with another."""

    name: ClassVar[str] = "flip"
    example: ClassVar[str] = "flip"
    group: ClassVar[str] = "geometry"

    def apply(self, image: Image.Image) -> Image.Image:
        """Exchange the rows."""
        return image.transpose(Image.Transpose.FLIP_TOP_BOTTOM)
