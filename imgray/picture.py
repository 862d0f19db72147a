"""A picture: what a decoder gives, operations change, and an encoder takes. Values only."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Self, TypeAlias

from PIL import Image

Size: TypeAlias = tuple[int, int]
"""Width and height, in pixels."""


@dataclass(frozen=True, slots=True)
class Source:
    """What the file said of itself.

    ``size`` is that of the upright image, ``mode`` Pillow's name for how the pixels are stored, ``frames`` how many the
    file has. ``exif`` (without orientation), ``icc`` and ``xmp`` are empty when there is none.
    """

    format: str
    size: Size
    mode: str
    frames: int = 1
    exif: bytes = b""
    icc: bytes = b""
    xmp: bytes = b""


@dataclass(frozen=True, slots=True)
class Picture:
    """An image, or an animation: frames of one size, each shown for a time.

    Attributes:
        frames: at least one.
        source: where it came from.
        durations_ms: for each frame.
        loop: how often an animation is shown, 0 is for ever; None when the file does not say.
        icc: the colour profile that describes the pixels; none is sRGB.
        full_size: the size it would have, had the decoder not reduced it for what comes next.
    """

    frames: tuple[Image.Image, ...]
    source: Source
    durations_ms: tuple[int, ...] = (0,)
    loop: int | None = None
    icc: bytes = b""
    full_size: Size = (0, 0)

    def __post_init__(self) -> None:
        if self.full_size == (0, 0):
            object.__setattr__(self, "full_size", self.size)

    @classmethod
    def of(cls, image: Image.Image) -> Self:
        """Make a picture of one image that comes from nowhere."""
        return cls((image,), Source("png", image.size, image.mode))

    @property
    def size(self) -> Size:
        """Width and height of each frame."""
        return self.frames[0].size

    @property
    def pixels(self) -> int:
        """How many pixels all frames have together."""
        width, height = self.size
        return width * height * len(self.frames)

    @property
    def animated(self) -> bool:
        """True when there is more than one frame."""
        return len(self.frames) > 1

    def limited(self, frames: int | None) -> Self:
        """Return the same picture with no more than so many frames; None: all of them."""
        if frames is None or frames >= len(self.frames):
            return self
        return replace(self, frames=self.frames[:frames], durations_ms=self.durations_ms[:frames])

    def with_frames(self, frames: Iterable[Image.Image]) -> Self:
        """Return the same picture with other pixels, in as many frames."""
        return replace(self, frames=tuple(frames), full_size=(0, 0))
