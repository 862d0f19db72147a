"""``sepia``: brown, as an old photograph."""

from __future__ import annotations

from typing import ClassVar

from PIL import Image
from pydantic import Field

from imgray.modes import COLOURS
from imgray.operations.base import Tonal
from imgray.operations.matrix import IDENTITY, blended, mixed

_SEPIA = ((0.393, 0.769, 0.189), (0.349, 0.686, 0.168), (0.272, 0.534, 0.131))
"""From the W3C's Filter Effects Module Level 1, ``sepia()``."""


class Sepia(Tonal):
    """Turn the colours brown, as on an old photograph; an amount below 1 goes part of the way."""

    name: ClassVar[str] = "sepia"
    example: ClassVar[str] = "sepia"
    group: ClassVar[str] = "colour"
    modes: ClassVar[frozenset[str]] = COLOURS

    amount: float = Field(default=1, ge=0, le=1, description="0 leaves the image as it is, 1 is all brown.")

    def tone(self, colours: Image.Image) -> Image.Image:
        """Mix the channels."""
        return mixed(colours, blended(IDENTITY, _SEPIA, self.amount))
