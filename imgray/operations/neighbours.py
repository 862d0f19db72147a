"""What lies around a pixel: kernels, extremes, and neighbours that cannot be seen. The filters share it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter
from pydantic import AfterValidator

from imgray.modes import has_alpha

SIDES = {9: 3, 25: 5}
"""The side of a square kernel, by how many numbers it has: those that Pillow takes."""

MAX_WINDOW = 99
"""Largest side of the square that is looked at."""


def _odd(size: int) -> int:
    if size % 2 == 0:
        raise ValueError(f"give an odd number, as {size - 1} or {size + 1}: a square with a pixel in its middle")
    return size


Window: TypeAlias = Annotated[int, AfterValidator(_odd)]
"""The side of a square around a pixel."""


def convolved(image: Image.Image, kernel: Sequence[float], scale: float, offset: float = 0) -> Image.Image:
    """Return an L or RGB image with a kernel of 9 or 25 weights laid on each pixel, also on those at the border."""
    side = SIDES[len(kernel)]
    # Pillow counts a kernel's rows from the bottom.
    rows = [weight for row in range(side, 0, -1) for weight in kernel[(row - 1) * side : row * side]]
    width, height = image.size
    margin = side // 2
    bordered = _bordered(image, margin).filter(ImageFilter.Kernel((side, side), rows, scale, offset))
    return bordered.crop((margin, margin, margin + width, margin + height))


def _bordered(image: Image.Image, margin: int) -> Image.Image:
    """Return the image with its outermost pixels repeated around it: Pillow's kernels leave the border as it is."""
    width, height = image.size[0] + 2 * margin, image.size[1] + 2 * margin
    canvas = Image.new(image.mode, (width, height))
    canvas.paste(image, (margin, margin))
    for left in range(margin):
        right = width - 1 - left
        canvas.paste(canvas.crop((margin, 0, margin + 1, height)), (left, 0))
        canvas.paste(canvas.crop((width - 1 - margin, 0, width - margin, height)), (right, 0))
    for top in range(margin):  # after the columns, so that the corners are filled
        bottom = height - 1 - top
        canvas.paste(canvas.crop((0, margin, width, margin + 1)), (0, top))
        canvas.paste(canvas.crop((0, height - 1 - margin, width, height - margin)), (0, bottom))
    return canvas


def on_visible(image: Image.Image, change: Callable[[Image.Image], Image.Image]) -> Image.Image:
    """Change each colour channel of an image in `TONES` by what is around its pixels, and keep alpha.

    What is fully transparent takes on the colours around it: it shows no edge and lends no colour of its own.

    Args:
        image: L, LA, RGB or RGBA.
        change: gets a channel as L, and returns L of the same size.
    """
    names = image.mode.removesuffix("A")
    if not has_alpha(image):
        return Image.merge(image.mode, [change(image.getchannel(name)) for name in names])
    alpha = image.getchannel("A")
    known = _opaque_where(alpha)
    return Image.merge(image.mode, [*(change(_filled_in(image.getchannel(name), known)) for name in names), alpha])


def _filled_in(levels: Image.Image, known: Image.Image) -> Image.Image:
    """Return a channel, where it is known, laid on a coarser copy of itself, and that on a coarser one yet.

    This is the pull-push of Gortler and others, "The Lumigraph" (SIGGRAPH 1996): it reaches any distance in few passes.

    Args:
        levels: an L image.
        known: a mask of the same size, of 0 and 255 only.
    """
    if levels.size == (1, 1) or known.getextrema() == (255, 255):
        return levels
    coarse = Image.merge("LA", [levels, known]).reduce(2)
    filled = _filled_in(coarse.getchannel("L"), _opaque_where(coarse.getchannel("A")))
    filled = filled.resize(levels.size, Image.Resampling.BILINEAR)
    filled.paste(levels, mask=known)
    return filled


def _opaque_where(alpha: Image.Image) -> Image.Image:
    """Return a mask of what is visible, be it ever so little."""
    return alpha.point(lambda level: 255 if level else 0)


def extreme(image: Image.Image, size: int, pick: np.ufunc, neutral: Literal["black", "white"]) -> Image.Image:
    """Return the minimum or maximum of each square of an image in `DEEP`.

    Args:
        image: the image; what is fully transparent in it counts for nothing.
        size: side of the square, odd.
        pick: `numpy.minimum` or `numpy.maximum`.
        neutral: the colour that loses against every other.
    """
    if not has_alpha(image):
        return _windowed(image, size, pick)
    alpha = image.getchannel("A")
    hidden = alpha.point(lambda level: 0 if level else 255)
    channels = [image.getchannel(name) for name in image.mode.removesuffix("A")]
    for channel in channels:
        channel.paste(neutral, mask=hidden)
    return Image.merge(image.mode, [*(_windowed(channel, size, pick) for channel in channels), alpha])


def _windowed(image: Image.Image, size: int, pick: np.ufunc) -> Image.Image:
    """Look along columns, then along rows: unlike Pillow's own filter, which looks at every pixel of the square."""
    levels: npt.NDArray[Any] = np.asarray(image)
    for axis in (0, 1):
        levels = _along(levels, axis, size, pick)
    return Image.fromarray(levels)


def _along(levels: npt.NDArray[Any], axis: int, size: int, pick: np.ufunc) -> npt.NDArray[Any]:
    """Return the extremes of runs along an axis; those of long runs come from those of two shorter ones."""
    margin = [(size // 2, size // 2) if axis == own else (0, 0) for own in range(levels.ndim)]
    runs = np.moveaxis(np.pad(levels, margin, mode="edge"), axis, 0)
    length = 1
    while length < size:
        step = min(length, size - length)
        runs = pick(runs[:-step], runs[step:])
        length += step
    return np.moveaxis(runs, 0, axis)
