"""``equalize``: give each part of the range of levels as many pixels as any other."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from PIL import Image
from pydantic import Field

from imgray.modes import DEEP
from imgray.operations.base import Change, Operation
from imgray.operations.normalize import Channels, Counts, Table, by_histogram


class Equalize(Operation):
    """Spread the levels so that about as many pixels are in each part of the range as in any other.

    It shows what hides in narrow ranges, and noise with it; `clahe` is gentler.
    """

    name: ClassVar[str] = "equalize"
    example: ClassVar[str] = "equalize"
    group: ClassVar[str] = "colour"
    modes: ClassVar[frozenset[str]] = DEEP

    channels: Channels = Field(default="together", description="Whether all channels are changed alike.")

    def decide(self, first: Image.Image) -> Change:
        """Count the levels."""
        return by_histogram(first, self.channels, _spread)

    def apply(self, image: Image.Image) -> Image.Image:
        """Spread the levels of one image."""
        return self.decide(image)(image)


def _spread(counts: Counts) -> Table:
    """Return for each level the part of the pixels that are no lighter, but for the darkest, which becomes black.

    After R. C. Gonzalez and R. E. Woods, "Digital Image Processing", chapter 3.
    """
    table: Table = np.arange(len(counts), dtype=np.float64)
    present = counts[counts > 0]
    if len(present) > 1:
        sums = np.cumsum(counts)
        table = np.maximum(sums - present[0], 0) / (sums[-1] - present[0]) * table[-1]
    return table
