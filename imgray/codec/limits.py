"""What an image may ask of a decoder, and of the operations after it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from imgray.errors import (
    MetadataTooLargeError,
    TooManyFramesError,
    TooManyPixelsError,
    TooManyScansError,
    TooWideError,
)
from imgray.picture import Size
from imgray.settings import Settings

MAX_SCANS = 256
"""Scans of a progressive JPEG, each of which costs a pass over all pixels; encoders make about ten."""


@dataclass(frozen=True, slots=True)
class ImageLimits:
    """The settings of the same names, as far as they concern one image. Each check comes before the memory it saves."""

    max_pixels: int = 50_000_000
    max_side: int = 65_535
    max_frames: int = 1_000
    max_metadata_bytes: int = 4 * 2**20

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Take them from the settings."""
        return cls(settings.max_pixels, settings.max_side, settings.max_frames, settings.max_metadata_bytes)

    def check_size(self, size: Size, frames: int = 1) -> None:
        """Refuse what has too many pixels, in all its frames together, or too long a side.

        Raises:
            TooManyPixelsError, TooWideError, TooManyFramesError: it is over a limit.
        """
        width, height = size
        if max(size) > self.max_side:
            raise TooWideError(width, height, self.max_side)
        self.check_frames(frames)
        if width * height * frames > self.max_pixels:
            raise TooManyPixelsError(width, height, self.max_pixels, frames)

    def check_frames(self, frames: int) -> None:
        """Refuse an animation that is too long.

        Raises:
            TooManyFramesError: it is over the limit.
        """
        if frames > self.max_frames:
            raise TooManyFramesError(frames, self.max_frames)

    def check_metadata(self, size_bytes: int) -> None:
        """Refuse a file that is mostly something else than an image.

        Raises:
            MetadataTooLargeError: it is over the limit.
        """
        if size_bytes > self.max_metadata_bytes:
            raise MetadataTooLargeError(size_bytes, self.max_metadata_bytes)

    def check_scans(self, scans: int) -> None:
        """Refuse a JPEG that makes the decoder pass over the pixels again and again.

        Raises:
            TooManyScansError: it is over `MAX_SCANS`.
        """
        if scans > MAX_SCANS:
            raise TooManyScansError(scans, MAX_SCANS)
