"""``quantize``: few colours."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from PIL import Image
from pydantic import Field

from imgray.modes import COLOURS, has_alpha
from imgray.operations.base import Change, Operation


class Quantize(Operation):
    """Leave only so many colours, chosen by median cut: 256 or fewer make a smaller PNG, and a GIF needs them.

    An opaque image gets a palette. In one with transparency, the colours are reduced, and alpha is kept as it is.
    Frames of an animation share the colours of the first. An image with no more colours keeps them.
    """

    name: ClassVar[str] = "quantize"
    example: ClassVar[str] = "quantize:8"
    group: ClassVar[str] = "colour"
    modes: ClassVar[frozenset[str]] = COLOURS

    colours: int = Field(default=256, ge=2, le=256, description="How many colours are left.")
    dither: bool = Field(default=True, description="Mix neighbouring pixels of two colours to show one between them.")

    def decide(self, first: Image.Image) -> Change:
        """Choose the colours."""
        chosen = _seen(first).quantize(self.colours, Image.Quantize.MEDIANCUT)
        return lambda image: self._reduced(image, chosen)

    def apply(self, image: Image.Image) -> Image.Image:
        """Reduce one image to its own colours."""
        return self.decide(image)(image)

    def _reduced(self, image: Image.Image, chosen: Image.Image) -> Image.Image:
        """Return the image in the colours of another one, or in its own where they are few enough."""
        dither = Image.Dither.FLOYDSTEINBERG if self.dither else Image.Dither.NONE
        few = _seen(image).getcolors(self.colours) is not None
        if not has_alpha(image):
            if few:  # in a palette of its own: in a given one, Pillow finds colours only about
                return image.quantize(self.colours, Image.Quantize.MEDIANCUT)
            return image.quantize(palette=chosen, dither=dither)
        if few:
            return image
        alpha = image.getchannel("A")
        colours = image.convert("RGB")
        harmless = tuple(chosen.crop((0, 0, 1, 1)).convert("RGB").tobytes())
        colours.paste(harmless, mask=alpha.point([255] + [0] * 255))  # or dithering spreads what cannot be seen
        reduced = colours.quantize(palette=chosen, dither=dither).convert("RGB")
        reduced.putalpha(alpha)
        return reduced


def _seen(image: Image.Image) -> Image.Image:
    """Return the colours that are not wholly transparent, in one row; all of them when there is none."""
    if not has_alpha(image):
        return image
    colours = image.convert("RGB")
    seen = np.asarray(image.getchannel("A")) > 0
    return Image.fromarray(np.asarray(colours)[seen][np.newaxis]) if seen.any() and not seen.all() else colours
