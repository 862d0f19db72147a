"""``opacity``: let through what is behind."""

from __future__ import annotations

from typing import ClassVar

from PIL import Image
from pydantic import Field

from imgray.modes import DEEP, TONES, suited
from imgray.operations.base import Operation


class Opacity(Operation):
    """Make the image more transparent: multiply its alpha by a factor."""

    name: ClassVar[str] = "opacity"
    example: ClassVar[str] = "opacity:0.5"
    group: ClassVar[str] = "colour"
    modes: ClassVar[frozenset[str]] = DEEP

    factor: float = Field(ge=0, le=1, description="0 is invisible, 1 leaves the image as it is.")

    def apply(self, image: Image.Image) -> Image.Image:
        """Scale the alpha; an opaque image gets one."""
        if self.factor == 1:
            return image
        tones = suited(image, TONES)
        faded = tones.convert("LA" if tones.mode in {"L", "LA"} else "RGBA")
        faded.putalpha(faded.getchannel("A").point([round(alpha * self.factor) for alpha in range(256)]))
        return faded
