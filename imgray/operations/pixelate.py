"""``pixelate``: large blocks of one colour."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from PIL import Image
from pydantic import Field

from imgray.modes import DEEP
from imgray.operations.base import Operation

_MAX_BLOCK = 1000


class Pixelate(Operation):
    """Replace square blocks by their mean colour, from the top left; those at the other borders are cut off."""

    name: ClassVar[str] = "pixelate"
    example: ClassVar[str] = "pixelate:8"
    group: ClassVar[str] = "filter"
    modes: ClassVar[frozenset[str]] = DEEP

    block: int = Field(default=10, ge=1, le=_MAX_BLOCK, description="Side of a block in pixels; 1 changes nothing.")

    def apply(self, image: Image.Image) -> Image.Image:
        """Average the blocks, and enlarge them again."""
        if self.block == 1:
            return image
        width, height = image.size
        part = (0, 0, width / self.block, height / self.block)
        return self._means(image).resize(image.size, Image.Resampling.NEAREST, box=part)

    def _means(self, image: Image.Image) -> Image.Image:
        """Return an image with a pixel for each block, whole or cut off.

        `Image.reduce` would do, but for its rounding: of blocks this large, it makes white grey.
        """
        width, height = image.size
        means = Image.new(image.mode, (-(-width // self.block), -(-height // self.block)))
        for column, columns, left, right in self._spans(width):
            for row, rows, top, bottom in self._spans(height):
                box = (left, top, right, bottom)
                means.paste(image.resize((columns, rows), Image.Resampling.BOX, box=box), (column, row))
        return means

    def _spans(self, length: int) -> Iterator[tuple[int, int, int, int]]:
        """Yield the whole blocks of a side, then the cut one: the first one's index, how many, where from, where to."""
        whole = length // self.block
        if whole:
            yield 0, whole, 0, whole * self.block
        if whole * self.block < length:
            yield whole, 1, whole * self.block, length
