"""``thumbnail``: make smaller, as one mostly wants it."""

from __future__ import annotations

from typing import ClassVar, Literal

from PIL import Image
from pydantic import Field

from imgray.operations.arguments import MAX_SIDE, Gravity
from imgray.operations.base import Context, Operation
from imgray.operations.resize import Resize
from imgray.picture import Picture, Size


class Thumbnail(Operation):
    """Make an image smaller, so that it fits into a box; a smaller one is not made larger.

    ``fit`` shows all of it, ``fill`` the largest part that has the aspect ratio of the box.
    """

    name: ClassVar[str] = "thumbnail"
    example: ClassVar[str] = "thumbnail:64,64,fill"
    group: ClassVar[str] = "geometry"

    width: int = Field(ge=1, le=MAX_SIDE, description="Width of the box in pixels.")
    height: int | None = Field(
        default=None, ge=1, le=MAX_SIDE, description="Height of the box in pixels; as the width if not given."
    )
    mode: Literal["fit", "fill"] = Field(default="fit", description="Show all of the image, or fill the box.")
    gravity: Gravity = Field(
        default="center",
        description="fill only: what is kept; a side, a corner, a point, or `attention` or `entropy`.",
    )

    @property
    def _resize(self) -> Resize:
        return Resize(
            width=self.width,
            height=self.height or self.width,
            mode=self.mode,
            gravity=self.gravity,
            enlarge=False,
        )

    def size_after(self, size: Size) -> Size:
        """Return the resulting width and height."""
        return self._resize.size_after(size)

    def enough(self, size: Size) -> Size | None:
        """Return the size at which what is shown has the resulting size."""
        return self._resize.enough(size)

    def run(self, picture: Picture, context: Context) -> Picture:
        """Resample each frame."""
        return self._resize.run(picture, context)

    def apply(self, image: Image.Image) -> Image.Image:
        """Resample one image."""
        return self._resize.apply(image)
