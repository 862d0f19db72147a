"""``circle``: cut out the largest circle."""

from __future__ import annotations

from typing import ClassVar

from PIL import Image

from imgray.modes import TONES
from imgray.operations.base import Operation
from imgray.operations.round import rounded
from imgray.picture import Size


class Circle(Operation):
    """Keep the middle square of the image, and of it the circle; the corners become transparent, with a smooth edge.

    A format without transparency shows white there.
    """

    name: ClassVar[str] = "circle"
    example: ClassVar[str] = "circle"
    group: ClassVar[str] = "composition"
    modes: ClassVar[frozenset[str]] = TONES

    def size_after(self, size: Size) -> Size:
        """Return the square of the shorter side."""
        return min(size), min(size)

    def apply(self, image: Image.Image) -> Image.Image:
        """Crop to the square, and round its corners so far that they meet."""
        side = min(image.size)
        left, top = (image.width - side) // 2, (image.height - side) // 2
        return rounded(image.crop((left, top, left + side, top + side)), side / 2)
