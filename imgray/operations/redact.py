"""``redact``: make parts of the image unrecognizable, for good."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import ClassVar, Literal, TypeAlias

from PIL import Image
from pydantic import Field, field_validator

from imgray.modes import DEEP, DEPTH_RATIO, TONES, as_rgb, has_alpha, suited
from imgray.operations.arguments import OPAQUE, Colour, Numbers, rgba
from imgray.operations.base import Context, Operation
from imgray.picture import Picture, Size

Box: TypeAlias = tuple[int, int, int, int]
"""Left, top, right and bottom, in pixels."""

_MAX_REGIONS = 100
_FARTHEST = 1_000_000
_NUMBERS = 4  # of a region
_MOST_CELLS = 6  # along the longer side of a region: too few to tell a face or a letter
_SMALLEST_CELL = 8  # pixels


class Redact(Operation):
    """Make regions of the image unrecognizable. What was there cannot be computed back.

    Of a region, ``pixelate`` and ``blur`` keep the means of at most six by six cells, and ``fill`` nothing. Alpha is
    treated in the same way, and EXIF and XMP metadata, which may hold a preview, are dropped. Regions may overlap, and
    reach out of the image; one that is outside changes nothing.
    """

    name: ClassVar[str] = "redact"
    example: ClassVar[str] = "redact:5:35:50:40:70:20:40:60,pixelate"
    group: ClassVar[str] = "filter"
    modes: ClassVar[frozenset[str]] = DEEP

    regions: Numbers = Field(
        max_length=_MAX_REGIONS * _NUMBERS,
        description="Left, top, width and height in pixels of each region, one after the other, as 10:20:100:50.",
    )
    mode: Literal["fill", "pixelate", "blur"] = Field(default="fill", description="What is shown instead.")
    colour: Colour = Field(default="000000", description="fill only: the colour.")

    @field_validator("regions")
    @classmethod
    def _whole_regions(cls, regions: tuple[float, ...]) -> tuple[float, ...]:
        if not regions or len(regions) % _NUMBERS:
            raise ValueError("give four numbers for each region: left, top, width and height")
        if any(abs(number) > _FARTHEST for number in regions):
            raise ValueError(f"give numbers of at most {_FARTHEST} pixels")
        if any(side <= 0 for side in (*regions[2::_NUMBERS], *regions[3::_NUMBERS])):
            raise ValueError("the width and height of a region must be greater than 0")
        return regions

    def run(self, picture: Picture, context: Context) -> Picture:
        """Redact each frame, and drop metadata; leave all as it is when no region is inside."""
        if not any(self._boxes(picture.size)):
            return picture
        bare = replace(picture, source=replace(picture.source, exif=b"", xmp=b""))
        return super().run(bare, context)

    def apply(self, image: Image.Image) -> Image.Image:
        """Paint over the regions, one after the other."""
        painted = self._canvas(image)
        for box in self._boxes(image.size):
            painted.paste(self._instead(painted, box), box)
        return painted

    def _boxes(self, size: Size) -> Iterator[Box]:
        """Yield what of each region is inside; a pixel that it touches belongs to it."""
        width, height = size
        for first in range(0, len(self.regions), _NUMBERS):
            left, top, across, down = self.regions[first : first + _NUMBERS]
            box = (
                max(math.floor(left), 0),
                max(math.floor(top), 0),
                min(math.ceil(left + across), width),
                min(math.ceil(top + down), height),
            )
            if box[0] < box[2] and box[1] < box[3]:
                yield box

    def _canvas(self, image: Image.Image) -> Image.Image:
        """Return a copy, in a mode that can hold the colour."""
        if self.mode != "fill":
            return image.copy()
        red, green, blue, alpha = rgba(self.colour)
        if not red == green == blue:
            image = as_rgb(image)
        if alpha < OPAQUE and not has_alpha(image):
            image = suited(image, TONES)
            return image.convert(image.mode + "A")
        return image.copy()

    def _instead(self, image: Image.Image, box: Box) -> Image.Image | int | tuple[int, ...]:
        """Return what is shown in a box."""
        if self.mode == "fill":
            return self._ink(image.mode)
        left, top, right, bottom = box
        size = (right - left, bottom - top)
        along = min(max(max(size) // _SMALLEST_CELL, 1), _MOST_CELLS)
        across, down = (max(side * along // max(size), 1) for side in size)
        # A blur by its own is a reversible sum, but for rounding: it is made of the same few means.
        cells = image.resize((across, down), Image.Resampling.BOX, box=box)
        return cells.resize(size, Image.Resampling.BICUBIC if self.mode == "blur" else Image.Resampling.NEAREST)

    def _ink(self, mode: str) -> int | tuple[int, ...]:
        red, green, blue, alpha = rgba(self.colour)
        inks: dict[str, int | tuple[int, ...]] = {
            "I;16": red * DEPTH_RATIO,
            "L": red,
            "LA": (red, alpha),
            "RGB": (red, green, blue),
            "RGBA": (red, green, blue, alpha),
        }
        return inks[mode]
