"""``rotate``: turn by any angle."""

from __future__ import annotations

import math
from typing import ClassVar

from PIL import Image
from pydantic import Field

from imgray.modes import DEEP, suited
from imgray.operations.arguments import Colour
from imgray.operations.base import Operation
from imgray.operations.warp import warped
from imgray.picture import Size

_QUARTERS = {
    0: None,
    90: Image.Transpose.ROTATE_270,  # Pillow counts anticlockwise
    180: Image.Transpose.ROTATE_180,
    270: Image.Transpose.ROTATE_90,
}


class Rotate(Operation):
    """Turn the image clockwise. Quarter turns move every pixel and mix none; other angles need room at the corners."""

    name: ClassVar[str] = "rotate"
    example: ClassVar[str] = "rotate:90"
    group: ClassVar[str] = "geometry"

    degrees: float = Field(ge=-360, le=360, description="Degrees, clockwise.")
    background: Colour = Field(default="00000000", description="Colour of the corners; transparent if not given.")

    def size_after(self, size: Size) -> Size:
        """Return the size of the box around the turned image."""
        width, height = size
        if self.degrees % 180 == 0:
            return size
        if self.degrees % 90 == 0:
            return height, width
        cos, sin = map(abs, self._direction)
        return math.ceil(width * cos + height * sin), math.ceil(width * sin + height * cos)

    @property
    def _direction(self) -> tuple[float, float]:
        angle = math.radians(self.degrees)
        return math.cos(angle), math.sin(angle)

    def apply(self, image: Image.Image) -> Image.Image:
        """Move pixels, or mix them from their four by four neighbours."""
        if self.degrees % 90 == 0:
            turn = _QUARTERS[int(self.degrees % 360)]
            return image if turn is None else image.transpose(turn)
        size = self.size_after(image.size)
        cos, sin = self._direction
        middle, turned = ((width / 2, height / 2) for width, height in (image.size, size))
        back = (
            *(cos, sin, middle[0] - cos * turned[0] - sin * turned[1]),
            *(-sin, cos, middle[1] + sin * turned[0] - cos * turned[1]),
        )
        return warped(suited(image, DEEP), size, (*back, 0, 0), self.background)
