"""``edge``: show where levels change."""

from __future__ import annotations

from typing import ClassVar, Literal

from PIL import Image, ImageChops
from pydantic import Field

from imgray.modes import TONES
from imgray.operations.base import Operation
from imgray.operations.neighbours import convolved, on_visible

SOBEL_DOWN = (-1, -2, -1, 0, 0, 0, 1, 2, 1)
SOBEL_RIGHT = (-1, 0, 1, -2, 0, 2, -1, 0, 1)
SOBEL_STEP = 4
"""What these two make of a step of 1."""

_LAPLACIAN = (-1, -1, -1, -1, 8, -1, -1, -1, -1)
_LAPLACIAN_STEP = 3


class Edge(Operation):
    """Show edges bright on black, in each channel by itself. Alpha is kept.

    ``sobel`` shows how steep the levels are, ``laplacian`` gives thin lines on the bright side of each edge, and shows
    noise, too. For white edges, put ``grayscale`` before it.
    """

    name: ClassVar[str] = "edge"
    example: ClassVar[str] = "edge"
    group: ClassVar[str] = "filter"
    modes: ClassVar[frozenset[str]] = TONES

    method: Literal["sobel", "laplacian"] = Field(default="sobel", description="How edges are found.")
    amount: float = Field(
        default=100, ge=1, le=1000, description="Percent; at 100, a sharp step from black to white gives white."
    )

    def apply(self, image: Image.Image) -> Image.Image:
        """Filter the colours."""
        return on_visible(image, self._laplacian if self.method == "laplacian" else self._sobel)

    def _laplacian(self, colours: Image.Image) -> Image.Image:
        return convolved(colours, _LAPLACIAN, _LAPLACIAN_STEP * 100 / self.amount)

    def _sobel(self, colours: Image.Image) -> Image.Image:
        """Return the length of the gradient (Sobel and Feldman, 1968).

        The longest of its parts along the axes and the diagonals stands for the root of its squares: that is at most 8
        percent less (the cosine of 22.5 degrees).
        """
        scale = SOBEL_STEP * 100 / self.amount
        down, right = (
            ImageChops.add(convolved(colours, kernel, scale), convolved(colours, kernel, -scale))
            for kernel in (SOBEL_DOWN, SOBEL_RIGHT)
        )
        return ImageChops.lighter(ImageChops.lighter(down, right), ImageChops.add(down, right, scale=2**0.5))
