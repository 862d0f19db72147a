"""``duotone``: two colours."""

from __future__ import annotations

from typing import ClassVar

from PIL import Image
from pydantic import Field

from imgray.operations.arguments import OpaqueColour, rgba
from imgray.operations.base import Tonal


class Duotone(Tonal):
    """Show the image in two colours and what is between them: dark parts in one, light parts in the other."""

    name: ClassVar[str] = "duotone"
    example: ClassVar[str] = "duotone:midnightblue,gold"
    group: ClassVar[str] = "colour"

    dark: OpaqueColour = Field(description="What black becomes.")
    light: OpaqueColour = Field(description="What white becomes.")

    def tone(self, colours: Image.Image) -> Image.Image:
        """Look luma up in a table for each channel."""
        grey = colours.convert("L")
        ends = zip(rgba(self.dark)[:3], rgba(self.light)[:3], strict=True)
        tables = [[round(dark + (light - dark) * level / 255) for level in range(256)] for dark, light in ends]
        return Image.merge("RGB", [grey.point(table) for table in tables])
