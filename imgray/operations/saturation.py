"""``saturation``: more or less colour."""

from __future__ import annotations

from typing import ClassVar

from PIL import Image
from pydantic import Field

from imgray.modes import COLOURS, DEEP
from imgray.operations.base import Tonal
from imgray.operations.matrix import IDENTITY, LUMA, blended, mixed


class Saturation(Tonal):
    """Make colours stronger (above 1) or weaker (below 1); luma is kept. Grey images stay as they are."""

    name: ClassVar[str] = "saturation"
    example: ClassVar[str] = "saturation:2"
    group: ClassVar[str] = "colour"
    modes: ClassVar[frozenset[str]] = DEEP

    factor: float = Field(ge=0, le=100, description="0 gives grey, 1 leaves the image as it is, 2 doubles the colour.")

    def apply(self, image: Image.Image) -> Image.Image:
        """Change what has colours."""
        return super().apply(image) if image.mode in COLOURS else image

    def tone(self, colours: Image.Image) -> Image.Image:
        """Move each colour away from the grey of its luma, or towards it."""
        return mixed(colours, blended([LUMA] * 3, IDENTITY, self.factor))
