"""Walks over the parts of an image file, without decompressing pixels: what they weigh, and whether the end is there.

A walk believes no length: it stops where the file stops, and takes no more steps than a file of its size explains.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

from imgray.codec.containers import bmp, gif, heif, ico, jp2, jpeg, jxl, png, tiff, webp
from imgray.codec.containers.contents import Contents
from imgray.errors import ImageCorruptError

Walk: TypeAlias = Callable[[memoryview, int], Contents | None]
"""Gets the file, and how much metadata there may be at the most; returns None when the header cannot be read."""

_WALKS: Mapping[str, Walk] = {
    "png": png.walk,
    "jpeg": jpeg.walk,
    "webp": webp.walk,
    "avif": heif.walk,
    "gif": gif.walk,
    "tiff": tiff.walk,
    "bmp": bmp.walk,
    "ico": ico.walk,
    "jp2": jp2.walk,
    "heic": heif.walk_heic,
    "jxl": jxl.walk,
}


def walk(data: bytes | bytearray | memoryview, fmt: str, most_metadata: int) -> Contents:
    """Look through a file of the given format.

    Args:
        data: the file.
        fmt: a name in `imgray.codec.formats.FORMATS`.
        most_metadata: bytes of metadata beyond which nobody needs to know how many there are.

    Raises:
        ImageCorruptError: its header cannot be read, or it has absurdly many parts.
        ImageTruncatedError: it ends before its header does.
    """
    contents = _WALKS[fmt](memoryview(data), most_metadata)
    if contents is None or not min(contents.size) > 0:
        raise ImageCorruptError(f"it starts as {fmt}, but its header cannot be read")
    return contents


__all__ = ["Contents", "bmp", "gif", "heif", "ico", "jp2", "jpeg", "jxl", "png", "tiff", "walk", "webp"]
