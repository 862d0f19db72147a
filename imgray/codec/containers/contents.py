"""What a walk over the parts of a file finds, and what keeps it short."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from imgray.errors import ImageCorruptError, ImageTruncatedError
from imgray.picture import Size

Part = TypeVar("Part")

_ANY_FILE_PARTS = 100_000
_PART_BYTES = 64  # on average, at the least: those of a GIF's pixels are the smallest, with 255


@dataclass(frozen=True, slots=True)
class Contents:
    """What a walk found.

    Attributes:
        size: width and height as stored, before the image is turned upright.
        largest: of all pictures that a decoder makes room for; that of the image, if not said otherwise.
        frames: that are shown one after the other.
        metadata_bytes: how much of the file, once decompressed, is no pixels.
        scans: of a JPEG.
        missing: why the end seems not to be there.
    """

    size: Size
    largest: Size = (0, 0)
    frames: int = 1
    metadata_bytes: int = 0
    scans: int = 1
    missing: str = ""

    def __post_init__(self) -> None:
        if self.size[0] * self.size[1] > self.largest[0] * self.largest[1]:
            object.__setattr__(self, "largest", self.size)

    def check_whole(self) -> None:
        """Refuse a file whose end is missing.

        Raises:
            ImageTruncatedError: it is.
        """
        if self.missing:
            raise ImageTruncatedError(self.missing)


class Budget:
    """How many parts a file may have: one with many more than its size explains is meant to keep a reader busy."""

    def __init__(self, size_bytes: int) -> None:
        self._most = self._left = _ANY_FILE_PARTS + size_bytes // _PART_BYTES

    def spend(self) -> None:
        """Count a part.

        Raises:
            ImageCorruptError: there are too many.
        """
        self._left -= 1
        if self._left < 0:
            raise ImageCorruptError(f"it has more than {self._most:,} parts")


def bounded(parts: Iterable[Part], size_bytes: int) -> Iterator[Part]:
    """Yield the parts of a file, within its budget.

    Raises:
        ImageCorruptError: there are too many.
    """
    budget = Budget(size_bytes)
    for part in parts:
        budget.spend()
        yield part
