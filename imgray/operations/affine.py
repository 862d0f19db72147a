"""``affine``: scale, turn, shear and move by a matrix."""

from __future__ import annotations

from typing import ClassVar

from PIL import Image
from pydantic import Field, field_validator

from imgray.modes import DEEP
from imgray.operations.arguments import MAX_SIDE, Colour, Numbers
from imgray.operations.base import Operation
from imgray.operations.warp import warped

_MAX_FACTOR = 100
_SINGULAR = 1e-6


class Affine(Operation):
    """Move each point by a matrix: scale, turn, shear, mirror and shift at once. The size stays.

    With ``a:b:c:d:e:f``, the point ``x, y`` goes to ``a x + b y + c, d x + e y + f``. Both are measured in pixels from
    the middle of the image, to the right and downwards: ``1:0:0:0:1:0`` changes nothing, ``1:0.5:0:0:1:0`` slants,
    ``1:0:20:0:1:0`` shifts to the right.
    """

    name: ClassVar[str] = "affine"
    example: ClassVar[str] = "affine:0.8:0.3:0:-0.1:0.8:0"
    group: ClassVar[str] = "geometry"
    modes: ClassVar[frozenset[str]] = DEEP

    matrix: Numbers = Field(description="Six numbers, a:b:c:d:e:f: the two rows of the matrix.")
    background: Colour = Field(default="00000000", description="Colour beside the image; transparent if not given.")

    @field_validator("matrix")
    @classmethod
    def _can_be_undone(cls, matrix: tuple[float, ...]) -> tuple[float, ...]:
        if len(matrix) != len("abcdef"):
            raise ValueError("give six numbers, as 1:0.5:0:0:1:0")
        a, b, c, d, e, f = matrix
        if max(abs(factor) for factor in (a, b, d, e)) > _MAX_FACTOR:
            raise ValueError(f"a, b, d and e may be {_MAX_FACTOR} at most")
        if max(abs(c), abs(f)) > MAX_SIDE:
            raise ValueError(f"c and f may be {MAX_SIDE} at most")
        if abs(a * e - b * d) < _SINGULAR:
            raise ValueError("the matrix is singular, it makes a line of the image: a*e - b*d must not be 0")
        return matrix

    def apply(self, image: Image.Image) -> Image.Image:
        """Mix each pixel from the four by four around where it comes from."""
        a, b, c, d, e, f = self.matrix
        determinant = a * e - b * d
        back = (e / determinant, -b / determinant, -d / determinant, a / determinant)
        middle = (image.width / 2, image.height / 2)
        across, down = middle[0] + c, middle[1] + f
        coefficients = (
            back[0],
            back[1],
            middle[0] - back[0] * across - back[1] * down,
            back[2],
            back[3],
            middle[1] - back[2] * across - back[3] * down,
            0.0,
            0.0,
        )
        return warped(image, image.size, coefficients, self.background)
