"""``tint``: a touch of a colour."""

from __future__ import annotations

from typing import ClassVar

from PIL import Image
from pydantic import Field

from imgray.operations.arguments import OpaqueColour, rgba
from imgray.operations.base import Tonal
from imgray.operations.matrix import LUMA


class Tint(Tonal):
    """Colour the image, keeping its light and dark: black stays black, white stays white.

    At an amount of 1, all is in shades of the colour, from black over the colour itself to white, each with the luma
    that the pixel had. Less leaves some of the image's own colours.
    """

    name: ClassVar[str] = "tint"
    example: ClassVar[str] = "tint:orange,0.7"
    group: ClassVar[str] = "colour"

    colour: OpaqueColour = Field(description="The colour.")
    amount: float = Field(default=0.5, ge=0, le=1, description="0 leaves the image as it is, 1 is only this colour.")

    def tone(self, colours: Image.Image) -> Image.Image:
        """Blend with the image in shades of the colour."""
        grey = colours.convert("L")
        red, green, blue, _ = rgba(self.colour)
        luma = round(sum(part * channel for part, channel in zip(LUMA, (red, green, blue), strict=True)))
        shades = Image.merge("RGB", [grey.point(_shades(channel, luma)) for channel in (red, green, blue)])
        return Image.blend(colours.convert("RGB"), shades, self.amount)


def _shades(channel: int, luma: int) -> list[int]:
    """Return a channel for each luma: 0 at black, the colour's own at the luma of the colour, 255 at white."""
    return [
        round(channel * level / luma if level < luma else 255 - (255 - channel) * (255 - level) / max(255 - luma, 1))
        for level in range(256)
    ]
