"""A frame of an animation as it is stored: a part of the picture, and what becomes of the rest of it."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Blend(enum.Enum):
    """How a frame comes onto what is there."""

    REPLACE = enum.auto()
    OVER = enum.auto()


class Disposal(enum.Enum):
    """What becomes of a frame's place after it was shown."""

    KEEP = enum.auto()
    CLEAR = enum.auto()
    RESTORE = enum.auto()


@dataclass(frozen=True, slots=True)
class StoredFrame:
    """A frame.

    Attributes:
        data: an image file with this frame alone.
        format: Pillow's name of its format.
        at: where its left upper corner comes.
        blend: how it comes there.
        disposal: what follows.
        duration_ms: how long it is shown.
    """

    data: bytes
    format: str
    at: tuple[int, int]
    blend: Blend
    disposal: Disposal
    duration_ms: int
