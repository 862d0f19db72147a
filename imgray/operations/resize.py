"""``resize``: change the size in pixels."""

from __future__ import annotations

from typing import ClassVar, Literal, Self

from PIL import Image
from pydantic import Field, model_validator

from imgray.codec import as_rgb
from imgray.operations.base import Operation

MAX_SIDE = 16_384
"""Largest width or height that can be asked for, in pixels."""

_REDUCING_GAP = 3.0  # Pillow's documented value for a result that is hardly distinguishable from a full resampling


class Resize(Operation):
    """Scale to a width, a height or both.

    ``fit`` keeps the aspect ratio inside the box, ``fill`` keeps it and crops what sticks out of the box, ``exact``
    distorts. With only one side given, the other follows from the aspect ratio.
    """

    name: ClassVar[str] = "resize"
    example: ClassVar[str] = "resize:320,240,fill"

    width: int | None = Field(default=None, ge=1, le=MAX_SIDE, description="Width in pixels.")
    height: int | None = Field(default=None, ge=1, le=MAX_SIDE, description="Height in pixels.")
    mode: Literal["fit", "fill", "exact"] = Field(default="fit", description="How to meet the two sides.")

    @model_validator(mode="after")
    def _some_side(self) -> Self:
        if self.width is None and self.height is None:
            raise ValueError("give a width, a height or both")
        if self.mode != "fit" and (self.width is None or self.height is None):
            raise ValueError(f"mode '{self.mode}' needs both width and height")
        return self

    def size_after(self, size: tuple[int, int]) -> tuple[int, int]:
        """Return the resulting width and height."""
        return self._plan(size)[0]

    def apply(self, image: Image.Image) -> Image.Image:
        """Resample with Lanczos; images without grey levels between (palette, bilevel) become RGB or grey first."""
        smooth = image.convert("L") if image.mode == "1" else image
        smooth = as_rgb(smooth) if smooth.mode in {"P", "PA"} else smooth
        size, box = self._plan(smooth.size)
        if size == smooth.size and box is None:
            return smooth
        gap = _REDUCING_GAP if not smooth.mode.startswith("I;16") else None
        return smooth.resize(size, Image.Resampling.LANCZOS, box=box, reducing_gap=gap)

    def _plan(self, size: tuple[int, int]) -> tuple[tuple[int, int], tuple[float, float, float, float] | None]:
        """Return the resulting size and the part of the original that it shows (None: all of it)."""
        width, height = size
        if self.mode == "exact" and self.width and self.height:
            return (self.width, self.height), None
        if self.mode == "fill" and self.width and self.height:
            scale = max(self.width / width, self.height / height)
            shown_width, shown_height = self.width / scale, self.height / scale
            left, top = (width - shown_width) / 2, (height - shown_height) / 2
            box = (
                max(left, 0.0),
                max(top, 0.0),
                min(left + shown_width, width),
                min(top + shown_height, height),
            )
            return (self.width, self.height), box
        scale = min((side / now for side, now in ((self.width, width), (self.height, height)) if side), default=1.0)
        return (_side(width * scale), _side(height * scale)), None


def _side(length: float) -> int:
    return max(round(length), 1)
