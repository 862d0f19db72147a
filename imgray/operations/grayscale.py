"""``grayscale``: drop colour, keep luma and transparency."""

from __future__ import annotations

from typing import ClassVar

from PIL import Image

from imgray.modes import GREYS, as_rgb
from imgray.operations.base import Operation


class Grayscale(Operation):
    """Replace colours by their luma (ITU-R 601-2); transparency is kept."""

    name: ClassVar[str] = "grayscale"
    example: ClassVar[str] = "grayscale"
    group: ClassVar[str] = "colour"

    def apply(self, image: Image.Image) -> Image.Image:
        """Return the image in mode L or LA; an image that is grey already stays as it is."""
        if image.mode in GREYS or image.mode == "LA":
            return image
        rgb = as_rgb(image)
        return rgb.convert("LA" if rgb.mode == "RGBA" else "L")
