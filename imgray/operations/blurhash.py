"""``blurhash``: a blurred placeholder in some thirty characters, as github.com/woltapp/blurhash specifies it."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from pydantic import Field

from imgray.modes import as_rgb, flatten, has_alpha
from imgray.operations.base import Fact, small_copy, small_size
from imgray.picture import Picture, Size

_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz#$%*+,-.:;=?@[]^_{|}~"
_LARGEST = 82  # of the numbers that one digit holds
_AMPLITUDE_STEPS = 166  # of an amplitude of 1
_AC_STEPS = 9  # on each side of zero, by their square roots


class Blurhash(Fact):
    """Make a BlurHash: a short text that a page draws as a blurred image until the real one is there.

    The result is ``{"blurhash": "LEHV6n..."}``. More components show more detail; use more along the longer side.
    It is computed on a copy of at most 100 pixels a side. BlurHash knows no transparency: what is transparent is laid
    on white, see `thumbhash` for one that keeps it.
    """

    name: ClassVar[str] = "blurhash"
    example: ClassVar[str] = "blurhash:4,3"
    group: ClassVar[str] = "information"

    x: int = Field(default=4, ge=1, le=9, description="Components from left to right, 1 to 9.")
    y: int = Field(default=3, ge=1, le=9, description="Components from top to bottom, 1 to 9.")

    def enough(self, size: Size) -> Size:
        """Return the size of the small copy."""
        return small_size(size)

    def facts(self, picture: Picture) -> dict[str, Any]:
        """Return the hash."""
        rgb = as_rgb(small_copy(picture))
        pixels = np.asarray(flatten(rgb) if has_alpha(rgb) else rgb)
        return {"blurhash": _text(_components(_linear(pixels), self.x, self.y))}


def _components(light: npt.NDArray[np.float64], across: int, down: int) -> npt.NDArray[np.float64]:
    """Return the factors of the cosines, of shape (down, across, 3).

    The specification leaves open where in a pixel a cosine is taken; all implementations take it at the left and top.

    Args:
        light: linear, 0 to 1, of shape (height, width, 3).
        across: how many cosines along x.
        down: how many along y.
    """
    height, width, _ = light.shape
    along_x = np.cos(np.pi / width * np.outer(np.arange(across), np.arange(width)))
    along_y = np.cos(np.pi / height * np.outer(np.arange(down), np.arange(height)))
    components: npt.NDArray[np.float64] = np.einsum("jy,ix,yxc->jic", along_y, along_x, light, optimize=True)
    components /= width * height
    components[1:] *= 2
    components[0, 1:] *= 2
    return components


def _text(components: npt.NDArray[np.float64]) -> str:
    """Write the components down, section "Structure" of the specification."""
    down, across, _ = components.shape
    flat = components.reshape(-1, 3)
    amplitude = 0
    if len(flat) > 1:
        amplitude = min(max(int(np.abs(flat[1:]).max() * _AMPLITUDE_STEPS - 0.5), 0), _LARGEST)
    relative = flat[1:] / ((amplitude + 1) / _AMPLITUDE_STEPS)
    steps = np.floor(np.sign(relative) * np.sqrt(np.abs(relative)) * _AC_STEPS + _AC_STEPS + 0.5)
    levels = np.clip(steps, 0, 2 * _AC_STEPS).astype(int)
    base = 2 * _AC_STEPS + 1
    return "".join(
        (
            _written(across - 1 + (down - 1) * 9, 1),
            _written(amplitude, 1),
            _written(int.from_bytes(_srgb(flat[0]).tobytes()), 4),
            *(_written((int(red) * base + int(green)) * base + int(blue), 2) for red, green, blue in levels),
        )
    )


def _written(number: int, digits: int) -> str:
    """Write a number in base 83."""
    text = ""
    for _ in range(digits):
        number, digit = divmod(number, len(_DIGITS))
        text = _DIGITS[digit] + text
    return text


def _srgb(light: npt.NDArray[np.float64]) -> npt.NDArray[np.uint8]:
    """Encode linear light in 8 bits (IEC 61966-2-1)."""
    clipped = np.clip(light, 0, 1)
    encoded = np.where(clipped <= 0.0031308, clipped * 12.92, 1.055 * clipped ** (1 / 2.4) - 0.055)  # noqa: PLR2004
    return (encoded * 255 + 0.5).astype(np.uint8)


def _linear(levels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
    """Return the linear light of 8-bit levels (IEC 61966-2-1)."""
    encoded = levels / 255
    return np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)  # noqa: PLR2004
