"""``thumbhash``: a blurred placeholder in some twenty bytes, as evanw.github.io/thumbhash defines it."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from imgray.operations.base import Fact, small_copy, small_size
from imgray.picture import Picture, Size

Pixels = npt.NDArray[np.float64]

_DECIMALS = 9  # beyond these, an amplitude is rounding noise: an even or symmetric channel has zeros


class Thumbhash(Fact):
    """Make a ThumbHash: like a BlurHash, but it keeps the aspect ratio and transparency, and shows more detail.

    The result is ``{"thumbhash": "1QcSHQ..."}``, in base64. It is computed on a copy of at most 100 pixels a side.
    """

    name: ClassVar[str] = "thumbhash"
    example: ClassVar[str] = "thumbhash"
    group: ClassVar[str] = "information"

    def enough(self, size: Size) -> Size:
        """Return the size of the small copy."""
        return small_size(size)

    def facts(self, picture: Picture) -> dict[str, Any]:
        """Return the hash."""
        rgba = np.asarray(small_copy(picture).convert("RGBA"), np.float64) / 255
        return {"thumbhash": base64.b64encode(_hash(rgba)).decode()}


@dataclass(frozen=True, slots=True)
class _Channel:
    """The cosines of one channel.

    Attributes:
        mean: the factor of the constant one.
        scale: the largest amplitude of the others.
        factors: of the others, 0 (``-scale``) to 1 (``scale``).
    """

    mean: float
    scale: float
    factors: Pixels

    @classmethod
    def of(cls, values: Pixels, across: int, down: int) -> _Channel:
        """Take so many cosines along x and y, those of low frequency in both (a triangle of them)."""
        height, width = values.shape
        along_x = np.cos(np.pi / width * np.outer(np.arange(across), np.arange(width) + 0.5))
        along_y = np.cos(np.pi / height * np.outer(np.arange(down), np.arange(height) + 0.5))
        column, row = np.arange(across), np.arange(down)[:, None]
        mean, *others = (along_y @ values @ along_x.T / values.size)[column * down < across * (down - row)]
        amplitudes = np.round(others, _DECIMALS)
        scale = float(np.abs(amplitudes).max())
        return cls(float(mean), scale, 0.5 + 0.5 / scale * amplitudes if scale else amplitudes)


def _hash(rgba: Pixels) -> bytes:
    """Hash an image; values are from 0 to 1, the shape is (height, width, 4)."""
    height, width, _ = rgba.shape
    alpha = rgba[..., 3]
    transparent = bool(alpha.min() < 1)
    red, green, blue = _on_average(rgba[..., :3], alpha)
    limit = 5 if transparent else 7
    across, down = (max(_rounded(limit * side / max(width, height)), 1) for side in (width, height))
    luminance = _Channel.of((red + green + blue) / 3, max(across, 3), max(down, 3))
    yellow_blue = _Channel.of((red + green) / 2 - blue, 3, 3)
    red_green = _Channel.of(red - green, 3, 3)
    channels = [luminance, yellow_blue, red_green]
    head: bytes = (
        _rounded(63 * luminance.mean)
        | _rounded(31.5 + 31.5 * yellow_blue.mean) << 6
        | _rounded(31.5 + 31.5 * red_green.mean) << 12
        | _rounded(31 * luminance.scale) << 18
        | transparent << 23
        | (down if width > height else across) << 24
        | _rounded(63 * yellow_blue.scale) << 27
        | _rounded(63 * red_green.scale) << 33
        | (width > height) << 39
    ).to_bytes(5, "little")
    if transparent:
        opacity = _Channel.of(alpha, 5, 5)
        channels.append(opacity)
        head += bytes([_rounded(15 * opacity.mean) | _rounded(15 * opacity.scale) << 4])
    return head + bytes(_in_pairs([_rounded(15 * factor) for channel in channels for factor in channel.factors]))


def _on_average(colours: Pixels, alpha: Pixels) -> Pixels:
    """Lay the colours on their average; return the three channels. What is transparent throughout counts as black."""
    opacity = alpha[..., None]
    average = (colours * opacity).sum(axis=(0, 1)) / (alpha.sum() or 1.0)
    return np.moveaxis(average * (1 - opacity) + colours * opacity, 2, 0)


def _in_pairs(halves: list[int]) -> Iterator[int]:
    """Put two numbers of four bits into each byte, the first in the lower half."""
    padded = [*halves, 0]
    for at in range(0, len(halves), 2):
        yield padded[at] | padded[at + 1] << 4


def _rounded(value: float) -> int:
    """Round halves up, as JavaScript does."""
    return int(np.floor(value + 0.5))
