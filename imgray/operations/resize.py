"""``resize``: change the size in pixels."""

from __future__ import annotations

from typing import ClassVar, Literal, Self

from PIL import Image
from pydantic import Field, field_validator, model_validator

from imgray.modes import DEEP, suited
from imgray.operations.arguments import CONTENT_AWARE, MAX_SIDE, Gravity, corner_of
from imgray.operations.base import Context, Operation
from imgray.operations.resampling import Box, resample
from imgray.operations.saliency import SIDE, focus
from imgray.picture import Picture, Size

_SYNONYMS = {"inside": "fit", "cover": "fill"}
_KERNELS = {
    "lanczos": Image.Resampling.LANCZOS,
    "bicubic": Image.Resampling.BICUBIC,
    "bilinear": Image.Resampling.BILINEAR,
    "box": Image.Resampling.BOX,
    "nearest": Image.Resampling.NEAREST,
}


class Resize(Operation):
    """Scale to a width, a height or both.

    ``fit`` (or ``inside``) keeps the aspect ratio inside the box, ``outside`` keeps it around the box, ``fill`` (or
    ``cover``) keeps it and crops what sticks out of the box, ``exact`` distorts. With only one side given, the other
    follows from the aspect ratio. With ``enlarge=false``, a smaller image stays as it is; with ``fill``, what is kept
    has the aspect ratio of the box all the same.
    """

    name: ClassVar[str] = "resize"
    example: ClassVar[str] = "resize:320,240,fill"
    group: ClassVar[str] = "geometry"

    width: int | None = Field(default=None, ge=1, le=MAX_SIDE, description="Width in pixels.")
    height: int | None = Field(default=None, ge=1, le=MAX_SIDE, description="Height in pixels.")
    mode: Literal["fit", "fill", "exact", "outside"] = Field(default="fit", description="How to meet the two sides.")
    gravity: Gravity = Field(
        default="center",
        description="fill only: what is kept; a side, a corner, a point, or `attention` or `entropy`.",
    )
    enlarge: bool = Field(default=True, description="Whether a smaller image is made larger.")
    kernel: Literal["lanczos", "bicubic", "bilinear", "box", "nearest"] = Field(
        default="lanczos", description="How pixels are mixed; `nearest` does not mix them."
    )

    @field_validator("mode", mode="before")
    @classmethod
    def _know_synonyms(cls, mode: object) -> object:
        return _SYNONYMS.get(mode, mode) if isinstance(mode, str) else mode

    @model_validator(mode="after")
    def _some_side(self) -> Self:
        if self.width is None and self.height is None:
            raise ValueError("give a width, a height or both")
        if self.mode != "fit" and (self.width is None or self.height is None):
            raise ValueError(f"mode '{self.mode}' needs both width and height")
        return self

    def size_after(self, size: Size) -> Size:
        """Return the resulting width and height."""
        return self._plan(size)[0]

    def enough(self, size: Size) -> Size | None:
        """Return the size at which what is shown has the resulting size; None where pixels are not to be mixed."""
        if self.kernel == "nearest":
            return None
        (width, height), (left, top, right, bottom) = self._plan(size)
        scale = max(width / (right - left), height / (bottom - top))
        if self.mode == "fill" and self.gravity in CONTENT_AWARE:
            scale = max(scale, SIDE / max(size))  # it sees the same, however small the result is
        return min(round(size[0] * scale) + 1, size[0]), min(round(size[1] * scale) + 1, size[1])

    def run(self, picture: Picture, context: Context) -> Picture:
        """Resample each frame. The picture may have been reduced already: sizes are those of the full one."""
        size, box = self._plan(picture.full_size, picture.frames[0])
        across, down = (now / full for now, full in zip(picture.size, picture.full_size, strict=True))
        shown = (box[0] * across, box[1] * down, box[2] * across, box[3] * down)
        resized = []
        for frame in picture.frames:
            context.checkpoint()
            resized.append(self._resample(frame, size, shown))
        return picture.with_frames(resized)

    def apply(self, image: Image.Image) -> Image.Image:
        """Resample one image."""
        return self._resample(image, *self._plan(image.size, image))

    def _resample(self, image: Image.Image, size: Size, box: Box) -> Image.Image:
        if size == image.size and box == (0, 0, *size):
            return image
        if size == (box[2] - box[0], box[3] - box[1]) and all(edge.is_integer() for edge in box):
            return image.crop(box)
        kernel = _KERNELS[self.kernel]
        if self.kernel == "nearest":
            return image.resize(size, kernel, box=box)
        return resample(suited(image, DEEP), size, kernel, box)

    def _plan(self, size: Size, image: Image.Image | None = None) -> tuple[Size, Box]:
        """Return the resulting size and the part of the original that it shows, chosen by a look at the image."""
        width, height = size
        whole = (0.0, 0.0, float(width), float(height))
        scales = [side / now for side, now in ((self.width, width), (self.height, height)) if side]
        scale = min(scales) if self.mode == "fit" else max(scales)
        if self.mode == "fill":
            return self._filled(size, scale, image)
        if scale > 1 and not self.enlarge:
            return size, whole
        if self.mode == "exact" and self.width and self.height:
            return (self.width, self.height), whole
        return (_side(width * scale), _side(height * scale)), whole

    def _filled(self, size: Size, scale: float, image: Image.Image | None) -> tuple[Size, Box]:
        """Return the size of the box, or a smaller one alike, and the part that has its aspect ratio."""
        (width, height), box = size, (self.width or 1, self.height or 1)
        if scale > 1 and not self.enlarge:
            box, scale = (_side(box[0] / scale), _side(box[1] / scale)), 1
        shown_width, shown_height = min(box[0] / scale, width), min(box[1] / scale, height)
        fine = 1 if scale == 1 else 1000  # places are not rounded to whole pixels of the original, where it is scaled
        left, top = corner_of(
            focus(self.gravity, image, (shown_width / width, shown_height / height)),
            (width * fine, height * fine),
            (round(shown_width * fine), round(shown_height * fine)),
        )
        left_at, top_at = min(left / fine, width - shown_width), min(top / fine, height - shown_height)
        return box, (left_at, top_at, left_at + shown_width, top_at + shown_height)


def _side(length: float) -> int:
    return max(round(length), 1)
