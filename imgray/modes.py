"""Pixel modes: sets of Pillow's modes that code is written for, and the way from one to another without needless loss.

Levels are scaled between bit depths, never clipped; transparency is kept wherever the other mode can hold it.
"""

from __future__ import annotations

from collections.abc import Callable

from PIL import Image

EVERY = frozenset({"1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "I;16", "I", "F"})
"""What `imgray.codec.decode` gives, and operations that only move pixels take as it is."""

DEEP = frozenset({"L", "LA", "RGB", "RGBA", "I;16"})
"""Levels that may be averaged or looked up, in 8 bits or, for grey, in 16."""

TONES = frozenset({"L", "LA", "RGB", "RGBA"})
"""8-bit grey or colour, with or without alpha."""

GREYS = frozenset({"1", "L", "I", "F", "I;16"})
"""Grey without alpha: red, green and blue are one and the same."""

COLOURS = frozenset({"RGB", "RGBA"})
"""8-bit colour, with or without alpha."""

DEPTH_RATIO = 257
"""Of 16-bit to 8-bit levels: 65535 / 255."""

_PREMULTIPLIED = {"LA": "La", "RGBA": "RGBa"}


def suited(image: Image.Image, modes: frozenset[str]) -> Image.Image:
    """Return the image in one of the modes, the same object when it is in one already.

    Args:
        image: in any mode.
        modes: one of the sets above.
    """
    if image.mode in modes:
        return image
    if image.mode in {"P", "PA", "CMYK"} or image.mode not in EVERY:
        return as_rgb(image)
    grey = _to_8_bit(image) if image.mode not in TONES else image
    return grey if grey.mode in modes else as_rgb(grey)


def as_rgb(image: Image.Image) -> Image.Image:
    """Return the image as RGB, or as RGBA when it has transparency; the same object when it already is."""
    if image.mode in COLOURS:
        return image
    if image.mode.startswith("I;16") or image.mode in {"I", "F"}:
        return _to_8_bit(image).convert("RGB")
    return image.convert("RGBA" if image.has_transparency_data else "RGB")


def has_alpha(image: Image.Image) -> bool:
    """Say whether the image has a band of alpha."""
    return image.mode in {"LA", "RGBA", "PA", "La", "RGBa"}


def on_colours(image: Image.Image, change: Callable[[Image.Image], Image.Image]) -> Image.Image:
    """Change the colours of an image in `TONES` and keep its alpha.

    Args:
        image: L, LA, RGB or RGBA.
        change: gets L or RGB, and returns L or RGB of the same size.
    """
    if not has_alpha(image):
        return change(image)
    changed = change(image.convert(image.mode.removesuffix("A")))
    changed.putalpha(image.getchannel("A"))
    return changed


def premultiplied(image: Image.Image, change: Callable[[Image.Image], Image.Image]) -> Image.Image:
    """Mix neighbouring pixels of an image in `TONES` such that what is transparent lends no colour.

    Args:
        image: L, LA, RGB or RGBA.
        change: gets L, La, RGB or RGBa, and returns the same mode.
    """
    if not has_alpha(image):
        return change(image)
    return change(image.convert(_PREMULTIPLIED[image.mode])).convert(image.mode)


def flatten(image: Image.Image, colour: tuple[int, int, int] = (255, 255, 255)) -> Image.Image:
    """Lay an RGBA image on a colour; the result is RGB."""
    canvas = Image.new("RGB", image.size, colour)
    canvas.paste(image, mask=image.getchannel("A"))
    return canvas


def lay(image: Image.Image, layer: Image.Image, at: tuple[int, int]) -> Image.Image:
    """Return an image with a layer over it; its mode is kept (source-over of Porter and Duff, 1984).

    Args:
        image: L, LA, RGB or RGBA; it is not changed.
        layer: RGBA, no part of it outside the image.
        at: where the layer's left upper corner comes.
    """
    if not has_alpha(image):
        laid = image.copy()
        laid.paste(layer.convert(image.mode), at, layer.getchannel("A"))
        return laid
    laid = image.convert("RGBA")
    laid.alpha_composite(layer, at)
    return laid if laid.mode == image.mode else laid.convert(image.mode)


def _to_8_bit(image: Image.Image) -> Image.Image:
    """Scale grey levels to 8 bits; Pillow's own conversion clips 16-bit ones instead. Floats are taken as 0 to 255."""
    if image.mode in {"1", "F"}:
        return image.convert("L")
    return image.convert("I").point(lambda level: level * (1 / DEPTH_RATIO) + 0.5).convert("L")
