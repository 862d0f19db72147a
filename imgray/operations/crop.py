"""``crop``: cut out a part."""

from __future__ import annotations

from typing import ClassVar, Self

from PIL import Image
from pydantic import Field, model_validator

from imgray.operations.arguments import Aspect, Gravity, Length, corner_of
from imgray.operations.base import Change, Operation
from imgray.operations.saliency import focus
from imgray.picture import Size


class Crop(Operation):
    """Cut out a part: of a given size, of a given aspect ratio, or what begins at an offset.

    Where it lies is said by ``gravity``, or by ``x`` and ``y``. ``gravity=attention`` looks for edges, the tones of
    skin and strong colours, ``gravity=entropy`` for what is not flat; of an animation, in the first frame. What sticks
    out of the image is left away.
    """

    name: ClassVar[str] = "crop"
    example: ClassVar[str] = "crop:60p,60p,attention"
    group: ClassVar[str] = "geometry"

    width: Length | None = Field(default=None, description="Width in pixels or percent; all of it if not given.")
    height: Length | None = Field(default=None, description="Height in pixels or percent; all of it if not given.")
    gravity: Gravity = Field(
        default="center", description="Which part: a side, a corner, a point, or `attention` or `entropy`."
    )
    x: Length | None = Field(default=None, description="Instead of gravity: how far from the left; 0 with y alone.")
    y: Length | None = Field(default=None, description="Instead of gravity: how far from the top; 0 with x alone.")
    aspect: Aspect | None = Field(
        default=None, description="Ratio of width to height, as 16:9: the largest part within the rest that has it."
    )

    @model_validator(mode="after")
    def _says_which(self) -> Self:
        if all(one is None for one in (self.width, self.height, self.x, self.y, self.aspect)):
            raise ValueError("give a width, a height, an aspect, or x and y")
        if any(side is not None and side.amount == 0 for side in (self.width, self.height)):
            raise ValueError("give a width and a height of more than 0")
        if self._offset and self.gravity != "center":
            raise ValueError("give either a gravity, or x and y")
        return self

    @property
    def _offset(self) -> bool:
        return self.x is not None or self.y is not None

    def size_after(self, size: Size) -> Size:
        """Return the size of the part."""
        return self._part(size)

    def decide(self, first: Image.Image) -> Change:
        """Choose the part by the first frame."""
        left, top = self._corner(first)
        width, height = self._part(first.size)
        box = (left, top, left + width, top + height)
        return lambda image: image if (width, height) == image.size else image.crop(box)

    def apply(self, image: Image.Image) -> Image.Image:
        """Cut out the part of one image."""
        return self.decide(image)(image)

    def _start(self, size: Size) -> tuple[int, int]:
        """Return the offset, such that a pixel at least is left; 0 without one."""
        across = self.x.of(size[0]) if self.x else 0
        down = self.y.of(size[1]) if self.y else 0
        return min(across, size[0] - 1), min(down, size[1] - 1)

    def _part(self, size: Size) -> Size:
        left, top = self._start(size)
        width = min(self.width.of(size[0]) if self.width else size[0], size[0] - left)
        height = min(self.height.of(size[1]) if self.height else size[1], size[1] - top)
        if self.aspect:
            ratio = self.aspect[0] / self.aspect[1]
            width, height = min(width, round(height * ratio)), min(height, round(width / ratio))
        return max(width, 1), max(height, 1)

    def _corner(self, image: Image.Image) -> tuple[int, int]:
        if self._offset:
            return self._start(image.size)
        part = self._part(image.size)
        place = focus(self.gravity, image, (part[0] / image.width, part[1] / image.height))
        return corner_of(place, image.size, part)
