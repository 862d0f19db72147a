"""``matrix``: mix the channels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, TypeAlias

import numpy as np
from PIL import Image
from pydantic import Field, field_validator

from imgray.modes import COLOURS, has_alpha, on_colours
from imgray.operations.arguments import Numbers
from imgray.operations.base import Operation

Rows: TypeAlias = Sequence[Sequence[float]]
"""For each channel of the result, the part that each channel of the image has in it, and perhaps an offset."""

IDENTITY: Rows = ((1, 0, 0), (0, 1, 0), (0, 0, 1))
LUMA = (0.299, 0.587, 0.114)
"""The parts of red, green and blue in luma (ITU-R BT.601), as in Pillow's grey."""

_COUNTS = {9: 3, 12: 4, 20: 5}
"""How many numbers a row has, by how many there are in all."""

_LARGEST = 1000
_TOP = 255
_STRIP = 64  # rows at a time in floating point, so that memory stays small
_ALPHA_KEPT = (0, 0, 0, 1, 0)


class Matrix(Operation):
    """Make each channel a sum of parts of all channels: 9, 12 or 20 numbers, row by row.

    9 numbers are three rows (red, green and blue of the result) of three parts (of red, green and blue of the image).
    12 have an offset behind each row. 20 are four rows of five: parts of red, green, blue and alpha, and an offset; the
    fourth row makes alpha, as in SVG's ``feColorMatrix``. Offsets are parts of the full scale: 0.5 adds 128 levels.
    """

    name: ClassVar[str] = "matrix"
    example: ClassVar[str] = "matrix:1:0.3:0:0.1:0:0.9:0:0:0:0:0.5:0.2"
    group: ClassVar[str] = "colour"
    modes: ClassVar[frozenset[str]] = COLOURS

    values: Numbers = Field(description="9, 12 or 20 numbers from -1000 to 1000, as 0:0:1:0:1:0:1:0:0.")

    @field_validator("values")
    @classmethod
    def _full(cls, values: tuple[float, ...]) -> tuple[float, ...]:
        if len(values) not in _COUNTS:
            raise ValueError(f"give 9, 12 or 20 numbers with a colon between any two; there are {len(values)}")
        if any(abs(value) > _LARGEST for value in values):
            raise ValueError(f"give numbers from -{_LARGEST} to {_LARGEST}")
        return values

    def apply(self, image: Image.Image) -> Image.Image:
        """Mix the colours in Pillow, unless alpha has a part in it."""
        length = _COUNTS[len(self.values)]
        rows = [self.values[start : start + length] for start in range(0, len(self.values), length)]
        if length != _COUNTS[20]:
            return on_colours(image, lambda colours: mixed(colours, rows))
        if has_alpha(image) or rows[3] != _ALPHA_KEPT:
            return _mixed_with_alpha(image.convert("RGBA"), np.array(rows, np.float32))
        return mixed(image, [(*row[:3], row[3] + row[4]) for row in rows[:3]])  # opaque: the part of alpha is an offset


def mixed(colours: Image.Image, rows: Rows) -> Image.Image:
    """Return an RGB image with its channels mixed by three rows of three parts and, perhaps, an offset."""
    numbers: list[float] = []
    for row in rows:
        numbers += [*row[:3], (row[3] if len(row) > len(LUMA) else 0) * _TOP]
    return colours.convert("RGB", tuple(numbers))


def blended(first: Rows, second: Rows, amount: float) -> Rows:
    """Return the rows on the way from the first (amount 0) to the second (1)."""
    return [
        [one * (1 - amount) + other * amount for one, other in zip(*rows, strict=True)]
        for rows in zip(first, second, strict=True)
    ]


def _mixed_with_alpha(image: Image.Image, rows: np.ndarray[tuple[int, int], np.dtype[np.float32]]) -> Image.Image:
    parts, offsets = rows[:, :4].T, rows[:, 4] * _TOP
    result = Image.new("RGBA", image.size)
    for top in range(0, image.height, _STRIP):
        strip = image.crop((0, top, image.width, min(top + _STRIP, image.height)))
        levels = np.asarray(strip, np.float32) @ parts + offsets
        result.paste(Image.fromarray(np.rint(np.clip(levels, 0, _TOP)).astype(np.uint8)), (0, top))
    return result
