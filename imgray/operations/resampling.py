"""Resampling as products of matrices: what Pillow's `resize` does, in half of its time.

A row of the result is a weighted sum of rows, and then a column one of columns. Pillow adds up pixel by pixel. Here
some rows at a time are the product of a small matrix of weights and of the rows that they depend on, for which NumPy
has vector instructions. The weights are Pillow's. Between the two directions nothing is rounded or clipped, so levels
differ from Pillow's by one here and there, and at hard edges by a few.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image

from imgray.picture import Size

Box: TypeAlias = tuple[float, float, float, float]
"""Left, top, right and bottom, in pixels."""

Levels: TypeAlias = npt.NDArray[np.float64]
Floats: TypeAlias = npt.NDArray[np.float32]

REDUCING_GAP = 3.0
"""Pillow's documented value for a result that is hardly distinguishable from a full resampling."""

_LEAST_PIXELS = 2**14  # of the image: smaller ones take Pillow no longer than NumPy takes to be called
_STRIP_ROWS = 256  # of the result, that are made at a time: bounds the memory
_ROWS = 8  # of the result in one product: with more, more of its weights are 0
_COLUMNS = 32
_REMEMBERED = 16  # lists of weights, which take some 150 bytes for each row or column of their image
_MODES = frozenset({"L", "RGB"})
_ENOUGH = 256  # rows and columns of matrices whose product takes OpenBLAS all the memory that it ever needs


def _lanczos(at: Levels) -> Levels:
    return np.where(np.abs(at) < 3, np.sinc(at) * np.sinc(at / 3), 0.0)  # noqa: PLR2004  # its support


def _bicubic(at: Levels) -> Levels:
    x = np.abs(at)
    inner, outer = (1.5 * x - 2.5) * x * x + 1, ((-0.5 * x + 2.5) * x - 4) * x + 2
    return np.where(x < 1, inner, np.where(x < 2, outer, 0.0))  # noqa: PLR2004  # its support


def _bilinear(at: Levels) -> Levels:
    return np.where(np.abs(at) < 1, 1 - np.abs(at), 0.0)


def _box(at: Levels) -> Levels:
    return np.where((at > -0.5) & (at <= 0.5), 1.0, 0.0)  # noqa: PLR2004  # its support


class _Kernel(NamedTuple):
    weight: Callable[[Levels], Levels]
    support: float  # beyond which weights are 0


_KERNELS = {
    Image.Resampling.LANCZOS: _Kernel(_lanczos, 3.0),
    Image.Resampling.BICUBIC: _Kernel(_bicubic, 2.0),
    Image.Resampling.BILINEAR: _Kernel(_bilinear, 1.0),
    Image.Resampling.BOX: _Kernel(_box, 0.5),
}


def prepare() -> None:
    """Take the memory in which products are made, while there is some: OpenBLAS ends a process that has none left."""
    square = np.ones((_ENOUGH, _ENOUGH), np.float32)
    np.matmul(square, square)


def resample(image: Image.Image, size: Size, kernel: Image.Resampling, box: Box) -> Image.Image:
    """Scale the part of an image that lies in a box.

    Args:
        image: of any mode that Pillow resamples.
        size: width and height of the result, in pixels.
        kernel: how pixels are mixed.
        box: the part, within the image.
    """
    if _suits(image, size, kernel, box):
        return resample_by_products(image, size, kernel, box)
    gap = None if image.mode.startswith("I;16") else REDUCING_GAP
    return image.resize(size, kernel, box=box, reducing_gap=gap)


def _suits(image: Image.Image, size: Size, kernel: Image.Resampling, box: Box) -> bool:
    factor = max((box[2] - box[0]) / size[0], (box[3] - box[1]) / size[1])
    enough = image.width * image.height >= _LEAST_PIXELS
    return enough and image.mode in _MODES and kernel in _KERNELS and factor < 2 * REDUCING_GAP


class _Sums(NamedTuple):
    """Some places of the result as weighted sums: which, of which places, and the weights, a row for each."""

    start: int
    end: int
    first: int
    last: int
    weights: Floats


@lru_cache(_REMEMBERED)
def _sums(length: int, part: tuple[float, float], count: int, step: int, kernel: Image.Resampling) -> tuple[_Sums, ...]:
    """Scale a part of a line of so many places to ``count`` places, and list ``step`` of them at a time."""
    weight, support = _KERNELS[kernel]
    start, end = (np.float32(edge) for edge in part)  # as Pillow has them, which decides at edges
    scale = float(end - start) / count
    spread = max(scale, 1.0)
    centres = float(start) + (np.arange(count) + 0.5) * scale
    firsts = np.maximum((centres - support * spread + 0.5).astype(int), 0)
    lasts = np.minimum((centres + support * spread + 0.5).astype(int), length)
    places = firsts[:, None] + np.arange(math.ceil(2 * support * spread) + 1)
    weights = weight((places - centres[:, None] + 0.5) * (1 / spread)) * (places < lasts[:, None])
    weights /= weights.sum(1, keepdims=True)

    def listed() -> Iterator[_Sums]:
        for at in range(0, count, step):
            some = slice(at, min(at + step, count))
            first, last = int(firsts[at]), int(lasts[some.stop - 1])
            wide: Floats = np.zeros((some.stop - at, last - first + places.shape[1]), np.float32)
            np.put_along_axis(wide, places[some] - first, weights[some].astype(np.float32), axis=1)
            yield _Sums(at, some.stop, first, last, wide[:, : last - first])

    return tuple(listed())


def resample_by_products(image: Image.Image, size: Size, kernel: Image.Resampling, box: Box) -> Image.Image:
    """Do what `resample` does, for 8-bit levels without alpha and any kernel but the nearest pixel."""
    left, top, right, bottom = box
    down = _sums(image.height, (top, bottom), size[1], _ROWS, kernel)
    across = _sums(image.width, (left, right), size[0], _COLUMNS, kernel)
    result = Image.new(image.mode, size)
    result.info = image.info.copy()
    per_strip = _STRIP_ROWS // _ROWS
    for number in range(math.ceil(len(down) / per_strip)):
        sums = down[number * per_strip : (number + 1) * per_strip]
        strip = image.crop((0, sums[0].first, image.width, sums[-1].last))
        bands = [Image.fromarray(_strip(np.asarray(band), sums, across)) for band in strip.split()]
        result.paste(Image.merge(image.mode, bands), (0, sums[0].start))
    return result


def _strip(levels: npt.NDArray[np.uint8], down: Sequence[_Sums], across: Sequence[_Sums]) -> npt.NDArray[np.uint8]:
    """Resample one band of the rows that some rows of the result depend on."""
    top, above = down[0].start, down[0].first
    lower: Floats = np.empty((down[-1].end - top, levels.shape[1]), np.float32)
    for some in down:
        used = levels[some.first - above : some.last - above].astype(np.float32)
        np.matmul(some.weights, used, out=lower[some.start - top : some.end - top])
    narrower: Floats = np.empty((len(lower), across[-1].end), np.float32)
    for some in across:
        np.matmul(lower[:, some.first : some.last], some.weights.T, out=narrower[:, some.start : some.end])
    return (np.clip(narrower, 0, 255, out=narrower) + np.float32(0.5)).astype(np.uint8)
