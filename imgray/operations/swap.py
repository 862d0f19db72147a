"""``swap``: exchange two colour channels."""

from __future__ import annotations

from typing import ClassVar, Literal

from PIL import Image
from pydantic import Field, field_validator

from imgray.modes import GREYS, as_rgb
from imgray.operations.base import Operation


class Swap(Operation):
    """Exchange two channels: ``rg`` red and green, ``rb`` red and blue, ``ra`` red and alpha, and so on.

    Swapping twice gives the image back. ``alpha=opaque`` then makes every pixel opaque.
    """

    name: ClassVar[str] = "swap"
    example: ClassVar[str] = "swap:rg"
    group: ClassVar[str] = "colour"

    channels: str = Field(pattern="^[rgba]{2}$", description="The two channels, of r, g, b and a (alpha).")
    alpha: Literal["keep", "opaque"] = Field(default="keep", description="What becomes of transparency.")

    @field_validator("channels")
    @classmethod
    def _differ(cls, channels: str) -> str:
        if channels[0] == channels[1]:
            raise ValueError("the two channels must differ")
        return "".join(sorted(channels, key="rgba".index))

    def apply(self, image: Image.Image) -> Image.Image:
        """Exchange the bands; grey images stay as they are unless alpha is one of the two."""
        if image.mode in GREYS and "a" not in self.channels:
            return image
        rgb = as_rgb(image)
        if "a" in self.channels and rgb.mode == "RGB":
            rgb = rgb.convert("RGBA")
        bands = list(rgb.split())
        first, second = ("rgba".index(channel) for channel in self.channels)
        bands[first], bands[second] = bands[second], bands[first]
        if self.alpha == "opaque":
            bands = bands[:3]
        return Image.merge("RGB" if len(bands) == len("rgb") else "RGBA", bands)
