"""Room around an image: a canvas of one colour, or the image's own edges drawn out. Several operations share it."""

from __future__ import annotations

from PIL import Image

from imgray.modes import DEEP, DEPTH_RATIO, TONES, has_alpha, suited
from imgray.operations.arguments import OPAQUE, Colour, rgba
from imgray.picture import Size


def on_colour(image: Image.Image, size: Size, corner: tuple[int, int], colour: Colour) -> Image.Image:
    """Return the image in new room of a colour; grey stays grey, in 16 bits too, where the colour allows it.

    Args:
        image: in any mode.
        size: with the new room.
        corner: left and top of the image in it.
        colour: that of the new room.
    """
    deep = suited(image, DEEP)
    red, green, blue, alpha = rgba(colour)
    if deep.mode == "I;16" and red == green == blue and alpha == OPAQUE:
        canvas = Image.new("I;16", size, red * DEPTH_RATIO)
    else:
        deep = suited(deep, TONES)
        canvas = canvas_of(mode_for(deep, colour), size, colour)
    canvas.paste(deep.convert(canvas.mode), corner)
    return canvas


def mode_for(image: Image.Image, colour: Colour) -> str:
    """Name the mode, one of `TONES`, that holds an image of another of them together with a colour."""
    red, green, blue, alpha = rgba(colour)
    grey = image.mode in {"L", "LA"} and (alpha == 0 or red == green == blue)
    return ("L" if grey else "RGB") + ("A" if has_alpha(image) or alpha < OPAQUE else "")


def canvas_of(mode: str, size: Size, colour: Colour) -> Image.Image:
    """Return an image of one colour, in a mode that `mode_for` named."""
    red, green, blue, alpha = rgba(colour)
    channels = (red,) if mode in {"L", "LA"} else (red, green, blue)
    return Image.new(mode, size, (*channels, alpha) if mode in {"LA", "RGBA"} else channels)


def extended(image: Image.Image, size: Size, corner: tuple[int, int]) -> Image.Image:
    """Return the image in new room that shows its outermost columns and rows, drawn out."""
    (width, height), (left, top) = size, corner
    right, bottom = left + image.width, top + image.height
    whole = with_room(image, size, corner)
    _draw_out(whole, (left, top, left + 1, bottom), (0, top, left, bottom))
    _draw_out(whole, (right - 1, top, right, bottom), (right, top, width, bottom))
    _draw_out(whole, (0, top, width, top + 1), (0, 0, width, top))
    _draw_out(whole, (0, bottom - 1, width, bottom), (0, bottom, width, height))
    return whole


def with_room(image: Image.Image, size: Size, corner: tuple[int, int]) -> Image.Image:
    """Return the image in the new room, in its own mode and palette."""
    left, top = corner
    return image.crop((-left, -top, size[0] - left, size[1] - top))


def _draw_out(image: Image.Image, line: tuple[int, int, int, int], box: tuple[int, int, int, int]) -> None:
    size = (box[2] - box[0], box[3] - box[1])
    if min(size) > 0:
        image.paste(image.crop(line).resize(size, Image.Resampling.NEAREST), box)
