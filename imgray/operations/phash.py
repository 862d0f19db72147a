"""``phash``: perceptual hashes, by which copies of a picture are found although their bytes differ."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from PIL import Image

from imgray.modes import TONES, as_rgb, flatten, has_alpha, suited
from imgray.operations.base import Fact
from imgray.picture import Picture

_SIDE = 8  # bits of a hash in each direction
_DCT_SIDE = 32
_DECIMALS = 6  # beyond these, a coefficient is rounding noise


class Phash(Fact):
    """Make perceptual hashes of 64 bits: the fewer bits differ, the more alike are two pictures.

    The result has three, in 16 hexadecimal digits each. ``phash`` (of the DCT's low frequencies) withstands scaling,
    compression and changes of contrast; two pictures of which no more than about 10 bits differ are usually copies.
    ``dhash`` (of the differences between neighbours) is as good for near copies; ``ahash`` (of the levels against
    their mean) is coarser. What is transparent is laid on white. They equal the hashes ``phash``, ``dhash`` and
    ``average_hash`` of the Python package ImageHash, but for exactly symmetric pictures, where rounding noise decides
    some of its bits.
    """

    name: ClassVar[str] = "phash"
    example: ClassVar[str] = "phash"
    group: ClassVar[str] = "information"

    # Reading a JPEG at a smaller size would change a bit now and then, and hashes are compared: `enough` stays None.

    def facts(self, picture: Picture) -> dict[str, Any]:
        """Return the hashes."""
        grey = _on_white(picture.frames[0])
        return {"phash": _hex(_dct_bits(grey)), "dhash": _hex(_difference_bits(grey)), "ahash": _hex(_mean_bits(grey))}


def _on_white(image: Image.Image) -> Image.Image:
    """Return the image in grey, with white where it is transparent."""
    tones = suited(image, TONES)
    return (flatten(as_rgb(tones)) if has_alpha(tones) else tones).convert("L")


def _dct_bits(grey: Image.Image) -> npt.NDArray[np.bool]:
    """Say which low frequencies are above their median.

    After Zauner, Implementation and Benchmarking of Perceptual Image Hash Functions (2010), section 3.2.1, without its
    mean filter and with the constant, as ImageHash does it.
    """
    pixels = _pixels(grey, _DCT_SIDE, _DCT_SIDE)
    waves = np.cos(np.pi / _DCT_SIDE * np.outer(np.arange(_SIDE), np.arange(_DCT_SIDE) + 0.5))
    low = np.round(waves @ pixels @ waves.T, _DECIMALS)
    return np.asarray(low > np.median(low))


def _difference_bits(grey: Image.Image) -> npt.NDArray[np.bool]:
    """Say which pixels are lighter than their left neighbour (Krawetz, Kind of Like That, hackerfactor.com, 2013)."""
    pixels = _pixels(grey, _SIDE + 1, _SIDE)
    return np.asarray(pixels[:, 1:] > pixels[:, :-1])


def _mean_bits(grey: Image.Image) -> npt.NDArray[np.bool]:
    """Say which pixels are lighter than the mean (Krawetz, Looks Like It, hackerfactor.com, 2011)."""
    pixels = _pixels(grey, _SIDE, _SIDE)
    return np.asarray(pixels > pixels.mean())


def _pixels(grey: Image.Image, width: int, height: int) -> npt.NDArray[np.float64]:
    return np.asarray(grey.resize((width, height), Image.Resampling.LANCZOS), np.float64)


def _hex(bits: npt.NDArray[np.bool]) -> str:
    """Write bits row by row, the first as the highest."""
    return np.packbits(bits).tobytes().hex()
