"""Content-aware gravity: where an image shows most, found by arithmetic on a small copy, without a model.

``attention`` looks for what people look at: edges, the tones of skin, strong colours. ``entropy`` looks for what holds
most information: texture, writing, anything but flat areas. Both make a map of scores, and slide a window over it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image

from imgray.modes import DEEP, TONES, has_alpha, suited
from imgray.operations.arguments import CONTENT_AWARE
from imgray.picture import Size

SIDE = 256
"""Longest side of the copy that is looked at."""

Scores: TypeAlias = npt.NDArray[np.float64]

_SUBSAMPLED = 4 * SIDE  # palette images are no larger than this when they become colours
_REDUCING_GAP = 2.0  # Pillow's documented value for a fast way to a small copy
_CELL = 8  # pixels of the copy along the side of a square that has an entropy
_LEVELS = 16  # of grey, that entropy tells apart: the noise of a sensor or of JPEG stays within one, mostly
_SHOWN = 0.02  # what any opaque pixel scores in an image that has transparent ones
_CENTERED = 0.02  # what being in the centre counts, against the part of all scores that a window holds


def focus(gravity: str, image: Image.Image | None, part: tuple[float, float]) -> str:
    """Return the place at which to cut out a part: the gravity itself, or the point on which the best part is centred.

    Args:
        gravity: a validated `imgray.operations.arguments.Gravity`.
        image: what is looked at, in any mode; None when only a size is planned, which does not depend on the place.
        part: width and height of the part, measured by those of the image.
    """
    if gravity not in CONTENT_AWARE:
        return gravity
    if image is None or part == (1, 1):
        return "center"
    scores = _scored(_small(image), _SCORES[gravity])
    across, down = _best(scores, part)
    return f"{across:.6f}:{down:.6f}"


def _small(image: Image.Image) -> Image.Image:
    """Return a small copy, in one of `TONES`."""
    if image.mode not in DEEP:
        image = suited(image.resize(_within(image.size, _SUBSAMPLED), Image.Resampling.NEAREST), DEEP)
    gap = None if image.mode == "I;16" else _REDUCING_GAP
    return suited(image.resize(_within(image.size, SIDE), Image.Resampling.BOX, reducing_gap=gap), TONES)


def _within(size: Size, longest: int) -> Size:
    scale = min(longest / max(size), 1)
    return max(round(size[0] * scale), 1), max(round(size[1] * scale), 1)


def _scored(image: Image.Image, score: Callable[[Image.Image], Scores]) -> Scores:
    """Return the score of each pixel; what is transparent has none."""
    if not has_alpha(image):
        return score(image)
    on_black = image.convert("RGBA").convert("RGBa")
    colours = Image.merge("RGB", on_black.split()[:3])
    return (score(colours) + _SHOWN) * np.asarray(image.getchannel("A"), np.float64) / 255


def _attention(image: Image.Image) -> Scores:
    """Score edges, and more where there is the tone of skin or a strong colour, too.

    The measures and their weights are those of smartcrop.js (Jonas Wagner, 2014).
    """
    luma = np.asarray(image.convert("L"), np.float64) / 255
    colours = np.asarray(image.convert("RGB"), np.float64) / 255
    edges = _edges(luma)
    skin = np.where(luma >= 0.2, _beyond(1 - _distance_from_skin(colours), 0.8), 0)  # noqa: PLR2004  # as cited
    high, low = colours.max(axis=2), colours.min(axis=2)
    lightness = (high + low) / 2
    saturation = (high - low) / np.maximum(1 - np.abs(2 * lightness - 1), 1e-6)
    vivid = np.where((lightness >= 0.05) & (lightness <= 0.9), _beyond(saturation, 0.4), 0)  # noqa: PLR2004  # as cited
    return 0.2 * edges + 1.8 * skin * (edges + 0.01) + 0.1 * vivid * (edges + 0.2)


def _edges(luma: Scores) -> Scores:
    """Return the absolute Laplacian."""
    wide = np.pad(luma, 1, mode="edge")
    neighbours = wide[:-2, 1:-1] + wide[2:, 1:-1] + wide[1:-1, :-2] + wide[1:-1, 2:]
    edges: Scores = np.abs(4 * luma - neighbours)
    return edges


def _distance_from_skin(colours: Scores) -> Scores:
    """Return how far each colour's direction is from that of skin, which is about the same for all people."""
    directions = colours / np.maximum(np.linalg.norm(colours, axis=2, keepdims=True), 1e-6)
    distance: Scores = np.linalg.norm(directions - (0.78, 0.57, 0.44), axis=2)
    return distance


def _beyond(values: Scores, threshold: float) -> Scores:
    """Scale what is over the threshold to 0 to 1."""
    return np.clip((values - threshold) / (1 - threshold), 0, 1)


def _entropy(image: Image.Image) -> Scores:
    """Score each pixel by Shannon's entropy, in bits, of the grey levels in its square."""
    levels = np.asarray(image.convert("L")).astype(np.intp) * _LEVELS // 256
    rows, columns = (np.arange(length) // _CELL for length in levels.shape)
    cells = rows[:, None] * (columns[-1] + 1) + columns
    count = int(cells[-1, -1]) + 1
    histograms = np.bincount((cells * _LEVELS + levels).ravel(), minlength=count * _LEVELS).reshape(count, _LEVELS)
    chances = histograms / histograms.sum(axis=1, keepdims=True)
    bits = -(chances * np.log2(np.where(chances > 0, chances, 1))).sum(axis=1)
    scores: Scores = bits[cells]
    return scores


_SCORES: Mapping[str, Callable[[Image.Image], Scores]] = {"attention": _attention, "entropy": _entropy}


def _best(scores: Scores, part: tuple[float, float]) -> tuple[float, float]:
    """Return where the middle of the best window is, by width and height.

    What lies in the middle half of a window counts twice, so that it does not cut its subject.
    """
    height, width = scores.shape
    window = tuple(min(max(round(one * side), 1), side) for one, side in zip(part, (width, height), strict=True))
    table = np.zeros((height + 1, width + 1))
    table[1:, 1:] = scores.cumsum(axis=0).cumsum(axis=1)
    sums = _sums(table, window)
    middle = tuple((one + 1) // 2 if one < side else side for one, side in zip(window, (width, height), strict=True))
    left, top = ((one - inner) // 2 for one, inner in zip(window, middle, strict=True))
    inner_sums = _sums(table, middle)[top : top + sums.shape[0], left : left + sums.shape[1]]
    down = (np.arange(sums.shape[0]) + window[1] / 2) / height
    across = (np.arange(sums.shape[1]) + window[0] / 2) / width
    off_center = ((down - 0.5) ** 2)[:, None] + (across - 0.5) ** 2
    value = (sums + inner_sums) / max(table[-1, -1], 1e-9) - _CENTERED * off_center
    row, column = np.unravel_index(np.argmax(value), value.shape)
    return float(across[column]), float(down[row])


def _sums(table: Scores, window: tuple[int, ...]) -> Scores:
    """Return the sum of each window, by its top and left, from a summed-area table (Crow, 1984)."""
    width, height = window
    sums: Scores = table[height:, width:] - table[:-height, width:] - table[height:, :-width] + table[:-height, :-width]
    return sums
