"""``permute``: put the channels in another order."""

from __future__ import annotations

from typing import ClassVar

from PIL import Image
from pydantic import Field

from imgray.modes import GREYS, as_rgb
from imgray.operations.base import Operation

_CONSTANTS = {"0": 0, "1": 255}


class Permute(Operation):
    """Put the channels in another order, or one in several places: ``bgr``, ``rrr``, ``rgb1``.

    The letters say what becomes red, green, blue and, if there is a fourth, alpha: ``r``, ``g``, ``b`` or ``a``
    (alpha), ``0`` for none and ``1`` for all of it. With three letters, alpha is kept; with a last ``1`` the result is
    opaque.
    """

    name: ClassVar[str] = "permute"
    example: ClassVar[str] = "permute:gbr"
    group: ClassVar[str] = "colour"

    channels: str = Field(pattern="^[rgba01]{3,4}$", description="Three or four letters of r, g, b, a, 0 and 1.")

    def apply(self, image: Image.Image) -> Image.Image:
        """Put the bands together anew; grey images stay as they are where the result is the same grey."""
        colours, alpha = self.channels[:3], self.channels[3:] or "a"
        if image.mode in GREYS and set(colours) <= set("rgb") and alpha in {"a", "1"}:
            return image
        rgb = as_rgb(image)
        bands = dict(zip("rgba", rgb.split(), strict=False))
        opaque = alpha == "1" or (alpha == "a" and "a" not in bands)
        letters = colours if opaque else colours + alpha
        for letter in set(letters) - set(bands):
            bands[letter] = Image.new("L", rgb.size, _CONSTANTS.get(letter, 255))  # without a band, alpha is opaque
        return Image.merge("RGB" if opaque else "RGBA", [bands[letter] for letter in letters])
