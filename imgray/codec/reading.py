"""How an image is to be read, and what its file says of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Reading:
    """How an image is to be read.

    Attributes:
        frames: how many frames of an animation; None for all.
        orient: turn the image upright by its EXIF orientation.
        colour: bring the colours to sRGB, or keep them with their profile.
        partial: take what there is of a truncated image; the rest is black or transparent. Of WebP, AVIF, HEIC and JPEG
            XL there is nothing before all is there.
    """

    frames: int | None = None
    orient: bool = True
    colour: Literal["srgb", "keep"] = "srgb"
    partial: bool = False

    def wanted(self, frames: int) -> int:
        """Return how many of so many frames are to be read."""
        return frames if self.frames is None else min(frames, self.frames)


WHOLE = Reading()
"""Everything, as it is meant to be seen."""


@dataclass(frozen=True, slots=True)
class ImageInfo:
    """What an image file says of itself; the size is that before it is turned upright."""

    format: str
    width: int
    height: int
    frames: int = 1

    @property
    def pixels(self) -> int:
        """Width times height, in all frames."""
        return self.width * self.height * self.frames
