"""``border``: a frame of one colour around the image."""

from __future__ import annotations

from typing import ClassVar

from PIL import Image
from pydantic import Field

from imgray.modes import DEEP
from imgray.operations.arguments import Colour, Length, LengthValue
from imgray.operations.base import Operation
from imgray.operations.canvas import on_colour
from imgray.picture import Size


class Border(Operation):
    """Put a border around the image, which grows by it. What is transparent inside stays so."""

    name: ClassVar[str] = "border"
    example: ClassVar[str] = "border:6,orange"
    group: ClassVar[str] = "composition"
    modes: ClassVar[frozenset[str]] = DEEP

    width: Length = Field(
        default=LengthValue(1), description="How thick it is; a percentage is of the image's shorter side."
    )
    colour: Colour = Field(default="000000", description="Its colour.")

    def size_after(self, size: Size) -> Size:
        """Return the size with the border."""
        width = self.width.of(min(size))
        return size[0] + 2 * width, size[1] + 2 * width

    def apply(self, image: Image.Image) -> Image.Image:
        """Copy the image into a larger one of the colour; grey stays grey when the colour is."""
        width = self.width.of(min(image.size))
        if width == 0:
            return image
        return on_colour(image, self.size_after(image.size), (width, width), self.colour)
