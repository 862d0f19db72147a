"""``sharpen``: bring out details by an unsharp mask."""

from __future__ import annotations

from typing import ClassVar

from PIL import Image, ImageFilter
from pydantic import Field

from imgray.modes import TONES
from imgray.operations.base import Operation
from imgray.operations.blur import MAX_RADIUS
from imgray.operations.neighbours import on_visible


class Sharpen(Operation):
    """Add to each pixel what sets it apart from its blurred surroundings (an unsharp mask). Alpha is kept."""

    name: ClassVar[str] = "sharpen"
    example: ClassVar[str] = "sharpen:2,250"
    group: ClassVar[str] = "filter"
    modes: ClassVar[frozenset[str]] = TONES

    radius: float = Field(
        default=2, ge=0, le=MAX_RADIUS, description="Standard deviation of the blur in pixels: the size of the details."
    )
    amount: int = Field(default=150, ge=0, le=1000, description="How much of the difference is added, in percent.")
    threshold: int = Field(default=3, ge=0, le=255, description="Differences up to this many levels stay as they are.")

    def apply(self, image: Image.Image) -> Image.Image:
        """Sharpen the colours."""
        mask = ImageFilter.UnsharpMask(self.radius, self.amount, self.threshold)
        return on_visible(image, lambda colours: colours.filter(mask))
