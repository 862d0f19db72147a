"""``invert``: the negative."""

from __future__ import annotations

from typing import ClassVar

from imgray.operations.base import Curve


class Invert(Curve):
    """Make the negative: black becomes white, each colour its complement. Inverting twice gives the image back."""

    name: ClassVar[str] = "invert"
    example: ClassVar[str] = "invert"
    group: ClassVar[str] = "colour"

    def level(self, level: float) -> float:
        """Return what is missing to white."""
        return 1 - level
