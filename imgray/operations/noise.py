"""``noise``: add grain."""

from __future__ import annotations

import functools
import math
from statistics import NormalDist
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
from PIL import Image
from pydantic import Field

from imgray.modes import DEEP, on_colours
from imgray.operations.base import Operation

_WORDS = 2**16
_AT_ONCE = 2**18  # levels: what is held beside the image stays small


class Noise(Operation):
    """Add noise, the same for the same seed and size. Alpha is kept.

    Each channel gets its own, unless it is monochrome; a grey image stays grey. All frames of an animation get the
    same.
    """

    name: ClassVar[str] = "noise"
    example: ClassVar[str] = "noise:15"
    group: ClassVar[str] = "filter"
    modes: ClassVar[frozenset[str]] = DEEP

    amount: float = Field(
        default=10,
        ge=0,
        le=100,
        description="Percent of the full range: the standard deviation of `gaussian`, the most that `uniform` adds.",
    )
    kind: Literal["gaussian", "uniform"] = Field(default="gaussian", description="How the noise is distributed.")
    monochrome: bool = Field(default=False, description="Whether all colour channels get the same.")
    seed: int = Field(default=0, ge=0, le=2**32 - 1, description="Another seed gives other noise.")

    def apply(self, image: Image.Image) -> Image.Image:
        """Add to each level."""
        return self._noisy(image) if image.mode == "I;16" else on_colours(image, self._noisy)

    def _noisy(self, image: Image.Image) -> Image.Image:
        white = 65_535 if image.mode == "I;16" else 255
        added = np.rint(_deviates(self.kind) * (white * self.amount / 100)).astype(np.int32)
        bits = np.random.PCG64(self.seed)
        levels = np.array(image)
        width, height = image.size
        channels = len(image.getbands())
        at_once = max(_AT_ONCE // (width * channels), 1)
        for top in range(0, height, at_once):
            rows = levels[top : top + at_once].reshape(-1, width, channels)
            shape = (*rows.shape[:2], 1 if self.monochrome else channels)
            np.clip(rows + added[_words(bits, shape)], 0, white, out=rows, casting="unsafe")
        return Image.fromarray(levels)


def _words(bits: np.random.PCG64, shape: tuple[int, ...]) -> npt.NDArray[np.uint16]:
    """Draw 16-bit numbers from raw bits, which are the same in every version of NumPy (NEP 19), unlike its normals."""
    count = math.prod(shape)
    words: npt.NDArray[Any] = bits.random_raw(-(-count // 4)).astype("<u8").view("<u2")
    return words[:count].reshape(shape)


@functools.lru_cache(maxsize=2)
def _deviates(kind: str) -> npt.NDArray[np.float64]:
    """Return what each 16-bit number stands for: a place in the distribution, by its inverse."""
    places = (np.arange(_WORDS) + 0.5) / _WORDS
    return np.array([NormalDist().inv_cdf(place) for place in places]) if kind == "gaussian" else 2 * places - 1
