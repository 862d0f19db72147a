"""``hue``: turn all hues."""

from __future__ import annotations

import math
from typing import ClassVar

from PIL import Image
from pydantic import Field

from imgray.modes import COLOURS, DEEP
from imgray.operations.base import Tonal
from imgray.operations.matrix import LUMA, Rows, mixed


class Hue(Tonal):
    """Turn all hues by an angle: 120 makes red green, green blue and blue red. Luma is kept, and grey stays grey.

    What would leave the range of levels is clipped, so that saturated colours may not turn back to what they were.
    """

    name: ClassVar[str] = "hue"
    example: ClassVar[str] = "hue:120"
    group: ClassVar[str] = "colour"
    modes: ClassVar[frozenset[str]] = DEEP

    degrees: float = Field(ge=-360, le=360, description="Degrees, from red towards green.")

    def apply(self, image: Image.Image) -> Image.Image:
        """Change what has colours."""
        return super().apply(image) if image.mode in COLOURS else image

    def tone(self, colours: Image.Image) -> Image.Image:
        """Mix the channels."""
        return mixed(colours, _rotation(self.degrees % 360))


def _rotation(degrees: float) -> Rows:
    """Return a rotation about the line of greys, with grey added such that luma stays the same.

    After P. Haeberli, "Matrix Operations for Image Processing", 1993, with the luma of BT.601.
    """
    angle = math.radians(degrees)
    across = (1 - math.cos(angle)) / 3
    along = math.sin(angle) / math.sqrt(3)
    same, before, behind = math.cos(angle) + across, across - along, across + along
    turned = ((same, before, behind), (behind, same, before), (before, behind, same))
    columns = zip(*turned, strict=True)
    lost = [part - sum(map(float.__mul__, LUMA, column)) for part, column in zip(LUMA, columns, strict=True)]
    return [[part + grey for part, grey in zip(row, lost, strict=True)] for row in turned]
