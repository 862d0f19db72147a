"""``box-blur``: the plain mean of a square around each pixel."""

from __future__ import annotations

from typing import ClassVar

from PIL import Image, ImageFilter
from pydantic import Field

from imgray.operations.base import Filter
from imgray.operations.blur import MAX_RADIUS


class BoxBlur(Filter):
    """Replace each pixel by the mean of the square around it. Transparency is blurred, too."""

    name: ClassVar[str] = "box-blur"
    example: ClassVar[str] = "box-blur:6"
    group: ClassVar[str] = "filter"

    radius: float = Field(
        default=2,
        ge=0,
        le=MAX_RADIUS,
        description="Pixels that the square reaches to each side: 1 is a square of 3 by 3; 0 changes nothing.",
    )

    def apply(self, image: Image.Image) -> Image.Image:
        """Blur, unless there is nothing to do: multiplying by alpha loses a little."""
        return super().apply(image) if self.radius else image

    def filtered(self, image: Image.Image) -> Image.Image:
        """Average all bands alike."""
        return image.filter(ImageFilter.BoxBlur(self.radius))
