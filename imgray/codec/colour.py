"""Colour profiles: from whatever a file was made for to sRGB, through LittleCMS."""

from __future__ import annotations

import functools
import io

from PIL import Image, ImageChops, ImageCms

from imgray.modes import has_alpha, on_colours

_SPACE_OF = {
    "1": "GRAY",
    "L": "GRAY",
    "LA": "GRAY",
    "I;16": "GRAY",
    "P": "RGB",
    "RGB": "RGB",
    "RGBA": "RGB",
    "CMYK": "CMYK",
}
_SPACE_AT = slice(16, 20)  # "data colour space" in the profile header, ICC.1:2022 table 17
_CONVERTED = {"L", "RGB", "CMYK"}
_KEPT_TRANSFORMS = 8  # each with its profile, of up to some megabytes
_NOTHING = 2
"""Levels by which no colour moves under a profile that is as good as sRGB: there are many, by many names."""


def fits(icc: bytes, mode: str) -> bool:
    """Say whether a profile describes pixels of this mode."""
    return icc[_SPACE_AT].decode("ascii", "replace").strip() == _SPACE_OF.get(mode)


def to_srgb(image: Image.Image, icc: bytes) -> Image.Image:
    """Return the image in sRGB; as it is when the profile cannot be used, or is that of sRGB.

    Args:
        image: L, LA, RGB, RGBA or CMYK are converted, and grey stays grey; other modes are left alone.
        icc: the profile that describes it.
    """
    mode = image.mode.removesuffix("A") if has_alpha(image) else image.mode
    transform = _transform(icc, mode) if mode in _CONVERTED and fits(icc, mode) else None
    if transform is None:
        return image
    if mode == "L":
        return on_colours(image, lambda grey: transform.apply(grey).getchannel(0))
    return on_colours(image, transform.apply)


@functools.lru_cache(maxsize=_KEPT_TRANSFORMS)
def _transform(icc: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """Build the way to sRGB; None when there is nothing to do, or the profile is nonsense."""
    try:
        transform = ImageCms.buildTransform(
            ImageCms.ImageCmsProfile(io.BytesIO(icc)),
            ImageCms.createProfile("sRGB"),
            mode,
            "RGB",
            ImageCms.Intent.RELATIVE_COLORIMETRIC,
            ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return None
    return None if _does_nothing(transform, mode) else transform


def _does_nothing(transform: ImageCms.ImageCmsTransform, mode: str) -> bool:
    """Say whether a transform leaves colours from all over the cube as they are."""
    if mode == "CMYK":
        return False
    levels = range(0, 256, 51)
    probe = Image.new("RGB", (len(levels) ** 3, 1))
    probe.putdata([(red, green, blue) for red in levels for green in levels for blue in levels])
    if mode == "L":
        probe = probe.convert("L")
    difference = ImageChops.difference(transform.apply(probe), probe.convert("RGB"))
    return all(high <= _NOTHING for _, high in difference.getextrema())  # type: ignore[misc]  # three bands
