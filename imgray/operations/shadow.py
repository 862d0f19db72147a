"""``shadow``: a soft shadow behind the image."""

from __future__ import annotations

import math
from typing import ClassVar

from PIL import Image, ImageFilter
from pydantic import Field

from imgray.modes import TONES, as_rgb, has_alpha, lay
from imgray.operations.arguments import Colour, rgba
from imgray.operations.base import Operation
from imgray.picture import Size

_FARTHEST = 1000


class Shadow(Operation):
    """Let the image throw a shadow, in the shape of what is not transparent.

    The image grows as much as the shadow needs. A format without transparency shows it on white.
    """

    name: ClassVar[str] = "shadow"
    example: ClassVar[str] = "round:16/shadow:6,6,10"
    group: ClassVar[str] = "composition"
    modes: ClassVar[frozenset[str]] = TONES

    x: int = Field(default=0, ge=-_FARTHEST, le=_FARTHEST, description="Pixels by which it falls to the right.")
    y: int = Field(default=4, ge=-_FARTHEST, le=_FARTHEST, description="Pixels by which it falls downwards.")
    blur: float = Field(
        default=8, ge=0, le=250, description="Blur radius in pixels, twice the standard deviation, as in CSS."
    )
    colour: Colour = Field(default="00000080", description="Its colour; by its alpha, how dark it is.")

    def size_after(self, size: Size) -> Size:
        """Return the size with room for the shadow."""
        left, top, right, bottom = self._room
        return size[0] + left + right, size[1] + top + bottom

    def apply(self, image: Image.Image) -> Image.Image:
        """Blur the image's alpha, colour it, and lay the image on it; grey stays grey when the colour is."""
        *ink, opacity = rgba(self.colour)
        grey = len(set(ink)) == 1 and image.mode in {"L", "LA"}
        image = image if grey else as_rgb(image)
        left, top, _, _ = self._room
        shade = Image.new("L", self.size_after(image.size))
        shape = image.getchannel("A") if has_alpha(image) else 255
        shade.paste(shape, (left + self.x, top + self.y, left + self.x + image.width, top + self.y + image.height))
        shade = shade.filter(ImageFilter.GaussianBlur(self._deviation))
        canvas = Image.new("L" if grey else "RGB", shade.size, ink[0] if grey else tuple(ink))
        canvas.putalpha(shade.point([round(level * opacity / 255) for level in range(256)]))
        if not has_alpha(image):
            canvas.paste(image.convert(canvas.mode), (left, top))
            return canvas
        return lay(canvas, image.convert("RGBA"), (left, top))

    @property
    def _deviation(self) -> float:
        """The standard deviation: half the blur radius (CSS Backgrounds and Borders Level 3, section 6.1)."""
        return self.blur / 2

    @property
    def _room(self) -> tuple[int, int, int, int]:
        """Left, top, right and bottom: where the shadow goes beyond the image.

        Pillow blurs with three boxes, which reach three standard deviations far.
        """
        reach = math.ceil(3 * self._deviation)
        return max(reach - self.x, 0), max(reach - self.y, 0), max(reach + self.x, 0), max(reach + self.y, 0)
