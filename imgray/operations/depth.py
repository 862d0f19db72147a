"""``depth``: bits for each level."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

import numpy as np
from PIL import Image
from pydantic import BeforeValidator, Field

from imgray.modes import DEPTH_RATIO, TONES, suited
from imgray.operations.base import Operation


def _number(value: object) -> object:
    return int(value) if isinstance(value, str) and value.isdecimal() else value


class Depth(Operation):
    """Store grey in 8 or in 16 bits; levels are scaled. Colours always have 8 bits, and stay as they are.

    More bits do not bring back what fewer have lost, but operations that follow lose less.
    """

    name: ClassVar[str] = "depth"
    example: ClassVar[str] = "grayscale/depth:16"
    group: ClassVar[str] = "colour"

    bits: Annotated[Literal[8, 16], BeforeValidator(_number)] = Field(description="Bits of each grey level.")

    def apply(self, image: Image.Image) -> Image.Image:
        """Scale grey levels without alpha."""
        if self.bits == 8:  # noqa: PLR2004  # the other one
            return suited(image, TONES) if image.mode in {"I;16", "I", "F"} else image
        if image.mode == "I":
            return image.convert("I;16")
        if image.mode not in {"1", "L", "F"}:
            return image
        return Image.fromarray(np.asarray(suited(image, TONES), np.uint16) * np.uint16(DEPTH_RATIO))
