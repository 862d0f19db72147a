"""``perspective``: pull four points of the image to the corners of the result."""

from __future__ import annotations

import math
from typing import ClassVar, TypeAlias

from PIL import Image
from pydantic import Field, field_validator

from imgray.modes import DEEP
from imgray.operations.arguments import MAX_SIDE, Colour, Numbers
from imgray.operations.base import Operation
from imgray.operations.warp import warped
from imgray.picture import Size

_Point: TypeAlias = tuple[float, float]

_LOWEST, _HIGHEST = -1, 2
_NARROWEST = 1e-4  # of a corner: its parallelogram's area, as a part of the image's


class Perspective(Operation):
    """Pull four points of the image to the corners of the result, as to straighten a page or a painting.

    The points stand in the order top left, top right, bottom right, bottom left; each is x and y as parts of width and
    height, ``0:0`` is the top left and ``1:1`` the bottom right. They may lie beside the image. Without a width or
    height, the result is as wide and high as the longer one of two opposite sides.
    """

    name: ClassVar[str] = "perspective"
    example: ClassVar[str] = "perspective:0.3:0.1:0.9:0:1:1:0.1:0.8"
    group: ClassVar[str] = "geometry"
    modes: ClassVar[frozenset[str]] = DEEP

    corners: Numbers = Field(description="Eight numbers: x and y of each of the four points.")
    width: int | None = Field(default=None, ge=1, le=MAX_SIDE, description="Width of the result in pixels.")
    height: int | None = Field(default=None, ge=1, le=MAX_SIDE, description="Height of the result in pixels.")
    background: Colour = Field(default="00000000", description="Colour beside the image; transparent if not given.")

    @field_validator("corners")
    @classmethod
    def _make_a_convex_quadrilateral(cls, corners: tuple[float, ...]) -> tuple[float, ...]:
        if len(corners) != len("xyxyxyxy"):
            raise ValueError("give eight numbers, as 0:0:1:0:1:1:0:1")
        if not all(_LOWEST <= one <= _HIGHEST for one in corners):
            raise ValueError(f"each number is from {_LOWEST} to {_HIGHEST}")
        points = _points(corners, (1, 1))
        turns = [_turn(points[at - 2], points[at - 1], points[at]) for at in range(4)]
        if min(turns) < _NARROWEST and max(turns) > -_NARROWEST:
            raise ValueError(
                "the points must be the corners of a convex quadrilateral, one after the other: "
                "top left, top right, bottom right, bottom left"
            )
        return corners

    def size_after(self, size: Size) -> Size:
        """Return the size that was asked for, or that follows from the points."""
        first, second, third, fourth = _points(self.corners, size)
        width = max(math.dist(first, second), math.dist(fourth, third))
        height = max(math.dist(first, fourth), math.dist(second, third))
        if self.width and self.height:
            return self.width, self.height
        scale = self.width / width if self.width else self.height / height if self.height else 1
        return self.width or max(round(width * scale), 1), self.height or max(round(height * scale), 1)

    def apply(self, image: Image.Image) -> Image.Image:
        """Mix each pixel from the four by four around where it comes from."""
        size = self.size_after(image.size)
        coefficients = _projection(size, _points(self.corners, image.size))
        return warped(image, size, coefficients, self.background)


def _points(corners: tuple[float, ...], size: Size) -> list[_Point]:
    """Return the points in pixels."""
    return [(x * size[0], y * size[1]) for x, y in zip(corners[::2], corners[1::2], strict=True)]


def _turn(before: _Point, corner: _Point, after: _Point) -> float:
    """Return how the way turns at a corner: positive clockwise, as y goes down; 0 straight on."""
    return (corner[0] - before[0]) * (after[1] - corner[1]) - (corner[1] - before[1]) * (after[0] - corner[0])


def _projection(size: Size, points: list[_Point]) -> tuple[float, ...]:
    """Return the coefficients of the projection that takes a rectangle's corners to four points.

    Paul Heckbert, Fundamentals of Texture Mapping and Image Warping, 1989, section 2.2.3: from the unit square.
    """
    (x0, y0), (x1, y1), (x2, y2), (x3, y3) = points
    right, below, skew = (x1 - x2, y1 - y2), (x3 - x2, y3 - y2), (x0 - x1 + x2 - x3, y0 - y1 + y2 - y3)
    area = right[0] * below[1] - right[1] * below[0]
    g = (skew[0] * below[1] - skew[1] * below[0]) / area
    h = (right[0] * skew[1] - right[1] * skew[0]) / area
    width, height = size
    return (
        (x1 - x0 + g * x1) / width,
        (x3 - x0 + h * x3) / height,
        x0,
        (y1 - y0 + g * y1) / width,
        (y3 - y0 + h * y3) / height,
        y0,
        g / width,
        h / height,
    )
