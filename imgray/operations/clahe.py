"""``clahe``: contrast that adapts to each part of the image."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any, ClassVar, TypeAlias

import numpy as np
from PIL import Image, ImageChops
from pydantic import Field

from imgray.modes import DEEP, DEPTH_RATIO, TONES, has_alpha, on_colours, suited
from imgray.operations.base import Change, Operation

Floats: TypeAlias = np.ndarray[Any, np.dtype[np.float64]]
Levels: TypeAlias = np.ndarray[Any, np.dtype[Any]]
"""Of 8 or of 16 bits."""

_LEVELS = 256
_TOP = 255
_KNOTS = np.arange(_LEVELS) * DEPTH_RATIO
_HALVINGS = 24
_BLOCK = 256  # pixels along each side worked on at a time, so that memory stays small


class Clahe(Operation):
    """Raise the contrast in each part of the image by as much as that part needs.

    The image is divided into tiles. Each has its levels equalized, as far as that makes the contrast of no level more
    than ``clip`` times what it was; between the middles of tiles, the results are mixed. Of colours, only luma
    changes; 16-bit grey stays 16-bit. Contrast limited adaptive histogram equalization: S. M. Pizer and others, 1987;
    K. Zuiderveld, 1994.
    """

    name: ClassVar[str] = "clahe"
    example: ClassVar[str] = "clahe:4,4"
    group: ClassVar[str] = "colour"
    modes: ClassVar[frozenset[str]] = DEEP

    clip: float = Field(default=2, ge=1, le=_LEVELS, description="1 leaves the image as it is, 256 sets no limit.")
    tiles: int = Field(default=8, ge=1, le=16, description="How many tiles there are along each side.")

    def decide(self, first: Image.Image) -> Change:
        """Make a curve for each tile."""
        rows, columns = _edges(first.height, self.tiles), _edges(first.width, self.tiles)
        curves = _curves(_counts(first, rows, columns), self.clip)
        down, across = _places(rows), _places(columns)

        def change(image: Image.Image) -> Image.Image:
            if image.mode == "I;16":
                return Image.fromarray(_bent(np.asarray(image), curves, down, across))
            return on_colours(image, lambda colours: _with_luma(colours, curves, down, across))

        return change

    def apply(self, image: Image.Image) -> Image.Image:
        """Change one image by its own levels."""
        return self.decide(image)(image)


def _edges(side: int, tiles: int) -> list[int]:
    """Return where tiles begin, and where the last one ends; none is empty."""
    tiles = min(tiles, side)
    return [round(side * tile / tiles) for tile in range(tiles + 1)]


def _places(edges: list[int]) -> Floats:
    """Return for each pixel along a side which tile's middle it is at: 1.5 is half way from the second to the third."""
    middles = [(first + last - 1) / 2 for first, last in pairwise(edges)]
    return np.interp(np.arange(edges[-1]), middles, np.arange(len(middles)))


def _counts(image: Image.Image, rows: list[int], columns: list[int]) -> Floats:
    """Count the levels of luma in each tile; what is wholly transparent does not count."""
    tones = suited(image, TONES)
    luma = tones.convert("L")
    seen = tones.getchannel("A") if has_alpha(tones) else None

    def counted(box: tuple[int, int, int, int]) -> list[int]:
        return luma.crop(box).histogram(seen.crop(box) if seen else None)

    return np.array(
        [[counted((left, top, right, low)) for left, right in pairwise(columns)] for top, low in pairwise(rows)],
        np.float64,
    )


def _curves(counts: Floats, clip: float) -> Floats:
    """Return for each tile the new level, from 0 to 255, of each level.

    What is above a limit is cut off and spread evenly; the limit is sought such that with this, too, no count is above
    ``clip`` times the mean (Pizer and others, section 3). A level's place is the sum of what is darker and half of its
    own, so that a negative gets the negative's curve.
    """
    counts[counts.sum(axis=2) == 0] = 1
    ceiling = counts.mean(axis=2, keepdims=True) * clip
    limit, above = np.zeros_like(ceiling), ceiling
    for _ in range(_HALVINGS):
        middle = (limit + above) / 2
        fits = middle + _cut_off(counts, middle) <= ceiling
        limit, above = np.where(fits, middle, limit), np.where(fits, above, middle)
    counts = np.minimum(counts, limit) + _cut_off(counts, limit)
    steps = (counts[:, :, 1:] + counts[:, :, :-1]) / 2
    sums = np.pad(np.cumsum(steps, axis=2), ((0, 0), (0, 0), (1, 0)))
    curves: Floats = sums / sums[:, :, -1:] * _TOP
    return curves


def _cut_off(counts: Floats, limit: Floats) -> Floats:
    """Return what each level gets of what is above the limit."""
    share: Floats = np.maximum(counts - limit, 0).mean(axis=2, keepdims=True)
    return share


def _with_luma(colours: Image.Image, curves: Floats, down: Floats, across: Floats) -> Image.Image:
    """Change the luma of an L or RGB image: what is added to it is added to each channel."""
    luma = colours.convert("L")
    bent = Image.fromarray(_bent(np.asarray(luma), curves, down, across))
    if colours.mode == "L":
        return bent
    more, less = ImageChops.subtract(bent, luma), ImageChops.subtract(luma, bent)
    bands = [ImageChops.subtract(ImageChops.add(band, more), less) for band in colours.split()]
    return Image.merge("RGB", bands)


def _bent(levels: Levels, curves: Floats, down: Floats, across: Floats) -> Levels:
    """Look levels of 8 or 16 bits up in the curves of the four nearest tiles, and mix by how near those are."""
    result = np.empty_like(levels)
    for rows in _runs(down):
        for columns in _runs(across):
            block = levels[rows, columns]
            top, left = int(down[rows.start]), int(across[columns.start])
            below, right = min(top + 1, len(curves) - 1), min(left + 1, curves.shape[1] - 1)
            to_below, to_right = (down[rows] - top)[:, np.newaxis], across[columns] - left
            upper = _mix(_curve(block, curves[top, left]), _curve(block, curves[top, right]), to_right)
            lower = _mix(_curve(block, curves[below, left]), _curve(block, curves[below, right]), to_right)
            result[rows, columns] = np.rint(_mix(upper, lower, to_below))
    return result


def _runs(places: Floats) -> Iterator[slice]:
    """Cut a side into runs of pixels that lie between the same two middles; none is long."""
    tiles = places.astype(int)
    starts = np.flatnonzero(np.diff(tiles, prepend=-1))
    for start, stop in pairwise([*starts.tolist(), len(places)]):
        for first in range(start, stop, _BLOCK):
            yield slice(first, min(first + _BLOCK, stop))


def _curve(levels: Levels, curve: Floats) -> Floats:
    if levels.dtype == np.uint8:
        return curve[levels]
    return np.interp(levels, _KNOTS, curve * DEPTH_RATIO)


def _mix(first: Floats, second: Floats, amount: Floats) -> Floats:
    return first + (second - first) * amount
