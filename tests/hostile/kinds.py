"""What may become of a hostile file."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from imgray.errors import ImageCorruptError, ImageError, ImageTruncatedError


@dataclass(frozen=True)
class Hostile:
    """A file.

    Attributes:
        data: its bytes.
        errors: what it may give.
        image: it may be an image after all.
        at_the_door: it is refused already by a look at its parts.
    """

    data: bytes
    errors: tuple[type[ImageError], ...] = ()
    image: bool = False
    at_the_door: bool = False


DAMAGED = (ImageCorruptError, ImageTruncatedError)


def refused(data: bytes, *errors: type[ImageError]) -> Hostile:
    """A file that is refused at the door."""
    return Hostile(data, errors or DAMAGED, at_the_door=True)


def found(data: bytes, *errors: type[ImageError]) -> Hostile:
    """A file of which only the decoder finds that it is none."""
    return Hostile(data, errors or DAMAGED)


def taken(data: bytes) -> Hostile:
    """A file that is an image all the same."""
    return Hostile(data, image=True)


def either(data: bytes) -> Hostile:
    """A file of which a decoder may make something, or not."""
    return Hostile(data, DAMAGED, image=True)


def noise(size: int, seed: int = 7) -> bytes:
    return np.random.default_rng(seed).integers(0, 256, size, dtype=np.uint8).tobytes()
