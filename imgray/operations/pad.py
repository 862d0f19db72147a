"""``pad``: make room around the image."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, ClassVar, Literal, Self, TypeAlias

from PIL import Image, ImageFilter
from pydantic import BeforeValidator, Field, model_validator

from imgray.modes import TONES, premultiplied, suited
from imgray.operations.arguments import Aspect, Colour, Length, LengthValue, Place, corner_of, split
from imgray.operations.base import Operation
from imgray.operations.canvas import extended, on_colour, with_room
from imgray.picture import Size

_BLURRED_SIDE = 96  # a blurred background is drawn no larger than this, and enlarged
_BLUR_RADIUS = 4  # on that; so the blur is as strong on a large image as on a small one


def _four(value: object) -> object:
    """Give each side its length, as CSS does: one for all, one for top and bottom and one for the others, or four."""
    if not isinstance(value, list | tuple) or len(value) not in {1, 2, 4}:
        raise ValueError("give one length for all sides, two (top and bottom, left and right), or four from the top on")
    return tuple(value) * (4 // len(value))


Sides: TypeAlias = Annotated[tuple[Length, Length, Length, Length], BeforeValidator(_four), BeforeValidator(split)]
"""Lengths of top, right, bottom and left: ``10:5p:10:5p``."""


class Pad(Operation):
    """Make room around the image: on its sides, to a size at least, or to an aspect ratio; the image stays as it is.

    First come the ``sides``; then what is smaller than ``width`` and ``height`` is extended to them, then to the
    ``aspect``. The new room shows the ``background``, the image mirrored at its edges (``mirror``), its outermost
    pixels (``edge``), or the image itself, enlarged and blurred (``blur``).
    """

    name: ClassVar[str] = "pad"
    example: ClassVar[str] = "pad:160,120,mode=blur"
    group: ClassVar[str] = "geometry"

    width: Length | None = Field(default=None, description="Width to extend to at least, in pixels or percent.")
    height: Length | None = Field(default=None, description="Height to extend to at least, in pixels or percent.")
    background: Colour = Field(
        default="00000000", description="Colour of the new room, with mode colour; transparent if not given."
    )
    mode: Literal["colour", "mirror", "edge", "blur"] = Field(default="colour", description="What the new room shows.")
    gravity: Place = Field(
        default="center",
        description="Where the image lies in what width, height and aspect make: a side, corner or point.",
    )
    sides: Sides | None = Field(
        default=None, description="Room at each side, top:right:bottom:left; or one length for all, or two."
    )
    aspect: Aspect | None = Field(default=None, description="Ratio of width to height to extend to, as 16:9.")

    @model_validator(mode="after")
    def _says_how_much(self) -> Self:
        if all(one is None for one in (self.width, self.height, self.sides, self.aspect)):
            raise ValueError("give a width, a height, sides or an aspect")
        if self.mode != "colour" and self.background != "00000000":
            raise ValueError("background is for mode colour")
        return self

    def size_after(self, size: Size) -> Size:
        """Return the size with the new room."""
        return self._layout(size)[0]

    def apply(self, image: Image.Image) -> Image.Image:
        """Put the image in the new room."""
        size, corner = self._layout(image.size)
        if size == image.size:
            return image
        if self.mode == "colour":
            return on_colour(image, size, corner, self.background)
        return _SURROUNDED[self.mode](image, size, corner)

    def _layout(self, size: Size) -> tuple[Size, tuple[int, int]]:
        """Return the new size, and left and top of the image in it."""
        sides = self.sides or (LengthValue(0),) * 4
        top, right, bottom, left = (side.of(size[1 - odd]) for side, odd in zip(sides, (0, 1) * 2, strict=True))
        inner = (size[0] + left + right, size[1] + top + bottom)
        width = max(inner[0], self.width.of(size[0]) if self.width else 0)
        height = max(inner[1], self.height.of(size[1]) if self.height else 0)
        if self.aspect:
            ratio = self.aspect[0] / self.aspect[1]
            width, height = max(width, round(height * ratio)), max(height, round(width / ratio))
        across, down = corner_of(self.gravity, (width, height), inner)
        return (width, height), (across + left, down + top)


def _mirrored(image: Image.Image, size: Size, corner: tuple[int, int]) -> Image.Image:
    """Repeat the image, every other time mirrored: first in a row, then the row."""
    row = with_room(image, (size[0], image.height), (corner[0], 0))
    flopped = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    for left, turned in _repeated(corner[0], image.width, size[0]):
        row.paste(flopped if turned else image, (left, 0))
    whole = with_room(row, size, (0, corner[1]))
    flipped = row.transpose(Image.Transpose.FLIP_TOP_BOTTOM)
    for top, turned in _repeated(corner[1], image.height, size[1]):
        whole.paste(flipped if turned else row, (0, top))
    return whole


def _repeated(start: int, length: int, whole: int) -> Iterator[tuple[int, bool]]:
    """Return where each copy begins, when the first is at ``start``, and whether it is mirrored."""
    for number in range(-math.ceil(start / length), math.ceil((whole - start) / length)):
        yield start + number * length, number % 2 == 1


def _on_blur(image: Image.Image, size: Size, corner: tuple[int, int]) -> Image.Image:
    """Lay the image on itself, enlarged until it fills the new room, and blurred."""
    tones = suited(image, TONES)
    whole = premultiplied(tones, lambda plain: _blurred(plain, size))
    whole.paste(tones, corner)
    return whole


def _blurred(image: Image.Image, size: Size) -> Image.Image:
    scale = max(size[0] / image.width, size[1] / image.height)
    width, height = size[0] / scale, size[1] / scale
    left, top = (image.width - width) / 2, (image.height - height) / 2
    shrink = min(_BLURRED_SIDE / max(size), 1)
    small = image.resize(
        (max(round(size[0] * shrink), 1), max(round(size[1] * shrink), 1)),
        Image.Resampling.BOX,
        box=(max(left, 0), max(top, 0), min(left + width, image.width), min(top + height, image.height)),
    )
    radius = _BLUR_RADIUS * max(small.size) / _BLURRED_SIDE
    return small.filter(ImageFilter.GaussianBlur(radius)).resize(size, Image.Resampling.BICUBIC)


_SURROUNDED: Mapping[str, Callable[[Image.Image, Size, tuple[int, int]], Image.Image]] = {
    "mirror": _mirrored,
    "edge": extended,
    "blur": _on_blur,
}
