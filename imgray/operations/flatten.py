"""``flatten``: lay on a colour."""

from __future__ import annotations

from typing import ClassVar

from PIL import Image
from pydantic import Field

from imgray.modes import as_rgb, has_alpha
from imgray.modes import flatten as laid_on
from imgray.operations.arguments import OpaqueColour, rgba
from imgray.operations.base import Operation


class Flatten(Operation):
    """Lay the image on a colour: the result is opaque. An image without transparency stays as it is."""

    name: ClassVar[str] = "flatten"
    example: ClassVar[str] = "opacity:0.5/flatten:skyblue"
    group: ClassVar[str] = "colour"

    background: OpaqueColour = Field(default="ffffff", description="The colour behind the image.")

    def apply(self, image: Image.Image) -> Image.Image:
        """Lay what has alpha on the colour; grey on grey stays grey."""
        if not has_alpha(image) and not image.has_transparency_data:
            return image
        rgb = as_rgb(image)
        if rgb.mode == "RGB":
            return rgb
        red, green, blue, _ = rgba(self.background)
        flat = laid_on(rgb, (red, green, blue))
        return flat.convert("L") if image.mode == "LA" and red == green == blue else flat
