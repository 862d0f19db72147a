"""``median``: the middle one of the levels around each pixel."""

from __future__ import annotations

from typing import ClassVar

from PIL import Image, ImageFilter
from pydantic import Field

from imgray.modes import DEEP
from imgray.operations.base import Operation
from imgray.operations.neighbours import Window, on_visible

_MAX_SIZE = 9  # the time grows with the square of it: two seconds a megapixel here


class Median(Operation):
    """Replace each level by the median of the square around it: specks go, edges stay sharp. Alpha is kept."""

    name: ClassVar[str] = "median"
    example: ClassVar[str] = "median:5"
    group: ClassVar[str] = "filter"
    modes: ClassVar[frozenset[str]] = DEEP

    size: Window = Field(default=3, ge=1, le=_MAX_SIZE, description="Side of the square in pixels, odd.")

    def apply(self, image: Image.Image) -> Image.Image:
        """Take the median of each channel."""
        median = ImageFilter.MedianFilter(self.size)
        if image.mode == "I;16":  # which Pillow sorts as 32-bit integers only
            return image.convert("I").filter(median).convert("I;16")
        return on_visible(image, lambda colours: colours.filter(median))
