"""``flop``: exchange left and right."""

from __future__ import annotations

from typing import ClassVar

from PIL import Image

from imgray.operations.base import Operation


class Flop(Operation):
    """Exchange left and right, as a mirror does. No pixel is mixed with another."""

    name: ClassVar[str] = "flop"
    example: ClassVar[str] = "flop"
    group: ClassVar[str] = "geometry"

    def apply(self, image: Image.Image) -> Image.Image:
        """Exchange the columns."""
        return image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
