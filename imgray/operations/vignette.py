"""``vignette``: darken towards the corners."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from PIL import Image
from pydantic import Field

from imgray.modes import DEEP, on_colours
from imgray.operations.base import Operation
from imgray.picture import Size


class Vignette(Operation):
    """Darken the image towards its corners, in ellipses of its own shape. Alpha is kept."""

    name: ClassVar[str] = "vignette"
    example: ClassVar[str] = "vignette:80"
    group: ClassVar[str] = "filter"
    modes: ClassVar[frozenset[str]] = DEEP

    amount: float = Field(
        default=50, ge=0, le=100, description="How much light the corners lose, in percent; 0 changes nothing."
    )
    radius: float = Field(
        default=30, ge=0, le=95, description="Where it begins, in percent of the way from the middle to a corner."
    )

    def apply(self, image: Image.Image) -> Image.Image:
        """Multiply each level by the light that it keeps."""
        quarter = self._light(image.size)
        if image.mode == "I;16":
            return Image.fromarray(np.rint(np.asarray(image) * _mirrored(quarter, image.size)).astype(np.uint16))
        mask = Image.fromarray(_mirrored(np.rint(quarter * 255).astype(np.uint8), image.size))

        def darkened(colours: Image.Image) -> Image.Image:
            canvas = Image.new(colours.mode, colours.size)
            canvas.paste(colours, mask=mask)
            return canvas

        return on_colours(image, darkened)

    def _light(self, size: Size) -> npt.NDArray[Any]:
        """Return the part of the light that is kept in the top left quarter: smoothstep (GLSL 4.60, section 8.3)."""
        across, down = (((np.arange((side + 1) // 2) * 2 + 1) / side - 1) ** 2 / 2 for side in size)
        distance = np.sqrt(np.add.outer(down, across, dtype=np.float32))
        start = self.radius / 100
        t = np.clip((distance - start) / (1 - start), 0, 1)
        return 1 - self.amount / 100 * t * t * (3 - 2 * t)


def _mirrored(quarter: npt.NDArray[Any], size: Size) -> npt.NDArray[Any]:
    """Return the whole of which a quarter is given."""
    columns, rows = (np.minimum(np.arange(side), np.arange(side)[::-1]) for side in size)
    return quarter[rows[:, None], columns]
