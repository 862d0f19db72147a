"""Seeing an image through a projection: smooth, without rims, averaged where it gets smaller. Operations share it."""

from __future__ import annotations

import math
from collections.abc import Sequence

from PIL import Image, ImageChops

from imgray.modes import TONES, has_alpha, premultiplied, suited
from imgray.operations.arguments import OPAQUE, Colour, rgba
from imgray.operations.canvas import canvas_of, extended, mode_for
from imgray.picture import Size


def warped(image: Image.Image, size: Size, coefficients: Sequence[float], background: Colour) -> Image.Image:
    """Return the image as seen through a projection. It only gets alpha where something beside it is to be seen.

    Args:
        image: in one of `DEEP`.
        size: that of the result.
        coefficients: a to h; the point x, y of the result shows (a x + b y + c) / (g x + h y + 1),
            (d x + e y + f) / (g x + h y + 1) of the image.
        background: what lies beside the image.
    """
    factors = _shrinkage(image.size, size, coefficients)
    if _covers(image.size, size, coefficients):
        data = _on_reduced(coefficients, factors, margin=0)
        if image.mode == "I;16":  # which Pillow does not mix; more bits it does
            return _seen(_reduced(image.convert("I"), factors), size, data).convert("I;16")
        return premultiplied(image, lambda plain: _seen(_reduced(plain, factors), size, data))
    tones = suited(image, TONES)
    layer = _cut_out(tones, size, coefficients, factors)
    if rgba(background)[3] == 0:
        return layer
    canvas = canvas_of("RGBA", size, background)
    canvas.alpha_composite(layer.convert("RGBA"))
    return canvas.convert(mode_for(tones, background))


def _cut_out(image: Image.Image, size: Size, coefficients: Sequence[float], factors: tuple[int, int]) -> Image.Image:
    """Return the image as seen on nothing.

    How much of each pixel it covers is found apart: were its edge mixed with transparent pixels by a cubic, which
    overshoots, it would get a bright rim.
    """
    data = _on_reduced(coefficients, factors, margin=1)

    def with_margin(plain: Image.Image) -> Image.Image:
        small = _reduced(plain, factors)
        return _seen(extended(small, (small.width + 2, small.height + 2), (1, 1)), size, data)

    layer = premultiplied(image, with_margin)
    width, height = (math.ceil(side / factor) for side, factor in zip(image.size, factors, strict=True))
    whole = Image.new("L", (width, height), OPAQUE).crop((-1, -1, width + 1, height + 1))
    cover = whole.transform(size, Image.Transform.PERSPECTIVE, data, Image.Resampling.BILINEAR)
    layer.putalpha(ImageChops.multiply(layer.getchannel("A"), cover) if has_alpha(layer) else cover)
    return layer


def _source_of(x: float, y: float, coefficients: Sequence[float]) -> tuple[float, float]:
    a, b, c, d, e, f, g, h = coefficients
    scale = g * x + h * y + 1
    return (a * x + b * y + c) / scale, (d * x + e * y + f) / scale


def _covers(source: Size, size: Size, coefficients: Sequence[float]) -> bool:
    """Say whether the result shows nothing beside the image; so it is when its corners lie in it."""
    corners = [_source_of(x, y, coefficients) for x in (0, size[0]) for y in (0, size[1])]
    slack = 1e-6
    return all(-slack <= at <= length + slack for corner in corners for at, length in zip(corner, source, strict=True))


def _shrinkage(source: Size, size: Size, coefficients: Sequence[float]) -> tuple[int, int]:
    """Return how many pixels across and down are to be averaged beforehand, as they come to lie in one.

    Measured in the middle of the result: the derivatives there of the source's x and y, inverted, say how long the
    source's pixels become.
    """
    a, b, _, d, e, _, g, h = coefficients
    x, y = size[0] / 2, size[1] / 2
    u, v = _source_of(x, y, coefficients)
    scale = g * x + h * y + 1
    by_x, by_y = ((a - u * g) / scale, (d - v * g) / scale), ((b - u * h) / scale, (e - v * h) / scale)
    area = abs(by_x[0] * by_y[1] - by_x[1] * by_y[0])
    across, down = area / math.hypot(by_x[1], by_y[1]), area / math.hypot(by_x[0], by_y[0])
    slack = 1e-6  # 9.999… is 10
    return min(max(int(across + slack), 1), source[0]), min(max(int(down + slack), 1), source[1])


def _on_reduced(coefficients: Sequence[float], factors: tuple[int, int], margin: int) -> tuple[float, ...]:
    """Return the coefficients for an image that was reduced, and then got a margin."""
    a, b, c, d, e, f, g, h = coefficients
    across, down = factors
    return (
        *(one / across + margin * more for one, more in zip((a, b, c), (g, h, 1), strict=True)),
        *(one / down + margin * more for one, more in zip((d, e, f), (g, h, 1), strict=True)),
        g,
        h,
    )


def _reduced(image: Image.Image, factors: tuple[int, int]) -> Image.Image:
    return image if factors == (1, 1) else image.reduce(factors)


def _seen(image: Image.Image, size: Size, data: tuple[float, ...]) -> Image.Image:
    return image.transform(size, Image.Transform.PERSPECTIVE, data, Image.Resampling.BICUBIC)
