"""An image in a palette with one transparent colour, as GIF has it: exactly where it can be."""

from __future__ import annotations

import numpy as np
from PIL import Image

_COLOURS = 255  # of 256; the last one is transparent
_VISIBLE = 128  # alpha from which on a pixel is shown: those in between are edges, which would get a fringe
_BLACK = (0, 0, 0)
_BLOCK = 2**20  # pixels numbered at a time: NumPy takes numbers of eight bytes as indices


def with_palette(image: Image.Image) -> Image.Image:
    """Return an RGBA image in a palette, with every colour as it is if there are few enough.

    Args:
        image: RGBA; it is not changed.
    """
    hidden = image.getchannel("A").point([255] * _VISIBLE + [0] * (256 - _VISIBLE))
    colours = image.convert("RGB")
    colours.paste(_BLACK, mask=hidden)
    palette = _palette(colours, hidden.histogram()[-1])
    many = Image.Quantize.FASTOCTREE
    paletted = _in(palette, colours) if palette is not None else colours.quantize(_COLOURS, many)
    paletted.paste(_COLOURS, mask=hidden)
    paletted.info["transparency"] = _COLOURS
    return paletted


def _palette(colours: Image.Image, hidden: int) -> list[tuple[int, int, int]] | None:
    """Return the colours of an image, but not the black of so many hidden pixels; None if there are too many."""
    found: list[tuple[int, tuple[int, int, int]]] | None = colours.getcolors(_COLOURS + 1)  # type: ignore[assignment]
    palette = [colour for count, colour in found or () if (count, colour) != (hidden, _BLACK)]
    return palette if found is not None and len(palette) <= _COLOURS else None


def _in(palette: list[tuple[int, int, int]], colours: Image.Image) -> Image.Image:
    """Number the colours of an image. Pillow would, too, but takes colours for the same that are nearly so."""
    numbers = np.zeros(2**24, np.uint8)
    for number, (red, green, blue) in enumerate(palette):
        numbers[red | green << 8 | blue << 16] = number
    packed = np.frombuffer(colours.tobytes("raw", "RGBX"), "<u4")
    numbered = np.empty(packed.size, np.uint8)
    for start in range(0, packed.size, _BLOCK):
        numbered[start : start + _BLOCK] = numbers[packed[start : start + _BLOCK] & 0xFFFFFF]
    paletted = Image.fromarray(numbered.reshape(colours.height, colours.width), "L").convert("P")
    paletted.putpalette([level for colour in palette for level in colour])
    return paletted
