"""What a file says beside its pixels: EXIF, colour profile, XMP. Nonsense in there does not hurt the pixels."""

from __future__ import annotations

import contextlib
from typing import Any

from PIL import ExifTags, Image, TiffImagePlugin

_ORIENTATION = ExifTags.Base.Orientation
_ORIENTATIONS = range(1, 9)
_DESCRIPTIVE_TAGS = {
    ExifTags.Base.ImageDescription,
    ExifTags.Base.Make,
    ExifTags.Base.Model,
    ExifTags.Base.Software,
    ExifTags.Base.DateTime,
    ExifTags.Base.Artist,
    ExifTags.Base.Copyright,
}
_SUB_DIRECTORIES = (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo)


def orientation(image: Image.Image) -> int:
    """Return the EXIF orientation, 1 to 8, which is 1 when nothing sensible is said."""
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        value = image.tag_v2.get(_ORIENTATION)
    else:
        value = None
        with contextlib.suppress(Exception):  # whatever stands there
            value = _exif(image).get(_ORIENTATION)
    return value if isinstance(value, int) and value in _ORIENTATIONS else 1


def exif_of(image: Image.Image) -> bytes:
    """Return the EXIF metadata without the orientation; of a TIFF, what describes it and not how it is stored."""
    with contextlib.suppress(Exception):  # whatever stands there
        exif = _described(image) if isinstance(image, TiffImagePlugin.TiffImageFile) else _exif(image)
        if _ORIENTATION in exif:
            del exif[_ORIENTATION]
        return exif.tobytes() if len(exif) else b""
    return b""


def icc_of(image: Image.Image) -> bytes:
    """Return the colour profile; empty when there is none."""
    icc = image.info.get("icc_profile")
    return icc if isinstance(icc, bytes) else b""


def xmp_of(image: Image.Image) -> bytes:
    """Return the XMP metadata; empty when there are none."""
    xmp = image.info.get("xmp", b"")
    return xmp if isinstance(xmp, bytes) else str(xmp).encode(errors="replace")


def number_of(image: Image.Image, key: str) -> int | None:
    """Return a number that a decoder found; None when there is none, or something else stands in its place."""
    value = image.info.get(key)
    return round(value) if isinstance(value, (int, float)) else None


def _exif(image: Image.Image) -> Image.Exif:
    """Read the EXIF metadata anew: Pillow's own copy is what it decodes a TIFF by, and knows of XMP."""
    exif = Image.Exif()
    data = image.info.get("exif")
    if isinstance(data, bytes):
        exif.load(data)
    return exif


def _described(image: TiffImagePlugin.TiffImageFile) -> Image.Exif:
    exif = Image.Exif()
    tags: Any = image.tag_v2
    for tag in _DESCRIPTIVE_TAGS:
        if tag in tags:
            exif[tag] = tags[tag]
    for directory in _SUB_DIRECTORIES:
        if directory in tags:
            exif[directory] = dict(image.getexif().get_ifd(directory))
    return exif
