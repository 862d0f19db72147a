"""A decoded image in the modes that operations know: what only some would understand becomes what all do."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageCms

from imgray.modes import EVERY, as_rgb, suited

_DEEPEST = 65_535  # the highest level of 16-bit grey
_OTHER_DEEP_GREY = {"I;16B", "I;16L", "I;16N"}
_KEYED = {"1", "L", "RGB", "I;16"}
_SHALLOW = {"L;2": 85, "L;4": 17}
"""By what Pillow multiplies the levels of a PNG with few bits, but not the level that is transparent in it."""


def plain(image: Image.Image, raw_mode: str = "") -> Image.Image:
    """Return an image in one of `imgray.modes.EVERY`: with alpha instead of a transparent colour, in our byte order.

    Args:
        image: it is not changed, but for its ``info``.
        raw_mode: how it was stored, by Pillow's name.
    """
    if image.mode in _OTHER_DEEP_GREY:
        image = image.convert("I").convert("I;16")
    elif image.mode == "I" and _fits_16_bits(image):
        image = image.convert("I;16")
    elif image.mode == "LAB":
        image = _from_lab(image)
    if image.mode in _KEYED and "transparency" in image.info:
        return _unkeyed(image, raw_mode)
    if image.mode not in EVERY:
        image = as_rgb(image)
    if image.mode != "P":
        image.info.pop("transparency", None)
    return image


def _fits_16_bits(image: Image.Image) -> bool:
    low, high = image.getextrema()
    return low >= 0 and high <= _DEEPEST  # type: ignore[operator]  # one band: two levels


def _unkeyed(image: Image.Image, raw_mode: str) -> Image.Image:
    """Give an image alpha: none where it has the colour that its file calls transparent."""
    key = image.info.pop("transparency")
    if image.mode == "I;16":
        grey = suited(image, frozenset({"L"}))
        grey.putalpha(Image.fromarray(np.where(np.asarray(image) == key, 0, 255).astype(np.uint8)))
        return grey
    if raw_mode == "RGB;16B":
        key = tuple(level >> 8 for level in key)
    image.info["transparency"] = key * _SHALLOW[raw_mode] if raw_mode in _SHALLOW else key
    alpha = image.convert("LA" if image.mode == "L" else "RGBA")
    image.info.pop("transparency")
    return alpha


def _from_lab(image: Image.Image) -> Image.Image:
    return ImageCms.profileToProfile(  # type: ignore[return-value]  # None only when it is done in place
        image, ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB"), outputMode="RGB"
    )
