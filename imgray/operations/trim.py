"""``trim``: cut away a border of one colour."""

from __future__ import annotations

from typing import ClassVar, TypeAlias

from PIL import Image
from pydantic import Field

from imgray.modes import TONES, as_rgb, has_alpha, suited
from imgray.operations.arguments import MAX_SIDE, OPAQUE, Colour, rgba
from imgray.operations.base import Change, Operation

_Box: TypeAlias = tuple[int, int, int, int]


class Trim(Operation):
    """Cut away a border of one colour, or of nearly that colour; all that is transparent is one colour.

    An image that is all border stays as it is. Of an animation, all frames are cut as the first.
    """

    name: ClassVar[str] = "trim"
    example: ClassVar[str] = "pad:160,120,white/trim:padding=4"
    group: ClassVar[str] = "geometry"

    threshold: int = Field(
        default=10,  # that of libvips, vips_find_trim
        ge=0,
        le=254,
        description="How far the border may differ from its colour, in levels of 255 of each channel.",
    )
    colour: Colour | None = Field(
        default=None, description="Colour of the border; that of the first pixel if not given."
    )
    padding: int = Field(default=0, ge=0, le=MAX_SIDE, description="How many pixels of the border are kept.")

    def decide(self, first: Image.Image) -> Change:
        """Look for the border in the first frame."""
        left, top, right, bottom = _content(suited(first, TONES), self.colour, self.threshold)
        box = (
            max(left - self.padding, 0),
            max(top - self.padding, 0),
            min(right + self.padding, first.width),
            min(bottom + self.padding, first.height),
        )
        return lambda image: image if box == (0, 0, *image.size) else image.crop(box)

    def apply(self, image: Image.Image) -> Image.Image:
        """Cut the border of one image."""
        return self.decide(image)(image)


def _content(image: Image.Image, colour: Colour | None, threshold: int) -> _Box:
    """Return the box around all that is not border; around all when there is nothing else, or no border."""
    flat = as_rgb(image).convert("RGBa") if has_alpha(image) else image
    bands = (0, 0, 0) if flat.mode == "L" else tuple(range(len(flat.getbands())))
    if colour is None:
        first = flat.resize((1, 1), box=(0, 0, 1, 1), resample=Image.Resampling.NEAREST).tobytes()
        levels = tuple(first[band] for band in bands)
    else:
        red, green, blue, alpha = rgba(colour)
        if len(bands) == len("rgb") and OPAQUE - alpha > threshold:
            return 0, 0, *image.size
        levels = (*(round(level * alpha / OPAQUE) for level in (red, green, blue)), alpha)
    found = [_unlike(flat, band, level, threshold) for band, level in set(zip(bands, levels, strict=False))]
    boxes = [box for box in found if box]
    if not boxes:
        return 0, 0, *image.size
    lefts, tops, rights, bottoms = zip(*boxes, strict=True)
    return min(lefts), min(tops), max(rights), max(bottoms)


def _unlike(image: Image.Image, band: int, level: int, threshold: int) -> _Box | None:
    """Return the box around the pixels whose level in a band is further than the threshold from a given one."""
    table = [OPAQUE if abs(other - level) > threshold else 0 for other in range(256)]
    return image.getchannel(band).point(table).getbbox()
