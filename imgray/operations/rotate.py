"""``rotate``: turn by quarter turns."""

from __future__ import annotations

from typing import ClassVar, Literal

from PIL import Image
from pydantic import Field, field_validator

from imgray.operations.base import Operation

_TRANSPOSITIONS = {
    90: Image.Transpose.ROTATE_270,  # Pillow counts anticlockwise
    180: Image.Transpose.ROTATE_180,
    270: Image.Transpose.ROTATE_90,
}


class Rotate(Operation):
    """Turn the image clockwise by 90, 180 or 270 degrees, without loss."""

    name: ClassVar[str] = "rotate"
    example: ClassVar[str] = "rotate:90"

    degrees: Literal[90, 180, 270] = Field(description="Degrees, clockwise.")

    @field_validator("degrees", mode="before")
    @classmethod
    def _from_text(cls, degrees: object) -> object:
        return int(degrees) if isinstance(degrees, str) and degrees.isdecimal() else degrees

    def apply(self, image: Image.Image) -> Image.Image:
        """Move every pixel; none is resampled."""
        return image.transpose(_TRANSPOSITIONS[self.degrees])
