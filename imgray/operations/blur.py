"""``blur``: mix each pixel with its neighbours, the nearer the more."""

from __future__ import annotations

from typing import ClassVar

from PIL import Image, ImageFilter
from pydantic import Field

from imgray.operations.base import Filter

MAX_RADIUS = 250
"""Largest radius of a blur, in pixels."""


class Blur(Filter):
    """Blur by a Gaussian. Transparency is blurred, too. Three passes of a box filter stand for the Gaussian."""

    name: ClassVar[str] = "blur"
    example: ClassVar[str] = "blur:4"
    group: ClassVar[str] = "filter"

    radius: float = Field(
        default=2, ge=0, le=MAX_RADIUS, description="Standard deviation of the Gaussian in pixels; 0 changes nothing."
    )

    def apply(self, image: Image.Image) -> Image.Image:
        """Blur, unless there is nothing to do: multiplying by alpha loses a little."""
        return super().apply(image) if self.radius else image

    def filtered(self, image: Image.Image) -> Image.Image:
        """Blur all bands alike."""
        return image.filter(ImageFilter.GaussianBlur(self.radius))
