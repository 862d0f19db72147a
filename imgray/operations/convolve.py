"""``convolve``: lay a kernel on each pixel."""

from __future__ import annotations

import math
from typing import ClassVar, Self

from PIL import Image
from pydantic import Field, model_validator

from imgray.modes import TONES
from imgray.operations.arguments import Numbers
from imgray.operations.base import Operation
from imgray.operations.neighbours import SIDES, convolved, on_visible

_MAX_WEIGHT = 10_000
_SMALLEST_SCALE = 1e-6
_NEAR_ZERO = 1e-9  # a sum of weights like 0.1 + 0.2 - 0.3 is meant to be 0


class Convolve(Operation):
    """Replace each pixel by a weighted sum of those around it. Alpha is kept.

    The kernel lies on the image as it is written, row by row, its middle on the pixel (a correlation, as in most
    image programs). The sum is divided by the scale, then the offset is added. Beyond its border, the image goes on
    with the colours that it has there.
    """

    name: ClassVar[str] = "convolve"
    example: ClassVar[str] = "convolve:-2:-1:0:-1:1:1:0:1:2"
    group: ClassVar[str] = "filter"
    modes: ClassVar[frozenset[str]] = TONES

    kernel: Numbers = Field(description="The weights, 9 (3 by 3) or 25 (5 by 5), as 0:-1:0:-1:5:-1:0:-1:0.")
    scale: float | None = Field(
        default=None,
        ge=-_MAX_WEIGHT * 25,
        le=_MAX_WEIGHT * 25,
        description="What the sum is divided by; if not given, the sum of the weights, or 1 when that is 0.",
    )
    offset: float = Field(default=0, ge=-255, le=255, description="Levels that are added at last.")

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if len(self.kernel) not in SIDES:
            raise ValueError(f"the kernel has {len(self.kernel)} numbers: give 9 (3 by 3) or 25 (5 by 5)")
        if any(abs(weight) > _MAX_WEIGHT for weight in self.kernel):
            raise ValueError(f"give weights from -{_MAX_WEIGHT} to {_MAX_WEIGHT}")
        if self.scale is not None and abs(self.scale) < _SMALLEST_SCALE:
            raise ValueError("scale must not be 0: leave it out to divide by the sum of the weights")
        return self

    def apply(self, image: Image.Image) -> Image.Image:
        """Filter the colours."""
        total = math.fsum(self.kernel)
        scale = self.scale if self.scale is not None else total if abs(total) > _NEAR_ZERO else 1
        return on_visible(image, lambda colours: convolved(colours, self.kernel, scale, self.offset))
