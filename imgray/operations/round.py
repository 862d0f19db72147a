"""``round``: round corners."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from PIL import Image, ImageChops
from pydantic import Field

from imgray.modes import TONES, has_alpha
from imgray.operations.arguments import Length
from imgray.operations.base import Operation


class Round(Operation):
    """Round the corners: what is outside them becomes transparent, with a smooth edge.

    ``round:50p`` makes the shorter sides half circles. A format without transparency shows white there.
    """

    name: ClassVar[str] = "round"
    example: ClassVar[str] = "round:24"
    group: ClassVar[str] = "composition"
    modes: ClassVar[frozenset[str]] = TONES

    radius: Length = Field(
        description="Radius of the corners, at most half the shorter side; a percentage is of that side."
    )

    def apply(self, image: Image.Image) -> Image.Image:
        """Multiply the alpha by the shape."""
        radius = self.radius.of(min(image.size))
        return rounded(image, radius) if radius else image


def rounded(image: Image.Image, radius: float) -> Image.Image:
    """Return an image in `TONES` with round corners, as LA or RGBA; a radius too large is taken as the largest."""
    radius = min(radius, min(image.size) / 2)
    shape = Image.new("L", image.size, 255)
    corner = _corner(radius)
    right, bottom = image.width - corner.width, image.height - corner.height
    mirrored, flipped = Image.Transpose.FLIP_LEFT_RIGHT, Image.Transpose.FLIP_TOP_BOTTOM
    shape.paste(corner, (0, 0))
    shape.paste(corner.transpose(mirrored), (right, 0))
    shape.paste(corner.transpose(flipped), (0, bottom))
    shape.paste(corner.transpose(Image.Transpose.ROTATE_180), (right, bottom))
    if has_alpha(image):
        shape = ImageChops.multiply(shape, image.getchannel("A"))
    result = image.copy()
    result.putalpha(shape)
    return result


def _corner(radius: float) -> Image.Image:
    """Draw the upper left quarter of a disc, as alpha.

    A pixel is covered by how far its middle lies inside of the arc, from half a pixel outside to half a pixel inside:
    within 4 percent of the true area for any radius from 1 on.
    """
    side = int(np.ceil(radius))
    from_middle = np.arange(side) + 0.5 - radius
    covered = np.empty((side, side), np.uint8)
    for row, height in zip(covered, from_middle, strict=True):
        row[:] = np.rint(np.clip(radius + 0.5 - np.hypot(from_middle, height), 0, 1) * 255)
    return Image.fromarray(covered)
