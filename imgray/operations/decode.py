"""``decode``: say how the input is to be read, when that is not the usual way."""

from __future__ import annotations

from typing import ClassVar, Literal

from PIL import Image
from pydantic import Field

from imgray.codec import Reading
from imgray.operations.base import Operation

MAX_FRAMES = 100_000


class Decode(Operation):
    """Read the input differently. It stands first in a pipeline.

    Without it, an image is turned upright by its EXIF orientation, its colours are brought to sRGB, all frames of an
    animation are read, and a truncated image is an error.
    """

    name: ClassVar[str] = "decode"
    example: ClassVar[str] = "decode:frames=1,partial=true/resize:320"
    group: ClassVar[str] = "input"

    frames: int | None = Field(default=None, ge=1, le=MAX_FRAMES, description="Read no more frames than this.")
    orient: bool = Field(default=True, description="Turn the image upright by its EXIF orientation.")
    colour: Literal["srgb", "keep"] = Field(
        default="srgb", description="Bring the colours to sRGB, or keep them, with their profile."
    )
    partial: bool = Field(default=False, description="Take what there is of a truncated image.")

    @property
    def reading(self) -> Reading:
        """The arguments, as the codec takes them."""
        return Reading(self.frames, self.orient, self.colour, self.partial)

    def apply(self, image: Image.Image) -> Image.Image:
        """Return the image as it is: it was read as asked."""
        return image
